"""The steps of a journey: connect, read, answer, send. Only the clock's part is done by hand: what would be due later
is made due now."""

from uuid import uuid4

from django.utils import timezone

from connectors import listening, sending
from connectors.models import Channel
from connectors.opening import sealed_secrets
from inbox.models import Conversation, Event, Reply
from socialcare.demo.server import Fault


def connected(server, name="@acme", token=None, **fields):
    """A channel to the demo network."""
    return sealed(name, "demo", {"base_url": server.url}, {"token": token or server.token}, **fields)


def of_fake(fake, name="@acme", **fields):
    """A channel to one of the fake networks."""
    return sealed(name, fake.name, {**fake.settings(), "facts": fake.facts()}, fake.secrets, **fields)


def sealed(name, network, settings, secrets, **fields):
    channel = Channel.objects.create(name=name, network=network, settings=settings, **fields)
    channel.sealed = sealed_secrets(channel.pk, secrets)
    channel.save(update_fields=["sealed"])
    return channel


def make_due(channel, *, refresh=False):
    now = timezone.now()
    channel.sources.update(next_at=now)
    fields = {"refresh_at": now} if refresh else {}
    Channel.objects.filter(pk=channel.pk).update(next_poll_at=now, **fields)


def read(channel, *, refresh=False):
    """One poll now; the channel as it is afterwards."""
    make_due(channel, refresh=refresh)
    assert listening.listen(channel.pk)
    channel.refresh_from_db()
    return channel


def answer(agent, conversation, text="We look into it.", **fields):
    """A reply in the outbox."""
    conversation = Conversation.objects.get(pk=conversation.pk)
    fields = {"parent": conversation.last_inbound(), **fields}
    return conversation.reply(agent, text, uuid4(), conversation.seen_seq, **fields)


def send(*replies):
    """Everything that waits leaves, whatever it waits for; the replies as they are afterwards."""
    Reply.objects.filter(state__in=["queued", "in_doubt"]).update(not_before=timezone.now())
    sending.send_due()
    for reply in replies:
        reply.refresh_from_db()
    return replies[0] if replies else None


def fails(server, kind, count=1, method="", seconds=0.1):
    server.faults = [Fault(kind, count, method, seconds)]


def our_posts(network):
    return [post for post in network.posts.values() if post.author["id"] == "brand"]


def told(stream="admin"):
    """What the events of a stream say, oldest first."""
    return [
        event.payload.get("state", event.happening) for event in Event.objects.filter(stream=stream).order_by("number")
    ]
