"""The installation itself: whose it is and how far its set-up has come, and the invitations by which people get in."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

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

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="only_one_organisation")]

    def __str__(self) -> str:
        return self.name or "Socialcare"

    @classmethod
    def ours(cls) -> Organisation:
        """The row, made when it is not there yet."""
        return cls.objects.get_or_create(pk=1)[0]


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
    def make(cls, agent: models.Model, by: models.Model | None) -> str:
        """The link to hand over, shown this once; older ones of the same person end."""
        cls.objects.filter(agent_id=agent.pk, used_at=None).delete()
        token = secrets.token_urlsafe(24)
        cls.objects.create(
            agent_id=agent.pk, digest=digest(token), until=timezone.now() + INVITED, by_id=by.pk if by else None
        )
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
