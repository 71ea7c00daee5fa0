"""Who else is looking at a conversation, and in which conversations of a team somebody is replying. Advice only, kept
in Redis for a minute and never relied on: without Redis nobody is seen and nothing else changes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import redis
import structlog
from django.conf import settings
from django.utils.translation import gettext as _

from inbox import ringing

if TYPE_CHECKING:
    from inbox.models import Agent, Conversation

LIFE = 60  # seconds without a beat after which somebody is gone
DOINGS = ("viewing", "replying", "noting")

log = structlog.get_logger(__name__)


@cache
def _redis() -> Any:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5)


def _key(conversation_id: int) -> str:
    return f"presence:{conversation_id}"


def stream_of(team_id: int) -> str:
    """Rings when somebody begins or ends replying in a conversation of the team; its number means nothing else."""
    return f"here:{team_id}"


def beat(conversation: Conversation, agent: Agent, doing: str) -> None:
    """This agent does that there now; anything but one of DOINGS means that the agent left."""
    now, here = time.time(), stream_of(conversation.team_id)
    place = f"{conversation.pk}:{agent.pk}"
    try:
        with _redis().pipeline(transaction=False) as pipe:
            if doing in DOINGS:
                pipe.hset(_key(conversation.pk), str(agent.pk), json.dumps([doing, agent.name, now]))
                pipe.expire(_key(conversation.pk), LIFE)
            else:
                pipe.hdel(_key(conversation.pk), str(agent.pk))
            if doing == "replying":
                pipe.hset(here, place, json.dumps([agent.name, now]))
                pipe.expire(here, LIFE)
            else:
                pipe.hdel(here, place)
            *_before, moved = pipe.execute()
    except redis.RedisError as error:
        log.info("presence is not kept", error=type(error).__name__)
        return
    rings = [_key(conversation.pk), *([here] if moved else [])]
    ringing.bell(dict.fromkeys(rings, int(now * 1000)))


def forget(agent_id: int, team_ids: Iterable[int]) -> None:
    """This agent replies nowhere in these teams any more, and could not say so: the account is off."""
    keys, mine = [stream_of(pk) for pk in team_ids], f":{agent_id}".encode()
    try:
        with _redis().pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hkeys(key)
            found = [(key, place) for key, kept in zip(keys, pipe.execute(), strict=True) for place in kept]
        left = [(key, place) for key, place in found if place.endswith(mine)]
        rooms = {_key(int(place.partition(b":")[0])) for _team, place in left}
        with _redis().pipeline(transaction=False) as pipe:
            for key, place in left:
                pipe.hdel(key, place)
            for room in rooms:
                pipe.hdel(room, str(agent_id))
            pipe.execute()
    except redis.RedisError as error:
        log.info("presence is not forgotten", error=type(error).__name__)
        return
    if left:
        ringing.bell(dict.fromkeys([*rooms, *(key for key, _place in left)], int(time.time() * 1000)))


@dataclass(frozen=True)
class Replying:
    """Somebody is replying in a conversation, said at `at` (ms) and true for `left` seconds more."""

    conversation_id: int
    words: str
    at: int
    left: int


def replying(team_ids: Iterable[int], agent: Agent) -> list[Replying]:
    """Where the others are replying, in all conversations of these teams, with one question to Redis."""
    keys = [stream_of(pk) for pk in team_ids]
    try:
        with _redis().pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hgetall(key)
            kept = pipe.execute()
    except redis.RedisError as error:
        log.info("presence cannot be read", error=type(error).__name__)
        return []
    now, people = time.time(), dict[int, list[tuple[float, str]]]()
    for place, what in sorted(pair for team in kept for pair in team.items()):
        conversation, _colon, who = place.decode().partition(":")
        name, at = json.loads(what)
        if int(who) != agent.pk and now - at < LIFE:
            people.setdefault(int(conversation), []).append((at, name))
    return [_told(pk, here, now) for pk, here in people.items()]


def _told(conversation_id: int, people: list[tuple[float, str]], now: float) -> Replying:
    at = max(at for at, _name in people)
    words = _("%s is replying") % people[0][1]
    if more := len(people) - 1:
        words = _("%(name)s and %(n)d more are replying") % {"name": people[0][1], "n": more}
    return Replying(conversation_id, words, int(at * 1000), max(1, int(LIFE - (now - at))))


def others(conversation_id: int, agent: Agent) -> list[str]:
    """What the others do, in words: “Max is replying”. Empty when nobody is there or nobody can tell."""
    try:
        kept = _redis().hgetall(_key(conversation_id))
    except redis.RedisError as error:
        log.info("presence cannot be read", error=type(error).__name__)
        return []
    words = {"viewing": _("%s is reading"), "replying": _("%s is replying"), "noting": _("%s is writing a note")}
    told = []
    for who, what in sorted(kept.items()):
        doing, name, at = json.loads(what)
        if int(who) != agent.pk and time.time() - at < LIFE:
            told.append(words[doing] % name)
    return told
