"""What a poll may use: the windows a network counts, shared by the channels of one account, and the month's money."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from connectors import acting, budgeting, listening, metering, paying, sending
from connectors.base import Connector, Page, Rate, RateLimited, Source
from connectors.models import Billed, Channel, Usage, Window
from inbox.models import Act, Event, Mention, Reply
from socialcare.demo.network import Network
from socialcare.demo.server import DemoServer
from tests.journey.steps import answer, connected, send
from tests.journey.steps import read as read_now
from tests.journey.threads import in_threads
from tests.world import as_shown, write

pytestmark = pytest.mark.django_db(transaction=True)
PAST = datetime(2020, 1, 1, tzinfo=UTC)


class Told:
    """A network that gives empty pages and tells what is left, as `pages` says by source; it counts its calls."""

    def __init__(self):
        self.asked, self.left, self.limit, self.reset_at = [], {}, 100, timezone.now() + timedelta(minutes=10)
        self.buckets, self.cost, self.pages, self.refused = {}, Decimal(0), 1, set()

    def poll(self, connector, source, cursor, budget, now):
        bucket = self.buckets.get(source, "all")
        for number in range(self.pages):
            if budget.spent:
                return
            budget.spend(1, self.cost)
            self.asked.append(source)
            if source in self.refused:
                raise RateLimited("no", until=self.reset_at, bucket=bucket)
            self.left[bucket] = self.left.get(bucket, self.limit) - 1
            rate = (Rate(bucket, self.limit, self.left[bucket], self.reset_at),)
            yield Page(posts=(), cursor={}, end=number == self.pages - 1, rate=rate, cost=self.cost)


@pytest.fixture
def told(monkeypatch):
    network, kind = Told(), Connector.named("demo")
    monkeypatch.setattr(kind, "poll", lambda self, *args: network.poll(self, *args))
    monkeypatch.setattr(kind, "currency", "$")
    sources = (Source("mentions", "Mentions", 5, 2, 900), Source("search", "Search", 5, 2, 900))
    monkeypatch.setattr(kind, "sources", sources)
    return network


@pytest.fixture
def channel(cast):
    return made("@acme")


def made(name, account="brand"):
    fields = {"settings": {"base_url": "http://127.0.0.1:9", "account": {"id": account}}}
    later = timezone.now() + timedelta(days=400)
    return Channel.objects.create(name=name, network="demo", refresh_at=later, history_at=later, **fields)


def read(channel):
    """One poll, as if everything were due: who has to wait waits all the same."""
    channel.sources.update(next_at=PAST)
    Channel.objects.filter(pk=channel.pk).update(next_poll_at=PAST)
    assert listening.listen(channel.pk)
    channel.refresh_from_db()
    return channel


def due(channel, source):
    return channel.sources.get(name=source).next_at


def test_a_poll_asks_no_more_than_what_is_left_and_waits_for_the_next_window(channel, told):
    told.limit, told.pages = 3, 10
    read(channel)
    assert len(told.asked) == 3
    for _ in range(3):
        read(channel)
    assert len(told.asked) == 3
    assert channel.state == "ok"
    for source in ("mentions", "search"):
        wait = due(channel, source) - told.reset_at
        assert timedelta(0) <= wait <= timedelta(seconds=31)
    with time_machine.travel(told.reset_at + timedelta(seconds=40), tick=True):
        told.left, told.reset_at = {}, told.reset_at + timedelta(minutes=20)
        read(channel)
    assert len(told.asked) == 6


def test_a_part_of_a_large_window_is_left_to_those_who_answer(channel, told):
    told.limit, told.left, told.pages = 100, {"all": 7}, 10
    read(channel)
    assert told.left["all"] == 5


def test_two_channels_of_one_account_share_what_is_left(channel, told):
    twin, stranger = made("@twin"), made("@other", "another")
    told.limit, told.pages = 2, 10
    read(channel)
    asked = len(told.asked)
    read(twin)
    assert len(told.asked) == asked == 2
    told.left = {}
    read(stranger)
    assert len(told.asked) == 4
    assert Window.objects.count() == 2


def test_sources_of_one_bucket_wait_together_and_those_of_another_go_on(channel, told):
    told.buckets = {"mentions": "mentions", "search": "search"}
    read(channel)
    told.refused = {"search"}
    read(channel)
    asked = told.asked.count("search")
    for _ in range(3):
        read(channel)
    assert told.asked.count("search") == asked
    assert told.asked.count("mentions") == 5
    assert (channel.state, channel.fault) == ("slow", "RateLimited")
    assert timedelta(0) <= due(channel, "search") - told.reset_at <= timedelta(seconds=31)
    assert due(channel, "mentions") < told.reset_at


def test_a_refusal_for_one_source_keeps_the_other_of_its_bucket_from_asking(channel, told):
    told.refused = {"mentions", "search"}
    read(channel)
    assert len(told.asked) == 1
    for source in ("mentions", "search"):
        assert due(channel, source) >= told.reset_at
    assert channel.next_poll_at >= told.reset_at


def test_what_is_left_is_spread_over_the_window(channel, told):
    told.limit, told.left = 100, {"all": 18}
    read(channel)
    # 16 are left, 11 of them for polls, for two sources over ten minutes: one each 109 seconds.
    assert 90 < (due(channel, "search") - timezone.now()).total_seconds() < 130


def test_costs_are_summed_by_day_and_month(channel, told):
    told.cost = Decimal("0.005")
    with time_machine.travel(datetime(2026, 7, 30, 12, tzinfo=UTC), tick=True):
        read(channel)
    with time_machine.travel(datetime(2026, 8, 1, 12, tzinfo=UTC), tick=True):
        told.reset_at = timezone.now() + timedelta(minutes=10)
        read(channel)
        now = timezone.now()
        spent = metering.spent([channel], now)[channel.pk]
    assert (spent.cost_today, spent.cost_month) == (Decimal("0.01"), Decimal("0.01"))
    assert Usage.objects.count() == 2


def test_the_months_money_warns_at_four_fifths_and_stops_at_its_end(cast, channel, told):
    told.cost, told.limit = Decimal("0.05"), 1000
    Channel.objects.update(monthly_cap=Decimal("1.00"))
    with time_machine.travel(datetime(2026, 7, 10, 12, tzinfo=UTC), tick=True):
        told.reset_at = timezone.now() + timedelta(minutes=10)
        for _ in range(14):
            read(channel)
        assert (len(told.asked), channel.state) == (20, "quota")
        assert "$1.00 of $1.00" in channel.fault_words
        assert "1 August 2026" in channel.fault_words
        assert datetime(2026, 8, 1, tzinfo=UTC) <= channel.next_poll_at < datetime(2026, 8, 3, tzinfo=UTC)
    said = Event.objects.filter(stream=cast.ada.stream, happening="channel_moved").order_by("number")
    assert [event.payload["state"] for event in said] == ["spending", "quota"]
    assert "$0.80 of the $1.00" in said[0].payload["words"]
    with time_machine.travel(datetime(2026, 8, 1, 1, tzinfo=UTC), tick=True):
        told.reset_at = timezone.now() + timedelta(minutes=10)
        read(channel)
    assert (len(told.asked), channel.state) == (22, "ok")


def test_a_higher_limit_lets_it_go_on_at_once(channel, told):
    told.cost = Decimal("0.6")
    Channel.objects.update(monthly_cap=Decimal("1.00"))
    read(channel)
    read(channel)
    assert channel.state == "quota"
    Channel.objects.update(monthly_cap=Decimal("5.00"))
    read(channel)
    assert channel.state == "ok"


def test_what_a_reply_costs_is_counted_when_it_was_sent(cast, settings, monkeypatch):
    settings.FETCH_ALLOW, settings.UNDO_SECONDS = ["127.0.0.1"], 0
    kind, usual = Connector.named("demo"), Connector.named("demo").measure
    priced = lambda self, *a, **k: replace(usual(self, *a, **k), cost=Decimal("0.01"))  # noqa: E731
    monkeypatch.setattr(kind, "measure", priced)
    server = DemoServer(Network(seed=7, pace=0))
    server.start()
    channel = connected(server, team=cast.support)
    server.network.say("carla", "hello")
    read_now(channel)
    reply = answer(cast.ana, Mention.objects.get().conversation)
    send(reply)
    server.stop()
    assert Reply.objects.get().state == "sent"
    assert Usage.objects.get().sent_cost == Decimal("0.01")


@pytest.mark.parametrize("way", ["sent", "found"])
def test_what_a_reply_costs_is_counted_before_its_event_is_numbered(cast, channel, monkeypatch, way):
    """Whoever holds a number keeps everybody of that team waiting until the commit."""
    monkeypatch.setattr(paying, "_price", lambda reply: Decimal("0.01"))
    reply, said = answer(cast.ada, write(channel, "Help", cast.support)), []
    Reply.objects.filter(pk=reply.pk).update(state="sending")
    reply.refresh_from_db()

    def heard(execute, sql, params, many, context):
        said.append(str(sql))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(heard):
        getattr(paying, way)(reply, "at-1", "")
        getattr(paying, way)(reply, "at-1", "")
    counted = [place for place, sql in enumerate(said) if "connectors_usage" in sql]
    (numbered,) = (place for place, sql in enumerate(said) if "inbox_change(" in sql)
    assert max(counted) < numbered
    assert Usage.objects.get().sent_cost == Decimal("0.01")


@pytest.fixture
def spent_up(cast, settings, monkeypatch):
    """A demo channel in which every answer and act costs a dollar, with a dollar for the month."""
    settings.FETCH_ALLOW, settings.UNDO_SECONDS = ["127.0.0.1"], 0
    kind, priced = Connector.named("demo"), {}
    usual, able = kind.measure, kind.can
    monkeypatch.setattr(kind, "currency", "$")
    monkeypatch.setattr(kind, "measure", lambda self, *a, **k: replace(usual(self, *a, **k), cost=Decimal(1)))
    priced = lambda self, *a: {verb: replace(one, cost=Decimal(1)) for verb, one in able(self, *a).items()}  # noqa: E731
    monkeypatch.setattr(kind, "can", priced)
    server = DemoServer(Network(seed=7, pace=0))
    server.start()
    channel = connected(server, team=cast.support)
    server.network.say("carla", "hello")
    read_now(channel)
    Channel.objects.update(monthly_cap=Decimal(1))
    metering.count(channel, timezone.now(), read_cost=Decimal(1))
    yield channel
    server.stop()


def liked(agent):
    """An act of hers on the message, done or not."""
    talk = Mention.objects.get().conversation
    act = talk.act(agent, "like", uuid4(), mention=talk.last_inbound())
    Act.objects.filter(pk=act.pk).update(not_before=PAST)
    acting.act_due()
    act.refresh_from_db()
    return act


def test_answers_leave_although_the_months_money_is_spent(cast, spent_up):
    send(answer(cast.ana, Mention.objects.get().conversation))
    assert Reply.objects.get().state == "sent"
    read(spent_up)
    assert spent_up.state == "quota"


def test_where_the_admin_chose_so_answers_and_acts_wait_for_money_and_leave_with_a_higher_limit(cast, spent_up, client):
    Channel.objects.update(answers_beyond_cap=False)
    send(answer(cast.ana, Mention.objects.get().conversation))
    waiting = Reply.objects.get()
    assert (waiting.state, waiting.fault, waiting.not_before) == (
        "queued",
        "QuotaSpent",
        metering.next_month(timezone.now()),
    )
    assert liked(cast.ana).fault == "QuotaSpent"
    client.force_login(cast.ada)
    base = f"/set-up/channels/{spent_up.pk}/"
    assert "answers and acts wait for the next month" in client.get(f"{base}settings/").content.decode()
    given = {"channel_name": spent_up.name, "base_url": spent_up.settings["base_url"], "monthly_cap": "9"}
    assert client.post(f"{base}settings/", as_shown(spent_up, **given)).status_code == 303
    sending.send_due()
    acting.act_due()
    assert Reply.objects.get().state == "sent"
    assert Act.objects.get().state == "done"


def test_what_an_act_costs_is_counted_once_it_was_done(cast, spent_up):
    assert liked(cast.ana).state == "done"
    assert Usage.objects.get().sent_cost == Decimal(1)


def test_acts_of_one_channel_are_worked_off_without_those_of_another(cast, spent_up):
    other = made("@other")
    talk = Mention.objects.get().conversation
    act = talk.act(cast.ana, "like", uuid4(), mention=talk.last_inbound())
    Act.objects.update(not_before=PAST)
    assert acting.waiting(timedelta(seconds=10)) == [spent_up.pk]
    assert acting.act_due(other.pk) == 0
    assert acting.act_due(spent_up.pk) == 1
    act.refresh_from_db()
    assert act.state == "done"


def test_a_thing_that_is_read_besides_pages_is_paid_once_a_day(channel):
    metering.bill(channel, {"1": Decimal("0.005"), "u7": Decimal("0.01")})
    metering.bill(channel, {"1": Decimal("0.005"), "2": Decimal("0.005")})
    assert Usage.objects.get().read_cost == Decimal("0.02")
    tomorrow = timezone.now() + timedelta(days=1)
    with time_machine.travel(tomorrow, tick=True):
        metering.bill(channel, {"1": Decimal("0.005")})
        metering.forget(tomorrow + timedelta(days=3))
    assert Usage.objects.count() == 2
    assert not Billed.objects.exists()


def test_the_page_says_what_the_month_will_have_cost_and_what_rests_when_it_is_spent(cast, spent_up, client):
    client.force_login(cast.ada)
    page = client.get(f"/set-up/channels/{spent_up.pk}/").content.decode()
    assert "by the end of it, as it goes now" in page
    assert "Reading rests; answers leave all the same." in page


@pytest.mark.parametrize(
    ("first", "now", "ahead"),
    [
        (1, datetime(2026, 6, 16, tzinfo=UTC), 6),
        (1, datetime(2026, 6, 1, 0, 5, tzinfo=UTC), 3 * 30),
        (16, datetime(2026, 6, 17, tzinfo=UTC), 3 * 15),  # connected in the middle of the month
        (16, datetime(2026, 6, 16, 0, 5, tzinfo=UTC), 3 * 15),
    ],
)
def test_the_forecast_goes_by_the_days_since_something_was_used_in_the_month(channel, first, now, ahead):
    metering.count(channel, now.replace(month=5), read_cost=100)
    metering.count(channel, now.replace(day=first), read_cost=3)
    spent = metering.spent([channel], now)[channel.pk]
    assert metering.forecast(spent.cost_month, now, spent.since) == ahead


def test_counting_from_many_threads_loses_nothing(channel):
    now = timezone.now()
    in_threads(*[lambda: metering.count(channel, now, requests=3, read_cost=Decimal("0.5"))] * 8)
    assert (Usage.objects.get().requests, Usage.objects.get().read_cost) == (24, 4)


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        ("0", "$", "$0.00"),
        ("1.2", "$", "$1.20"),
        ("1234.5", "$", "$1,234.50"),
        ("0.005", "$", "$0.005"),
        ("150", "units", "150 units"),
        ("1000", "", "1,000"),
    ],
)
def test_money_is_shown_as_money(amount, currency, shown):
    assert budgeting.money(Decimal(amount), currency) == shown


def test_a_month_ends_when_it_ends():
    assert metering.next_month(datetime(2026, 12, 31, 23, 59, tzinfo=UTC)) == datetime(2027, 1, 1, tzinfo=UTC)
    assert metering.next_month(datetime(2026, 1, 31, tzinfo=UTC)) == datetime(2026, 2, 1, tzinfo=UTC)
