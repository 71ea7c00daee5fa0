"""What must hold after the last fault: nothing lost, nothing double, progress made, counters and numbers right."""

import re
from collections import Counter

ENTRY = re.compile(r"^(?=\d\d:\d\d:\d\d \[)", re.MULTILINE)
RAISED = re.compile(r"^[\w.]+: .*|^[\w.]+(?:Error|Exception)$", re.MULTILINE)
DATABASE = ("django.db.utils.", "psycopg2.")


def lost_and_double(side):
    """Compares the inbox with one network's ledger; {what: list of what is wrong}."""
    return read_wrongly(side) | posted_wrongly(side) | done_wrongly(side)


def read_wrongly(side):
    from inbox.models import Mention

    mine = Mention.objects.filter(channel=side.channel, ours=False)
    stored = list(mine.values_list("external_id", "text", "state"))
    count = Counter(one for one, _, _ in stored)
    texts, states = {one: text for one, text, _ in stored}, {one: state for one, _, state in stored}
    standing = {one: text for one, text in side.said.items() if one not in side.deleted}
    return {
        "mentions lost": [one for one in standing if one not in count],
        "mentions double": [one for one, n in count.items() if n > 1] + [one for one in count if one not in side.said],
        "edits missed": [one for one, text in standing.items() if one in texts and text not in texts[one]],
        "access renewed by two": side.fake.misused,
        "deletions missed": [one for one in side.deleted if states.get(one, "deleted") not in ("deleted", "withheld")],
    }


def posted_wrongly(side):
    """Word for word: how often it stands there, against the replies that say so."""
    from inbox.models import Act, Reply

    rows = list(Reply.objects.filter(channel=side.channel))
    unclear = Act.objects.filter(channel=side.channel, verb="delete", state="failed", fault="InDoubt")
    perhaps_gone = set(unclear.values_list("reply__text", flat=True))  # which their agents were told
    posted, wanted = Counter(side.posted()), Counter(row.text for row in rows)
    sent = Counter(row.text for row in rows if row.state == "sent")
    asked = Counter(row.text for row in rows if row.flagged_at and row.state != "sent")  # a person was asked
    open_ones = [row for row in rows if row.state in ("queued", "sending", "in_doubt")]
    under_way = Counter(row.text for row in open_ones if not row.flagged_at)
    ids = Counter(row.external_id for row in rows if row.external_id)
    return {
        "replies posted twice": [text for text, n in posted.items() if 0 < wanted[text] < n],
        "replies posted by nobody": [text for text in posted if not wanted[text]],
        "replies silently unsent": [text for text, n in sent.items() if n > posted[text] and text not in perhaps_gone],
        "replies sent but not known": [
            text for text, n in posted.items() if n > sent[text] + asked[text] + under_way[text]
        ],
        "replies bound twice": [one for one, n in ids.items() if n > 1],
        "replies failed by a defect": [f"{row.pk} {row.reason}" for row in rows if row.fault == "defect"],
    }


def done_wrongly(side):
    """What agents asked for besides answers."""
    from inbox.models import Act

    acts, posted = list(Act.objects.filter(channel=side.channel).select_related("reply")), set(side.posted())
    return {
        "acts not settled": [f"{act.pk} {act.reason}" for act in acts if act.state in ("waiting", "doing")],
        "acts failed by a defect": [f"{act.pk} {act.reason}" for act in acts if act.fault == "defect"],
        "deleted and still there": [act.reply.text for act in acts if act.state == "done" and act.reply.text in posted],
    }


def defects(log):
    """What the log calls a defect of ours, by its last exception; a database that was killed is none."""
    found = Counter()
    for entry in ENTRY.split(log):
        if "a defect" in entry.partition("\n")[0]:
            raised = RAISED.findall(entry)
            if not any(line.startswith(DATABASE) for line in raised):
                found[f"{entry.partition(']')[2][:60].strip()}: {raised[-1][:150] if raised else '?'}"] += 1
    return {"defects in the log": [f"{n} × {what}" for what, n in found.items()]}


def channel_trouble(side):
    """What is wrong with the channel itself when every fault is over."""
    from connectors.models import Channel, Quarantined

    channel = Channel.objects.get(pk=side.channel)
    bad = Quarantined.objects.filter(channel=channel).values_list("reason", flat=True)
    told = [f"{channel.state}: {channel.fault} {channel.fault_words}"] if channel.state != "ok" else []
    return {"channel broken": told, "quarantined": list(bad)}


def wrong_numbers():
    """Counters against rows, and streams against their events."""
    from django.db.models import Count, Max

    from inbox.models import Conversation, Event, Stream, Tally

    kept = {(tally.scope, tally.state): tally.n for tally in Tally.objects.all() if tally.n}
    true = Counter()
    for team, agent, state in Conversation.objects.values_list("team_id", "agent_id", "state"):
        true[f"team:{team}", state] += 1
        true[f"agent:{agent}" if agent else f"team:{team}:free", state] += 1
    events = Event.objects.values("stream").annotate(count=Count("id"), last=Max("number"))
    streams = dict(Stream.objects.exclude(key="rules").values_list("key", "n"))
    return {
        "tallies wrong": [] if kept == dict(true) else [f"{kept} is not {dict(true)}"],
        "numbers with gaps": [row["stream"] for row in events if row["count"] != row["last"]],
        "streams behind": [row["stream"] for row in events if streams.get(row["stream"]) != row["last"]],
        "events doubled": list(
            Event.objects.filter(happening="received", echo=False)
            .values("payload__mention")
            .annotate(n=Count("id"))
            .filter(n__gt=1)
            .values_list("payload__mention", flat=True)[:5]
        ),
    }


def waiting(channel=None):
    """Replies that are neither done nor with a person yet."""
    from inbox.models import Reply

    replies = Reply.objects.filter(state__in=["queued", "sending", "in_doubt"], flagged_at=None)
    return (replies.filter(channel=channel) if channel else replies).count()
