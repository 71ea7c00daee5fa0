"""Matrix through the whole product: a session that is renewed before it ends."""

from datetime import timedelta

import pytest
from django.utils import timezone

from connectors import access
from connectors.models import Channel
from connectors.opening import opened_secrets
from inbox.models import Conversation
from tests.fakes.matrix import Fake
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
