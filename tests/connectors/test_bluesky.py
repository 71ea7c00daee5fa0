"""What is special about Bluesky: sessions, record keys, rich text in bytes, thread gates, and errors named in the
body."""

from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connectors.base import (
    AuthExpired,
    AuthRevoked,
    Budget,
    Deleted,
    Found,
    Gone,
    Invalid,
    Outgoing,
    PolicyRefused,
    Post,
    PostKind,
    RateLimited,
    Secrets,
    Unavailable,
    Withheld,
)
from connectors.networks.bluesky.api import POSTS, parts_of, post_of, record_key
from connectors.networks.bluesky.text import facets, readable
from tests.fakes.bluesky import ME, PASSWORD, Fake, named
from tests.fakes.network import CANARY
from tests.fakes.server import Reply

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
GATES = "app.bsky.feed.threadgate"


@pytest.fixture
def fake():
    with Fake() as fake:
        yield fake


def heard(fake, uri):
    return next(post for post in fake.read(fake.connector())[0] if post.external_id == uri)


def outgoing(fake, text="We are on it", parent=None, key="key-1", **more):
    post = heard(fake, parent or fake.say("Help!"))
    return Outgoing(key=key, text=text, parent=post, sending_at=datetime.now(UTC), **more)


# Sessions


def test_a_channel_without_a_session_gets_one_by_its_app_password(fake):
    fake.say("x")
    given = {"app_password": PASSWORD}
    with pytest.raises(AuthExpired):
        fake.read(fake.connector(given))
    session = fake.connector(given).renew(Secrets(given))
    assert session["access_jwt"]
    assert fake.read(fake.connector(dict(session)))[0]


def test_an_expired_session_is_renewed_without_signing_in(fake):
    fake.expired.add(CANARY)
    with pytest.raises(AuthExpired):
        fake.read(fake.connector())
    connector = fake.connector()
    session = connector.renew(connector.secrets)
    assert [asked.path.rpartition(".")[2] for asked in fake.server.asked[1:]] == ["refreshSession"]
    assert session["refresh_jwt"] != connector.secrets["refresh_jwt"]
    assert fake.read(fake.connector(dict(session))) is not None


def test_a_used_up_refresh_token_leads_to_the_app_password_and_that_to_a_person(fake):
    fake.expired |= {CANARY, fake.secrets["refresh_jwt"]}
    connector = fake.connector()
    assert connector.renew(connector.secrets)["access_jwt"] == "access-1"
    fake.passwords.clear()
    with pytest.raises(AuthRevoked):
        connector.renew(connector.secrets)
    without = Secrets({"access_jwt": CANARY, "refresh_jwt": fake.secrets["refresh_jwt"]})
    with pytest.raises((AuthExpired, AuthRevoked)):
        fake.connector(dict(without)).renew(without)


def test_a_session_the_server_forgot_is_had_anew_only_with_an_app_password(fake):
    fake.tokens.clear()
    with pytest.raises(AuthExpired):
        fake.read(fake.connector())
    with pytest.raises(AuthRevoked):
        fake.read(fake.connector({"access_jwt": CANARY}))


def test_new_tokens_stand_in_nothing_that_is_kept(fake):
    connector = fake.connector()
    session = connector.renew(connector.secrets)
    assert all(session[name] not in repr(fake.kept) for name in ("access_jwt", "refresh_jwt"))
    assert fake.kept


def test_a_session_says_when_it_ends(fake):
    claims = b64encode(b'{"exp": 1795310000, "sub": "did:plc:brand"}').decode().rstrip("=")
    fake._again = lambda asked: Reply(200, {"accessJwt": f"x.{claims}.y", "refreshJwt": "again"})
    connector = fake.connector()
    session = connector.renew(connector.secrets)
    assert session["expires_at"] == "1795310000"
    assert "1795310000" not in connector.seam.hidden
    fake._again = lambda asked: Reply(200, {"accessJwt": "opaque", "refreshJwt": "again"})
    assert "expires_at" not in connector.renew(session)


def test_a_check_uses_the_session_that_is_good(fake):
    for _ in range(3):
        check = fake.connector().check()
    assert (check.account_id, check.account_name) == (ME, "@brand.test")
    assert check.facts["account_id"] == ME
    assert fake.logins == 0


