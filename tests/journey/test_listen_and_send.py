"""From the network to the inbox and back, through the functions that tasks and the sweep call."""

from datetime import timedelta

import pytest
from django.utils import timezone

from connectors import listening, sending
from connectors.base import Connector
from connectors.models import Channel, Gap, Quarantined
from connectors.opening import sealed_secrets
from inbox.models import Conversation, Event, Identity, Mention, Reply
from tests.fakes import google_play
from tests.fakes.mastodon import Fake as Mastodon
from tests.journey.steps import answer, connected, fails, make_due, of_fake, our_posts, read, send, told
from tests.journey.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)


# Listening


def test_posts_arrive_once_however_often_they_are_read(network, channel):
    for number in range(30):
        network.say(f"Customer {number}", f"my refund number {number}")
    for _ in range(3):
        read(channel)
    assert Mention.objects.count() == Conversation.objects.count() == 30
    assert Event.objects.filter(happening="received", echo=False).count() == 30
    assert channel.state == "ok"
    assert channel.polling_until is None


def test_a_channel_that_is_not_due_or_paused_is_not_read(cast, server, channel):
    read(channel)
    asked = len(server.requests)
    assert not listening.listen(channel.pk)
    make_due(channel)
    channel.pause(cast.ada)
    assert not listening.listen(channel.pk)
    assert len(server.requests) == asked


def test_an_edit_and_a_deletion_are_followed_by_the_overlap(network, channel):
    first, second = network.say("carla", "frist"), network.say("theo", "never mind")
    read(channel)
    network.edit(first.id, "first")
    network.delete(second.id)
    read(channel)
    assert Mention.objects.get(external_id=first.id).text == "first"
    assert Mention.objects.get(external_id=first.id).revisions.get().text == "frist"
    assert Mention.objects.get(external_id=second.id).state == "deleted"


def test_an_edit_and_a_deletion_outside_the_overlap_are_followed_by_asking():
    with Mastodon() as fake:
        from tests.conftest import make_cast

        channel = of_fake(fake, team=make_cast().support)
        first, second = fake.say("frist"), fake.say("never mind", "theo")
        read(channel)
        fake.edit(first, "first")
        fake.delete(second)
        fake.notified.clear()
        read(channel, refresh=True)
        assert Mention.objects.get(external_id=first).text == "first"
        assert Mention.objects.get(external_id=second).state == "deleted"
        assert Conversation.objects.get(mentions__external_id=first).excerpt == "first"


def test_a_post_that_cannot_be_understood_any_more_is_not_taken_for_deleted():
    with Mastodon() as fake:
        from tests.conftest import make_cast

        channel = of_fake(fake, team=make_cast().support)
        post = fake.say("hello")
        read(channel)
        fake.statuses[post] = fake.statuses[post] | {"created_at": "soon"}
        read(channel, refresh=True)
        assert Mention.objects.get().state == "live"


def test_two_listeners_at_once_store_everything_once(network, channel):
    for number in range(40):
        network.say(f"Customer {number}", f"my refund number {number}")
    make_due(channel)
    results = in_threads(*[lambda: listening.listen(channel.pk)] * 2)
    assert sorted(results) == [False, True]
    assert Mention.objects.count() == 40


def test_a_slow_twin_is_fenced_and_writes_nothing(network, channel):
    network.say("carla", "hello")
    make_due(channel)
    slow = listening.Listener(listening.claim(channel.pk))
    Channel.objects.update(polling_until=timezone.now() - timedelta(seconds=1))
    fast = listening.Listener(listening.claim(channel.pk))
    with pytest.raises(listening.Overtaken):
        slow.run()
    assert not Mention.objects.exists()
    fast.run()
    assert Mention.objects.count() == 1


def test_the_fault_of_an_overtaken_twin_changes_nothing(server, network, channel):
    network.say("carla", "hello")
    make_due(channel)
    slow = listening.Listener(listening.claim(channel.pk))
    Channel.objects.update(polling_until=timezone.now() - timedelta(seconds=1))
    assert listening.claim(channel.pk)
    fails(server, "error")
    slow.run()
    channel.refresh_from_db()
    assert (channel.state, channel.failures) == ("ok", 0)
    assert channel.polling_until is not None, "the other one still polls"


