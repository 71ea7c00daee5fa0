"""Who delivers is told so by the program: Telegram's webhook follows the channel from its first day to its last."""

import json

import pytest
from django.core.management import call_command
from django.test import Client

from connectors.models import Channel
from tests.fakes.telegram import Fake
from tests.journey.steps import of_fake, read
from tests.world import as_shown

pytestmark = pytest.mark.django_db(transaction=True)
PUBLIC = "https://care.example.com"
ELSEWHERE = "https://elsewhere.example/hook"


@pytest.fixture(autouse=True)
def public(settings):
    settings.PUBLIC_URL, settings.FETCH_ALLOW = PUBLIC, ["127.0.0.1"]


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


@pytest.fixture
def ada(cast):
    client = Client()
    client.force_login(cast.ada)
    return client


@pytest.fixture
def bot(cast, fake):
    channel = of_fake(fake, team=cast.support, path="a-secret-path")
    return changed(channel, arrival="delivered")


def changed(channel, **settings):
    channel.settings = {**channel.settings, **settings}
    Channel.objects.filter(pk=channel.pk).update(settings=channel.settings)
    return channel


def press(client, channel, what):
    response = client.post(f"/set-up/channels/{channel.pk}/{what}/", follow=True)
    assert response.status_code == 200
    return response.content.decode()


ADDRESS = f"{PUBLIC}/hooks/a-secret-path/"


def test_the_webhook_is_set_by_the_live_test_and_what_comes_there_is_taken(ada, bot, fake):
    press(ada, bot, "trial")
    assert fake.hook == ADDRESS
    update = {"update_id": 7, "message": {"message_id": 3, "date": 1_760_000_000, "text": "Hello"}}
    update["message"] |= {"chat": {"id": 5, "type": "private"}, "from": {"id": 5, "first_name": "Carla"}}

    def delivered(secret):
        headers = {"X-Telegram-Bot-Api-Secret-Token": secret}
        body = json.dumps(update)
        return Client().post("/hooks/a-secret-path/", body, content_type="application/json", headers=headers)

    assert delivered("guessed").status_code == 403
    assert delivered(fake.hook_secret).status_code == 200
    assert len(fake.hook_secret) >= 32
    assert bot.sealed["token"] not in fake.hook_secret


def test_pause_takes_it_away_and_resume_sets_it_again(ada, bot, fake):
    press(ada, bot, "trial")
    press(ada, bot, "pause")
    assert fake.hook == ""
    press(ada, bot, "trial")
    assert fake.hook == "", "a paused channel stays paused"
    press(ada, bot, "resumption")
    assert fake.hook == ADDRESS


def test_it_goes_with_the_channel(ada, bot, fake):
    press(ada, bot, "trial")
    press(ada, bot, "removal")
    assert fake.hook == ""
    assert not Channel.objects.filter(pk=bot.pk).exists()


def test_a_webhook_of_somebody_else_is_left_alone(ada, bot, fake):
    fake.hook = ELSEWHERE
    press(ada, bot, "pause")
    assert fake.hook == ELSEWHERE
    asked = changed(bot, arrival="asked")
    press(ada, asked, "resumption")
    assert fake.hook == ELSEWHERE


def test_a_channel_that_asks_again_can_ask(ada, bot, fake):
    press(ada, bot, "trial")
    given = as_shown(bot, channel_name=bot.name, arrival="asked")
    assert ada.post(f"/set-up/channels/{bot.pk}/settings/", given).status_code == 303
    assert fake.hook == ""
    fake.say("Hello")
    read(bot)
    assert bot.mentions.count() == 1


def test_a_pause_is_a_pause_also_when_telegram_does_not_answer(ada, bot, fake):
    press(ada, bot, "trial")
    fake.server.close()
    shown = press(ada, bot, "pause")
    assert "could not be told" in shown
    bot.refresh_from_db()
    assert bot.paused


def test_what_could_not_be_told_is_told_with_the_next_poll(ada, bot, fake, monkeypatch):
    from tests.fakes.telegram import no

    with monkeypatch.context() as away:
        away.setattr(fake, "answer", lambda asked: no(500))
        assert "could not be told" in press(ada, bot, "trial")
    assert not fake.hook
    read(bot)
    assert fake.hook == ADDRESS


def test_without_a_public_address_nothing_is_told_and_the_admin_is(ada, bot, fake, settings):
    settings.PUBLIC_URL = "http://127.0.0.1:8000"
    assert "begins with https" in press(ada, bot, "trial")
    assert not fake.hook


def test_the_command_line_does_the_same(bot, fake):
    call_command("channel", "pause", bot.name)
    call_command("channel", "resume", bot.name)
    assert fake.hook == ADDRESS
    call_command("channel", "pause", bot.name)
    assert fake.hook == ""


def test_the_page_says_that_posts_are_delivered(ada, bot):
    assert "<dd>delivered</dd>" in ada.get(f"/set-up/channels/{bot.pk}/").content.decode()
