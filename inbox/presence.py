"""Who else is looking at a conversation. Advice only, kept in Redis for a minute and never relied on: without Redis
nobody is seen and nothing else changes."""

from __future__ import annotations

import json
import time
from functools import cache
from typing import TYPE_CHECKING, Any

import redis
import structlog
from django.conf import settings
from django.utils.translation import gettext as _

from inbox import ringing

if TYPE_CHECKING:
    from inbox.models import Agent

LIFE = 60  # seconds without a beat after which somebody is gone
DOINGS = ("viewing", "replying", "noting")

log = structlog.get_logger(__name__)


@cache
def _redis() -> Any:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5)


def _key(conversation_id: int) -> str:
    return f"presence:{conversation_id}"


def beat(conversation_id: int, agent: Agent, doing: str) -> None:
    """This agent does that there now; anything but one of DOINGS means that the agent left."""
    now = time.time()
    try:
        with _redis().pipeline(transaction=False) as pipe:
            if doing in DOINGS:
                pipe.hset(_key(conversation_id), str(agent.pk), json.dumps([doing, agent.name, now]))
                pipe.expire(_key(conversation_id), LIFE)
            else:
                pipe.hdel(_key(conversation_id), str(agent.pk))
            pipe.execute()
    except redis.RedisError as error:
        log.info("presence is not kept", error=type(error).__name__)
        return
    ringing.bell({_key(conversation_id): int(now * 1000)})


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