def test_an_overtaken_twin_that_ends_well_takes_no_fault_away(network, channel):
    channel.broken("slow", "Unavailable", "away")
    make_due(channel)
    slow = listening.Listener(listening.claim(channel.pk))
    Channel.objects.update(polling_until=timezone.now() - timedelta(seconds=1))
    fast = listening.Listener(listening.claim(channel.pk))
    slow.ending.well(slow._opened(), ())
    channel.refresh_from_db()
    assert (channel.state, channel.fault, channel.failures) == ("slow", "Unavailable", 1)
    fast.run()
    channel.refresh_from_db()
    assert (channel.state, channel.fault, channel.failures) == ("ok", "", 0)


def test_a_defect_in_reading_leaves_the_channel_slow_with_a_growing_pause(network, channel, monkeypatch):
    def poll(self, *args):
        raise ValueError("a defect")
        yield

    monkeypatch.setattr(Connector.named("demo"), "poll", poll)
    pauses = []
    for _ in range(3):
        read(channel)
        pauses.append((channel.next_poll_at - timezone.now()).total_seconds())
    assert (channel.state, channel.fault, channel.failures) == ("slow", "defect", 3)
    assert pauses[0] >= 4
    assert pauses[2] > pauses[1] > pauses[0]
    assert told().count("slow") == 1
    monkeypatch.undo()
    network.say("carla", "hello")
    read(channel)
    assert channel.state == "ok"
    assert Mention.objects.count() == 1


def test_an_item_that_cannot_be_understood_is_set_aside_once_while_its_page_goes_on(network, channel):
    for number in range(5):
        network.say("carla", f"post {number}")
    network.say("theo", "x").created_at = "soon"
    network.say("carla", "and on")
    read(channel)
    read(channel)
    item = Quarantined.objects.get()
    assert item.reason
    assert item.raw["created_at"] == "soon"
    assert Mention.objects.count() == 6


def test_a_cursor_that_cannot_be_used_leaves_a_gap_that_people_see(network, channel):
    network.say("carla", "hello")
    read(channel)
    channel.sources.update(cursor={"number": "x"})
    read(channel)
    gap = Gap.objects.get()
    assert gap.why
    assert Mention.objects.count() == 1


def test_two_channels_of_one_account_make_one_conversation(cast, server, network, channel):
    twin = connected(server, "@acme too", team=cast.product)
    network.say("carla", "hello")
    read(channel)
    read(twin)
    assert Conversation.objects.count() == 1
    assert Conversation.objects.get().team == cast.support


@pytest.mark.parametrize("first", ["recorded", "seen"])
def test_our_reply_seen_by_another_channel_of_the_account_is_not_an_answer_from_outside(
    cast, server, network, channel, first
):
    twin = connected(server, "@twin", team=cast.support)
    network.say("carla", "hello")
    read(channel)
    read(twin)
    conversation = Conversation.objects.get()
    reply = answer(cast.ana, conversation)
    if first == "seen":  # the other channel reads it before our own sender heard that it was made
        fails(server, "made_hang", method="POST")
        Reply.objects.update(not_before=timezone.now())
        assert sending.send(reply)
    else:
        send(reply)
    read(twin)
    read(twin)
    send(reply)
    read(channel)
    assert len(our_posts(network)) == 1
    reply.refresh_from_db()
    assert (reply.state, reply.external_id) == ("sent", our_posts(network)[0].id)
    assert not Mention.objects.filter(ours=True).exists()
    assert not Event.objects.filter(happening="answered_outside").exists()


def test_a_page_costs_the_same_number_of_statements_however_long(network, channel, django_assert_max_num_queries):
    network.say("carla", "hello")
    read(channel)
    make_due(channel)
    network.say("theo", "hello")
    Channel.objects.update(refresh_at=timezone.now() + timedelta(hours=1))
    with django_assert_max_num_queries(40) as short:
        listening.listen(channel.pk)
    for number in range(95):
        network.say(f"Customer {number}", "hello")
    make_due(channel)
    with django_assert_max_num_queries(40) as long:
        listening.listen(channel.pk)
    assert Mention.objects.count() == 97
    assert len(long.captured_queries) == len(short.captured_queries)
    assert in_page(long) <= 24


