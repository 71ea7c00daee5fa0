"""Why a conversation is where it is: the trace that routing stored, as sentences for one reader. What concerns a
private team the reader is not in is counted, not told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from inbox.models import Team

if TYPE_CHECKING:
    from inbox.models import Agent, Conversation

KEPT = 160  # characters of a condition's sentence in a stored trace
MARKS = "\x02\x03"  # stand around the matched word in a stored excerpt; no cleaned text of a stranger holds them


@dataclass
class Check:
    """One condition of a rule: its sentence, whether the post met it, and the words it was met by."""

    sentence: str
    met: bool
    where: str


@dataclass
class Tried:
    name: str
    version: int
    matched: bool
    stop: bool
    checks: list[Check]
    teams: str


@dataclass
class Why:
    """`because` is the one line above the thread; `others` says how many rules are left out, in words."""

    team: str
    because: str
    rules_version: int | None
    tried: list[Tried] = field(default_factory=list)
    others: str = ""


def why(conversation: Conversation, agent: Agent) -> Why | None:
    """The stored trace for this reader; None when nothing was stored."""
    trace: dict[str, Any] = conversation.trace or {}
    if "tried" not in trace:
        return None
    names = _names(trace["tried"], agent)
    told = [rule for rule in trace["tried"] if all(team in names for team in rule["teams"])]
    hidden = [rule for rule in trace["tried"] if rule not in told]
    count = int(trace.get("others", 0)) + len(hidden)
    others = ngettext("%d other rule", "%d other rules", count) % count if count else ""
    given_by_hidden = any(rule["matched"] and trace.get("team_id") in rule["teams"] for rule in hidden)
    because = "" if given_by_hidden or trace.get("team_id") not in agent.readable_team_ids else _because(trace)
    return Why(_team(trace, agent), because, trace.get("rules"), [_tried(rule, names) for rule in told], others)


def _because(trace: dict[str, Any]) -> str:
    said = str(trace.get("because", ""))
    return _("here because %s") % said if said else ""


def _team(trace: dict[str, Any], agent: Agent) -> str:
    """The team it was given to at first; a private one is not named to others."""
    if trace.get("team_id") in agent.readable_team_ids:
        return str(trace.get("team", ""))
    return ""


def _tried(rule: dict[str, Any], names: dict[int, str]) -> Tried:
    checks = [Check(_whole_words(str(said)), bool(met), str(where)) for said, met, where in rule["checks"]]
    teams = ", ".join(names[team] for team in rule["teams"])
    return Tried(str(rule["name"]), int(rule["version"]), bool(rule["matched"]), bool(rule["stop"]), checks, teams)


def _whole_words(sentence: str) -> str:
    """The trace keeps so much of a long sentence; what was cut in the middle is left out, and that something is
    missing is shown."""
    if len(sentence) < KEPT or sentence.endswith("…"):
        return sentence
    parting = ", " if ", " in sentence else " "
    return f"{sentence.rpartition(parting)[0]} …"


def _names(tried: list[dict[str, Any]], agent: Agent) -> dict[int, str]:
    """Names of the teams in the trace that this reader may hear of; no statement when they are all the reader's own."""
    known = {team.pk: team.name for team in agent.readable_teams}
    missing = {team for rule in tried for team in rule["teams"]} - known.keys()
    if missing:
        known |= dict(Team.objects.filter(pk__in=missing, private=False).values_list("pk", "name"))
    return known
