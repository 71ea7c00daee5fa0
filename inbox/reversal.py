"""Taking back what one just did: the old values travel signed in the address of the undo, so nothing is kept for it.
It is refused as soon as anybody acted since."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.core import signing
from django.db import transaction

from inbox import happenings
from inbox.models import Agent, Conversation
from inbox.models.change import change

SALT = "reversal"
LIFE = 600  # seconds an undo can be asked for
WATCHED = ("team_id", "agent_id", "state", "snoozed_until", "closed_at", "trouble", "tags", "priority", "rank")


class Refused(Exception):
    """Why it cannot be taken back, in a sentence."""


def values_of(conversation: Conversation) -> dict[str, Any]:
    """What an undo would put back; read before the verb."""
    return {column: getattr(conversation, column) for column in WATCHED}


def token(conversation: Conversation, agent: Agent, before: dict[str, Any], what: str) -> str:
    """The signed undo of the verb that has just changed this object."""
    pk, seq, told = _told(conversation, before)
    return signing.dumps([pk, seq, agent.pk, told, what], salt=SALT, compress=True)


def bundle(done: Sequence[tuple[Conversation, dict[str, Any]]], agent: Agent, what: str) -> str:
    """The signed undo of one verb on many, each with the values it had."""
    return signing.dumps([agent.pk, what, [_told(*one) for one in done]], salt=f"{SALT}:many", compress=True)


def _told(conversation: Conversation, before: dict[str, Any]) -> tuple[int, int, dict[str, Any]]:
    changed = {name: value for name, value in before.items() if value != getattr(conversation, name)}
    told = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in changed.items()}
    return conversation.pk, conversation.seen_seq, told


def revert(signed: str, agent: Agent) -> Conversation:
    """Puts the old values back, once, if nothing happened since. Raises Refused."""
    try:
        pk, seq, by, told, what = signing.loads(signed, salt=SALT, max_age=LIFE)
    except signing.BadSignature as error:
        raise Refused("Too late to undo this.") from error
    if by != agent.pk:
        raise Refused("Only who did it can undo it.")
    return _revert(agent, what, pk, seq, told)


def revert_all(signed: str, agent: Agent) -> tuple[int, int]:
    """Puts back what was done to many, each for itself: how many were, and how many somebody had changed since.
    Raises Refused when none may be."""
    try:
        by, what, done = signing.loads(signed, salt=f"{SALT}:many", max_age=LIFE)
    except signing.BadSignature as error:
        raise Refused("Too late to undo this.") from error
    if by != agent.pk:
        raise Refused("Only who did it can undo it.")
    undone = 0
    for one in done:
        try:
            _revert(agent, what, *one)
        except Refused:
            continue
        undone += 1
    return undone, len(done) - undone


def _revert(agent: Agent, what: str, pk: int, seq: int, told: dict[str, Any]) -> Conversation:
    with transaction.atomic():
        conversation = Conversation.objects.select_for_update(of=("self",)).filter(pk=pk).first()
        if conversation is None or conversation.seen_seq != seq:
            raise Refused("Not undone: somebody acted since.")
        values = {name: _value(name, value) for name, value in told.items()}
        _refuse_if_away(conversation, agent, values)
        change(conversation, happenings.Reverted(what=what), by=agent, values=values)
    return conversation


def _refuse_if_away(conversation: Conversation, agent: Agent, values: dict[str, Any]) -> None:
    """The undo of somebody who has left the team, or towards an owner who has, would reach where no verb may."""
    team = values.get("team_id", conversation.team_id)
    if team not in agent.readable_team_ids:
        raise Refused("Not undone: you do not read that team any more.")
    owner_id = values.get("agent_id")
    if owner_id is None:
        return
    owner = Agent.objects.filter(pk=owner_id).first()
    if owner is None or team not in owner.readable_team_ids or not owner.works:
        raise Refused("Not undone: who had it is not in that team any more.")


def _value(name: str, value: Any) -> Any:
    return datetime.fromisoformat(value) if value and name in ("snoozed_until", "closed_at") else value
