"""What topics found is counted by the day, and every page says what counting the findings themselves would say."""

import random
import threading
from collections import Counter
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import close_old_connections, connection, transaction
from django.utils import timezone

from connectors.models import Exclusion, FindingDay, FindingDue, FindingPosts, Topic, TopicMention
from connectors.topics import clustering, comparing, days, resorting
from connectors.topics.audience import estimate
from connectors.topics.counting import counted, counts
from connectors.topics.days import BARE, DAYS, HIDDEN, KEPT, SHOWN, count_due, differences, window
from connectors.topics.exclusions import exclude, restore
from connectors.topics.voice import voice
from inbox.models import Conversation, Mention
from tests import world
from tests.topics.test_themes import make, theme
from tests.waiting import PATIENCE, soon


def told(agent):
    """What pages say, by topic."""
    said = {}
    for topic in counted(Topic.objects.all(), agent, timezone.now()):
        one = counts(topic)
        said[topic.pk] = {SHOWN: one.shown, BARE: one.bare, HIDDEN: one.hidden} | dict(one.by)
    return {pk: {key: n for key, n in one.items() if n} for pk, one in said.items()}


def true(agent):
    """The same of the findings themselves."""
    since = window(timezone.now())[0][0]
    found = {pk: Counter() for pk in Topic.objects.values_list("pk", flat=True)}
    rows = TopicMention.objects.filter(posted_at__gte=since, mention__conversation__team__in=agent.readable_team_ids)
    for topic, hidden_by, themes in rows.values_list("topic", "hidden_by", "themes"):
        keys = [HIDDEN] if hidden_by else [*(themes or [BARE]), SHOWN]
        found[topic].update(keys)
    return {pk: dict(one) for pk, one in found.items()}


def shares(agent, since, until):
    """What the share of voice is of the findings themselves: by topic and by side stories, posts, how many of unknown
    followers, and the audience; and the stories on both sides."""
    rows = TopicMention.objects.filter(posted_at__gte=since, posted_at__lt=until, hidden_by=None)
    rows = rows.filter(mention__conversation__team__in=agent.readable_team_ids, mention__state__in=["live", "edited"])
    columns = ("topic", "topic__rival", "mention", "cluster", "mention__followers")
    items, sides = {}, {}
    for topic, rival, mention, cluster, followers in rows.values_list(*columns):
        for key in (topic, rival):
            items.setdefault((type(key), key), set()).add((mention, cluster or -mention, followers))
        sides.setdefault(cluster or -mention, set()).add(rival)
    heard = {
        key: (
            len({story for _mention, story, _followers in each}),
            len(each),
            sum(followers is None for *_both, followers in each),
            pytest.approx(sum(estimate(followers) for *_both, followers in each if followers is not None)),
        )
        for key, each in items.items()
    }
    return heard, sum(len(each) == 2 for each in sides.values())


def told_shares(agent, since, until):
    said = voice(list(Topic.objects.all()), agent, since, until)
    heard = {(bool, False): said.own, (bool, True): said.rivals} | {(int, pk): one for pk, one in said.topics.items()}
    plain = {key: (one.stories, one.posts, one.unknown, one.audience) for key, one in heard.items() if one.posts}
    return plain, said.both


class World:
    """Everything that may become of a finding, drawn by chance."""

    def __init__(self, cast, chance):
        self.cast, self.chance, self.channel = cast, chance, world.make_channel("@acme", "demo", team=cast.support)
        self.topics = [make("kettle", name="Kettles"), make("leaks OR late", name="Trouble", team=cast.hr, rival=True)]
        self.topics.append(make("it", name="It"))
        self.themes = [theme(topic, name, name).pk for topic in self.topics for name in ("leaks", "late")]
        self.exclusion = Exclusion.objects.create(kind="phrase", text="win")

    def one(self, rows):
        return self.chance.choice(list(rows) or [None])

    def write(self):
        words = self.chance.choice(("the kettle leaks", "my kettle is late", "it leaks", "kettles"))
        ago = self.chance.randrange(-3600, 86_400 * (DAYS + 2))
        team = self.chance.choice((self.cast.support, self.cast.hr, self.cast.product))
        facts = {"history": True, "ago": ago, "followers": self.chance.choice((None, 7, 200_000))}
        mention = world.write(self.channel, words, team, author=f"a{self.chance.random()}", **facts).mentions.get()
        for topic in self.chance.sample(self.topics, self.chance.randrange(1, 4)):
            TopicMention.objects.create(topic=topic, mention=mention, posted_at=mention.posted_at)

    def mark(self):
        if found := self.one(TopicMention.objects.all()):
            values = [{"themes": self.chance.sample(self.themes, self.chance.randrange(3))}]
            values += [{"hidden_by": self.exclusion}, {"hidden_by": None}, {"is_sorted": True}]
            TopicMention.objects.filter(pk=found.pk).update(**self.chance.choice(values))

    def cluster(self):
        while clustering.cluster_piece():
            pass

    def change_post(self):
        if mention := self.one(Mention.objects.all()):
            values = [{"state": state} for state in ("live", "edited", "deleted", "withheld")]
            values += [{"followers": 9}, {"followers": None}, {"text": "another"}]
            Mention.objects.filter(pk=mention.pk).update(**self.chance.choice(values))

    def move(self):
        if conversation := self.one(Conversation.objects.all()):
            to = self.chance.choice((self.cast.support, self.cast.hr, self.cast.product))
            conversation.assign(to, None, by=self.cast.ada)

    def move_post(self):
        if mention := self.one(Mention.objects.all()):
            Mention.objects.filter(pk=mention.pk).update(conversation=self.one(Conversation.objects.all()))

    def lose(self):
        if found := self.one(TopicMention.objects.all()):
            found.delete()

    def erase(self):
        if conversation := self.one(Conversation.objects.all()):
            conversation.delete()

    def count(self):
        count_due(alone=True)
        assert not FindingDue.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(3))
