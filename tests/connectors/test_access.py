"""Access that ends: renewed ahead by one, said in words while there is time, and nothing lost when it did end."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from connectors import access, health, listening
from connectors.base import Check, Connector, Secrets
from connectors.connecting import change, keep_facts, reconnect
from connectors.faults import AuthRevoked, Unavailable
from connectors.management.commands.sweep import Sweeper
from connectors.models import Channel
from connectors.opening import opened, sealed_secrets
from inbox import failpoints
from inbox.models import Event, Mention
from socialcare.demo.network import Network
from socialcare.demo.server import DemoServer, Fault
from tests.journey.steps import connected, make_due, told
from tests.journey.threads import in_threads
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db(transaction=True)
DAY, PAST = timedelta(days=1), datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def network(settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    return Network(seed=7, pace=0)


@pytest.fixture
def server(network):
    server = DemoServer(network)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def channel(cast, server):
    return connected(server, team=cast.support)


@pytest.fixture
def mortal(server, monkeypatch):
    """The demo network with tokens that die after `life`, each replaced by the next when it is renewed in time."""

    class Tokens:
        life, renewals, refusal = 60 * DAY, 0, None
        until = timezone.now() + 60 * DAY

        def renew(self, connector, secrets):
            if self.refusal:
                raise self.refusal
            if secrets["token"] != server.token or timezone.now() >= self.until:
                raise AuthRevoked("too late")
            self.renewals += 1
            self.until = timezone.now() + self.life
            server.token = f"demo {self.renewals}"
            return Secrets({"token": server.token, "expires_in": str(int(self.life.total_seconds()))})

    tokens = Tokens()
    monkeypatch.setattr(Connector.named("demo"), "renew", lambda self, secrets: tokens.renew(self, secrets))
    return tokens


def given(channel, length):
    """The channel as it is after a sign-in that lasts so long."""
    now = timezone.now()
    Channel.objects.filter(pk=channel.pk).update(**access.dated(channel.kind, now + length, now))
    channel.refresh_from_db()
    return channel


def read(channel):
    """One poll now, whatever the time: the database's clock does not travel."""
    channel.sources.update(next_at=PAST)
    Channel.objects.filter(pk=channel.pk).update(next_poll_at=PAST)
    done = listening.listen(channel.pk)
    channel.refresh_from_db()
    return done


def look():
    """One round of the loop that keeps access alive, without its threads."""
    for pk in access.due().values_list("pk", flat=True):
        access.renew_ahead(pk)
    access.warn(timezone.now())


def notices(agent):
    stream = Event.objects.filter(stream=agent.stream, happening="channel_moved")
    return [(event.payload["state"], event.payload["words"]) for event in stream.order_by("number")]


def test_sixty_quiet_days_and_sixty_more_pass_without_a_token_dying(channel, server, network, mortal):
    given(channel, mortal.life)
    began = timezone.now()
    for day in range(0, 180, 3):
        with time_machine.travel(began + day * DAY, tick=True):
            look()
    assert mortal.renewals >= 3
    network.say("carla", "anybody there")
    with time_machine.travel(began + 180 * DAY, tick=True):
        read(channel)
    assert channel.state == "ok"
    assert Mention.objects.count() == 1
    assert "ends" not in told()


def test_a_paused_channel_keeps_its_access_too(channel, mortal):
    given(channel, mortal.life)
    channel.pause(None)
    with time_machine.travel(timezone.now() + 50 * DAY, tick=True):
        look()
    assert mortal.renewals == 1


@pytest.mark.parametrize(("life", "lead"), [(60 * DAY, 15 * DAY), (timedelta(hours=2), timedelta(minutes=30))])
def test_access_is_renewed_a_quarter_of_its_life_before_it_ends(channel, mortal, life, lead):
    given(channel, life)
    assert abs(channel.access_until - channel.renew_at - lead) < timedelta(seconds=1)
    with time_machine.travel(channel.renew_at - timedelta(minutes=1), tick=True):
        look()
        assert not mortal.renewals
    with time_machine.travel(channel.renew_at + timedelta(minutes=1), tick=True):
        look()
    assert mortal.renewals == 1
    channel.refresh_from_db()
    assert channel.access_until > timezone.now() + life
    assert opened(channel).secrets["token"] == "demo 1"
    assert set(channel.sealed) == {"token"}


