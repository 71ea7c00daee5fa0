"""People who speak about us. An Identity is one account on one network; a Person is whoever stands behind identities
that somebody confirmed to be the same. Each identity is born with a person of the same number and returns there when
unlinked."""

from __future__ import annotations

from django.db import models


class Person(models.Model):
    id = models.BigIntegerField(primary_key=True)
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class Identity(models.Model):
    network = models.CharField(max_length=40)
    external_id = models.TextField()
    person = models.ForeignKey(Person, models.PROTECT, related_name="identities")
    handle = models.CharField(max_length=200, blank=True)
    name = models.CharField(max_length=200, blank=True)
    url = models.TextField(blank=True)
    avatar_url = models.TextField(blank=True)
    followers = models.BigIntegerField(null=True)
    bot = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["network", "external_id"], name="one_identity_per_account")]
        verbose_name_plural = "identities"

    def __str__(self) -> str:
        return self.name or self.handle or self.external_id
