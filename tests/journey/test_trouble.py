"""What fails is told once, rests alone and comes back by itself."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from connectors import access, listening
from connectors.access import renew
from connectors.base import Connector, Secrets
from connectors.faults import AuthExpired, AuthRevoked, Unavailable
from connectors.http import Seam
from connectors.management.commands.sweep import Sweeper
from connectors.models import Channel, Delivery, Quarantined, Reread, Source
from connectors.opening import opened
from connectors.topics import comparing
from inbox.models import Conversation, Mention, Reply
from socialcare.demo.network import Network
from socialcare.demo.server import DemoServer
from tests.fakes.mastodon import Fake as Mastodon
from tests.fakes.server import FakeServer
from tests.fakes.server import Reply as Answer
from tests.journey.steps import answer, connected, fails, make_due, of_fake, our_posts, read, sealed, send, told
from tests.journey.threads import in_threads
from tests.waiting import by_itself, soon

pytestmark = pytest.mark.django_db(transaction=True)


class Partly(Mastodon):
    """A server that will not show one hashtag; mentions are read as ever."""

    refusal = 422

    def answer(self, asked):
        if "timelines/tag" in asked.path and self.refusal:
            return Answer(self.refusal, {"error": "x"})
        return super().answer(asked)


@pytest.fixture
def partly():
    with Partly() as fake:
        yield fake


@pytest.mark.parametrize("refusal", [403, 404, 422, 500])
def test_a_source_that_fails_keeps_no_other_from_being_read(cast, partly, refusal):
    partly.refusal = refusal
    channel = of_fake(partly, team=cast.support)
    Source.objects.create(channel=channel, name="hashtag:tea", next_at=timezone.now() - timedelta(hours=1))
    for number in range(3):
        partly.say(f"message {number}")
        read(channel)
        # A server error ends the poll, so that the other source is read from the next poll on.
        assert Mention.objects.filter(source="notifications").count() >= number
    read(channel)
    assert Mention.objects.filter(source="notifications").count() == 3
    assert channel.state == "slow"
    assert channel.fault_words


def test_a_channel_with_a_source_that_fails_does_not_heal_and_break_again(cast, partly):
    channel = of_fake(partly, team=cast.support)
    read(channel)
    assert channel.state == "slow"
    for _ in range(3):
        channel.sources.filter(name="notifications").update(next_at=timezone.now())
        Channel.objects.update(next_poll_at=timezone.now())
        assert listening.listen(channel.pk)
        channel.refresh_from_db()
        assert channel.state == "slow"
    partly.refusal = 0
    read(channel)
    assert channel.state == "ok"
    assert [state for state in told() if state in ("slow", "ok")] == ["slow", "ok"]


def test_a_network_that_does_not_say_how_posts_stand_is_no_worse_a_channel(cast, server, network, channel):
    network.say("carla", "hello")
    read(channel)
    fails(server, "error")
    server.faults[0].count = 0
    make_due(channel, refresh=True)
    channel.sources.update(next_at=timezone.now() + timedelta(hours=1))
    fails(server, "html")
    assert listening.listen(channel.pk)
    channel.refresh_from_db()
    assert channel.state == "ok"
    assert channel.refresh_at > timezone.now() + timedelta(hours=1)


def test_a_long_search_is_a_source_like_any_other(cast):
    words = "where is my order from acme " * 6
    with Mastodon() as fake:
        tag = "t" * 150
        channel = sealed("@acme", "mastodon", {**fake.settings(), "hashtags": tag}, fake.secrets, team=cast.support)
        fake.say(words)
        read(channel)
        assert channel.state == "ok"
        assert Source.objects.filter(name=f"hashtag:{tag}").exists()
        assert Mention.objects.count() == 1


def test_the_thread_above_a_strangers_reply_is_asked_for_once(cast):
    with Mastodon() as fake:
        channel = sealed("@acme", "mastodon", {**fake.settings(), "hashtags": ""}, fake.secrets, team=cast.support)
        read(channel)
        above = fake._status("the question", {"id": "wes", "acct": "wes", "uri": "https://fake.example/users/wes"})
        fake.say("@brand what about it?", "theo", parent=above["id"])
        for _ in range(3):
            read(channel)
        conversation = Conversation.objects.get(identity__name="Theo")
        assert [post["text"] for post in conversation.context] == ["the question"]
        assert sum("/context" in asked.path for asked in fake.server.asked) == 1


def test_a_post_that_our_defect_cannot_store_is_set_aside_after_five_polls(network, channel, monkeypatch):
    from routing import engine

    decide = engine.decide

    def broken(batch, *args, **kwargs):
        if any("poison" in facts.text for facts in batch):
            raise AssertionError("a defect in routing")
        return decide(batch, *args, **kwargs)

    monkeypatch.setattr(engine, "decide", broken)
    network.say("carla", "good")
    network.say("theo", "poison")
    network.say("wes", "good too")
    for _ in range(5):
        read(channel)
        assert channel.fault == "defect"
        assert set(channel.sources.values_list("fault", flat=True)) == {"defect"}
    read(channel)
    assert set(Mention.objects.values_list("text", flat=True)) == {"good", "good too"}
    assert "a defect in routing" in Quarantined.objects.get().reason
    assert channel.state == "ok"


def test_a_defect_in_one_source_keeps_no_other_from_being_read(cast, monkeypatch):
    from routing import engine

    decide = engine.decide

    def broken(batch, *args, **kwargs):
        if any(facts.source.startswith("hashtag") for facts in batch):
            raise AssertionError("a defect in routing")
        return decide(batch, *args, **kwargs)

    monkeypatch.setattr(engine, "decide", broken)
    with Mastodon() as fake:
        channel = of_fake(fake, team=cast.support)
        Source.objects.create(channel=channel, name="hashtag:tea", next_at=timezone.now() - timedelta(hours=1))
        fake._status("about #tea", {"id": "wes", "acct": "wes", "uri": "https://fake.example/users/wes"})
        fake.say("hello")
        read(channel)
    assert Mention.objects.get().source == "notifications"
    assert channel.fault == "defect"
    assert dict(channel.sources.values_list("name", "fault")) == {"notifications": "", "hashtag:tea": "defect"}
    assert channel.sources.get(name="hashtag:tea").next_at > timezone.now()


def test_whoever_lost_the_lease_asks_no_second_time(cast, server, network, channel, monkeypatch):
    from connectors import sending

    network.say("carla", "hello")
    read(channel)
    reply = answer(cast.ana, Conversation.objects.get())

    def expired(self, outgoing):
        asked.append(outgoing)
        Reply.objects.filter(pk=reply.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
        raise AuthExpired

    asked = []
    monkeypatch.setattr(Connector.named("demo"), "send", expired)
    monkeypatch.setattr(sending, "renew", lambda channel: None)
    send(reply)
    assert len(asked) == 1
    assert (reply.state, reply.fault) == ("queued", "Unavailable")


def test_bodies_of_deliveries_go_a_week_after_they_were_worked_off(cast):
    channel = sealed("Shop", "webhook", {"target": ""}, {"secret": "s3cret"}, path="p" * 32, team=cast.support)
    now = timezone.now()
    for name, done_at in [("old", now - timedelta(days=8)), ("new", now - timedelta(days=6)), ("open", None)]:
        Delivery.objects.create(channel=channel, delivery_id=name, body="{}", answer={"ok": 1}, done_at=done_at)
    with ThreadPoolExecutor(1) as pool:
        Sweeper(pool, timedelta(0))._forget()
    assert dict(Delivery.objects.values_list("delivery_id", "body")) == {"old": "", "new": "{}", "open": "{}"}
    assert Delivery.objects.filter(answer={"ok": 1}).count() == 3


def test_a_delivery_that_cannot_be_read_any_more_holds_up_no_other(cast):
    channel = sealed("Shop", "webhook", {"target": ""}, {"secret": "s3cret"}, path="p" * 32, team=cast.support)
    good = '{"id": "1", "text": "hello", "author": {"id": "carla"}, "created_at": "2026-11-01T10:00:00+00:00"}'
    for number, body in enumerate(["no json at all", '{"id": "1", "id": "2"}', "[]", good]):
        Delivery.objects.create(channel=channel, delivery_id=f"d{number}", body=body)
    read(channel)
    assert Mention.objects.get().text == "hello"
    assert set(Quarantined.objects.values_list("external_id", flat=True)) == {"d0", "d1", "d2"}
    assert not Delivery.objects.filter(done_at=None).exists()
    assert channel.state == "ok"


def test_more_deliveries_than_one_poll_takes_are_due_at_once(cast):
    channel = sealed("Shop", "webhook", {"target": ""}, {"secret": "s3cret"}, path="p" * 32, team=cast.support)
    body = '{{"id": "{}", "text": "hello", "author": {{"id": "carla"}}, "created_at": "2026-11-01T10:00:00+00:00"}}'
    deliveries = [Delivery(channel=channel, delivery_id=f"d{n}", body=body.format(n)) for n in range(60)]
    Delivery.objects.bulk_create(deliveries)
    assert listening.listen(channel.pk)
    assert listening.listen(channel.pk)
    assert Mention.objects.count() == 60
    assert not listening.listen(channel.pk)


def test_a_channel_that_was_deleted_while_it_was_read_is_nobodys_trouble(server, network, channel):
    read(channel)
    make_due(channel)
    listener = listening.Listener(listening.claim(channel.pk))
    fails(server, "error")
    Channel.objects.filter(pk=channel.pk).delete()
    with pytest.raises(listening.Overtaken):
        listener.run()
    assert not Channel.objects.exists()


@pytest.fixture
def renewing(monkeypatch):
    """The demo network with access that is renewed: each refresh token may be spent once."""
    spent = []

    def renew_access(self, secrets):
        spent.append(secrets["token"])
        time.sleep(0.05)  # the network's own time
        return Secrets({"token": f"{secrets['token']}+"})

    monkeypatch.setattr(Connector.named("demo"), "renew", renew_access)
    return spent


def test_ten_renewals_at_once_spend_one_token(channel, renewing):
    asking = [partial(renew, Channel.objects.get(pk=channel.pk)) for _ in range(10)]  # all of them with the old token
    results = in_threads(*asking)
    assert len(renewing) == 1
    assert all(result is None or isinstance(result, Unavailable) for result in results)
    channel.refresh_from_db()
    assert opened(channel).secrets["token"] == "demo+"
    assert channel.renewing_until is None


def test_secrets_that_a_person_entered_meanwhile_are_not_overwritten(cast, channel, monkeypatch):
    from connectors.opening import sealed_secrets

    def renew_access(self, secrets):
        Channel.objects.get().reconnected(sealed_secrets(channel.pk, {"token": "by hand"}), cast.ada)
        return Secrets({"token": "renewed"})

    monkeypatch.setattr(Connector.named("demo"), "renew", renew_access)
    renew(Channel.objects.get())
    assert opened(Channel.objects.get()).secrets["token"] == "by hand"


def test_access_that_runs_out_again_at_once_asks_for_a_person(cast, network, channel, renewing, monkeypatch):
    def poll(self, *args):
        raise AuthExpired("again")
        yield

    network.say("carla", "hello")
    read(channel)
    reply = answer(cast.ana, Conversation.objects.get())
    monkeypatch.setattr(Connector.named("demo"), "poll", poll)
    read(channel)
    assert (channel.state, channel.fault) == ("reconnect", "AuthRevoked")
    assert len(renewing) == 1
    assert send(reply).state == "queued"
    assert not our_posts(network)


def test_a_renewal_the_network_refuses_asks_for_a_person(channel, monkeypatch):
    def refused(self, secrets):
        raise AuthExpired("no")

    monkeypatch.setattr(Connector.named("demo"), "renew", refused)
    with pytest.raises(AuthRevoked):
        renew(channel)
    channel.refresh_from_db()
    assert channel.renewing_until is None


@pytest.fixture
def short_calls(monkeypatch):
    """A call to a network ends after six seconds instead of fifteen."""
    monkeypatch.setitem(Seam.__init__.__kwdefaults__, "whole", 6.0)


def test_networks_that_hang_or_trickle_end_at_their_deadline_and_delay_nobody(cast, network, channel, short_calls):
    hanging = FakeServer(lambda asked: Answer(manner="hang"))
    trickling = FakeServer(lambda asked: Answer(200, "[" + " " * 2_000 + "]", manner="trickle"))
    far = DemoServer(Network(seed=9, pace=0))
    far.start()
    ill = [connected(far, f"ill {number}", team=cast.support) for number in range(2)]
    for each, bad in zip(ill, (hanging, trickling), strict=True):
        Channel.objects.filter(pk=each.pk).update(settings={"base_url": bad.url}, next_poll_at=timezone.now())
    network.say("carla", "hello")
    make_due(channel)
    with ThreadPoolExecutor(4) as pool, by_itself():
        sweeper = Sweeper(pool, timedelta(0))
        sweeper.look()
        polls = [sweeper.polling[each.pk] for each in ill]
        soon(Mention.objects.exists)
        assert not any(poll.done() for poll in polls)
        for poll in sweeper.polling.values():
            poll.result()
    states = Channel.objects.filter(name__startswith="ill").values_list("state", "fault", "polling_until")
    assert set(states) == {("slow", "Unavailable", None)}
    for one in (hanging, trickling):
        one.close()
    far.stop()


def test_a_reply_in_doubt_is_not_sent_blindly_when_the_network_cannot_be_asked(cast, server, network, channel):
    network.say("carla", "hello")
    read(channel)
    reply = answer(cast.ana, Conversation.objects.get())
    fails(server, "error", method="POST")
    assert send(reply).state == "in_doubt" or reply.state == "queued"
    Reply.objects.filter(pk=reply.pk).update(state="in_doubt", doubted_at=timezone.now())
    fails(server, "error", count=5)
    for _ in range(5):
        assert send(reply).state == "in_doubt"
    assert not our_posts(network)


@pytest.mark.slow
def test_a_sweep_is_held_by_no_network_that_hangs_while_sending_or_looking_up(cast, server, network, channel):
    hanging = FakeServer(lambda asked: Answer(manner="hang"))
    other = connected(server, "@other", team=cast.product)
    network.say("carla", "hello")
    read(channel)
    read(other)  # else it hears the same post later, which would hold the reply back
    reply = answer(cast.ana, Conversation.objects.get(), parent=Mention.objects.get(channel=channel))
    Channel.objects.filter(pk=channel.pk).update(settings={"base_url": hanging.url})
    Reply.objects.update(not_before=timezone.now())
    network.say("theo", "and me")
    make_due(other)
    with ThreadPoolExecutor(2) as pool:
        sweeper = Sweeper(pool, timedelta(0))
        sweeper.look()
        soon(Mention.objects.filter(text="and me").exists)
        soon(lambda: hanging.asked)
        sweeper.look()
        assert Reply.objects.get().state == "sending"  # still held, as neither look was
        hanging.close()
        sweeper.end()
    reply.refresh_from_db()
    assert reply.state == "in_doubt"


def test_a_network_that_cannot_give_its_past_is_no_worse_a_channel(cast, server, network, channel, monkeypatch):
    network.say("carla", "hello")
    read(channel)
    kind = Connector.named("demo")

    def gone(self, source, cursor, budget, now):
        if Reread.objects.exists():
            raise Unavailable("500 on old pages")
        return ordinary(self, source, cursor, budget, now)

    ordinary = kind.poll
    monkeypatch.setattr(kind, "poll", gone)
    hours_ago = timezone.now() - timedelta(hours=5)
    Channel.objects.update(reread_at=hours_ago, created_at=hours_ago)
    read(channel)
    assert Reread.objects.filter(done_at=None).exists()
    assert (channel.state, channel.failures) == ("ok", 0)
    assert channel.reread_at > timezone.now() + timedelta(minutes=50)
    Reread.objects.update(begun_at=timezone.now() - timedelta(hours=30))
    Channel.objects.update(reread_at=hours_ago, next_poll_at=hours_ago)
    channel.sources.update(next_at=timezone.now() + timedelta(hours=1))
    listening.listen(channel.pk)
    assert not Reread.objects.filter(done_at=None).exists(), "after a day it is given up"
    channel.refresh_from_db()
    assert (channel.state, channel.failures) == ("ok", 0)


class Cutting(Mastodon):
    """While it is asked for what we have said, the database ends the connection of whoever asks, once."""

    backend = None

    def answer(self, asked):
        if self.backend and asked.method == "GET":
            other = connection.copy()
            with other.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s)", [self.backend])
            other.close()
            self.backend = None
        return super().answer(asked)


def test_a_database_that_goes_away_during_a_send_is_named_and_the_reply_leaves_once(cast):
    with Cutting() as fake:
        channel = of_fake(fake, team=cast.support)
        fake.say("where is my refund?")
        read(channel)
        reply = answer(cast.ana, Conversation.objects.get())
        Reply.objects.update(takes=1, first_at=timezone.now())  # an earlier try, so that it is looked for first
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            fake.backend = cursor.fetchone()[0]
        send(reply)
        assert fake.backend is None
        assert reply.state in ("queued", "in_doubt")
        assert "database" in reply.reason
        assert "defect" not in reply.reason
        send(reply)
        send(reply)
        assert reply.state == "sent"
        assert len(fake.made()) == 1


def test_a_step_of_the_sweep_that_fails_keeps_no_other_from_its_turn(cast, channel, monkeypatch):
    done = []

    def poison(**_):
        raise OperationalError("the connection was closed")

    def defect(*_):
        raise RuntimeError("a defect")

    monkeypatch.setattr(comparing, "compare_due", poison)
    monkeypatch.setattr(Sweeper, "_renew", defect)
    monkeypatch.setattr(access, "warn", lambda now: done.append("warned"))
    with ThreadPoolExecutor(1) as pool:
        sweeper = Sweeper(pool, timedelta(seconds=10))
        sweeper.look()
        sweeper.end()
    assert done == ["warned"]
    assert sweeper.forget_at
