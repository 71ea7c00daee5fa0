"""What must hold after the last fault: nothing lost, nothing double, progress made, counters and numbers right."""

from collections import Counter


def lost_and_double(network):
    """Compares the inbox with the network's ledger; {what: list of what is wrong}."""
    from inbox.models import Mention, Reply

    said = {post.id: post for post in network.posts.values() if post.author["id"] != "brand"}
    stored = Counter(Mention.objects.filter(ours=False).values_list("external_id", flat=True))
    texts = dict(Mention.objects.filter(ours=False).values_list("external_id", "text"))
    posted = Counter(post.key for post in network.posts.values() if post.author["id"] == "brand")
    wanted = {str(reply.key): reply for reply in Reply.objects.all()}
    return {
        "mentions lost": [one for one, post in said.items() if one not in stored and not post.deleted],
        "mentions double": [one for one, count in stored.items() if count > 1],
        "edits missed": [one for one, post in said.items() if one in texts and texts[one] != post.text],
        "replies posted twice": [key for key, count in posted.items() if count > 1],
        "replies posted by nobody": [key for key in posted if key not in wanted],
        "replies silently unsent": [
            key for key, reply in wanted.items() if key not in posted and reply.state in ("sent", "sending", "queued")
        ],
        "replies sent but not known": [
            key for key in posted if key in wanted and wanted[key].state != "sent" and wanted[key].flagged_at is None
        ],
        "replies bound twice": [
            one for one, n in Counter(filter(None, (r.external_id for r in wanted.values()))).items() if n > 1
        ],
    }


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


def waiting():
    """Replies that are neither done nor with a person yet."""
    from inbox.models import Reply

    return Reply.objects.filter(state__in=["queued", "sending", "in_doubt"], flagged_at=None).count()