def test_many_who_find_it_due_renew_it_once(channel, mortal, server):
    given(channel, mortal.life)
    Channel.objects.update(renew_at=timezone.now())
    in_threads(*[lambda: access.renew_ahead(channel.pk)] * 8)
    assert mortal.renewals == 1
    channel.refresh_from_db()
    assert (channel.renewing_until, opened(channel).secrets["token"]) == (None, server.token)


def test_what_a_network_gives_once_is_kept_although_the_database_goes_away_meanwhile(channel, mortal, server):
    given(channel, mortal.life)
    plain = mortal.renew

    def renew(connector, secrets):
        fresh = plain(connector, secrets)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (mine,) = cursor.fetchone()
        in_threads(lambda: ended(mine))
        return fresh

    mortal.renew = renew
    access.renew(channel)
    channel.refresh_from_db()
    assert (mortal.renewals, opened(channel).secrets["token"]) == (1, server.token)
    assert channel.renewing_until is None


def ended(backend):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [backend])


def test_who_dies_with_the_answer_in_hand_costs_one_sign_in_and_nothing_else(cast, channel, mortal, network, server):
    """The network gives it once: nobody but a person can help, so the admins are told, and nothing is lost."""
    given(channel, timedelta(hours=2))
    old = server.token
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(failpoints, "_ARMED", {"renew.after_answer": ("raise", 1)})
        with pytest.raises(failpoints.Failpoint):
            access.renew(channel)
    Channel.objects.update(renewing_until=PAST, renew_at=PAST)  # as whoever was killed leaves it
    assert server.token != old
    network.say("carla", "anybody there")
    look()
    look()
    assert [state for state, _ in notices(cast.ada)] == ["reconnect"]
    channel.refresh_from_db()
    reconnect(channel, {"token": server.token}, cast.ada)
    read(channel)
    assert (channel.state, Mention.objects.count()) == ("ok", 1)


def test_a_poll_that_meets_a_renewal_waits_and_is_no_worse_for_it(channel, server, network):
    server.faults = [Fault("expired", 1)]
    Channel.objects.update(renewing_until=timezone.now() + timedelta(minutes=1))
    before = timezone.now()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connector.named("demo"), "poll", expired)
        make_due(channel)
        listening.listen(channel.pk)
    channel.refresh_from_db()
    assert (channel.state, channel.fault, channel.polling_until) == ("ok", "", None)
    assert before < channel.next_poll_at < timezone.now() + timedelta(seconds=6)


def expired(self, *args):
    from connectors.faults import AuthExpired

    raise AuthExpired("run out")
    yield


def test_a_renewal_that_cannot_be_reached_is_tried_again_and_warned_of_in_time(cast, channel, mortal):
    given(channel, mortal.life)
    began = timezone.now()
    mortal.refusal = Unavailable("away")
    for day in range(60):
        with time_machine.travel(began + day * DAY, tick=True):
            look()
    said = [words for state, words in notices(cast.ada) if state == "ends"]
    assert [words.split(",")[0] for words in said] == [
        "Access ends in 14 days", "Access ends in 7 days", "Access ends within a day",
    ]  # fmt: skip
    mortal.refusal = None
    with time_machine.travel(began + 59.5 * DAY, tick=True):
        Channel.objects.update(renew_at=timezone.now())
        look()
        channel.refresh_from_db()
        assert not access.ending(timezone.now()).exists()
    assert (mortal.renewals, channel.renewal_trouble) == (1, "")


