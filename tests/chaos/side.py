"""One network in a drill: its fake, the channel that listens to it, and what was said there. Knows no network by name:
whatever has a fake is drilled."""

import math
import random
import re
import threading
from importlib import import_module
from uuid import uuid4

import pytest

from tests.fakes.network import MADE, SLOW

READING = ("500", "502 page", "sign-in page", "wrong type", "cut", "reset", "hang", "429", "503 with wait")
WRITING = (MADE, MADE, MADE, SLOW, "500", "502 page", "wrong type", "error in 200", "cut", "reset", "hang", "429")
OURS = re.compile(r"answer \d+ of ours|Thank you for telling us")
PEOPLE = 10
LAG = 1.5
"""Seconds after which a list shows what we posted; with a call (`patience`) less than SETTLE_SECONDS of the house."""
LAGGING = re.compile(r"answer \d+ of ours")
"""A fake knows what is young by its words alone: of those that are said again it would hide the old as well."""


def names():
    """Every network there is."""
    from connectors.base import Connector

    return sorted(Connector.kinds())


class Side:
    """`said`: id → text of what must be read; `deleted`: ids. Filled on the drill's thread alone."""

    def __init__(self, name, seed):
        self.name, self.random = name, random.Random(f"{name} {seed}")
        self.fake = import_module(f"tests.fakes.{name}").Fake()
        self.fake.live, self.fake.patience, self.fake.lag = True, 1.0, (LAGGING, LAG)
        self.fake.forget_keys()
        self.said, self.deleted, self.faults, self.answered, self.number = {}, set(), {}, 0, 0
        self.parents = set()  # with one of them, a network may take away what hangs on it

    def connect(self):
        """The channel, two days old, so that its past can be read again."""
        from datetime import timedelta

        from django.utils import timezone

        from connectors.connecting import connect
        from connectors.models import Channel

        values = {**self.fake.settings(), "facts": self.fake.facts()}
        channel = connect(self.name, self.name.title(), values, self.fake.secrets, None)
        self.channel, self.path = channel.pk, channel.path
        now = timezone.now()
        Channel.objects.filter(pk=channel.pk).update(created_at=now - timedelta(days=2), check_at=now)

    # People

    def write(self):
        """Somebody writes, answers, or corrects himself."""
        self.number += 1
        standing = [one for one in self.said if one not in self.deleted]
        chance = self.random.random()
        with self.fake.lock:
            if chance < 0.1 and standing and self.fake.tells_edits:
                self.correct(self.random.choice(standing))
            else:
                parent = self.random.choice(standing) if chance < 0.3 and standing else None
                text = f"my refund number {self.number} is late"
                self.parents.add(parent)
                self.said[self.fake.say(text, f"customer{self.number % PEOPLE}", parent)] = text

    def correct(self, one):
        self.said[one] = f"corrected {self.number} since"
        self.fake.edit(one, self.said[one])

    def last_words(self):
        """The newest are corrected and taken back: who reads on finds that in time."""
        newest = [one for one in self.said if one not in self.deleted and one not in self.parents][-6:]
        with self.fake.lock:
            if self.fake.tells_edits:
                self.number += 1
                self.correct(newest[0])
            if self.fake.tells_deletions:
                self.fake.delete(newest[1])
                self.deleted.add(newest[1])

    # The agent

    def answer(self, agent):
        from inbox.models import Conversation

        if not self.fake.writes:
            return
        waiting = Conversation.objects.filter(channel=self.channel, state=0, trouble="")
        conversation = waiting.exclude(replies__state__in=["queued", "sending"]).order_by("?").first()
        parent = conversation and conversation.last_inbound()
        if parent is None:
            return
        # Some answers are word for word the same, as they are in life.
        same = self.answered % 6 == 5
        text = "Thank you for telling us" if same else f"answer {self.answered} of ours"
        conversation.reply(agent, text, uuid4(), 0, parent=parent, anyway=True)
        self.answered += 1

    def take_back(self, agent):
        """Deletes an answer of ours on the network, where it may be deleted."""
        from inbox.models import Reply

        sent = Reply.objects.filter(channel=self.channel, state="sent", text__startswith="answer", acts=None)
        if reply := sent.exclude(external_id=None).order_by("?").first():
            reply.conversation.act(agent, "delete", uuid4(), reply=reply)

    # The network

    def strike(self, chance):
        """A fault for one of the next requests, or the end of our access; drawn with the drill's own dice."""
        if chance.random() < 0.15:
            with self.fake.lock:
                ended = self.fake.expire()
            self.faults["expired"] = self.faults.get("expired", 0) + ended
            return
        writing = self.fake.writes and chance.random() < 0.5
        fault = chance.choice(WRITING if writing else READING)
        if fault in self.fake.taken_answers:  # no fault to this network: what it did not take would count as sent
            return
        try:
            with self.fake.lock:
                self.fake.order(fault, writing)
        except pytest.skip.Exception:  # a fault this network does not have
            return
        self.faults[fault] = self.faults.get(fault, 0) + 1

    def heal(self):
        with self.fake.lock:
            self.fake.faults.clear()

    def help(self):
        """An admin signs in again where a renewal died with its answer, on a network that gives each only once."""
        from connectors.connecting import reconnect
        from connectors.models import Channel

        channel = Channel.objects.get(pk=self.channel)
        if channel.state == "reconnect" and channel.fault == "AuthRevoked" and not self.fake.misused:
            with self.fake.lock:
                given = self.fake.sign_in()
            if given:
                reconnect(channel, given, None)
                self.faults["signed in again"] = self.faults.get("signed in again", 0) + 1

    def let_time_pass(self, *, days=False):
        """Everything is due at once, and longer waits are over; with `days`, what is done every few
        minutes and once a day is due too, and the round through what stands begins anew where it had ended."""
        from datetime import timedelta

        from django.db.models import F, Func, JSONField, Value
        from django.utils import timezone

        from connectors.models import Channel, Source, Window
        from inbox.models import Act, Reply
        from inbox.models.reply import Clock

        soon = timezone.now() + timedelta(seconds=15)
        mine = Channel.objects.filter(pk=self.channel)
        Source.objects.filter(channel=self.channel, next_at__gt=Clock()).update(next_at=Clock())
        mine.filter(next_poll_at__gt=Clock()).update(next_poll_at=Clock())
        Window.objects.filter(reset_at__gt=Clock()).update(reset_at=Clock())
        Reply.objects.filter(channel=self.channel, state="queued", not_before__gt=soon).update(not_before=Clock())
        Act.objects.filter(channel=self.channel, state="waiting", not_before__gt=soon).update(not_before=Clock())
        if days:
            mine.update(refresh_at=soon - timedelta(hours=1), reread_at=Clock())
            ago = Func(F("following"), Value("{since}"), Value(f'"{(soon - timedelta(days=2)).isoformat()}"'),
                       function="jsonb_set", template="%(function)s(%(expressions)s::jsonb)",
                       output_field=JSONField())  # fmt: skip
            mine.filter(following__has_key="since").update(following=ago)

    def looks(self):
        """How often it has to be looked how posts stand until all were asked for from now on: the rest of the round
        under way, as long as a whole one at most, and the next."""
        from connectors.base import Connector

        follows = Connector.named(self.name).follows
        return 2 * math.ceil(len(self.said) / (follows - follows // 2)) + 2

    def has_looked(self):
        """Since `let_time_pass` made it due."""
        from django.utils import timezone

        from connectors.models import Channel

        return Channel.objects.filter(pk=self.channel, refresh_at__gt=timezone.now()).exists()

    def posted(self):
        """Our words as they stand on the network, each as often as it does."""
        with self.fake.lock:
            return [found[0] for text in self.fake.texts() if (found := OURS.search(text))]


class Clockwork(threading.Thread):
    """Lets time pass on every side, and brings the deliveries of networks that push."""

    def __init__(self, sides, door):
        super().__init__(daemon=True)
        self.sides, self.door, self.stop = sides, door, threading.Event()

    def run(self):
        from django.db import Error, connections

        while not self.stop.wait(1.0):
            for side in self.sides:
                side.fake.push(side.path, lambda headers, body, path=side.path: self.door(path, headers, body))
                try:
                    side.let_time_pass()
                    side.help()
                except Error:
                    connections.close_all()
