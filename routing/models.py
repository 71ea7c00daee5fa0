"""Rules: ordered, versioned, readable as a sentence. What they mean is in engine.py."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import F, Max
from django.utils import timezone

from inbox import happenings
from inbox.models.event import Entry, Stream, record
from inbox.setting import changed, removed
from routing.actions import Action, read_actions
from routing.groups import Group, read_tree

if TYPE_CHECKING:
    from inbox.models import Agent

VERSION = "rules"  # the stream whose number is the version of the whole rule set


class RuleQuerySet(models.QuerySet["Rule"]):
    def standing(self) -> RuleQuerySet:
        """Rules in force, in the order in which they are tried."""
        return self.filter(active=True).order_by("position", "id")


class Rule(models.Model):
    name = models.CharField(max_length=80)
    position = models.IntegerField(default=0)
    when = models.JSONField(default=dict)
    then = models.JSONField(default=list)
    stop = models.BooleanField(default=True)
    active = models.BooleanField(default=True)
    version = models.PositiveIntegerField(default=0)
    changed_at = models.DateTimeField(default=timezone.now)

    objects = RuleQuerySet.as_manager()
    setting_kind = "rule"

    class Meta:
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return self.name

    def as_setting(self) -> dict[str, Any]:
        return {"name": self.name, "when": self.when, "then": self.then, "stop": self.stop, "active": self.active}

    @property
    def tree(self) -> Group:
        return read_tree(self.when)

    @property
    def actions(self) -> tuple[Action, ...]:
        return read_actions(self.then)

    def touches(self) -> frozenset[int]:
        """Ids of the teams this rule gives work to."""
        return frozenset(team for action in self.actions if (team := action.team()) is not None)

    def sentence(self, names: dict[str, str]) -> str:
        """The whole rule in words, for example: When the text contains “refund”, give it to Support, then stop."""
        done = ", ".join(action.sentence(names) for action in self.actions)
        end = ", then stop" if self.stop else ", then go on"
        return f"When {self.tree.sentence(names)}, {done}{end}."

    @transaction.atomic
    def rewrite(self, by: Agent | None, why: str = "", **fields: Any) -> None:
        """Stores the rule (new or changed) as its next version; RuleError before anything is written if it cannot be
        read."""
        for name, value in fields.items():
            setattr(self, name, value)
        read_tree(self.when), read_actions(self.then)
        was = Rule.objects.get(pk=self.pk).as_setting() if self.pk else None
        if self.pk is None:
            last = Rule.objects.aggregate(last=Max("position"))["last"]
            self.position = self.position or (last or 0) + 1
            self.save()
        self.version += 1
        self.changed_at = timezone.now()
        self.save(update_fields=[*fields, "version", "changed_at"])
        RuleVersion.objects.create(
            rule=self,
            number=self.version,
            name=self.name,
            when=self.when,
            then=self.then,
            stop=self.stop,
            active=self.active,
            by=by,
            why=why[:300],
        )
        rules_changed(changed(f"{'changed' if was else 'made'} the rule “{self.name}”", self, was), by)

    @transaction.atomic
    def move_to(self, place: int, by: Agent | None) -> None:
        """Makes it the rule at that place (0 is first); the others keep their order."""
        held = list(Rule.objects.order_by("pk").select_for_update(no_key=True))  # two moves are one after the other
        order = sorted((rule for rule in held if rule.pk != self.pk), key=lambda rule: (rule.position, rule.pk))
        place = min(max(0, place), len(order))
        order[place:place] = [rule for rule in held if rule.pk == self.pk]
        moved = [rule for position, rule in enumerate(order, start=1) if rule.moves_to(position)]
        Rule.objects.bulk_update(moved, ["position"])
        rules_changed(happenings.SetUpChanged(f"moved the rule “{self.name}” to place {place + 1}"), by)

    def moves_to(self, position: int) -> bool:
        """Whether that is another position than it had."""
        was, self.position = self.position, position
        return was != position

    @transaction.atomic
    def remove(self, by: Agent | None) -> None:
        """Takes the rule away; conversations it routed keep their trace."""
        gone = removed(f"removed the rule “{self.name}”", self, self.pk)
        self.delete()
        rules_changed(gone, by)


class RuleVersion(models.Model):
    rule = models.ForeignKey(Rule, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=80)
    when = models.JSONField()
    then = models.JSONField()
    stop = models.BooleanField()
    active = models.BooleanField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    why = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rule", "number"], name="one_rule_version_per_number")]

    def __str__(self) -> str:
        return f"{self.name} v{self.number}"


def rules_changed(what: happenings.SetUpChanged, by: Agent | None) -> None:
    """Raises the version of the rule set, so that every process compiles it anew; the last work of a transaction."""
    Stream.objects.get_or_create(key=VERSION)
    Stream.objects.filter(key=VERSION).update(n=F("n") + 1)
    record([Entry(("admin",), what, actor_id=by.pk if by else None)])


_STANDING = """
    SELECT coalesce(s.n, 0), r.changed_at, t.id, t.name, t.triage, t.private
      FROM (SELECT max(changed_at) AS changed_at FROM routing_rule) AS r
      LEFT JOIN inbox_stream s ON s.key = %s LEFT JOIN inbox_team t ON true ORDER BY t.id"""


def standing() -> tuple[int, datetime | None, list[tuple[int, str, bool, bool]]]:
    """What tells one rule set from every other: its number, and when a rule last changed, because after a restored
    backup the numbers come again. And of every team id, name, whether it takes the rest, and whether it is private."""
    with connection.cursor() as cursor:
        cursor.execute(_STANDING, (VERSION,))
        rows = cursor.fetchall()
    number, changed_at = rows[0][:2]
    return number, changed_at, [(pk, *more) for _, _, pk, *more in rows if pk is not None]
