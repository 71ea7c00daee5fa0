"""The shape of the tutorials from a post to the screens: a task a post, that stores it through the models, tries one
rule after the other and sends to the group of all consumers. The body alone, without what a broker would cost."""

import time

from asgiref.sync import async_to_sync
from channels_redis.core import RedisChannelLayer

from benchmarks import posts
from benchmarks.journey import Journey
from benchmarks.rules import in_order
from benchmarks.tutorial import layer_settings, orm
from inbox.arrival import Decision
from routing import engine


class InOrder:
    """The rules as a loop."""

    def __init__(self, compiled):
        self.compiled = compiled

    def decide(self, facts):
        _, outcome = in_order(self.compiled.rules, facts)
        team = outcome.team_id or self.compiled.triage
        trace = {"team": self.compiled.teams[team], "because": "of a rule" if outcome.team_id else "of no rule"}
        return Decision(team_id=team, priority=outcome.priority, tags=tuple(outcome.tags), trace=trace)


class Pipeline:
    """What a worker does with posts that have come: one task after the other. Tells when it began."""

    def __init__(self, number):
        self.channel = Journey(number).channel
        self.rules = InOrder(engine.current())
        self.send = async_to_sync(RedisChannelLayer(**layer_settings()).group_send)
        self.told = 0

    def __call__(self, offer):
        arrived = posts.Network(offer.seed, posts.answerable(self.channel.pk, offer.posts)).page(offer.posts).posts
        began = time.perf_counter()
        for post in arrived:
            self.task(post)
        return began, self.told

    def task(self, post):
        orm.receive_one(self.channel, post, self.rules)
        self.told += 1
        self.send("tutorial", {"type": "bell", "stream": "all", "n": self.told})