def test_a_check_without_a_session_asks_for_one_instead_of_making_one_that_nobody_keeps(fake):
    with pytest.raises(AuthExpired):
        fake.connector({"app_password": PASSWORD}).check()
    assert fake.logins == 0


@pytest.mark.parametrize(
    ("typed", "logins"), [("@Brand.test", 0), ("me@brand.test", 0), ("given-up.test", 0), ("carla.test", 1)]
)
def test_a_session_answers_only_for_the_handle_it_was_made_with(fake, typed, logins):
    fake.passwords.clear()
    fake.say("hello", "carla")
    connector = fake.connector()
    connector.settings = {**connector.settings, "handle": typed}
    before = fake.requests()
    if logins:
        with pytest.raises(AuthRevoked):
            connector.check()
    else:
        assert connector.check().account_id == ME
    assert fake.requests() - before <= 3


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [(400, "ExpiredToken", AuthExpired), (401, "AuthMissing", AuthRevoked),
     (401, "AuthenticationRequired", AuthRevoked), (400, "AccountTakedown", Gone),
     (400, "InvalidRequest", Invalid), (400, "NotFound", Gone), (400, "RecordNotFound", Gone),
     (400, "BlockedActor", PolicyRefused), (429, "RateLimitExceeded", RateLimited),
     (502, "UpstreamFailure", Unavailable), (400, "InvalidSwap", Unavailable), (400, "SomethingNew", Invalid)],
)  # fmt: skip
def test_errors_are_told_by_their_name(fake, status, error, kind):
    reset = str(int(datetime.now(UTC).timestamp()) + 77)
    headers = {"ratelimit-limit": "30", "ratelimit-remaining": "0", "ratelimit-reset": reset}
    fake.answer = lambda asked: named(status, error, **headers)
    with pytest.raises(kind) as raised:
        fake.read(fake.connector())
    assert type(raised.value) is kind
    if kind is RateLimited:
        assert int(raised.value.until.timestamp()) == int(reset)


# Listening


def test_mentions_replies_quotes_and_search_results_have_their_kind_and_thread(fake):
    first = fake.say("first")
    second = fake.say("second", parent=first)
    quote = fake.say("quoted", reason="quote")
    fake.say("a like", reason="like")
    posts = {post.external_id: post for post in fake.read(fake.connector())[0]}
    assert {uri: post.kind for uri, post in posts.items()} == {
        first: PostKind.MENTION, second: PostKind.REPLY, quote: PostKind.QUOTE,
    }  # fmt: skip
    assert (posts[second].parent_id, posts[second].root_id, posts[first].root_id) == (first, first, first)
    assert posts[first].url == f"https://bsky.app/profile/did:plc:carla/post/{parts_of(first)[2]}"
    assert posts[first].author.external_id == "did:plc:carla"
    found = fake.connector().poll("search:second", None, Budget(), datetime.now(UTC))
    assert [(post.external_id, post.kind, post.parent_id) for page in found for post in page.posts] == [
        (second, PostKind.RESULT, first)
    ]


def test_an_answer_to_us_is_one_whoever_found_it(fake):
    view = fake.view(fake.say("green tea?", parent=fake.say("tea")))
    ours = {**view, "record": {**view["record"], "reply": {"parent": {"uri": f"at://{ME}/{POSTS}/3k"}}}}
    assert post_of(ours, source="search:tea", me=ME).kind is PostKind.REPLY
    assert post_of(ours, source="search:tea", me="").kind is PostKind.RESULT


def test_without_an_account_only_searches_are_read_and_no_token_is_sent(fake):
    uri = fake.say("green tea")
    connector = fake.connector({})
    assert [source.name for source in connector.listening()] == ["search:tea"]
    [page, *_] = connector.poll("search:tea", None, Budget(), datetime.now(UTC))
    assert [post.external_id for post in page.posts] == [uri]
    assert not connector.can(page.posts[0], NOW)["reply"].allowed
    assert connector.check().account_id == ""
    assert all("authorization" not in asked.headers for asked in fake.server.asked)


def test_our_own_new_threads_are_no_mentions(fake):
    fake.keep(ME, POSTS, "3kaaaaaaaaaaa", {"$type": POSTS, "text": "our tea", "createdAt": "2026-11-22T10:00:00Z"})
    assert next(fake.connector().poll("search:tea", None, Budget(), datetime.now(UTC))).posts == ()


