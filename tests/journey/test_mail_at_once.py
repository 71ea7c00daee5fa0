"""A mail is in the inbox because its server announced it, and what arrived while nobody listened is there as well."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from connectors import attending, bells, health, listening
from connectors.bells import live
from connectors.models import Channel
from inbox.models import Mention
from tests.fakes.mail import Fake
from tests.journey.attended import attended
from tests.journey.steps import of_fake, read
from tests.waiting import soon

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


@pytest.fixture
def mailbox(cast, fake, monkeypatch):
    """A channel that was read and is not due for an hour."""
    monkeypatch.setattr(attending, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(bells, "GAP", 0.1)
    monkeypatch.setattr(bells, "SHARE", 200.0)
    cache.clear()
    channel = read(of_fake(fake, team=cast.support))
    later = timezone.now() + timedelta(hours=1)
    channel.sources.update(next_at=later)
    Channel.objects.filter(pk=channel.pk).update(next_poll_at=later)
    return channel


def texts():
    return set(Mention.objects.values_list("text", flat=True))


def test_a_mail_is_in_the_inbox_because_it_was_announced(mailbox, fake):
    fake.say("Said while nobody listened.")
    assert not listening.listen(mailbox.pk)
    with attended():
        soon(lambda: listening.listen(mailbox.pk))
        soon(lambda: live() == {mailbox.pk})
        assert texts() == {"Said while nobody listened."}
        assert health.of(mailbox, timezone.now()).arrival == "live"
        fake.say("Is anybody there?")
        soon(lambda: listening.listen(mailbox.pk) and "Is anybody there?" in texts())
    soon(lambda: not fake.idling)


def test_a_line_that_breaks_is_opened_again(mailbox, fake):
    with attended():
        soon(lambda: live() == {mailbox.pk})
        fake.announce(b"* BYE going down\r\n")
        soon(lambda: fake.commands.count("IDLE") >= 2)
        soon(lambda: len(fake.idling) == 1)
        soon(lambda: live() == {mailbox.pk})


def test_a_server_without_announcements_is_polled_as_ever(mailbox, fake):
    fake.idles = False
    signed_in = fake.commands.count("LOGIN")
    with attended():
        soon(lambda: fake.commands.count("LOGIN") > signed_in and fake.commands[-1] == "CAPABILITY")
        assert live() == frozenset()
    fake.say("still read")
    Channel.objects.filter(pk=mailbox.pk).update(next_poll_at=timezone.now())
    mailbox.sources.update(next_at=timezone.now())
    assert listening.listen(mailbox.pk)
    assert "still read" in texts()
