"""What is special about Matrix: syncs that tell only the newest of a room, changes told as events of their own, rooms
that are encrypted, and invitations nobody accepts unasked."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connectors.base import (
    CURSOR_LIMIT,
    Absent,
    AuthExpired,
    AuthRevoked,
    CannotKnow,
    Deleted,
    Found,
    Gone,
    InDoubt,
    Invalid,
    Medium,
    Outgoing,
    PolicyRefused,
    PostKind,
    PostState,
    RateLimited,
    Secrets,
    Unavailable,
    Unreadable,
    Visibility,
)
from connectors.networks.matrix.joining import leads_to
from connectors.networks.matrix.place import TRIES, Place
from tests.fakes.matrix import AGAIN, HOST, ME, ROOM, Fake, no, user
from tests.fakes.network import CANARY, MADE
from tests.fakes.server import Reply

NOW = datetime.now(UTC)
TWO = f"!two:{HOST}"


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


def connector_with(fake, **settings):
    connector = fake.connector()
    connector.settings = {**connector.settings, **settings}
    return connector


def read(fake, cursor=None, requests=50, connector=None):
    posts, bad, cursor, gaps = fake.read(connector or fake.connector(), cursor, requests)
    return {post.external_id: post for post in posts}, bad, json.loads(json.dumps(cursor)), gaps


def answer_to(post, key="key-1", text="We are on it", **more):
    return Outgoing(key=key, text=text, parent=post, sending_at=datetime.now(UTC), **more)


def test_what_a_sync_left_out_of_many_rooms_is_read_piece_by_piece(fake):
    others = [f"!room{number}:{HOST}" for number in range(4)]
    for room in others:
        fake.found(room)
    _, _, cursor, _ = read(fake)
    for number in range(60):
        for room in others:
            fake.say(f"news {number}", room=room)
    seen, polls = {}, 0
    while seen.keys() != fake.ids():
        posts, bad, cursor, gaps = read(fake, cursor, requests=1)
        assert not bad
        assert not gaps
        seen, polls = seen | posts, polls + 1
        assert polls < 12


def test_more_rooms_than_a_cursor_can_hold_are_a_gap_and_no_fault(fake):
    for number in range(250):
        fake.found(f"!{number:040d}:{HOST}")
    _, _, cursor, _ = read(fake)
    assert len(json.dumps(cursor)) <= CURSOR_LIMIT
    for number in range(250):
        for word in range(21):
            fake.say(f"news {word}", room=f"!{number:040d}:{HOST}")
    page = next(fake.connector().poll("rooms", cursor, _budget(30), NOW))
    assert len(json.dumps(page.cursor)) <= CURSOR_LIMIT
    assert [gap.reason for gap in page.gaps] == ["More rooms had news at once than could be kept in mind."]


def _budget(requests):
    from connectors.base import Budget

    return Budget(requests=requests)


@pytest.mark.parametrize("bundles", [True, False])
def test_an_edit_of_what_was_read_before_is_read_in_the_next_poll(fake, bundles):
    fake.bundles = bundles  # servers need not hang the newest version on a message
    one = fake.say("I paid 10")
    _, _, cursor, _ = read(fake)
    fake.edit(one, "I paid 100")
    posts, _, _, _ = read(fake, cursor)
    assert posts.keys() == {one}
    assert (posts[one].text, posts[one].state, posts[one].author.name) == ("I paid 100", PostState.EDITED, "Carla")
    assert posts[one].edited_at > posts[one].created_at


def test_what_was_taken_back_after_it_was_read_is_told_deleted(fake):
    one, two = fake.say("oops"), fake.say("fine")
    _, _, cursor, _ = read(fake)
    fake.delete(one)
    posts, bad, _, _ = read(fake, cursor)
    assert [(post.external_id, post.state, post.text) for post in posts.values()] == [(one, PostState.DELETED, "")]
    assert not bad
    standing = fake.connector().refresh([one, two], NOW)
    assert [type(each) is Deleted for each in standing] == [True, False]


def test_a_reaction_that_was_taken_back_is_no_news_and_no_defect(fake):
    fake.say("hello")
    relation = {"rel_type": "m.annotation", "event_id": "$x", "key": "🎉"}
    like = fake.keep("m.reaction", user("theo"), {"m.relates_to": relation}, ROOM)
    _, _, cursor, _ = read(fake)
    fake.redacted(like, user("theo"))
    posts, bad, cursor, _ = read(fake, cursor)
    assert (posts, bad, cursor["changes"]) == ({}, [], [])


def test_nobody_changes_the_words_of_another(fake):
    one = fake.say("mine")
    event = fake.at(one)
    fake.replaced(event, user("otto"), {"msgtype": "m.text", "body": "not mine"})
    assert read(fake)[0][one].text == "mine"
    _, _, cursor, _ = read(fake)
    fake.replaced(event, user("otto"), {"msgtype": "m.text", "body": "not mine"})
    assert {post.text for post in read(fake, cursor)[0].values()} <= {"mine"}


def test_answers_and_threads_say_what_they_answer(fake):
    first = fake.say("My tea is cold")
    event = fake.at(first)["event_id"]
    quote = f"> <{user('carla')}> My tea is cold\n\nMine too"
    answer = fake.say(quote, "theo", **{"m.relates_to": {"m.in_reply_to": {"event_id": event}}})
    relation = {"rel_type": "m.thread", "event_id": event, "is_falling_back": True,
                "m.in_reply_to": {"event_id": fake.at(answer)["event_id"]}}  # fmt: skip
    inside = fake.say("And late", "ines", **{"m.relates_to": relation})
    posts = read(fake)[0]
    assert (posts[answer].text, posts[answer].parent_id, posts[answer].root_id) == ("Mine too", first, ROOM)
    assert (posts[inside].parent_id, posts[inside].root_id) == (first, first)
    assert posts[first].visibility is Visibility.PUBLIC
    fake.connector().send(answer_to(posts[inside]))
    (made,) = fake.made()
    assert made["content"]["m.relates_to"]["rel_type"] == "m.thread"
    assert made["content"]["m.relates_to"]["event_id"] == event
    assert made["content"]["m.mentions"] == {"user_ids": [user("ines")]}


def test_a_conversation_of_two_is_direct_and_what_we_said_elsewhere_answers_it(fake):
    _, _, cursor, _ = read(fake)
    fake.found(TWO)
    asked = fake.say("Where is my parcel?", room=TWO)
    posts, _, cursor, _ = read(fake, cursor)
    assert (posts[asked].kind, posts[asked].visibility) == (PostKind.DIRECT, Visibility.DIRECT)
    said = fake.name_of(fake.keep("m.room.message", ME, {"msgtype": "m.text", "body": "On its way"}, TWO))
    ours = read(fake, cursor)[0][said]
    assert ours.ours
    assert ours.parent_id == asked


def test_a_room_that_fell_out_of_memory_is_asked_what_it_is(fake):
    fake.found(TWO)
    _, _, cursor, _ = read(fake)
    one = fake.say("hello", room=TWO)
    posts, _, _, _ = read(fake, {**cursor, "known": {}})
    assert posts[one].visibility is Visibility.DIRECT


def test_encrypted_words_are_said_to_be_unreadable_and_never_answered_in_the_clear(fake):
    group = f"!group:{HOST}"
    for room, members in ((TWO, 2), (group, 9)):
        fake.found(room, members=members, name=f"Room of {members}")
        fake.encrypted.add(room)
        fake.keep("m.room.encrypted", user("carla"), {"algorithm": "m.megolm.v1", "ciphertext": "AwgA"}, room)
    posts, bad, _, _ = read(fake)
    (post,) = posts.values()  # of the group nobody waits for us
    assert not bad
    assert "encrypted" in post.text
    able = fake.connector().can(post, NOW)["reply"]
    assert not able.allowed
    assert able.hand_off.startswith("https://matrix.to/#/")
    warnings = fake.connector().check().warnings
    assert any("Room of 2" in words and "Room of 9" in words and "Encrypted" in words for words in warnings)


def test_a_room_that_was_encrypted_since_gets_no_words_in_the_clear(fake):
    one = fake.say("hello")
    post = read(fake)[0][one]
    fake.encrypted.add(ROOM)
    with pytest.raises(PolicyRefused):
        fake.connector().send(answer_to(post))
    with pytest.raises(PolicyRefused):
        fake.connector().do("edit", replace(post, ours=True), "other words")
    assert fake.writings() == 0


@pytest.mark.parametrize(
    ("how", "private", "accepted"),
    [("wait", True, False), ("private", True, True), ("private", False, False), ("all", False, True)],
)
def test_an_invitation_is_accepted_only_where_the_admin_says_so(fake, how, private, accepted):
    connector = connector_with(fake, invitations=how)
    _, _, cursor, _ = read(fake, connector=connector)
    fake.invite(TWO, private)
    warnings = connector.check().warnings
    assert any("Invitations wait" in words and user("carla") in words for words in warnings) is not accepted
    _, _, cursor, _ = read(fake, cursor, connector=connector)
    assert (TWO in fake.rooms) is accepted
    if accepted:
        one = fake.say("hello", room=TWO)
        assert one in read(fake, cursor, connector=connector)[0]


def test_an_invitation_that_was_taken_back_stops_nothing(fake):
    connector = connector_with(fake, invitations="all")
    fake.invite(TWO, True)
    _, _, cursor, _ = read(fake, connector=connector, requests=1)
    assert cursor["joins"] == [[TWO]]
    fake.invited.clear()
    one = fake.say("hello")
    posts, _, cursor, _ = read(fake, cursor, connector=connector)
    assert one in posts
    assert cursor["joins"] == []


def test_only_the_rooms_that_were_named_are_read_and_the_others_are_missed_in_words(fake):
    fake.found(TWO)
    there, elsewhere = fake.say("there"), fake.say("elsewhere", room=TWO)
    named = [f"#help:{HOST}", f"#gone:{HOST}"]
    connector = connector_with(fake, rooms=named)
    check = connector.check()
    assert check.facts["rooms"] == {f"#help:{HOST}": ROOM}
    assert [words for words in check.warnings if f"#gone:{HOST}" in words]
    connector = connector_with(fake, rooms=named, facts=check.facts)
    connector.facts = check.facts
    posts = read(fake, connector=connector)[0]
    assert there in posts
    assert elsewhere not in posts


def test_a_place_the_server_forgot_is_found_again_by_its_time(fake):
    fake.say("before")
    _, _, cursor, _ = read(fake)
    since = [fake.say(f"since {number}") for number in range(70)]
    posts, bad, after, gaps = read(fake, {**cursor, "next": "x-1"})
    assert set(since) <= posts.keys()
    assert (bad, gaps) == ([], [])
    assert after["next"].startswith("s")


def test_what_is_wrong_from_the_beginning_is_no_lost_place(fake):
    fake.order("422")
    with pytest.raises(Invalid):
        read(fake)


def test_a_room_we_were_thrown_out_of_stops_no_other(fake):
    fake.found(TWO)
    _, _, cursor, _ = read(fake)
    for number in range(30):
        fake.say(f"there {number}", room=TWO)
        fake.say(f"here {number}")
    _, _, cursor, _ = read(fake, cursor, requests=1)
    fake.closed.add(TWO)
    posts, _, cursor, _ = read(fake, cursor)
    assert {post.text for post in posts.values()} >= {f"here {number}" for number in range(10)}
    assert cursor["fills"] == []


def test_a_key_the_server_forgot_is_found_among_our_messages(fake):
    post = _any(fake)
    outgoing = answer_to(post)
    sent = fake.connector().send(outgoing)
    fake.forget_keys()
    assert fake.connector().find(outgoing) == Found(sent.external_id, sent.url)
    assert fake.connector().find(replace(outgoing, key="key-2")) == Absent()  # the same words, meant again
    del fake.at(sent.external_id)["unsigned"]["transaction_id"]  # another session looks, after a new access token
    assert fake.connector().find(replace(outgoing, key="key-2")) == Found(sent.external_id, sent.url)


def test_what_we_said_is_looked_for_behind_whatever_was_said_since(fake):
    one = fake.say("Help!")
    outgoing = answer_to(read(fake)[0][one])
    sent = fake.connector().send(outgoing)
    for number in range(250):
        fake.keep("m.room.message", user("theo"), {"msgtype": "m.text", "body": f"chat {number}"}, ROOM)
    assert fake.connector().find(outgoing) == Found(sent.external_id, sent.url)


def test_likes_are_given_and_taken_once(fake):
    post = _any(fake)
    connector = fake.connector()
    for _ in range(2):
        assert connector.do("like", post).post.grants["liked"]
    likes = [each for each in fake.log if each["type"] == "m.reaction" and each["content"]]
    assert [each["content"]["m.relates_to"]["key"] for each in likes] == ["👍"]
    assert "unlike" in connector.can(connector.do("like", post).post, NOW)
    for _ in range(2):
        assert not connector.do("unlike", post).post.grants["liked"]
    assert not any(each["content"] for each in fake.log if each["type"] == "m.reaction")


def test_a_correction_leaves_the_file_where_it_is(fake):
    post = _any(fake)
    medium = Medium(key="f", kind="file", type="application/pdf", size=4, name="plan.pdf", read=lambda: b"%PDF")
    connector = fake.connector()
    there = replace(medium, token=connector.upload(medium, answer_to(post), "").token)
    sent = connector.send(answer_to(post, media=(there,)))
    connector.do("edit", replace(post, external_id=sent.external_id, ours=True), "This one!")
    now = fake.now(fake.at(sent.external_id))
    assert (now["msgtype"], now["body"], now["filename"]) == ("m.file", "This one!", "plan.pdf")
    assert now["url"] == fake.at(sent.external_id)["content"]["url"]
    back = connector.refresh([sent.external_id], NOW)[0]
    assert (back.text, back.media[0].description) == ("This one!", "plan.pdf")


@pytest.mark.parametrize(
    ("refusal", "fault", "words"),
    [
        (no(401, "M_UNKNOWN_TOKEN", soft_logout=True), AuthRevoked, "ended this session"),
        (no(401, "M_UNKNOWN_TOKEN"), AuthRevoked, "does not know the access token"),
        (no(401, "M_USER_LOCKED", soft_logout=True), AuthRevoked, "locked"),
        (no(429, "M_LIMIT_EXCEEDED", retry_after_ms=90_000), RateLimited, "wait"),
    ],
)
def test_a_refusal_is_understood_by_its_code(fake, refusal, fault, words):
    fake.fault = lambda name: refusal
    fake.order("401")
    with pytest.raises(fault, match=words) as raised:
        fake.read(fake.connector({"access_token": CANARY}), now=NOW)
    if fault is RateLimited:
        assert raised.value.until == NOW + timedelta(seconds=90)


def test_a_session_that_ran_out_goes_on_by_its_refresh_token(fake):
    """Some servers do not say that it merely ran out."""
    for soft in (True, False):
        fake.fault = lambda name, soft=soft: no(401, "M_UNKNOWN_TOKEN", soft_logout=soft)
        fake.order("401")
        with pytest.raises(AuthExpired):
            fake.read(fake.connector())
    fake.expire()
    fresh = fake.connector().renew(Secrets(fake.secrets))
    assert float(fresh["expires_in"]) == 300
    one = fake.say("after the night")
    assert one in read(fake, connector=fake.connector(fresh))[0]
    with pytest.raises(AuthRevoked):
        fake.connector().renew(Secrets(fake.secrets))  # what was given for it is in use


def test_a_renewal_whose_answer_was_lost_is_done_again(fake):
    fake.order(MADE)
    with pytest.raises(Unavailable):
        fake.connector().renew(Secrets(fake.secrets))
    assert fake.connector().renew(Secrets(fake.secrets))["access_token"]


def test_a_renewal_tells_what_stays_and_what_never_ends(fake):
    fake.renews = lambda token: Reply(200, {"access_token": "for ever"})
    fresh = fake.connector().renew(Secrets({**fake.secrets, "expires_in": "300"}))
    assert dict(fresh) == {"access_token": "for ever", "refresh_token": AGAIN}


@pytest.mark.parametrize(
    "told", [{}, {"access_token": ""}, {"access_token": 1}, {"access_token": "a" * 9, "refresh_token": 1}]
)
def test_a_renewal_without_a_token_costs_nobody_a_sign_in(fake, told):
    fake.renews = lambda token: Reply(200, told)
    with pytest.raises(Unreadable):
        fake.connector().renew(Secrets(fake.secrets))


def test_a_session_that_cannot_go_on_needs_a_person(fake):
    for refusal in (no(401, "M_UNKNOWN_TOKEN"), no(403, "M_FORBIDDEN"), no(404, "M_UNRECOGNIZED")):
        fake.renews = lambda token, refusal=refusal: refusal
        with pytest.raises(AuthRevoked):
            fake.connector().renew(Secrets(fake.secrets))
    for status in (401, 403, 404):
        fake.renews = lambda token, status=status: Reply(status, "<html>Who are you?</html>")
        with pytest.raises(Unavailable):
            fake.connector().renew(Secrets(fake.secrets))
    fake.renews = lambda token: no(429, "M_LIMIT_EXCEEDED", retry_after_ms=1_000)
    with pytest.raises(RateLimited):
        fake.connector().renew(Secrets(fake.secrets))
    with pytest.raises(AuthRevoked):
        fake.connector().renew(Secrets({"access_token": CANARY}))


def test_who_may_not_write_in_a_room_is_told_so_with_the_way_there(fake):
    post = _any(fake)
    fake.order("403", writing=True)
    with pytest.raises(PolicyRefused) as raised:
        fake.connector().send(answer_to(post))
    assert raised.value.url == post.url


def test_the_name_in_peoples_addresses_leads_to_the_server(fake):
    with Fake() as front:
        front.homeserver = fake.server.url
        connector = connector_with(fake, homeserver=front.server.url)
        connector.facts = {}
        check = connector.check()
        assert check.facts["base"] == fake.server.url
        assert check.account_id == ME
        assert [each.path for each in front.server.asked] == ["/.well-known/matrix/client"]
        assert "authorization" not in front.server.asked[0].headers


def test_a_server_that_names_no_other_is_asked_itself(fake):
    fake.homeserver = None
    connector = fake.connector()
    connector.facts = {}
    assert connector.check().facts["base"] == fake.server.url


@pytest.mark.parametrize("told", ["http://127.0.0.1:1", "https://care@evil.example", 7, "x" * 5_000, "https://[", ""])
def test_no_secret_follows_a_name_to_a_server_without_encryption(told):
    assert leads_to("https://matrix.example", told) == "https://matrix.example"


def test_a_name_that_is_too_long_to_keep_is_set_aside(fake):
    fake.found(f"!{'x' * 250}:{HOST}")
    fake.say("far", room=f"!{'x' * 250}:{HOST}")
    one = fake.say("near")
    posts, bad, _, _ = read(fake)
    assert posts.keys() == {one}
    assert len(bad) == 1


def test_what_became_unreadable_since_is_not_answered_and_no_defect(fake):
    post = _any(fake)
    fake.at(post.external_id)["content"] = {"body": 7}
    with pytest.raises(Unreadable):
        fake.connector().send(answer_to(post))
    assert fake.writings() == 0


@pytest.mark.parametrize("broken", [{"joins": [[]]}, {"fills": [["!a"]]}, {"changes": [["!a", "$b"]]}, {"known": []}])
def test_a_place_of_another_form_begins_anew_and_says_so(fake, broken):
    one = fake.say("hello")
    _, _, cursor, _ = read(fake)
    posts, _, _, gaps = read(fake, {**cursor, **broken})
    assert one in posts
    assert [gap.reason for gap in gaps] == ["The place where reading stopped could not be used."]


def test_what_is_no_name_of_a_message_is_gone(fake):
    with pytest.raises(Gone):
        fake.connector().do("like", replace(_any(fake), external_id="nonsense"))


def _any(fake):
    one = fake.say("hello")
    return read(fake)[0][one]


def test_a_lost_place_goes_back_to_before_the_last_sync():
    place = Place(NOW - timedelta(days=9), NOW - timedelta(days=3))
    place.next = "s1"
    place.begins()
    place.lost()
    assert place.next == ""
    assert place.stop < NOW - timedelta(days=3)


NEW, NEWEST = f"!new:{HOST}", f"!newest:{HOST}"


@pytest.mark.parametrize("members", [2, 40])
def test_a_room_that_was_upgraded_is_followed_and_its_conversation_goes_on(fake, members):
    fake.found(TWO, members=members)
    before = fake.say("Where is my tea?", room=TWO)
    posts, _, cursor, _ = read(fake)
    fake.upgrade(TWO, NEW)
    _, _, cursor, _ = read(fake, cursor)
    assert NEW in fake.rooms
    after = fake.say("Hello?", room=NEW)
    later, _, cursor, gaps = read(fake, cursor)
    assert later[after].root_id == posts[before].root_id == TWO
    assert later[after].kind == posts[before].kind
    assert not gaps
    assert read(fake, cursor)[0] == {}


def test_rooms_upgraded_twice_are_still_one_conversation_also_for_who_remembers_nothing(fake):
    fake.found(TWO)
    for old, new in ((TWO, NEW), (NEW, NEWEST)):
        fake.upgrade(old, new)
        fake.joins(new)
    one = fake.say("Hello?", room=NEWEST)
    assert read(fake)[0][one].root_id == TWO


def test_a_room_that_only_claims_to_continue_another_is_a_stranger(fake):
    """Else anybody could write into the conversation of a customer."""
    fake.found(TWO)
    fake.found(NEW)
    fake.rooms[NEW]["claims"] = TWO
    one = fake.say("It is me, Carla", room=NEW)
    assert read(fake)[0][one].root_id == NEW


@pytest.mark.parametrize("invited", [False, True])
def test_nobody_sends_the_account_into_a_room_that_continues_none_of_ours(fake, invited):
    fake.found(TWO)
    _, _, cursor, _ = read(fake)
    fake.others.add(NEW)
    fake.upgrade(TWO, NEW, anybody=not invited)
    if invited:
        fake.invite(NEW, private=False)
    _, _, cursor, _ = read(fake, cursor)
    assert NEW not in fake.rooms
    assert (cursor["moves"], cursor["moved"], cursor["joins"]) == ([], [], [])
    assert fake.connector().send(answer_to(_any(fake)))


def test_nobody_has_the_account_leave_a_room_or_write_into_it_by_claiming_to_have_become_it(fake):
    fake.found(TWO)
    fake.found(NEW)  # of somebody else, and nothing was said there yet
    fake.others.add(NEW)
    one = fake.say("Tell me all", room=TWO)
    posts, _, cursor, _ = read(fake)
    cursor["known"].pop(NEW, None)
    fake.upgrade(TWO, NEW)
    _, _, cursor, _ = read(fake, cursor)
    assert NEW in fake.rooms
    assert (cursor["moves"], cursor["moved"]) == ([], [])
    with pytest.raises(PolicyRefused):
        fake.connector().send(answer_to(posts[one]))
    assert fake.made() == []


def test_an_answer_to_what_was_said_before_the_upgrade_stands_in_the_new_room_once(fake):
    fake.found(TWO)
    one = fake.say("Where is my tea?", room=TWO)
    post = read(fake)[0][one]
    outgoing = answer_to(post)
    fake.upgrade(TWO, NEW)
    fake.joins(NEW)
    assert fake.connector().find(outgoing) == Absent()
    fake.order(MADE, writing=True)
    with pytest.raises(InDoubt):
        fake.connector().send(outgoing)
    (made,) = fake.made()
    assert made["room_id"] == NEW
    assert "m.relates_to" not in made["content"]
    assert made["content"]["m.mentions"] == {"user_ids": [post.author.external_id]}
    assert isinstance(fake.connector().find(outgoing), Found)
    del made["unsigned"]["transaction_id"]
    assert isinstance(fake.connector().find(outgoing), Found)
    assert fake.connector().send(outgoing).external_id == fake.name_of(made)


def test_an_answer_made_just_before_the_upgrade_is_found_in_the_old_room(fake):
    post = _any(fake)
    outgoing = answer_to(post)
    sent = fake.connector().send(outgoing)
    fake.upgrade(ROOM, NEW)
    assert fake.connector().find(outgoing) == Found(sent.external_id, sent.url)
    # In a room that is not shown to the account nothing of ours can stand.
    assert fake.connector().find(replace(outgoing, key="key-2", text="Else")) == Absent()


def test_where_the_messages_of_the_new_room_are_kept_from_us_nobody_can_know(fake):
    outgoing, real = answer_to(_any(fake)), fake.messages
    fake.upgrade(ROOM, NEW)
    fake.joins(NEW)
    fake.connector().send(outgoing)
    fake.messages = lambda asked, room: no(403, "M_FORBIDDEN") if room == NEW else real(asked, room)
    assert isinstance(fake.connector().find(outgoing), CannotKnow)


def test_a_new_room_that_takes_nobody_unasked_is_joined_when_the_invitation_comes(fake):
    _, _, cursor, _ = read(fake)
    fake.upgrade(ROOM, NEW, anybody=False)
    _, _, cursor, _ = read(fake, cursor)
    assert NEW not in fake.rooms
    (words,) = fake.connector().check().warnings
    assert "upgraded" in words
    assert "Help desk" in words
    fake.invite(NEW, private=False)
    assert fake.connector().check().warnings == ()
    _, _, cursor, _ = read(fake, cursor)
    assert NEW in fake.rooms


def test_a_new_room_on_a_server_that_is_away_holds_nothing_up(fake):
    _, _, cursor, _ = read(fake)
    fake.upgrade(ROOM, NEW)
    fake.away.add(NEW)
    for number in range(3):
        one = fake.say(f"meanwhile {number}")
        posts, _, cursor, _ = read(fake, cursor)
        assert one in posts
    assert NEW not in fake.rooms
    fake.away.clear()
    _, _, cursor, _ = read(fake, cursor)
    assert NEW in fake.rooms
    assert cursor["moves"] == []


def test_an_invitation_of_a_server_that_is_away_holds_nothing_up(fake):
    connector = connector_with(fake, invitations="all")
    fake.invite(TWO, private=True)
    fake.away.add(TWO)
    one = fake.say("meanwhile")
    posts, _, cursor, _ = read(fake, connector=connector)
    assert one in posts
    fake.away.clear()
    read(fake, cursor, connector=connector)
    assert TWO in fake.rooms


def test_a_server_that_never_comes_back_is_given_up(fake):
    _, _, cursor, _ = read(fake)
    fake.upgrade(ROOM, NEW)
    fake.away.add(NEW)
    for _ in range(TRIES + 1):
        _, _, cursor, _ = read(fake, cursor)
    assert cursor["moves"] == []


def test_rooms_that_were_named_are_read_on_as_what_they_became(fake):
    fake.found(TWO)
    connector = connector_with(fake, rooms=[ROOM])
    _, _, cursor, _ = read(fake, connector=connector)
    fake.upgrade(ROOM, NEW)
    _, _, cursor, _ = read(fake, cursor, connector=connector)
    one, elsewhere = fake.say("here now", room=NEW), fake.say("elsewhere", room=TWO)
    posts, _, cursor, _ = read(fake, cursor, connector=connector)
    assert posts.keys() == {one}
    check = connector_with(fake, rooms=[ROOM]).check()
    assert check.facts["moved"] == {ROOM: NEW}
    assert check.warnings == ()
    del fake.rooms[ROOM]  # somebody tidied up
    connector.facts = check.facts
    posts = read(fake, connector=connector)[0]
    assert one in posts
    assert elsewhere not in posts
    again = connector_with(fake, rooms=[ROOM])
    again.facts = check.facts
    assert again.check().warnings == ()
    assert again.check().facts["moved"] == {ROOM: NEW}


def test_a_room_that_became_another_long_before_we_came_is_left_as_it_is(fake):
    """Whoever had the account then may have left the new one on purpose."""
    fake.upgrade(ROOM, NEW, at=NOW - timedelta(days=30))
    read(fake)
    assert NEW not in fake.rooms


def test_a_cursor_of_before_rooms_were_followed_goes_on(fake):
    fake.found(TWO)
    fake.say("one", room=TWO)
    _, _, cursor, _ = read(fake)
    old = {name: value for name, value in cursor.items() if name not in ("moves", "moved")}
    one = fake.say("two", room=TWO)
    posts, _, after, gaps = read(fake, old)
    assert posts.keys() == {one}
    assert not gaps
    assert after["known"][TWO].startswith("d $event")


@pytest.mark.parametrize(
    "content", [{}, {"replacement_room": 7}, {"replacement_room": "#help:x"}, {"replacement_room": ROOM}]
)
def test_a_tombstone_that_names_no_other_room_leads_nowhere(fake, content):
    post = _any(fake)
    fake.keep("m.room.tombstone", user("owner"), content, ROOM, state_key="")
    _, bad, cursor, _ = read(fake)
    assert (cursor["moves"], cursor["moved"], bad) == ([], [], [])
    assert fake.connector().send(answer_to(post))