def test_a_token_the_network_forgot_begins_at_the_newest_and_loses_nothing(fake):
    uri = fake.say("x")
    _, _, cursor, _ = fake.read(fake.connector())
    posts, _, after, gaps = fake.read(fake.connector(), cursor | {"at": "unknown"})
    assert [post.external_id for post in posts] == [uri]
    assert (after["at"], gaps) == ("", [])


def test_what_was_there_before_the_first_window_stays_history(fake):
    fake.start = datetime.now(UTC) - timedelta(days=5)
    old = fake.say("old")
    posts, _, cursor, _ = fake.read(fake.connector())
    assert [post.history for post in posts] == [True]
    later = fake.read(fake.connector(), cursor)[0]
    assert [(post.external_id, post.history) for post in later] == [(old, True)]


def test_a_quiet_channel_asks_once_a_poll(fake):
    fake.start = datetime.now(UTC) - timedelta(hours=40)
    fake.say("old")
    fake.start = datetime.now(UTC) - timedelta(hours=1)
    fake.say("new")
    _, _, cursor, _ = fake.read(fake.connector())
    before = fake.requests()
    fake.read(fake.connector(), cursor)
    assert fake.requests() - before == 1


def test_a_time_the_author_claims_is_never_later_than_the_network_saw_it(fake):
    future = fake.say("soon", createdAt="2099-01-01T00:00:00Z")
    none = fake.say("never", createdAt="yesterday")
    past = fake.say("long ago", createdAt="2026-11-01T00:00:00+02:00")
    posts = {post.external_id: post.created_at for post in fake.read(fake.connector())[0]}
    assert posts[future] == fake.records[future]["at"].replace(microsecond=posts[future].microsecond)
    assert posts[none] < datetime.now(UTC)
    assert posts[past] == datetime(2026, 10, 31, 22, tzinfo=UTC)


def test_pictures_and_videos_come_with_their_description(fake):
    blob = {"$type": "blob", "ref": {"$link": "bafkreiabc"}, "mimeType": "image/jpeg", "size": 3}
    uri = fake.say("look", embed={"$type": "app.bsky.embed.images", "images": [{"alt": "a broken lid", "image": blob}]})
    [picture] = heard(fake, uri).media
    assert (picture.kind, picture.description) == ("image", "a broken lid")
    assert picture.url.endswith("/did:plc:carla/bafkreiabc@jpeg")


def test_who_blocks_us_is_withheld_who_deletes_is_deleted_and_what_is_only_slow_is_left_alone(fake):
    blocked, deleted, there = fake.say("one", person="rob"), fake.say("two"), fake.say("three")
    slow, closed, odd = fake.say("four"), fake.say("five", person="wes"), fake.say("six", person="ines")
    unnamed, kept = fake.say("seven"), fake.say("eight", person="rob")
    fake.people |= {"did:plc:rob": {"viewer": {"blockedBy": True}}, "did:plc:ines": "?"}
    fake.unnamed = {unnamed, kept}
    fake.hidden |= {blocked, slow, closed, odd, *fake.unnamed}
    fake.shut.add("did:plc:wes")
    fake.delete(deleted)
    answers = fake.connector().refresh([blocked, odd, deleted, closed, unnamed, kept, there, slow], NOW)
    assert {one.external_id: type(one) for one in answers} == {
        blocked: Withheld, deleted: Deleted, there: Post, closed: Withheld, kept: Withheld,
    }  # fmt: skip


@pytest.mark.parametrize("error", ["AccountTakedown", "AccountDeactivated", "RepoDeactivated"])
def test_a_closed_account_of_ours_asks_for_a_person_and_one_of_theirs_does_not(fake, error):
    wish = outgoing(fake)
    fake._put = lambda asked: named(400, error)
    with pytest.raises(AuthRevoked):
        fake.connector().send(wish)
    fake.answer = lambda asked: named(400, error)
    with pytest.raises(AuthRevoked):
        fake.connector().check()
    with pytest.raises(Gone):
        fake.connector().ancestors(wish.parent, NOW)


def test_many_posts_are_asked_for_in_batches(fake):
    uris = [fake.say(f"post {number}") for number in range(30)]
    assert {post.external_id for post in fake.connector().refresh(uris, NOW)} == set(uris)


# Text