def test_pages_say_what_counting_the_findings_says_whatever_happens(cast, seed, monkeypatch):
    chance = random.Random(seed)
    monkeypatch.setattr(days, "MARKS", 1 + 20 * seed)
    here = World(cast, chance)
    steps = [here.write] * 8 + [here.mark, here.move] * 3 + [here.count] * 3
    steps += [here.move_post, here.lose, here.erase, here.cluster, here.change_post, here.change_post]
    for _ in range(60):
        chance.choice(steps)()
        assert differences() == []
        reader = chance.choice((cast.ana, cast.hugo, cast.ada, cast.max))
        assert told(reader) == true(reader)
        until = timezone.now() + timedelta(minutes=chance.randrange(-90, 90))
        span = until - timedelta(days=chance.choice((7, 28, 90)), seconds=chance.randrange(60)), until
        assert told_shares(reader, *span) == shares(reader, *span)
    here.count()
    assert FindingDay.objects.count() == KEPT * len(here.topics)
    assert any(row.counts for row in FindingDay.objects.all())
    assert any(row.mentions for row in FindingPosts.objects.all())


@pytest.fixture
def heard(cast):
    channel = world.make_channel("@acme", "demo", team=cast.support)
    for number, text in enumerate(("the kettle leaks", "win a kettle", "fine kettle")):
        world.write(channel, text, cast.support, author=f"author{number}", history=True, ago=86_400 * number)
    return channel


@pytest.mark.django_db
def test_a_page_reads_no_finding_of_a_day_that_was_counted(cast, heard):
    topic = make()
    count_due(alone=True)

    def findings_read():
        asked = """SELECT pg_stat_get_xact_tuples_fetched('connectors_topicmention'::regclass)
                        + pg_stat_get_xact_tuples_returned('connectors_topicmention'::regclass)
                        + (SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid)) FROM pg_index
                            WHERE indrelid = 'connectors_topicmention'::regclass)"""
        with connection.cursor() as cursor:
            cursor.execute(asked)
            return cursor.fetchone()[0]

    before = findings_read()
    assert told(cast.ada)[topic.pk][SHOWN] == 3
    now = timezone.now()
    assert voice([topic], cast.ada, now - timedelta(days=90), now).own.posts == 3
    assert findings_read() == before
    topic.found.first().delete()
    before = findings_read()
    assert told(cast.ada)[topic.pk][SHOWN] == 2
    assert findings_read() > before


@pytest.mark.django_db
def test_what_people_and_workers_do_is_counted(cast, heard):
    """By the verbs themselves: sorting, hiding, restoring, asking anew, moving."""
    topic = make()
    count_due(alone=True)
    theme(topic, "leaks", "leaks")
    exclude(topic, [("phrase", "win")], cast.ada)
    while resorting.sort_due():
        pass
    assert told(cast.ana) == true(cast.ana)
    assert told(cast.ana)[topic.pk][HIDDEN] == 1
    count_due(alone=True)
    assert restore(topic.found.hidden().get(), cast.ada)
    assert told(cast.ana)[topic.pk][SHOWN] == 3
    count_due(alone=True)
    assert Conversation.objects.order_by("pk").first().assign(cast.hr, None, by=cast.ada)
    assert told(cast.ana)[topic.pk][SHOWN] == 2
    assert told(cast.hugo)[topic.pk][SHOWN] == 1
    count_due(alone=True)
    topic.refresh_from_db()
    assert topic.rewrite(cast.ada, (), query="fine")
    while comparing.compare_piece():
        pass
    assert told(cast.ana)[topic.pk] == {SHOWN: 1, BARE: 1}
    count_due(alone=True)
    assert told(cast.ana) == true(cast.ana)
    topic.remove(cast.ada)
    count_due(alone=True)
    assert not FindingDay.objects.exists()
    assert not FindingPosts.objects.exists()
    assert not FindingDue.objects.exists()