def in_page(captured):
    """Statements between the page's transaction and its end, with the facts read for it."""
    said = [query["sql"] for query in captured.captured_queries]
    start = next(place for place, sql in enumerate(said) if "SELECT * FROM inbox_known(" in sql)
    end = next(place for place, sql in enumerate(said) if place > start and sql.startswith("COMMIT"))
    return end - start + 1


# Sending


@pytest.fixture
def conversation(network, channel):
    network.say("carla", "my refund")
    read(channel)
    return Conversation.objects.get()


def test_a_reply_is_posted_once_and_its_answer_stands_in_the_same_conversation(cast, network, channel, conversation):
    reply = send(answer(cast.ana, conversation))
    assert reply.state == "sent"
    send()
    post = our_posts(network)[0]
    assert (len(our_posts(network)), post.id, post.key) == (1, reply.external_id, str(reply.key))
    conversation.refresh_from_db()
    assert conversation.state == 1
    network.say("carla", "thanks", reply_to=post.id)
    read(channel)
    conversation.refresh_from_db()
    assert (conversation.state, conversation.mentions.count()) == (0, 2)
    assert Conversation.objects.count() == 1
    assert not Mention.objects.filter(ours=True).exists()


def test_an_undone_reply_never_leaves(cast, network, conversation):
    reply = answer(cast.ana, conversation)
    assert reply.undo(cast.ana)
    assert send(reply).state == "undone"
    assert not our_posts(network)


def test_a_reply_is_held_when_the_customer_writes_before_it_leaves(cast, network, channel, conversation):
    reply = answer(cast.ana, conversation)
    network.say("carla", "never mind", reply_to="d1")
    read(channel)
    assert send(reply).state == "held"
    assert not our_posts(network)
    assert reply.release(cast.ana)
    assert send(reply).state == "sent"


def test_a_reply_that_was_made_but_not_answered_is_found_and_not_repeated(cast, server, network, conversation):
    reply = answer(cast.ana, conversation)
    fails(server, "made_hang", method="POST")
    Reply.objects.update(not_before=timezone.now())
    assert sending.send(reply)
    reply.refresh_from_db()
    assert reply.state == "in_doubt"
    conversation.refresh_from_db()
    assert conversation.trouble == "in_doubt"
    assert send(reply).state == "sent"
    assert [post.id for post in our_posts(network)] == [reply.external_id]
    conversation.refresh_from_db()
    assert conversation.trouble == ""


def test_a_reply_that_was_not_made_and_not_answered_is_posted_once_after_looking(cast, server, network, conversation):
    reply = answer(cast.ana, conversation)
    fails(server, "hang", method="POST")
    Reply.objects.update(not_before=timezone.now())
    assert sending.send(reply)
    reply.refresh_from_db()
    assert reply.state == "in_doubt"
    assert send(reply).state == "queued"
    assert send(reply).state == "sent"
    assert len(our_posts(network)) == 1


def test_a_doubt_that_cannot_be_looked_up_is_shown_to_a_person_within_a_minute(cast, server, network, conversation):
    reply = answer(cast.ana, conversation)
    fails(server, "made_hang", method="POST")
    Reply.objects.update(not_before=timezone.now())
    sending.send(reply)
    fails(server, "error", count=9)
    assert send(reply).flagged_at is None
    Reply.objects.update(doubted_at=timezone.now() - timedelta(seconds=61))
    assert send(reply).flagged_at is not None
    assert len(our_posts(network)) == 1


def test_a_reply_waits_until_the_time_the_network_says(cast, server, network, conversation):
    reply = answer(cast.ana, conversation)
    fails(server, "rate", method="POST", seconds=120)
    before = timezone.now()
    assert send(reply).state == "queued"
    assert reply.not_before >= before + timedelta(seconds=120)
    assert sending.send_due() == 0
    assert send(reply).state == "sent"
    assert len(our_posts(network)) == 1


def test_other_replies_of_the_channel_wait_as_well(cast, server, network, channel, conversation):
    network.say("theo", "mine too")
    read(channel)
    other = Conversation.objects.exclude(pk=conversation.pk).get()
    replies = [answer(cast.ana, conversation), answer(cast.ana, other)]
    fails(server, "rate", method="POST", seconds=120)
    before = timezone.now()
    send(*replies)
    assert server.requests.count("POST /api/posts") == 1
    assert min(reply.not_before for reply in replies) >= before + timedelta(seconds=119)


