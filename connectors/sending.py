"""The journey outwards: take one due reply, post it with one request, and record what is certain. When nothing is
certain the reply is in doubt and is settled by looking on the network, by the network's own key, or by a person;
never by posting again blindly."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from connectors import paying
from connectors.access import renew, with_access
from connectors.base import Absent, CannotKnow, Connector, Fault, Found, Measure, Outgoing, Prepared, Sent
from connectors.bringing import StillBringing, brought, media_of, token_of, with_token
from connectors.budgeting import OUR, answers_allowed, may_write, wrote
from connectors.faults import AuthExpired, AuthRevoked, Gone, Outcome, Unavailable
from connectors.opening import opened
from connectors.stored import post_of
from connectors.turns import BATCH, in_turn, mishap
from inbox.failpoints import failpoint
from inbox.models import Reply

log = structlog.get_logger(__name__)
REFUSED = ("Gone", "PolicyRefused", "Invalid", "NotPermitted")
UNREADY = ("KeyMissing", "UnknownNetwork")
DOUBTFUL = ("InDoubt", "Duplicate", "Unreadable")
AROUND = timedelta(hours=1)
"""How far two clocks of ours, or a post and the note that it is there, may be apart at the most."""


def waiting(overdue_by: timedelta) -> list[int]:
    """Channels through which something should have left, or about which something is to be looked up."""
    limit = timezone.now() - overdue_by
    kinds = (Reply.objects.abandoned(), Reply.objects.due().filter(not_before__lte=limit), Reply.objects.to_settle())
    return sorted({pk for kind in kinds for pk in kind.order_by().values_list("channel", flat=True).distinct()[:500]})


def send_due(channel_id: int | None = None, overdue_by: timedelta = timedelta(0)) -> int:
    """Sends what is due, takes up what a dead sender left, settles what is in doubt, of one channel or of all;
    returns how many rows it worked on."""
    replies = Reply.objects.filter(channel=channel_id) if channel_id else Reply.objects.all()
    worked = 0
    for reply in replies.abandoned()[:BATCH]:
        worked += _doubt(reply, "InDoubt", "The sender died while posting; it may stand on the network.")
    limit = timezone.now() - overdue_by
    worked += in_turn(replies.due().filter(not_before__lte=limit), send)
    worked += in_turn(replies.to_settle(), settle)
    return worked


def send(reply: Reply) -> bool:
    """Posts one reply if it still waits; False when somebody else took it or it was undone."""
    if not reply.take():
        return False
    failpoint("reply.after_take")
    try:
        answers_allowed(reply.channel, timezone.now())
        may_write(reply.channel, _named(reply), timezone.now())
        connector = opened(reply.channel)
        outgoing = outgoing_of(reply)
        refusal = refused_before_sending(connector, outgoing)
        # An earlier try may stand there after all, seen by nobody who could write it down.
        earlier = None
        if reply.takes > 1 and not refusal:
            earlier = _looked_up(reply, outgoing)
            connector = opened(reply.channel)  # access may be another one now
    except Fault as fault:
        _record_fault(reply, fault)
        return True
    except Exception as error:
        log.exception("a defect before sending", reply=reply.pk)
        name, words, counts = mishap(error, "before posting")
        reply.again(None, name, words, counts=counts)
        return True
    if refusal:
        reply.failed("PolicyRefused", refusal)
    elif isinstance(earlier, Found):
        _record_sent(reply, Sent(earlier.external_id, earlier.url))
    else:
        _leave(reply, connector, outgoing)
    return True


def _leave(reply: Reply, connector: Connector, outgoing: Outgoing) -> None:
    try:
        answer, connector = _post(reply, connector, outgoing)
    except Fault as fault:
        _record_fault(reply, fault)
    except Exception as error:  # nobody knows whether a byte left
        log.exception("a defect in sending", reply=reply.pk)
        _doubt(reply, "InDoubt", mishap(error, "while posting").reason)
    else:
        failpoint("reply.after_post")
        _record_sent(reply, answer)
        failpoint("reply.after_record")
        wrote(reply.channel, _named(reply), connector.seam.wrote)


def _named(reply: Reply) -> str:
    """By what networks count it: private messages have a window of their own."""
    private = reply.kind == "direct" or (reply.parent is not None and reply.parent.kind == "direct")
    return "messages" if private else "answers"


def _record_sent(reply: Reply, answer: Sent) -> None:
    """It stands there, whatever the network calls it: an id that another reply has already is no id."""
    try:
        paying.sent(reply, answer.external_id, answer.url)
    except IntegrityError:
        log.warning("a network gave two replies one id", reply=reply.pk, channel=reply.channel_id)
        reply.refresh_from_db()
        paying.sent(reply, None, answer.url)


def _post(reply: Reply, connector: Connector, outgoing: Outgoing) -> tuple[Sent, Connector]:
    """The one writing request; access that has run out is renewed first and the call repeated once, since it wrote
    nothing."""
    _hold(reply)  # looking for an earlier try may have taken as long as the lease
    failpoint("reply.before_post")
    try:
        answer = connector.send(brought(reply, connector, outgoing, _hold))
    except AuthExpired:
        renew(reply.channel)
        connector = opened(reply.channel)
        _hold(reply)
        try:
            answer = connector.send(brought(reply, connector, outgoing, _hold))
        except AuthExpired as fault:
            raise AuthRevoked(fault.detail) from fault
    if isinstance(answer, Prepared):
        _hold(reply, prepared=with_token(reply.prepared, answer.token))
        answer = connector.send(brought(reply, connector, outgoing_of(reply), _hold))
    if not isinstance(answer, Sent):
        raise TypeError(f"{connector.name} prepared a reply twice")
    return answer, connector


def _hold(reply: Reply, **fields: Any) -> None:
    """Before each request that writes: whoever was too slow stops here, because somebody else may have taken up the
    reply. What was asked so far has posted nothing."""
    if not reply.hold(**fields):
        raise Unavailable("The lease on this reply ran out before it was posted.")


def refused_before_sending(connector: Connector, outgoing: Outgoing) -> str:
    """Why this may not be sent, in words, or "": the item's own capability and the text's measure, asked again when
    it leaves."""
    verb = "private_reply" if outgoing.private else "reply"
    capability = connector.can(outgoing.parent, timezone.now()).get(verb)  # type: ignore[call-overload]
    if capability is None or not capability.allowed:
        return (capability and capability.reason) or "This network takes no such answer."
    if capability.elsewhere and capability.elsewhere != outgoing.elsewhere:
        return f"{capability.reason} Nobody said yes to that."
    problems = _measured(connector, outgoing).problems
    rule = connector.media_rule(outgoing.parent, private=outgoing.private)
    return " ".join((*problems, *rule.problems(outgoing.media, connector.label, outgoing.text)))


def _measured(connector: Connector, outgoing: Outgoing) -> Measure:
    return connector.measure(outgoing.text, outgoing.parent, private=outgoing.private)


def outgoing_of(reply: Reply) -> Outgoing:
    """What the network needs, from committed rows only, so that the very same can be sent again."""
    if reply.parent is None:
        raise Gone("What it answers was removed here.", what=str(reply.pk))
    return Outgoing(
        key=str(reply.key),
        text=reply.text,
        parent=post_of(reply.parent),
        sending_at=reply.sending_at or timezone.now(),
        private=reply.kind == "direct",
        prepared=token_of(reply.prepared),
        media=media_of(reply),
        agent_name=reply.author.name,
        lang=reply.conversation.language,
        first_at=reply.first_at,
        elsewhere=reply.elsewhere,
    )


def _looked_up(reply: Reply, outgoing: Outgoing) -> Found | Absent | CannotKnow:
    sought = replace(outgoing, bound=bound_to_others(reply, outgoing.since))
    return with_access(reply.channel, lambda connector: connector.find(sought))


def bound_to_others(reply: Reply, since: datetime) -> frozenset[str]:
    """Posts of ours that other replies are, to whomever: none of them is this one. Of other conversations only what
    left since this one was first tried, because nothing older can be it."""
    others = Q(conversation=reply.conversation) | Q(channel=reply.channel, sent_at__gte=since - AROUND)
    ids = Reply.objects.filter(others, external_id__isnull=False).exclude(pk=reply.pk)
    return frozenset(one for one in ids.values_list("external_id", flat=True) if one)


def _record_fault(reply: Reply, fault: Fault) -> None:
    if fault.name in REFUSED:
        reply.failed(fault.name, fault.words)
    elif isinstance(fault, StillBringing):
        reply.again(fault.until, fault.name, fault.words, counts=False)
    elif fault.name in DOUBTFUL:
        _doubt(reply, fault.name, fault.words)
    elif fault.outcome is Outcome.RECONNECT:
        reply.again(timezone.now(), fault.name, fault.words, counts=False)
        reply.channel.broken("reconnect", fault.name, fault.words)
    elif fault.outcome is Outcome.WAIT:
        until = fault.until or timezone.now() + timedelta(minutes=5)
        reply.again(until, fault.name, fault.words, counts=False)
        if not fault.bucket.startswith(OUR):  # what we know by ourselves is asked of each, by its kind
            _wait(reply.channel_id, until)
    elif fault.name in UNREADY:
        reply.again(timezone.now() + timedelta(minutes=1), fault.name, fault.words, counts=False)
    else:
        reply.again(fault.until, fault.name, fault.words)


def _doubt(reply: Reply, fault: str, words: str) -> bool:
    """Looked up after the settle time, later on a network that shows us our own posts later than most do."""
    kind = Connector.kinds().get(reply.channel.network, Connector)
    return reply.doubted(fault, words, later=max(0.0, kind.lag - Connector.lag))


def _wait(channel_id: int, until: datetime) -> None:
    """All that waits for the channel waits as long; locked in order of id, as by everybody who locks several."""
    with transaction.atomic():
        waiting = Reply.objects.filter(channel=channel_id, state="queued", not_before__lt=until)
        ids = list(waiting.order_by("pk").select_for_update(of=("self",)).values_list("pk", flat=True))
        Reply.objects.filter(pk__in=ids).update(not_before=until)


def settle(reply: Reply) -> bool:
    """Looks whether a doubtful reply stands on the network. Found is sent; absent after the settle time was never
    posted; who cannot look asks a person."""
    if not reply.take_to_settle():
        return False
    failpoint("settle.before_read")
    try:
        answer = _looked_up(reply, outgoing_of(reply))
    except Gone:
        reply.flag()
        return True
    except Fault as fault:
        log.info("a doubtful reply cannot be looked up yet", reply=reply.pk, fault=fault.name)
        reply.look_later()
        return True
    except Exception:
        log.exception("a defect in looking for a doubtful reply", reply=reply.pk)
        reply.look_later()
        return True
    failpoint("settle.after_read")
    _settled(reply, answer)
    return True


def _settled(reply: Reply, answer: Found | Absent | CannotKnow) -> None:
    if isinstance(answer, Found):
        try:
            paying.sent(reply, answer.external_id, answer.url)
        except IntegrityError:  # its twin of the same words took this post a moment ago; the next look leaves it out
            reply.refresh_from_db()
            reply.look_later()
    elif isinstance(answer, CannotKnow):
        reply.flag()
    elif reply.fault == "Duplicate":
        reply.failed("Duplicate", "The network refuses the same text twice. Change a word and send it again.")
    else:
        reply.again(timezone.now(), reply.fault, reply.reason)