@pytest.mark.django_db
def test_a_day_that_is_over_is_counted_no_more_and_the_next_one_is(cast, heard, monkeypatch):
    topic = make()
    count_due(alone=True)
    now = timezone.now()
    monkeypatch.setattr(days.timezone, "now", lambda: now + timedelta(days=1))
    assert count_due(alone=True) == 1
    assert FindingDay.objects.filter(topic=topic).count() == KEPT
    assert FindingDay.objects.order_by("since").last().since > now
    assert told(cast.ana) == true(cast.ana)


@pytest.mark.django_db(transaction=True)
def test_a_day_waits_for_whoever_may_have_moved_a_conversation_without_seeing_the_finding(cast, heard):
    """Somebody moves a conversation and has not committed; meanwhile its post is found. Neither sees the other."""
    topic = make("nothing")
    count_due(alone=True)
    one = Conversation.objects.order_by("pk").first()
    moved, go_on = threading.Event(), threading.Event()

    def move():
        with transaction.atomic():
            assert Conversation.objects.get(pk=one.pk).assign(cast.hr, None, by=cast.ada)
            moved.set()
            assert go_on.wait(PATIENCE)
        close_old_connections()

    mover = threading.Thread(target=move)
    mover.start()
    try:
        assert moved.wait(PATIENCE)
        mention = one.mentions.get()
        TopicMention.objects.create(topic=topic, mention=mention, posted_at=mention.posted_at)
        FindingDue.objects.update(noted_at=timezone.now() - days.REST)
        count_due()  # notes whom the mark waits for
        assert FindingDue.objects.get().waits_for
        count_due()
        assert FindingDue.objects.exists()
        assert told(cast.ana) == true(cast.ana) == {topic.pk: {SHOWN: 1, BARE: 1}}
    finally:
        go_on.set()
        mover.join()
    assert told(cast.ana) == true(cast.ana) == {topic.pk: {}}
    FindingDue.objects.update(waits_for=0)  # others than those of this test may still be under way
    assert count_due() == 1
    assert not FindingDue.objects.exists()
    assert told(cast.hugo) == true(cast.hugo) == {topic.pk: {SHOWN: 1, BARE: 1}}


@pytest.mark.django_db(transaction=True)
def test_a_topic_that_is_removed_while_its_days_are_counted_locks_none_of_them(cast, heard):
    """Else each would hold days that the other waits for."""
    topic = make("kettle")
    count_due(alone=True)
    mine, waiting = FindingDay.objects.filter(topic=topic), "SELECT 1 WHERE EXISTS (SELECT FROM pg_locks WHERE "
    waiting += "NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))"

    def remove():
        topic.remove(cast.ada)
        close_old_connections()

    def waits():
        with connection.cursor() as cursor:
            cursor.execute(waiting)
            return cursor.fetchone()

    remover = threading.Thread(target=remove)
    with transaction.atomic():
        FindingDue.objects.create(topic_id=topic.pk, at=mine.earliest("since").since)
        assert count_due(alone=True) == 1
        remover.start()
        soon(waits)
        assert len(mine.select_for_update(nowait=True)) == KEPT
    remover.join()
    assert not mine.exists()


@pytest.mark.django_db
def test_a_wrong_day_is_named_and_counted_again(cast, heard):
    topic = make()
    count_due(alone=True)
    FindingDay.objects.exclude(counts={}).update(counts={str(cast.support.pk): {str(SHOWN): 7}})
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("topic", "check", stdout=out)
    assert "Kettles" in out.getvalue()
    call_command("topic", "check", "--repair", stdout=out)
    assert told(cast.ana)[topic.pk][SHOWN] == 3
    count_due(alone=True)
    FindingPosts.objects.exclude(mentions=[]).update(followers=[7, 7, 7])
    assert len(differences()) == 3
    call_command("topic", "check", "--repair", stdout=out)
    count_due(alone=True)
    call_command("topic", "check", stdout=out)
    assert "Every day is counted right." in out.getvalue()
