"""`manage.py seal`: which keys the stored secrets need, and moving them to the newest one. It shows no secret."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q

from connectors import secrets
from connectors.models import Channel
from connectors.opening import TABLE
from inbox.models.reply import Clock

BATCH = 200  # channels read at once; each is written by itself
TURNS = 5  # tries at a channel whose secrets change while they are sealed again


class Command(BaseCommand):
    help = "Says which keys of SEAL_KEYS are in use, and seals everything again with the newest."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("status", help="how many secrets each key holds")
        verbs.add_parser("rotate", help="seals again what an older key holds; may be stopped and started at any time")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            ring = secrets.ring()
        except secrets.SealError as error:
            raise CommandError(str(error)) from None
        getattr(self, options["verb"])(ring)

    def status(self, ring: secrets.Ring) -> None:
        held = Counter[str]()
        for sealed in Channel.objects.values_list("sealed", flat=True).iterator(BATCH):
            held.update(key_of(value) for value in sealed.values())
        for key in [*ring.keys, *sorted(held.keys() - ring.keys.keys())]:
            self.stdout.write(f"{key:<20}{held[key]:>6} secrets  {use_of(key, ring, held[key])}")

    def rotate(self, ring: secrets.Ring) -> None:
        """Row by row, each by a compare-and-set: whatever dies, every row opens with one key or the other."""
        moved = failed = last = 0
        while batch := list(Channel.objects.filter(pk__gt=last).order_by("pk")[:BATCH]):
            for channel in batch:
                try:
                    moved += rotated(channel, ring)
                except secrets.SealError as error:
                    failed += 1
                    self.stderr.write(f"{channel.name}: {error}")
            last = batch[-1].pk
            self.stdout.write(f"… as far as channel {last}")
        self.stdout.write(f"{moved} channels sealed again with key {ring.writing}.")
        if failed:
            raise CommandError(f"{failed} channels were not sealed again; keep the older keys until they are.")
        self.stdout.write("Older keys may be taken out of SEAL_KEYS once every process was started with the newest.")


def rotated(channel: Channel, ring: secrets.Ring) -> bool:
    """Seals one channel's secrets with the newest key; False when they are already. A person may change them
    meanwhile: then the new ones are taken. A renewal that is under way is not disturbed: it stores what it gets only
    over the secrets it began with, and a refresh token that is spent and not replaced loses the account."""
    free = Q(renewing_until=None) | Q(renewing_until__lt=Clock())
    for _ in range(TURNS):
        old = channel.sealed
        fresh = {
            name: ring.resealed(value, table=TABLE, row=channel.pk, field=name) or value for name, value in old.items()
        }
        if fresh == old:
            return False
        if Channel.objects.filter(free, pk=channel.pk, sealed=old).update(sealed=fresh):
            return True
        again = Channel.objects.filter(pk=channel.pk).first()
        if again is None:  # removed meanwhile
            return False
        channel = again
    raise secrets.SealError("Its access is being renewed at this moment; run this again.")


def key_of(value: str) -> str:
    try:
        return secrets.key_of(value)
    except secrets.SealError:
        return "(not sealed)"


def use_of(key: str, ring: secrets.Ring, held: int) -> str:
    if key not in ring.keys:
        return "missing from SEAL_KEYS: these cannot be opened"
    if key == ring.writing:
        return "the newest: it seals"
    return "older: needed until `seal rotate` has run" if held else "older: may be taken out"