def test_facets_are_counted_in_bytes():
    text = "🎁 für @carla.test: #naïve, siehe example.com/a(b) und (https://b.example/x)."
    found = facets(text, {"carla.test": "did:plc:carla"}.get)
    raw = text.encode()
    shown = {raw[one["index"]["byteStart"] : one["index"]["byteEnd"]].decode(): one["features"][0] for one in found}
    said = {words: next(feature[name] for name in feature if name != "$type") for words, feature in shown.items()}
    assert said == {
        "@carla.test": "did:plc:carla", "#naïve": "naïve", "example.com/a(b)": "https://example.com/a(b)",
        "https://b.example/x": "https://b.example/x",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["mail me@carla.test", "2.5 is a number", "#1 in #2026", "not.adomainend", "e.g. this", "a#b", "# alone", "@nobody",
     "#️⃣ keycap", "wait...what", "@unknown.test"],
)  # fmt: skip
def test_what_only_looks_like_a_name_link_or_tag_stays_text(text):
    assert facets(text, {"carla.test": "did:plc:carla"}.get) == []


def test_facets_are_those_of_the_networks_own_library():
    from atproto_client.utils.facet_detection import detect_facets, detect_mentions

    for text in [
        "Hi @carla.test, see https://example.com/a?b=c#d. And #tea! (example.org) 🎁 #grün_tee x.com/y,",
        "#one #two\n#three @a.bsky.social(@b.bsky.social) https://例え.jp/x HTTP nothing",
        "a.b.c.de/ö?q=1; www.example.co.uk",
        "#tag… #x#y ＃full #123abc #a.b. $ACME", "https://example.com/(x)). https://example.com)", "",
    ]:  # fmt: skip
        theirs = {
            (one.index.byte_start, one.index.byte_end)
            for one in detect_facets(text)
            if not getattr(one.features[0], "tag", "").startswith("$")
        }
        theirs |= {(one.byte_start, one.byte_end) for one in detect_mentions(text)}
        ours = {(one["index"]["byteStart"], one["index"]["byteEnd"]) for one in facets(text, lambda handle: "did:x")}
        assert ours == theirs, text


@pytest.mark.parametrize(
    ("shown", "uri", "read"),
    [("example.com/r/1", "https://example.com/r/1", "example.com/r/1"),
     ("example.com/long…", "https://example.com/long/address", "https://example.com/long/address"),
     ("our bank", "https://evil.example", "our bank (https://evil.example)"),
     ("bank.example", "https://evil.example", "bank.example (https://evil.example)"),
     ("words", "javascript:alert(1)", "words")],
)  # fmt: skip
def test_a_link_shows_where_it_leads(shown, uri, read):
    before = "ü: "
    index = {"byteStart": len(before.encode()), "byteEnd": len((before + shown).encode())}
    facet = {"index": index, "features": [{"$type": "app.bsky.richtext.facet#link", "uri": uri}]}
    assert readable(f"{before}{shown}!", [facet]) == f"{before}{read}!"


@pytest.mark.parametrize(
    "index", [{"byteStart": 5, "byteEnd": 2}, {"byteStart": 0, "byteEnd": 999}, {"byteStart": -3}, None]
)
def test_a_facet_that_points_nowhere_changes_nothing(index):
    assert readable("words", [{"index": index, "features": [{"uri": "https://evil.example"}]}]) == "words"


def test_a_link_that_cuts_a_character_in_two_takes_all_of_it():
    text = "é 日本 🎁 x"
    raw, words = text.encode(), text.replace(" ", "")
    feature = {"uri": "https://acme.example"}
    for start in range(len(raw)):
        for end in range(start + 1, len(raw) + 1):
            read = readable(text, [{"index": {"byteStart": start, "byteEnd": end}, "features": [feature]}])
            assert read.count(" (https://acme.example)") == 1
            assert read.replace(" (https://acme.example)", "").replace(" ", "") == words
    inside = {"index": {"byteStart": 4, "byteEnd": 7}, "features": [feature]}
    assert readable(text, [inside]) == "é 日本 (https://acme.example) 🎁 x"


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("a" * 300, 0),
        ("a" * 301, 1),
        ("👨‍👩‍👧‍👦" * 120, 0),
        ("👨‍👩‍👧‍👦" * 121, 1),
        ("👨‍👩‍👧‍👦" * 301, 2),
        ("字" * 300, 0),
        ("é" * 300, 0),
    ],
)
def test_characters_and_bytes_both_have_their_limit(fake, text, problems):
    assert len(fake.connector().measure(text).problems) == problems


