"""Doing on the network what agents asked for: hide, like, correct, delete and their like. They may be done twice
without harm, so whatever was lost on the way is done again, but for a report: moderators read each, so one that may
have arrived is left to a person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import structlog
from django.utils import timezone

from connectors import metering
from connectors.access import with_access
from connectors.answers import Answer
from connectors.base import Capability, Connector, Done, Fault, Post, PostState, Verb
from connectors.budgeting import answers_allowed, may_write, wrote
from connectors.faults import Outcome
from connectors.opening import opened
from connectors.stored import post_of, post_of_reply
from connectors.turns import in_turn, mishap
from inbox.models import Act
from inbox.models.act import OPPOSITES

log = structlog.get_logger(__name__)
UNCLEAR = "No clear answer came; it may or may not have been done."
REFUSED = ("PolicyRefused", "Invalid", "NotPermitted", "Duplicate")
ONCE = ("report",)  # verbs that are not asked for again once the network may have heard of them


def waiting(overdue_by: timedelta) -> list[int]:
    """Channels on which something should have been done."""
    due = Act.objects.due().filter(not_before__lte=timezone.now() - overdue_by)
    return sorted(due.order_by().values_list("channel", flat=True).distinct()[:500])


def act_due(channel_id: int | None = None, overdue_by: timedelta = timedelta(0)) -> int:
    """Does what is due, of one channel or of all; returns how many acts it worked on."""
    acts = Act.objects.filter(channel=channel_id) if channel_id else Act.objects.all()
    return in_turn(acts.due().filter(not_before__lte=timezone.now() - overdue_by), do)


def do(act: Act) -> bool:
    """Does one act if it still waits; False when somebody else took it."""
    left = act.state == "doing"  # by a worker that died over it, nobody knows how far it came
    if not act.take():
        return False
    if left and act.verb in ONCE:
        act.failed("InDoubt", UNCLEAR)
        return True
    asked = False
    try:
        answers_allowed(act.channel, timezone.now())
        may_write(act.channel, act.verb, timezone.now())
        connector = opened(act.channel)
        post = post_of(act.mention) if act.mention else post_of_reply(act.reply)  # type: ignore[arg-type]
        able = connector.can(post, timezone.now())
        if stands(act.verb, able, post):
            act.done()
        elif refusal := _refusal(connector, act, post, able):
            act.failed("PolicyRefused", refusal)
        else:
            asked = True
            _done(act, post)
            if cost := able[act.verb].cost:  # type: ignore[index]
                metering.count(act.channel, timezone.now(), sent_cost=cost)
    except Fault as fault:
        _record(act, fault)
    except Exception as error:
        log.exception("a defect in acting on the network", act=act.pk)
        _broken(act, error, asked=asked)
    return True


def _broken(act: Act, error: Exception, *, asked: bool) -> None:
    """Something of ours failed. It is tried again, unless what may not be done twice was asked for already."""
    name, words, counts = mishap(error, "while doing this")
    if asked and act.verb in ONCE:
        act.failed("InDoubt", UNCLEAR)
    else:
        act.again(None, name, words, counts=counts)


def stands(verb: str, able: Mapping[Verb, Capability], post: Post) -> bool:
    """Whether it has been done already: the answer to an earlier try was lost, or somebody did it on the network."""
    if verb == "delete":
        return post.state is PostState.DELETED
    opposite = able.get(OPPOSITES.get(verb, ""))  # type: ignore[call-overload]
    return verb not in able and opposite is not None and opposite.allowed


def _refusal(connector: Connector, act: Act, post: Post, able: Mapping[Verb, Capability]) -> str:
    """Why this may not be done, in words, or "": the item's own capability, and for new words their measure."""
    capability = able.get(act.verb)  # type: ignore[call-overload]
    if capability is None or not capability.allowed:
        return (capability and capability.reason) or "This network has no such action."
    problems = connector.measure(_words(connector, act), post).problems if act.verb == "edit" else ()
    return " ".join(problems)


def _words(connector: Connector, act: Act) -> str:
    """The new words as the network is to show them: with the name of whom the answer is for where it needs one."""
    parent = act.reply.parent if act.verb == "edit" and act.reply else None
    return connector.standing(act.text, post_of(parent)).text if parent else act.text


def _done(act: Act, post: Post) -> None:
    def ask(connector: Connector) -> tuple[Done, Answer | None]:
        words = _words(connector, act)
        return connector.do(act.verb, post, words), connector.seam.wrote  # type: ignore[arg-type]

    answer, wrote_it = with_access(act.channel, ask)
    now = answer.post
    act.done(visibility=now.visibility if now else "", grants=dict(now.grants) if now else None)
    wrote(act.channel, act.verb, wrote_it)


def _record(act: Act, fault: Fault) -> None:
    if fault.name == "Gone" and act.verb == "delete":
        act.done()
    elif fault.name == "Gone" or fault.name in REFUSED:
        act.failed(fault.name, fault.words)
    elif fault.outcome is Outcome.RECONNECT:
        act.again(timezone.now(), fault.name, fault.words, counts=False)
        act.channel.broken("reconnect", fault.name, fault.words)
    elif fault.outcome is Outcome.IN_DOUBT and act.verb in ONCE:
        act.failed(fault.name, UNCLEAR)  # who reads it would get it twice; a person may ask once more
    elif fault.outcome is Outcome.WAIT:
        act.again(fault.until or timezone.now() + timedelta(minutes=5), fault.name, fault.words, counts=False)
    else:
        words = UNCLEAR if fault.outcome is Outcome.IN_DOUBT else fault.words
        act.again(fault.until, fault.name, words)
