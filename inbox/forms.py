"""What comes in by the forms of the desk, read and checked in one place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from inbox.foreign import is_seen
from inbox.models import Agent, Team
from inbox.models.closeable import tags_in

REPLY_LIMIT = 20_000
NOTE_LIMIT = 20_000


class Said(forms.CharField):
    """Words for others, of which something can be seen."""

    default_error_messages = {"required": _("Write something first.")}

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not is_seen(text):
            raise forms.ValidationError(self.error_messages["required"], code="required")
        return text


class ReplyForm(forms.Form):
    text = Said(max_length=REPLY_LIMIT)
    key = forms.UUIDField()
    seen_seq = forms.IntegerField(min_value=0)
    anyway = forms.BooleanField(required=False)
    elsewhere = forms.CharField(required=False)
    kind = forms.ChoiceField(choices=[("reply", "reply"), ("private", "private")])
    then = forms.ChoiceField(choices=[("", ""), ("close", "close")], required=False)


class NoteForm(forms.Form):
    text = Said(max_length=NOTE_LIMIT)
    key = forms.UUIDField()


class DraftForm(forms.Form):
    kind = forms.ChoiceField(choices=[("reply", "reply"), ("private", "private"), ("note", "note")])
    text = forms.CharField(max_length=REPLY_LIMIT, required=False, strip=False)
    version = forms.IntegerField(min_value=0)


class SettleForm(forms.Form):
    verdict = forms.ChoiceField(choices=[("sent", "sent"), ("again", "again"), ("drop", "drop")])
    url = forms.URLField(required=False, assume_scheme="https", max_length=2_000)


class NetworkActForm(forms.Form):
    """Something to be done on the network with one message; `text` is the new wording for edit."""

    verb = forms.CharField(max_length=16)
    key = forms.UUIDField()
    text = forms.CharField(max_length=100_000, required=False, strip=False)


class AssignmentForm(forms.Form):
    """`to` is a team ("team:3") or one of its members ("agent:3:7")."""

    to = forms.RegexField(r"^(team:\d{1,15}|agent:\d{1,15}:\d{1,15})$")
    because = forms.CharField(max_length=200, required=False)

    def target(self) -> tuple[int, int | None]:
        """(team id, agent id or None)."""
        parts = [int(part) for part in self.cleaned_data["to"].split(":")[1:]]
        return parts[0], parts[1] if len(parts) > 1 else None


TAGS_LIMIT, ALL_TAGS = 400, 50_000


class TagsForm(forms.Form):
    """As many characters of tags as there were may always stay: rules set more of them than a person types."""

    was = forms.CharField(max_length=ALL_TAGS, required=False)
    tags = forms.CharField(max_length=ALL_TAGS, required=False)

    def clean_tags(self) -> str:
        tags = str(self.cleaned_data["tags"])
        if len(tags) > TAGS_LIMIT + len(self.cleaned_data.get("was", "")):
            raise forms.ValidationError(gettext("These tags are too long."))
        return tags

    def words(self) -> list[str]:
        """What stood there stays as it was, also if nobody could type it so."""
        known, parts = _parts(self.cleaned_data["was"]), _parts(self.cleaned_data["tags"])
        return [tag for part in parts for tag in ((part,) if part in known else tags_in(part))]

    def before(self) -> list[str] | None:
        """The tags as they stood in the form when it was shown, with commas between; None where it does not say."""
        return _parts(self.cleaned_data["was"]) if "was" in self.data else None


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


class PriorityForm(forms.Form):
    priority = forms.IntegerField(min_value=-100, max_value=100)


LONGEST_SNOOZE = timedelta(days=2 * 366)
SNOOZES = ("hour", "evening", "tomorrow", "monday")


def snooze_until(name: str, now: datetime) -> datetime | None:
    """The times offered by name, in the reader's zone: in an hour, this evening, tomorrow morning, Monday morning."""
    here = timezone.localtime(now)
    days = {"evening": 0, "tomorrow": 1, "monday": 7 - here.weekday()}
    if name == "hour":
        return now + timedelta(hours=1)
    if name not in days or (name == "evening" and here.hour >= 18) or (name == "monday" and days[name] == 1):
        return None
    hour = time(18) if name == "evening" else time(9)
    day = here.date() + timedelta(days=days[name])
    return timezone.make_aware(datetime.combine(day, hour), here.tzinfo)


@dataclass(frozen=True)
class Snooze:
    """A time offered by name."""

    name: str
    text: str
    at: datetime


def snooze_choices(now: datetime) -> tuple[Snooze, ...]:
    """The times offered now, to the minute as they are shown."""
    words = {
        "hour": gettext("In an hour"),
        "evening": gettext("This evening"),
        "tomorrow": gettext("Tomorrow morning"),
        "monday": gettext("Monday morning"),
    }
    times = [(name, snooze_until(name, now)) for name in SNOOZES]
    return tuple(Snooze(name, words[name], at.replace(second=0, microsecond=0)) for name, at in times if at)


class SnoozeForm(forms.Form):
    """`until` is one of the names offered, or a time of the reader's zone."""

    until = forms.CharField(
        max_length=40, error_messages=dict.fromkeys(("required", "max_length"), _("Choose a time."))
    )

    def clean_until(self) -> datetime:
        said = self.cleaned_data["until"]
        named = snooze_until(said, timezone.now())
        if named:
            return named
        try:
            at = datetime.fromisoformat(said)
        except ValueError as error:
            raise forms.ValidationError(gettext("Choose a time.")) from error
        at = at if timezone.is_aware(at) else timezone.make_aware(at)
        if at > timezone.now() + LONGEST_SNOOZE:
            raise forms.ValidationError(gettext("Choose a time within the next two years."))
        return at

    def words(self) -> str:
        """What is wrong with the time, in one sentence."""
        return str(self.errors["until"][0])


def assignment_targets(agent: Agent, team_id: int) -> list[dict[str, Any]]:
    """Where this agent may hand a conversation: every team, and by name the members of the teams the agent reads.
    The present team comes first."""
    teams = list(Team.objects.named_to(agent))
    members = Agent.objects.filter(is_active=True, memberships__team__in=agent.readable_team_ids)
    rows = members.values_list("memberships__team", "pk", "name").distinct()
    people: dict[int, list[tuple[str, int]]] = {}
    for team, pk, name in rows:
        if team in agent.readable_team_ids:
            people.setdefault(team, []).append((name, pk))
    teams.sort(key=lambda team: (team.pk != team_id, team.position, team.name))
    return [{"team": team, "here": team.pk == team_id, "people": _people(team, people, agent)} for team in teams]


def _people(team: Team, people: dict[int, list[tuple[str, int]]], agent: Agent) -> list[dict[str, Any]]:
    named = sorted(people.get(team.pk, []))
    return [{"name": name, "value": f"agent:{team.pk}:{pk}", "me": pk == agent.pk} for name, pk in named]