# Answering


def test_a_reply_names_its_parent_and_root_as_they_are_now_with_its_rich_text(fake):
    root = fake.say("root")
    parent = fake.say("parent", person="theo", parent=root)
    wish = outgoing(fake, "@theo.test and @rob.test: see https://acme.example 🎁 #fixed", parent, lang="en")
    fake.edit(root, "root, edited")
    fake.connector().send(wish)
    [made] = fake.made()
    record = made["record"]
    now = {uri: {"uri": uri, "cid": fake.records[uri]["cid"]} for uri in (root, parent)}
    assert record["reply"] == {"root": now[root], "parent": now[parent]}
    assert (record["langs"], record["text"]) == (["en"], wish.text)
    assert [one["features"][0].get("did") for one in record["facets"]] == ["did:plc:theo", None, None]
    assert [asked.one("handle") for asked in fake.server.asked if "resolveHandle" in asked.path] == ["rob.test"]


def test_sending_again_is_the_same_record_and_no_second_commit(fake):
    wish = outgoing(fake)
    sent = fake.connector().send(wish)
    commits = len(fake.commits)
    assert fake.connector().send(wish) == sent
    assert len(fake.commits) == commits
    assert fake.connector().find(wish) == Found(sent.external_id, sent.url)


def test_a_later_try_of_the_same_reply_keeps_its_record_key(fake):
    wish = outgoing(fake)
    sent = fake.connector().send(wish)
    later = Outgoing(key=wish.key, text=wish.text, parent=wish.parent, sending_at=wish.sending_at + timedelta(hours=2))
    assert fake.connector().send(later).external_id == sent.external_id
    assert len(fake.made()) == 1


def test_record_keys_sort_by_time_and_differ_by_reply():
    earlier, later = record_key("a", NOW), record_key("a", NOW + timedelta(seconds=2))
    assert earlier < later
    assert len(earlier) == 13
    assert earlier[0] in "234567abcdefghij"
    assert len({record_key(str(number), NOW) for number in range(2_000)}) == 2_000


def test_where_only_some_may_answer_we_are_refused_before_writing(fake):
    wish = outgoing(fake)
    fake.closed.add(wish.parent.external_id)
    with pytest.raises(PolicyRefused) as raised:
        fake.connector().send(wish)
    assert raised.value.url == wish.parent.url
    assert fake.writings() == 0


def test_where_only_some_may_answer_everything_else_can_still_be_done(fake):
    identity = fake.say("@brand look")
    fake.closed.add(identity)
    [post] = fake.connector().refresh([identity], NOW)
    can = fake.connector().can(post, NOW)
    assert not can["reply"].allowed
    assert {"like", "mute", "block"} <= {verb for verb, each in can.items() if each.allowed}
    can = fake.connector().can(replace(post, ours=True), NOW)
    assert (can["reply"].allowed, can["delete"].allowed) == (False, True)


def test_an_author_is_muted_and_blocked_once(fake):
    identity = fake.say("buy pills")
    post = heard(fake, identity)
    for verb, shown in (("mute", "unmute"), ("unmute", "mute")):
        for _ in range(2):
            fake.connector().do(verb, post)
        assert fake.connector().can(heard(fake, identity), NOW)[shown].allowed
    for _ in range(2):
        blocked = fake.connector().do("block", post).post
    assert [each["subject"] for each in fake.own("app.bsky.graph.block")] == ["did:plc:carla"]
    assert not fake.connector().can(blocked, NOW)["reply"].allowed


def test_a_post_is_reported_as_it_stands_and_one_that_is_gone_is_not(fake):
    identity = fake.say("buy pills")
    post = heard(fake, identity)
    assert fake.connector().can(post, NOW)["report"].allowed
    assert "report" not in fake.connector().can(replace(post, ours=True), NOW)
    fake.edit(identity, "buy more pills")
    fake.connector().do("report", post)
    assert fake.reports == [(identity, "reasonOther")]
    fake.delete(identity)
    with pytest.raises(Gone):
        fake.connector().do("report", post)
    assert len(fake.reports) == 1


