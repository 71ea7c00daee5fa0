"""What a channel says about answering one of its items, without its secrets and without a request: what may be done,
and how a text counts. The composer asks it for each item, and so does the sender again before a byte leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.utils import timezone

from connectors.base import Capability, Connector, Measure, MediaRule, Verb
from connectors.bringing import medium_of
from connectors.listening_first import held_back
from connectors.stored import post_of, post_of_reply
from connectors.topics.rivals import guarded
from inbox.models import Mention

if TYPE_CHECKING:
    from connectors.models import Channel
    from inbox.models import Attachment, Reply

PROBE = "https://acme.example/" + "a" * 79  # how the network counts a link of a hundred characters


class Answering:
    """Mixed into Channel."""

    def offline(self: Channel) -> Connector:  # type: ignore[misc]
        """The connector for pure questions: it knows which secrets the channel has and what they allow, not what they
        are. KeyError when this build does not have the network."""
        from connectors.opening import closed_secrets, connector_of

        return connector_of(self.network, self.settings, closed_secrets(self))

    def may(self: Channel, item: Mention | Reply) -> dict[Verb, Capability]:  # type: ignore[misc]
        """What may be done with this item now, a message or a sent answer of ours, for the networks this build
        knows: what the network takes, what a topic about somebody else keeps shut, and nothing while it only
        listens."""
        post = post_of(item) if isinstance(item, Mention) else post_of_reply(item)
        try:
            may = self.offline().can(post, timezone.now())
        except KeyError:
            return {}
        return held_back(guarded(may, item) if isinstance(item, Mention) else may, self.why_held())

    def measure(self: Channel, text: str, mention: Mention, *, private: bool = False) -> Measure:  # type: ignore[misc]
        """How the text counts as an answer to this item."""
        return self.offline().measure(text, post_of(mention), private=private)

    def media_rule(self: Channel, mention: Mention, *, private: bool = False) -> MediaRule:  # type: ignore[misc]
        """What may hang from an answer to this item. KeyError as for `offline`."""
        return self.offline().media_rule(post_of(mention), private=private)

    def media_problems(  # type: ignore[misc]
        self: Channel, files: Sequence[Attachment], mention: Mention, *, private: bool = False, text: str = ""
    ) -> tuple[str, ...]:
        """Why these files cannot leave with an answer to this item, in sentences."""
        if not files:
            return ()
        rule = self.media_rule(mention, private=private)
        return rule.problems([medium_of(one) for one in files], self.kind.label, text)

    def link_length(self: Channel, mention: Mention, *, private: bool = False) -> int:  # type: ignore[misc]
        """What a long link counts as; 0 when it counts as what it is."""
        used = self.measure(PROBE, mention, private=private).used
        return used if used < len(PROBE) else 0
