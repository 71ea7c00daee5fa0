"""Matrix through the whole product: a session that is renewed before it ends, and rooms that become others."""

from datetime import timedelta

import pytest
from django.utils import timezone

from connectors import access
from connectors.models import Channel
from connectors.opening import opened_secrets
from inbox.models import Conversation, Mention
from tests.fakes.matrix import HOST, ROOM, Fake
from tests.fakes.network import MADE
from tests.journey.steps import answer, of_fake, read, send

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


@pytest.fixture
def channel(cast, fake):
    return of_fake(fake, "@acme", team=cast.support)


def test_a_session_is_renewed_before_it_ends_and_nobody_notices(cast, fake, channel):
    fake.say("where is my parcel?")
    fake.expire()
    assert read(channel).fault == ""
    first = opened_secrets(channel)
    assert timezone.now() < channel.renew_at < channel.access_until
    Channel.objects.update(renew_at=timezone.now() - timedelta(seconds=1))
    assert access.renew_ahead(channel.pk)
    channel.refresh_from_db()
    fresh = opened_secrets(channel)
    assert fresh["access_token"] != first["access_token"]
    assert fresh["refresh_token"] != first["refresh_token"]
    assert channel.renew_at > timezone.now()
    fake.order(MADE, writing=True)
    assert send(answer(cast.ana, Conversation.objects.get())).state == "sent"
    assert len(fake.made()) == 1


@pytest.mark.parametrize("members", [2, 40])
def test_a_customer_is_answered_in_the_room_that_theirs_became(cast, fake, channel, members):
    fake.rooms[ROOM]["members"] = members
    fake.say("where is my parcel?")
    read(channel)
    new = f"!new:{HOST}"
    fake.upgrade(ROOM, new)
    read(channel)
    reply = send(answer(cast.ana, Conversation.objects.get()))
    assert reply.state == "sent"
    fake.say("thank you", room=new)
    read(channel)
    assert channel.fault == ""
    assert Conversation.objects.count() == 1
    assert [each.text for each in Mention.objects.order_by("posted_at")][-1] == "thank you"
    assert {each["room_id"] for each in fake.made()} == {new}
    assert Mention.objects.count() == 2  # ours is the reply itself