def test_liking_twice_is_one_like_and_unliking_takes_it_back(fake):
    post = heard(fake, fake.say("nice"))
    liked = fake.connector().do("like", post).post
    fake.connector().do("like", post)
    assert len(fake.own("app.bsky.feed.like")) == 1
    assert "unlike" in fake.connector().can(liked, NOW)
    fake.connector().do("unlike", post)
    fake.connector().do("unlike", post)
    assert fake.own("app.bsky.feed.like") == []


def test_replies_in_our_own_threads_can_be_hidden_and_shown_again(fake):
    fake.keep(ME, POSTS, "3kaaaaaaaaaaa", {"$type": POSTS, "text": "our news", "createdAt": "2026-11-22T10:00:00Z"})
    ours = f"at://{ME}/{POSTS}/3kaaaaaaaaaaa"
    rude, kind = heard(fake, fake.say("rude", parent=ours)), heard(fake, fake.say("kind", parent=ours))
    fake.keep(
        ME,
        GATES,
        "3kaaaaaaaaaaa",
        {"$type": GATES, "post": ours, "createdAt": "x", "allow": [], "hiddenReplies": ["at://x"]},
    )
    connector = fake.connector()
    assert connector.can(rude, NOW)["hide"].allowed
    hidden = connector.do("hide", rude).post
    connector.do("hide", rude)
    [gate] = fake.own(GATES)
    assert (gate["hiddenReplies"], gate["allow"]) == (["at://x", rude.external_id], [])
    assert "unhide" in connector.can(hidden, NOW)
    connector.do("unhide", hidden)
    assert fake.own(GATES)[0]["hiddenReplies"] == ["at://x"]
    assert "hide" not in connector.can(heard(fake, fake.say("elsewhere")), NOW)
    fake.own(GATES)[0]["hiddenReplies"] = ["at://x"] * 300
    with pytest.raises(PolicyRefused):
        connector.do("hide", kind)


def test_a_first_hidden_reply_makes_the_gate_and_somebody_elses_change_is_not_overwritten(fake):
    fake.keep(ME, POSTS, "3kaaaaaaaaaaa", {"$type": POSTS, "text": "our news", "createdAt": "2026-11-22T10:00:00Z"})
    post = heard(fake, fake.say("rude", parent=f"at://{ME}/{POSTS}/3kaaaaaaaaaaa"))
    fake.connector().do("hide", post)
    [gate] = fake.own(GATES)
    assert gate["post"] == post.root_id
    assert gate["createdAt"] > "2026"
    other = heard(fake, fake.say("rude too", parent=post.external_id))
    put = fake._put

    def late(asked):
        fake.keep(ME, GATES, "3kaaaaaaaaaaa", gate | {"hiddenReplies": []})
        return put(asked)

    fake._put = late
    with pytest.raises(Unavailable):
        fake.connector().do("hide", other)


def test_deleting_our_own_twice_is_success_and_editing_is_not_offered(fake):
    sent = fake.connector().send(outgoing(fake))
    [own] = fake.connector().refresh([sent.external_id], NOW)
    able = fake.connector().can(own, NOW)
    assert able["delete"].allowed
    assert not able["edit"].allowed
    fake.connector().do("delete", own)
    fake.connector().do("delete", own)
    assert fake.made() == []


def test_who_blocks_us_cannot_be_answered(fake):
    uri = fake.say("x")
    fake.people["did:plc:carla"] |= {"viewer": {"blockedBy": True}}
    reply = fake.connector().can(heard(fake, uri), NOW)["reply"]
    assert not reply.allowed
    assert reply.hand_off


def test_a_reply_that_is_hidden_here_or_in_the_app_is_known_to_be_and_can_be_shown_again(fake):
    ours = fake.keep(ME, POSTS, "3kaaaaaaaaaaa", {"$type": POSTS, "text": "News", "createdAt": "2026-11-22T10:00:00Z"})
    rude = fake.say("rude", parent=ours)
    connector, post = fake.connector(), heard(fake, rude)
    assert "hide" in connector.can(post, NOW)
    connector.do("hide", post)
    (looked,) = connector.refresh([rude], NOW)
    assert looked.whole
    assert "unhide" in connector.can(looked, NOW)
    assert not heard(fake, rude).whole
    connector.do("unhide", looked)
    assert "hide" in connector.can(connector.refresh([rude], NOW)[0], NOW)