def test_a_channel_whose_network_hangs_holds_up_no_other_reply(cast, server, network, channel, conversation):
    from socialcare.demo.network import Network
    from socialcare.demo.server import DemoServer

    far = DemoServer(Network(seed=8, pace=0))
    far.start()
    try:
        for number in range(4):
            network.say(f"Customer {number}", "hello")
        read(channel)
        healthy = connected(far, "@far", team=cast.support)
        far.network.say("wes", "hello")
        read(healthy)
        replies = [answer(cast.ana, each) for each in Conversation.objects.exclude(channel=healthy)]
        last = answer(cast.ana, Conversation.objects.get(channel=healthy))
        fails(server, "hang", count=9, method="POST", seconds=1.2)
        send(*replies, last)
        assert last.state == "sent"
        assert server.requests.count("POST /api/posts") == 1
    finally:
        far.stop()


def test_a_broken_token_asks_for_reconnecting_once_and_loses_nothing(cast, server, network, channel, conversation):
    network.token_broken = True
    for number in range(50):
        network.say(f"Customer {number}", "while the token is broken")
    read(channel)
    assert (channel.state, channel.fault) == ("reconnect", "AuthRevoked")
    make_due(channel)
    assert not listening.listen(channel.pk)
    reply = answer(cast.ana, conversation)
    assert send(reply).state == "queued"
    assert told().count("reconnect") == 1
    network.token_broken, server.token = False, "new token"
    channel.reconnected(sealed_secrets(channel.pk, {"token": "new token"}), cast.ada)
    assert listening.listen(channel.pk), "it is due at once"
    channel.refresh_from_db()
    assert Mention.objects.filter(text="while the token is broken").count() == 50
    assert send(reply).state == "sent"
    assert len(our_posts(network)) == 1
    assert channel.state == "ok"


def test_a_token_that_breaks_while_sending_keeps_the_reply_and_asks_for_reconnecting(
    cast, server, network, channel, conversation
):
    reply = answer(cast.ana, conversation)
    network.token_broken = True
    assert send(reply).state == "queued"
    channel.refresh_from_db()
    assert channel.state == "reconnect"
    network.token_broken = False
    channel.reconnected(channel.sealed, cast.ada)
    assert send(reply).state == "sent"


def test_a_poll_that_began_before_the_reconnection_does_not_undo_it(cast, server, network, channel):
    make_due(channel)
    slow = listening.Listener(listening.claim(channel.pk))
    network.token_broken = True
    server.token = "new token"
    channel.reconnected(sealed_secrets(channel.pk, {"token": "new token"}), cast.ada)
    slow.run()
    channel.refresh_from_db()
    assert channel.state == "ok"


def test_a_reply_to_a_post_that_is_gone_fails_with_the_reason(cast, network, conversation):
    reply = answer(cast.ana, conversation)
    network.delete("d1")
    assert (send(reply).state, reply.fault) == ("failed", "Gone")
    assert "no longer there" in reply.reason
    assert reply.drop(cast.ana)


def test_a_reply_that_is_too_long_fails_before_anything_is_sent(cast, server, conversation):
    reply = send(answer(cast.ana, conversation, "x" * 501))
    assert reply.state == "failed"
    assert "1 characters too long" in reply.reason
    assert "POST /api/posts" not in server.requests


def test_a_reply_whose_post_was_removed_here_fails_and_stops_no_other(cast, network, channel, conversation):
    network.say("theo", "mine too")
    read(channel)
    other = Conversation.objects.exclude(pk=conversation.pk).get()
    replies = [answer(cast.ana, conversation), answer(cast.ana, other)]
    Reply.objects.filter(pk=replies[0].pk).update(parent=None)
    send(*replies)
    assert [reply.state for reply in replies] == ["failed", "sent"]
    assert replies[0].reason


def test_a_doubtful_reply_whose_post_was_removed_here_is_shown_to_a_person(cast, server, conversation):
    reply = answer(cast.ana, conversation)
    fails(server, "made_hang", method="POST")
    Reply.objects.update(not_before=timezone.now())
    sending.send(reply)
    Reply.objects.filter(pk=reply.pk).update(parent=None)
    reply.refresh_from_db()
    assert send(reply).flagged_at is not None


