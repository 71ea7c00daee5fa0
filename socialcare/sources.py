"""What the wizard offers to listen to without any account: each source says what it asks for and makes its channel."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from connectors.base import Connector, Secrets
from connectors.connecting import connect, keep_facts
from connectors.forms import ListenFirstForm, form_field, plain_value
from connectors.listening_first import may_listen_first
from connectors.models import Channel
from connectors.trying import Trial, try_out
from inbox.models import Agent
from socialcare import environment
from socialcare.models import Organisation

HASHTAG = re.compile(r"[^\w]+")


@dataclass(frozen=True)
class Offer:
    """`asks` are the fields of the connector's form that are shown; `fills` gives the values proposed from what is
    known of the organisation; `fixed` are never asked."""

    slug: str
    network: str
    label: Any
    lead: Any
    asks: tuple[str, ...]
    name: Callable[[dict[str, Any]], str]
    fills: Callable[[Organisation], dict[str, str]] = lambda organisation: {}
    fixed: Callable[[], dict[str, str]] = dict


def _tags(organisation: Organisation) -> dict[str, str]:
    words = organisation.brand_words or [organisation.name]
    tags = [HASHTAG.sub("", word) for word in words]
    return {"server": "mastodon.social", "hashtags": "\n".join(tag for tag in tags if tag)}


def _host(values: dict[str, Any]) -> str:
    lines = values.get("feeds") or values.get("url") or ""
    first = lines[0] if isinstance(lines, list) and lines else str(lines)
    return re.sub(r"^\w+://(www\.)?", "", first).split("/")[0] or "Feed"


SOURCES = (
    Offer(
        "demo",
        "demo",
        _("Demo network"),
        _("Invented customers who write at once and read your answers. It can be paused at any time."),
        asks=(),
        name=lambda values: "Demo network",
        fixed=lambda: {"base_url": environment.text("DEMO_URL", "http://127.0.0.1:8790"), "token": "demo"},
    ),
    Offer(
        "feed",
        "feed",
        _("A feed or blog"),
        _("Posts and comments of any site with RSS, Atom or JSON Feed. The address of the page is enough."),
        asks=("feeds", "url", "urls"),
        name=_host,
    ),
    Offer(
        "mastodon",
        "mastodon",
        _("A hashtag on Mastodon"),
        _("What is said in public under your hashtags, on a server that shows it without an account."),
        asks=("server", "base_url", "hashtags", "hashtag", "tags"),
        name=lambda values: f"Mastodon {values.get('server') or values.get('base_url') or ''}".strip(),
        fills=_tags,
    ),
)


def offered() -> list[Offer]:
    """What this installation can offer: the demo network only while it runs beside."""
    kinds = Connector.kinds()
    demo = bool(environment.text("DEMO_URL", ""))
    return [source for source in SOURCES if source.network in kinds and (demo or source.network != "demo")]


class SourceForm(forms.Form):
    """The few lines of one offer; field names carry the offer's slug, since all offers stand on one page."""

    def __init__(self, source: Offer, organisation: Organisation, data: Any = None) -> None:
        self.source = source
        self.network = Connector.named(source.network)
        mine = data if data is not None and data.get("try") == source.slug else None
        super().__init__(mine, prefix=source.slug, initial=source.fills(organisation))
        self.given = [field for field in self.network.form if field.name in source.asks and not field.secret]
        for field in self.given:
            self.fields[field.name] = form_field(field)
        if may_listen_first(source.network):
            self.fields["listen_days"] = copy(ListenFirstForm.base_fields["listen_days"])

    @property
    def used(self) -> bool:
        """The demo network is there once at most."""
        return not self.given and Channel.objects.filter(network=self.source.network).exists()

    def connect(self, by: Agent | None) -> Trial:
        """Tries it; makes the channel only when something can be read."""
        fixed = {field: self.source.fixed().get(field.name) for field in self.network.form}
        given = {field.name: value for field, value in fixed.items() if field.secret and value}
        values: dict[str, Any] = {field.name: value for field, value in fixed.items() if not field.secret and value}
        values |= {field.name: plain_value(field, self.cleaned_data[field.name]) for field in self.given}
        trial = try_out(self.source.network, values, Secrets(given))
        if trial.works and not Channel.objects.filter(network=self.source.network, settings__contains=values).exists():
            name, days = _free(self.source.name(values)), self.cleaned_data.get("listen_days", 0)
            channel = connect(self.source.network, name, values, given, by, listen_days=days)
            if trial.check:
                keep_facts(channel, trial.check)
        return trial


def _free(name: str) -> str:
    """The name, with a number when another channel has it."""
    names, wanted, number = set(Channel.objects.values_list("name", flat=True)), name[:70], 2
    while wanted in names:
        wanted, number = f"{name[:70]} {number}", number + 1
    return wanted