def test_a_refused_renewal_is_said_at_once_while_reading_goes_on(cast, channel, network, mortal):
    given(channel, mortal.life)
    mortal.refusal = AuthRevoked("the app was removed")
    with time_machine.travel(channel.renew_at + timedelta(minutes=1), tick=True):
        look()
        look()
        network.say("carla", "hello")
        read(channel)
    assert channel.state == "ok"
    assert Mention.objects.count() == 1
    [(state, words)] = notices(cast.ada)
    assert state == "ends"
    assert "could not be renewed and ends on" in words
    assert "Connect it again before" in words
    assert notices(cast.ana) == []


def test_a_refused_renewal_of_short_access_asks_for_a_person_once(cast, channel, mortal):
    given(channel, timedelta(hours=2))
    mortal.refusal = AuthRevoked("no")
    with time_machine.travel(channel.renew_at + timedelta(minutes=1), tick=True):
        look()
        look()
    channel.refresh_from_db()
    assert channel.state == "reconnect"
    assert [state for state, _ in notices(cast.ada)] == ["reconnect"]


def test_an_end_that_only_a_person_can_put_off_is_said_at_14_7_and_1_days_each_once(cast, channel):
    began = timezone.now()
    keep_facts(channel, Check(account_id="brand", expires_at=began + 60 * DAY))
    channel.refresh_from_db()
    assert channel.renew_at is None
    for hours in range(0, 60 * 24, 12):
        with time_machine.travel(began + timedelta(hours=hours), tick=True):
            look()
    assert len(notices(cast.ada)) == 3
    with time_machine.travel(began + 61 * DAY, tick=True):
        assert "Access ended on" in health.of(channel, timezone.now()).ends


def test_connecting_again_ends_the_warning(cast, channel):
    keep_facts(channel, Check(account_id="brand", expires_at=timezone.now() + 5 * DAY))
    channel.refresh_from_db()
    assert "Access ends in 5 days" in health.of(channel, timezone.now()).ends
    assert health.of_all(timezone.now())[0].word == "access ends"
    reconnect(channel, {"token": "new", "expires_in": str(60 * 86_400)}, cast.ada)
    assert health.of(channel, timezone.now()).ends == ""
    assert set(channel.sealed) == {"token"}


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({"expires_in": "7200"}, 7200),
        ({"expires_at": "1785585600"}, 1785585600 - 1782907200),
        ({"expires_at": "2026-07-01T13:00:00+00:00"}, 3600),
        ({"expires_at": "2026-07-01T13:00:00"}, 3600),
    ],
)
def test_the_end_is_understood_however_it_is_said(said, seconds):
    now = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert access.given_until(said, now) == now + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "said", [{}, {"expires_at": "soon"}, {"expires_in": "x"}, {"expires_at": "9" * 30}, {"expires_at": "1"}]
)
def test_an_end_that_cannot_be_read_is_no_end(said):
    assert access.given_until(said, timezone.now()) is None


def test_a_channel_broken_for_a_week_catches_up_completely(cast, channel, network, server):
    network.say("carla", "before")
    read(channel)
    good, server.token = server.token, "changed at the network"
    read(channel)
    assert channel.state == "reconnect"
    began = timezone.now()
    for hours in range(0, 7 * 24, 6):
        with time_machine.travel(began + timedelta(hours=hours), tick=True):
            for number in range(24):
                network.say("theo", f"{hours}/{number}")
            assert not read(channel)
    with time_machine.travel(began + 7 * DAY, tick=True):
        assert Mention.objects.count() == 1  # what was stored stays
        server.token = "fresh"
        channel.refresh_from_db()
        channel.reconnected(sealed_secrets(channel.pk, {"token": "fresh"}), cast.ada)
        for _ in range(3):
            read(channel)
    assert Mention.objects.count() == 1 + 7 * 24 * 4
    assert not channel.gaps.exists()
    assert told().count("reconnect") == 1
    assert good != server.token


def test_a_sweep_renews_without_being_held_by_a_network_that_hangs(channel, mortal):
    from concurrent.futures import ThreadPoolExecutor

    given(channel, mortal.life)
    Channel.objects.update(renew_at=timezone.now())
    looked = threading.Event()
    mortal.renew = lambda connector, secrets: Secrets({"token": "late" if looked.wait(PATIENCE) else "held"})
    with ThreadPoolExecutor(1) as pool:
        sweeper = Sweeper(pool, timedelta(0))
        sweeper.look()
        looked.set()
        sweeper.end()
    channel.refresh_from_db()
    assert opened(channel).secrets["token"] == "late"