def test_a_channel_of_a_network_this_installation_lacks_says_so_and_stops_no_other(
    cast, network, channel, conversation
):
    reply = answer(cast.ana, conversation)
    Channel.objects.update(network="gopher")
    read(channel)
    assert channel.state == "slow"
    assert "network" in channel.fault_words
    assert send(reply).state == "queued"
    Channel.objects.update(network="demo")
    assert send(reply).state == "sent"


def test_an_answer_to_a_direct_message_is_direct(cast):
    with Mastodon() as fake:
        channel = of_fake(fake, team=cast.support)
        fake.say("my order is 4711", visibility="direct")
        read(channel)
        conversation = Conversation.objects.get()
        assert conversation.visibility == "direct"
        assert send(answer(cast.ana, conversation)).state == "sent"
        assert fake.made()[0]["visibility"] == "direct"


def test_whom_two_servers_call_differently_is_named_as_the_channels_own_server_does(cast):
    with Mastodon() as fake, Mastodon() as far:
        channel, there = of_fake(fake, team=cast.support), of_fake(far, "#tea", team=cast.support)
        fake.say("my order is 4711", visibility="direct", account={"acct": "carla@tea.example"})
        read(channel)
        conversation = Conversation.objects.get()
        assert conversation.last_inbound().identity.handle == "carla@tea.example"
        Channel.objects.filter(pk=there.pk).update(settings={**there.settings, "facts": {"domain": "tea.example"}})
        far.next()  # its posts are others than those of the first server, though both began at the same moment
        far.say("I like tea")
        read(there)
        assert conversation.last_inbound().identity.handle == "carla@tea.example"
        Identity.objects.filter(handle="carla@tea.example").update(handle="carla")  # as it was kept before
        for text in ("It is on its way", "@carla@tea.example it is there"):
            assert send(answer(cast.ana, conversation, text)).state == "sent"
        said = [made["content"] for made in fake.made()]
        assert said == ["<p>@carla@tea.example It is on its way</p>", "<p>@carla@tea.example it is there</p>"]


def test_a_private_answer_to_a_public_post_is_direct(cast):
    with Mastodon() as fake:
        channel = of_fake(fake, team=cast.support)
        fake.say("where is my order?")
        read(channel)
        assert send(answer(cast.ana, Conversation.objects.get(), kind="direct")).state == "sent"
        assert fake.made()[0]["visibility"] == "direct"


def test_a_network_that_gives_every_reply_one_id_gets_each_reply_once(cast, network, channel, conversation, server):
    network.say("theo", "mine too")
    read(channel)
    first = send(answer(cast.ana, conversation))
    other = answer(cast.ana, Conversation.objects.exclude(pk=conversation.pk).get())
    Reply.objects.filter(pk=first.pk).update(external_id=f"d{len(network.posts) + 1}")
    assert send(other).state == "sent"
    assert len(our_posts(network)) == 2


def test_a_network_that_tells_of_a_few_at_a_time_is_asked_for_all_in_turn(cast):
    with google_play.Fake() as fake:
        said = [fake.say(f"Weak tea {number}", f"Customer {number}") for number in range(12)]
        channel = of_fake(fake, "Play", team=cast.support)
        read(channel)
        fake.delete(said[4])
        for _ in range(12):
            read(channel, refresh=True)
        assert set(Mention.objects.exclude(state="live").values_list("external_id", flat=True)) == {said[4]}


def test_sources_that_take_the_whole_budget_each_time_let_a_deletion_be_noticed(cast):
    with Mastodon() as fake:
        fake.settings = lambda: {"server": fake.server.url, "hashtags": "tea\nmint\nsage\nrose\nlime\ndill"}
        gone = fake.say("My refund is late")
        channel = of_fake(fake, team=cast.support)
        for _ in range(3):
            read(channel)
        fake.delete(gone)
        Channel.objects.update(refresh_at=timezone.now() - timedelta(minutes=5))
        for _ in range(3):
            read(channel)
        assert Mention.objects.get(external_id=gone).state == "deleted"
