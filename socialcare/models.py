"""The installation itself: whose it is and how far its set-up has come, and the invitations by which people get in."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from inbox.models.event import Entry, record
from inbox.overtaking import refuse_overtaken
from inbox.setting import changed

if TYPE_CHECKING:
    from inbox.models import Agent

INVITED = timedelta(days=7)


def digest(token: str) -> str:
    """What is kept of a secret that only has to be recognised."""
    return hashlib.sha256(token.encode()).hexdigest()


class Organisation(models.Model):
    """One row. `link_digest` recognises the newest set-up link; `finished_at` is empty while the wizard is under
    way."""

    name = models.CharField(max_length=80, blank=True)
    zone = models.CharField(max_length=64, default="UTC")
    brand_words = models.JSONField(default=list)
    link_digest = models.CharField(max_length=64, blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)
    setting_kind = "organisation"

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="only_one_organisation")]

    def __str__(self) -> str:
        return self.name or "Socialcare"

    def as_setting(self) -> dict[str, Any]:
        return {"name": self.name, "zone": self.zone, "brand_words": self.brand_words}

    @classmethod
    def ours(cls) -> Organisation:
        """The row, made when it is not there yet."""
        return cls.objects.get_or_create(pk=1)[0]

    @classmethod
    def shown(cls) -> Organisation:
        """As it is, without making the row: one that is not finished opens the wizard."""
        return cls.objects.filter(pk=1).first() or cls(pk=1)

    @classmethod
    @transaction.atomic
    def change(cls, by: Agent | None, *, seen: str | None = None, **fields: Any) -> None:
        """Sets name, zone or brand words; the last work of a transaction. `seen`: see inbox/overtaking.py."""
        cls.objects.get_or_create(pk=1, defaults={"finished_at": timezone.now()})
        one = cls.objects.select_for_update().get(pk=1)
        refuse_overtaken(one, seen)
        was = one.as_setting()
        for name, value in fields.items():
            setattr(one, name, value)
        one.save(update_fields=list(fields))
        if one.as_setting() != was:
            record([Entry(("admin",), changed("changed the organisation", one, was), actor_id=by.pk if by else None)])


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def standing(self) -> InvitationQuerySet:
        return self.filter(used_at=None, until__gt=timezone.now(), agent__is_active=True)

    def of_token(self, token: str) -> Invitation | None:
        return self.standing().filter(digest=digest(token)).select_related("agent").first()


class Invitation(models.Model):
    """A link, used once within seven days, by which an agent sets the first (or a new) password. Only its digest is
    kept."""

    agent = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="invitations")
    digest = models.CharField(max_length=64, unique=True)
    until = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")

    objects = InvitationQuerySet.as_manager()

    def __str__(self) -> str:
        return f"invitation of {self.agent_id}"

    @classmethod
    @transaction.atomic
    def make(cls, agent: models.Model, by: models.Model | None, token: str = "") -> str:
        """The link to hand over, shown this once; older ones of the same person end."""
        cls.objects.filter(agent_id=agent.pk, used_at=None).delete()
        token = token or secrets.token_urlsafe(24)
        cls.objects.create(
            agent_id=agent.pk, digest=digest(token), until=timezone.now() + INVITED, by_id=by.pk if by else None
        )
        return cls.link(token)

    @staticmethod
    def link(token: str) -> str:
        return f"{settings.PUBLIC_URL}/invitation/{token}/"

    @transaction.atomic
    def accept(self, password: str) -> bool:
        """Sets the password once; False when somebody was faster or the time is over."""
        if not Invitation.objects.standing().filter(pk=self.pk).update(used_at=timezone.now()):
            return False
        self.agent.set_password(password)
        self.agent.save(update_fields=["password"])
        self.agent.rights_changed(None)
        return True
