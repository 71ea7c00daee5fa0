"""A message to a bot is in the inbox because Telegram said so on a question it kept, and nothing depends on that."""

import threading
from contextlib import contextmanager
from datetime import timedelta

import pytest
import requests
from django.core.cache import cache
from django.utils import timezone

from connectors import asking, attending, bells, health, listening
from connectors.bells import live
from connectors.models import Channel
from connectors.networks.telegram import announcing
from connectors.opening import sealed_secrets
from inbox.models import Mention
from tests.fakes.telegram import TOKEN, Fake
from tests.journey.attended import attended
from tests.journey.steps import of_fake, read
from tests.waiting import PATIENCE, soon

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


@pytest.fixture
def bot(cast, fake, monkeypatch):
    """A channel that was read and is not due for an hour."""
    monkeypatch.setattr(attending, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(attending, "LAST_PAUSE", 1.0)
    monkeypatch.setattr(asking, "STANDS", 0.1)
    monkeypatch.setattr(announcing, "SOON", 0.05)
    monkeypatch.setattr(announcing, "TAKEN", 0.05)
    monkeypatch.setattr(bells, "GAP", 0.1)
    monkeypatch.setattr(bells, "SHARE", 200.0)
    cache.clear()
    channel = read(of_fake(fake, team=cast.support))
    rests(channel)
    return channel


def rests(channel):
    later = timezone.now() + timedelta(hours=1)
    channel.sources.update(next_at=later)
    Channel.objects.filter(pk=channel.pk).update(next_poll_at=later)


def texts():
    return set(Mention.objects.values_list("text", flat=True))


def test_a_message_is_in_the_inbox_because_it_was_announced(bot, fake):
    fake.say("Said while nobody listened.")
    assert not listening.listen(bot.pk)
    with attended():
        soon(lambda: listening.listen(bot.pk))
        assert texts() == {"Said while nobody listened."}
        soon(lambda: live() == {bot.pk})
        assert health.of(bot, timezone.now()).arrival == "live"
        rests(bot)
        soon(lambda: fake.asker)
        fake.say("Is anybody there?")
        soon(lambda: listening.listen(bot.pk) and "Is anybody there?" in texts())
        assert fake.updates == [], "what is stored is confirmed"
    soon(lambda: not fake.asker)


def test_what_is_announced_and_not_read_stays_with_the_service(bot, fake):
    """Whoever dies between the announcement and the reading, or before its commit, loses nothing."""
    with attended():
        soon(lambda: fake.asker)
        fake.say("Is anybody there?")
        soon(lambda: Channel.objects.due().filter(pk=bot.pk).exists())
    assert len(fake.updates) == 1
    assert not texts()
    assert listening.listen(bot.pk)
    assert texts() == {"Is anybody there?"}


def test_the_question_follows_the_channel(bot, fake):
    with attended():
        soon(lambda: fake.asker)
        Channel.objects.filter(pk=bot.pk).update(paused=True)
        soon(lambda: not fake.asker)
        Channel.objects.filter(pk=bot.pk).update(paused=False)
        soon(lambda: fake.asker)
        Channel.objects.filter(pk=bot.pk).update(settings={**bot.settings, "arrival": "delivered"})
        soon(lambda: not fake.asker)
        Channel.objects.filter(pk=bot.pk).update(settings=bot.settings)
        soon(lambda: fake.asker)
        kept = fake.asker
        token = f"{fake.secrets['token']}-another"
        Channel.objects.filter(pk=bot.pk).update(sealed=sealed_secrets(bot.pk, {"token": token}))
        soon(lambda: fake.asker is not kept)
        Channel.objects.filter(pk=bot.pk).update(sealed=bot.sealed)
        soon(lambda: fake.asker)
        bot.sources.all().delete()
        Channel.objects.filter(pk=bot.pk).delete()
        soon(lambda: not fake.asker)


def test_where_messages_are_delivered_elsewhere_it_is_not_live_until_that_ends(bot, fake):
    with attended():
        soon(lambda: live() == {bot.pk})
        fake.hook = "https://elsewhere.example"
        soon(lambda: live() == frozenset())
        bot.sources.update(next_at=timezone.now())
        Channel.objects.filter(pk=bot.pk).update(next_poll_at=timezone.now())
        assert listening.listen(bot.pk)
        bot.refresh_from_db()
        assert bot.state == "slow"
        assert "sent to an address elsewhere" in bot.fault_words
        fake.hook = ""
        soon(lambda: live() == {bot.pk})


def test_another_program_that_reads_the_same_bot_is_named_on_the_channels_page(bot, fake, cast, client):
    """Nobody else would say so: who only reads the queue is told nothing."""
    client.force_login(cast.ada)
    page, words = f"/set-up/channels/{bot.pk}/", "Another program reads this bot"
    with attended():
        soon(lambda: live() == {bot.pk})
        assert words not in client.get(page).content.decode()
        with elsewhere(fake):
            soon(lambda: words in client.get(page).content.decode())
        soon(lambda: live() == {bot.pk})
        soon(lambda: words not in client.get(page).content.decode())


@contextmanager
def elsewhere(fake):
    """Another program that waits for the same bot, as long as this lasts."""
    done = threading.Event()

    def wait():
        body = {"timeout": 30, "limit": 1}
        while not done.is_set():
            requests.post(f"{fake.server.url}/bot{TOKEN}/getUpdates", json=body, timeout=PATIENCE)

    program = threading.Thread(target=wait)
    program.start()
    try:
        yield
    finally:
        done.set()
        program.join(PATIENCE)
