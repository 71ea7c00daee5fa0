"""The test bench: what a rule, or all of them, would do with a text or with the posts of the last days. It stores
nothing, and looks only at posts the asker may read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.apps import apps

from inbox.arrival import Facts
from inbox.language import language_of
from inbox.models import Mention
from routing import engine
from routing.conditions import Post
from routing.conditions.facts import AnyOfFound
from routing.words import WordFinder

if TYPE_CHECKING:
    from inbox.models import Agent
    from routing.groups import Group

LOOKED_AT, SHOWN = 1_000, 20


@dataclass
class Matches:
    """`count` of the `tried` newest posts match; `samples` are the newest of them."""

    tried: int = 0
    count: int = 0
    samples: list[Mention] = field(default_factory=list)


def facts_of_text(text: str, network: str = "", kind: str = "mention") -> Facts:
    return Facts(text=text, network=network, channel_id=0, kind=kind, language=language_of(text, ""))


def facts_of(mention: Mention) -> Facts:
    """A stored post as rules saw it when it came."""
    subject, identity = mention.conversation.subject, mention.identity
    return Facts(
        text=f"{subject}\n{mention.text}" if subject else mention.text,
        network=mention.channel.network,
        channel_id=mention.channel_id,
        source=mention.source,
        kind=mention.kind,
        language=mention.language,
        visibility=mention.visibility,
        author_handle=identity.handle,
        author_name=identity.name,
        followers=mention.followers,
        rating=mention.rating,
        media=bool(mention.media),
    )


def matches(tree: Group, agent: Agent) -> Matches:
    """The newest posts the agent may read against one rule."""
    readable = Mention.objects.filter(conversation__team__in=agent.readable_team_ids, ours=False)
    newest = readable.filter(state__in=["live", "edited"]).select_related("conversation", "identity", "channel")
    newest = newest.defer("raw", "conversation__trace", "conversation__context", "channel__exchanges")
    finder = WordFinder(word for leaf in tree.leaves() for word in leaf.words())
    found, mentions = Matches(), list(newest.order_by("-id")[:LOOKED_AT])
    by_topics = _found(mentions, agent) if any(isinstance(leaf, AnyOfFound) for leaf in tree.leaves()) else {}
    for mention in mentions:
        found.tried += 1
        topics, themes = by_topics.get(mention.pk, ((), ()))
        facts = facts_of(mention)._replace(topics=topics, themes=themes)
        if tree.test(Post.of(facts, finder)):
            found.count += 1
            if len(found.samples) < SHOWN:
                found.samples.append(mention)
    return found


def _found(mentions: Sequence[Mention], agent: Agent) -> dict[int, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Topics the agent may know and their themes, of each mention they found. They belong to the layer above: asked for
    by name."""
    topics = apps.get_model("connectors", "Topic")._default_manager.read_by(agent)
    findings = apps.get_model("connectors", "TopicMention")._default_manager
    shown = findings.filter(topic__in=topics, mention__in=mentions, hidden_by=None)
    found: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {}
    for mention, topic, themes in shown.values_list("mention_id", "topic_id", "themes"):
        known = found.get(mention, ((), ()))
        found[mention] = (*known[0], topic), (*known[1], *themes)
    return found


def checks(tree: Group, text: str, network: str = "") -> dict[str, Any]:
    """Whether the rule matches a text, and how each of its conditions fared."""
    finder = WordFinder(word for leaf in tree.leaves() for word in leaf.words())
    post = Post.of(facts_of_text(text, network), finder)
    told = [{"said": leaf.sentence({}), "ok": leaf.test(post)} for leaf in tree.leaves()]
    return {"matched": tree.test(post), "checks": told}


def trace(text: str, network: str, hidden: frozenset[int]) -> dict[str, Any]:
    """What the rules in force would do. Rules that give work to a hidden team are only counted, and such a team is
    not named."""
    decision = engine.try_out(facts_of_text(text, network))
    told = dict(decision.trace)
    tried = [rule for rule in told["tried"] if hidden.isdisjoint(rule["teams"])]
    secret = any(rule["matched"] for rule in told["tried"] if not hidden.isdisjoint(rule["teams"]))
    told["others"] += len(told["tried"]) - len(tried)
    told["tried"] = tried
    if decision.team_id in hidden:
        told |= {"team": "", "team_id": None, "because": ""}
    if secret:  # what came of it would tell what the hidden rule does
        return told | {"tags": (), "heard_only": False, "priority": 0}
    return told | {"tags": decision.tags, "heard_only": decision.heard_only, "priority": decision.priority}
