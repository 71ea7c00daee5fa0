"""Themes: what a topic found, told apart inside it. A theme pulls nothing in; which of them a post carries is written
beside its finding (see sorting.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from connectors.topics.query import parse
from connectors.topics.sorting import sort_anew
from inbox.happenings import SetUpChanged
from inbox.models.event import Entry, record
from inbox.setting import changed, removed

if TYPE_CHECKING:
    from inbox.models import Agent

MOST = 50
"""Themes of one topic."""


class Theme(models.Model):
    class Colour(models.TextChoices):
        """Told apart by eye; the name says it always."""

        BLUE = "blue", _("Blue")
        TEAL = "teal", _("Teal")
        AMBER = "amber", _("Amber")
        PINK = "pink", _("Pink")
        GREEN = "green", _("Green")
        VIOLET = "violet", _("Violet")
        RED = "red", _("Red")
        GREY = "grey", _("Grey")

    topic = models.ForeignKey("connectors.Topic", models.CASCADE, related_name="themes", db_index=False)
    name = models.TextField()
    query = models.TextField()
    colour = models.TextField(choices=Colour.choices, default=Colour.BLUE)
    version = models.BigIntegerField(default=0)
    changed_at = models.DateTimeField(default=timezone.now)

    setting_kind = "theme"

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["topic", "name"], name="one_theme_of_a_name_per_topic")]

    def __str__(self) -> str:
        return self.name

    def as_setting(self) -> dict[str, Any]:
        return {"topic": self.topic_id, "name": self.name, "query": self.query, "colour": self.colour}

    @transaction.atomic
    def rewrite(self, by: Agent | None, **fields: Any) -> bool:
        """Stores the theme, new or changed, as its next version; what its topic found is sorted anew when it finds
        otherwise. False, and nothing stored, when somebody stored one since; QueryError when it cannot be read."""
        parse(fields["query"])
        sort_anew(self.topic_id, only_wait=True)
        known = Theme.objects.filter(pk=self.pk).first() if self.pk else None
        if self.pk and (known is None or known.version != self.version):
            return False
        was = known.as_setting() if known else None
        for name, value in fields.items():
            setattr(self, name, value)
        self.version += 1
        self.changed_at = timezone.now()
        self.save()
        if known is None or known.query != self.query:
            sort_anew(self.topic_id)
        _told(by, changed(self._words("changed" if known else "made"), self, was))
        return True

    @transaction.atomic
    def remove(self, by: Agent | None) -> None:
        """The theme goes; what it marked stays in the topic."""
        sort_anew(self.topic_id)
        gone = removed(self._words("removed"), self, self.pk)
        self.delete()
        _told(by, gone)

    def _words(self, done: str) -> str:
        return f"{done} the theme “{self.name}” of the topic “{self.topic.name}”"


def _told(by: Agent | None, what: SetUpChanged) -> None:
    record([Entry(("admin",), what, actor_id=by.pk if by else None)])