def test_once_a_day_the_account_is_looked_at(channel, network, monkeypatch):
    monkeypatch.setattr(Connector.named("demo"), "check", lambda self: Check(account_id="brand", warnings=("Pay up.",)))
    read(channel)
    assert channel.warnings == []
    with time_machine.travel(timezone.now() + 1.1 * DAY, tick=True):
        read(channel)
        assert channel.warnings == ["Pay up."]
        assert channel.check_at > timezone.now() + 0.9 * DAY


class Interrupted:
    """A look at the account during which somebody else does something."""

    def __init__(self, monkeypatch):
        self.meanwhile = None
        monkeypatch.setattr(Connector.named("demo"), "check", lambda connector: self.check())

    def check(self):
        if self.meanwhile:
            doing, self.meanwhile = self.meanwhile, None
            doing()
        return Check(account_id="brand", facts={"account_id": "brand"}, warnings=("Of the old account.",))


def test_what_a_person_changes_during_the_look_at_the_account_stays(cast, channel, server, monkeypatch):
    looked = Interrupted(monkeypatch)
    other, secret = f"{server.url}/other", {"token": server.token}
    looked.meanwhile = lambda: change(Channel.objects.get(), {"settings": {"base_url": other}}, cast.ada, secret)
    Channel.objects.update(check_at=PAST)
    read(channel)
    assert channel.settings == {"base_url": other}
    assert channel.warnings == []
    Channel.objects.update(settings={"base_url": server.url})
    read(channel)  # the account behind the new address is looked at next, not in a day
    assert (channel.settings["facts"], channel.warnings) == ({"account_id": "brand"}, ["Of the old account."])
    assert channel.check_at > timezone.now() + 0.9 * DAY


def test_what_is_renamed_during_the_look_at_the_account_keeps_both(cast, channel, server, monkeypatch):
    looked = Interrupted(monkeypatch)
    looked.meanwhile = lambda: change(Channel.objects.get(), {"name": "@other"}, cast.ada)
    Channel.objects.update(check_at=PAST)
    read(channel)
    assert (channel.name, channel.settings["account"]["id"]) == ("@other", "brand")


def test_what_a_connector_learns_on_the_way_is_known_to_the_next_one(cast, channel):
    Channel.objects.update(settings={**channel.settings, "facts": {"account_id": "brand"}})
    asking = Channel.objects.get()
    connector = opened(asking)
    change(Channel.objects.get(), {"settings": {"base_url": "http://other.example"}}, cast.ada)
    connector.learned({"renamed": True})
    next_one = opened(Channel.objects.get())
    assert next_one.facts["renamed"]
    assert next_one.settings["base_url"] == "http://other.example"
    # Whoever goes on with the row as it was asked for sees that a person has changed it since.
    assert not keep_facts(asking, Check(account_id="brand"))
    Channel.objects.all().delete()
    connector.learned({"renamed": False})
    assert not Channel.objects.exists()


def test_new_secrets_during_the_look_at_the_account_are_looked_at_next(cast, channel, server, monkeypatch):
    looked = Interrupted(monkeypatch)
    looked.meanwhile = lambda: reconnect(Channel.objects.get(), {"token": server.token}, cast.ada)
    Channel.objects.update(check_at=PAST)
    read(channel)
    assert "facts" not in channel.settings
    assert channel.check_at <= timezone.now()


def test_connecting_again_keeps_what_was_renewed_while_it_was_tried(cast, channel, server):
    stale = Channel.objects.get()
    renewed = sealed_secrets(channel.pk, {"token": "renewed meanwhile"})
    Channel.objects.update(sealed=renewed)
    reconnect(stale, {"client_secret": "new"}, cast.ada)
    assert dict(opened(stale).secrets) == {"token": "renewed meanwhile", "client_secret": "new"}
