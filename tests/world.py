"""Conversations for tests: people write, and everything is stored by the journey's own `receive`."""

import re
from datetime import timedelta
from functools import partial
from itertools import count

from django.utils import timezone

numbers = count(1)


def make_channel(name="@acme", network="demo", settings=None, **fields):
    from connectors.models import Channel

    settings = {"facts": {"account_id": "brand"}, **(settings or {})}
    return Channel.objects.create(name=name, network=network, settings=settings, **fields)


def post(text, author="carla", name=None, ago=0, external_id=None, **fields):
    """A post of somebody, `ago` seconds old."""
    from connectors.base import Author, Post, PostKind

    number = external_id or f"p{next(numbers)}"
    writer = Author(
        external_id=author, handle=f"@{author}", name=name or author.title(), followers=fields.pop("followers", None)
    )
    kind = PostKind.REPLY if fields.get("parent_id") else PostKind.MENTION
    at = fields.pop("at", None) or timezone.now() - timedelta(seconds=ago)
    return Post(
        external_id=number,
        kind=kind,
        source="mentions",
        author=writer,
        text=text,
        created_at=at,
        url=f"https://demo.example/{number}",
        **fields,
    )


def store(channel, *posts, team=None, context=None):
    """Stores the posts like a poll does; `team` gets what is new, else the rules say. Returns conversation ids."""
    from connectors.text import normalised
    from inbox.arrival import Decision, Place
    from inbox.models.receive import receive
    from routing import engine

    place = Place(channel.pk, channel.network, channel.network, timezone.now(), normalised, {}, context or {})

    def decide(facts):
        return [
            Decision(
                team.pk,
                trace={"team": team.name, "team_id": team.pk, "because": "a test says so", "tried": [], "rules": 1},
            )
            for _ in facts
        ]

    return receive(place, posts, decide if team else partial(engine.decide), lambda: None).conversations


def write(channel, text, team, author="carla", **fields):
    """One message as a conversation of that team; returns it."""
    from inbox.models import Conversation

    return Conversation.objects.get(pk=store(channel, post(text, author, **fields), team=team)[0])


def answer(channel, conversation, text, **fields):
    """The customer writes again in the same thread."""
    last = conversation.mentions.order_by("-posted_at").first()
    identity = conversation.identity
    store(
        channel,
        post(text, identity.external_id, name=identity.name, parent_id=last.external_id, **fields),
        team=conversation.team,
    )
    conversation.refresh_from_db()
    return conversation


def without_tokens(page):
    """The page as it was sent, without its tokens: they are random and hold any short word now and then."""
    return re.sub(r'value="[A-Za-z0-9_-]{32,}"', 'value=""', page)


def as_shown(thing, **typed):
    """What the form of a thing says that was made of it as it is now, and what is typed into it."""
    from inbox.overtaking import version_of

    return {"version": version_of(type(thing).objects.get(pk=thing.pk)), **typed}
