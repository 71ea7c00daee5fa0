"""Bluesky as it is: the network's own servers on loopback, read and answered by our connector. Skipped where they are
not installed; the reason says how to install them."""

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
import requests

from connectors.base import (
    AuthExpired,
    AuthRevoked,
    Budget,
    Deleted,
    Found,
    Gone,
    Invalid,
    Medium,
    Outgoing,
    PolicyRefused,
    Post,
    PostKind,
    RateLimited,
    Secrets,
    Uploaded,
    Withheld,
)
from connectors.http import Seam
from connectors.networks.bluesky.api import record_key
from connectors.networks.bluesky.connector import Bluesky
from connectors.networks.bluesky.text import facets
from tests.fakes.server import FakeServer, Reply
from tests.servers import database, redis_server

ROOT, HERE = Path(__file__).parents[2], Path(__file__).parent / "bluesky"
MODULES = ROOT / ".tools" / "bluesky" / "node_modules"
INSTALL = "the Bluesky servers are not installed; make test-networks brings them"
POSTS, PASSWORD, PATIENCE = "app.bsky.feed.post", "a long enough password", 60
pytestmark = [
    pytest.mark.networks,
    pytest.mark.skipif(not (MODULES / "@atproto" / "dev-env").is_dir() or not shutil.which("node"), reason=INSTALL),
]


def free_ports(count):
    """The first of so many neighbouring ports that are free now."""
    for base in range(26_500 + os.getpid() % 1_000 * 8, 60_000, 8):
        try:
            for port in range(base, base + count):
                with socket.socket() as one:
                    one.bind(("127.0.0.1", port))
        except OSError:
            continue
        return base
    raise RuntimeError("no free ports")


def eventually(look, wanted=bool):
    """What `look` gives, once it is as wanted: the network shows things a moment after they were written."""
    until = time.monotonic() + PATIENCE
    while not wanted(found := look()):
        assert time.monotonic() < until, found
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """The addresses of a running network: `pds`, `appview`, and `strict`, a server that limits sign-ins."""
    folder, base = tmp_path_factory.mktemp("bluesky"), free_ports(9)
    with closing(database.connect()) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE bluesky_{os.getpid()}")
    cache = subprocess.Popen(
        [redis_server._find_program(), "--port", str(base + 8), "--bind", "127.0.0.1", "--save", "", "--dir", folder],
        stdout=subprocess.DEVNULL,
    )
    environment = {
        **os.environ,
        "NODE_PATH": str(MODULES), "NODE_ENV": "development", "LOG_ENABLED": "false", "BASE": str(base),
        "DB_POSTGRES_URL": database.url.replace("/socialcare?", f"/bluesky_{os.getpid()}?"),
        "DB_POSTGRES_SCHEMA": "bsky", "REDIS_HOST": f"127.0.0.1:{base + 8}",
    }  # fmt: skip
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            ["node", HERE / "server.cjs"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        )
    try:
        line = server.stdout.readline()
        assert line, (folder / "log").read_text()[-2_000:]
        yield {name: url.replace("localhost", "127.0.0.1") for name, url in json.loads(line).items()}
    finally:
        server.stdin.close()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
        cache.terminate()
        cache.wait(10)


class Person:
    """Somebody on the network, who acts as any client would."""

    def __init__(self, pds, name):
        self.pds, self.handle = pds, f"{name}.test"
        given = {"handle": self.handle, "email": f"{name}@acme.example", "password": PASSWORD}
        made = requests.post(f"{pds}/xrpc/com.atproto.server.createAccount", json=given, timeout=20)
        assert made.status_code == 200, made.text
        self.did, self.token = made.json()["did"], made.json()["accessJwt"]

    def call(self, method, name, **request):
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = requests.request(method, f"{self.pds}/xrpc/{name}", headers=headers, timeout=20, **request)
        assert answer.status_code == 200, answer.text
        return answer.json() if answer.content else {}

    def keep(self, collection, record, rkey=None):
        body = {"repo": self.did, "collection": collection, "record": {"$type": collection, **record}}
        return self.call("POST", "com.atproto.repo.createRecord", json=body | ({"rkey": rkey} if rkey else {}))

    def said(self, text, to=None, names=(), at=None):
        record = {"$type": POSTS, "text": text, "createdAt": zulu(at or datetime.now(UTC)), "langs": ["en"]}
        dids = {person.handle: person.did for person in names}
        record["facets"] = facets(text, lambda handle: dids.get(handle, ""))
        if to:
            parent = {"uri": to["uri"], "cid": to["cid"]}
            record["reply"] = {"root": to.get("root", parent), "parent": parent}
        return record

    def say(self, text, to=None, names=()):
        """Says it and waits until the network shows it: who answers sooner is not told of as an answer."""
        made = self.keep(POSTS, self.said(text, to, names))
        eventually(lambda: self.call("GET", "app.bsky.feed.getPosts", params={"uris": made["uri"]})["posts"])
        return made

    def forget(self, uri):
        _, _, did, collection, rkey = uri.split("/")
        self.call("POST", "com.atproto.repo.deleteRecord", json={"repo": did, "collection": collection, "rkey": rkey})


def zulu(time):
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Desk:
    """Our connector for the account of the brand."""

    def __init__(self, network, person):
        self.person, self.settings = person, {"server": network["pds"], "handle": person.handle}
        made = person.call("POST", "com.atproto.server.createAppPassword", json={"name": "care"})
        self.secrets = Secrets({"app_password": made["password"]})
        self.secrets = self.connector().renew(self.secrets)
        self.settings["facts"] = dict(self.connector().check().facts)

    def connector(self, secrets=None, **settings):
        seam = Seam(guard=lambda: None, allow=["127.0.0.1"])
        return Bluesky({**self.settings, **settings}, self.secrets if secrets is None else Secrets(secrets), seam)

    def signed_in(self, password):
        """By a password alone, as the refresher opens a channel's first session."""
        connector = self.connector({"app_password": password})
        return self.connector(connector.renew(connector.secrets))

    def heard(self, cursor=None, source="notifications", requests=20):
        posts = []
        for page in self.connector().poll(source, cursor, Budget(requests=requests), datetime.now(UTC)):
            assert page.bad == ()
            posts += page.posts
            cursor = page.cursor
        return posts, cursor

    def hears(self, uri):
        """The post, once it has arrived."""

        def look():
            return next((post for post in self.heard()[0] if post.external_id == uri), None)

        return eventually(look)

    def answer(self, post, text="We are on it", key="key-1"):
        return Outgoing(key=key, text=text, parent=post, sending_at=datetime.now(UTC), lang="en")


@pytest.fixture(scope="module")
def desk(network):
    return Desk(network, Person(network["pds"], "brand"))


@pytest.fixture(scope="module")
def carla(network):
    return Person(network["pds"], "carla")


@pytest.fixture(scope="module")
def theo(network):
    return Person(network["pds"], "theo")


@pytest.fixture(scope="module", autouse=True)
def known(desk, carla, theo):
    """Everybody is known to the app view, so that names can be looked up."""
    for person in (desk.person, carla, theo):
        eventually(
            lambda who=person: (
                requests.get(
                    f"{desk.person.pds}/xrpc/app.bsky.actor.getProfile",
                    params={"actor": who.did},
                    headers={"Authorization": f"Bearer {desk.person.token}"},
                    timeout=20,
                ).ok
            )
        )


def test_the_check_says_who_we_are_and_warns_of_the_accounts_own_password(desk):
    check = desk.connector().check()
    assert (check.account_id, check.account_name, check.warnings) == (desk.person.did, "@brand.test", ())
    assert desk.signed_in(PASSWORD).check().warnings
    with pytest.raises(AuthRevoked):
        desk.signed_in("wrong")


def test_a_mention_a_reply_and_a_quote_arrive_with_their_thread(desk, carla, theo):
    first = carla.say("The lid broke 🎁 @brand.test #help see example.com/r/1", names=[desk.person])
    post = desk.hears(first["uri"])
    assert (post.kind, post.author.handle, post.root_id, post.lang) == (
        PostKind.MENTION,
        "carla.test",
        first["uri"],
        "en",
    )
    assert post.text == "The lid broke 🎁 @brand.test #help see example.com/r/1"
    ours = desk.person.say("Ours")
    reply = theo.say("Me too", to=ours)
    assert (desk.hears(reply["uri"]).kind, desk.hears(reply["uri"]).parent_id) == (PostKind.REPLY, ours["uri"])
    quote = {"$type": "app.bsky.embed.record", "record": {"uri": ours["uri"], "cid": ours["cid"]}}
    quoted = theo.keep(POSTS, {"text": "look at this", "createdAt": zulu(datetime.now(UTC)), "embed": quote})
    assert desk.hears(quoted["uri"]).kind is PostKind.QUOTE
    below = carla.say("and a third", to={**reply, "root": {"uri": ours["uri"], "cid": ours["cid"]}})
    [post] = desk.connector().refresh([below["uri"]], datetime.now(UTC))
    above = desk.connector().ancestors(post, datetime.now(UTC))
    assert [each.external_id for each in above] == [ours["uri"], reply["uri"]]


def test_many_notifications_come_in_pages_and_none_is_lost(desk, carla):
    start = datetime.now(UTC) - timedelta(minutes=10)
    writes = [
        {
            "$type": "com.atproto.repo.applyWrites#create",
            "collection": POSTS,
            "value": carla.said(f"@brand.test {number}", names=[desk.person], at=start + timedelta(seconds=number)),
        }
        for number in range(130)
    ]
    made = carla.call("POST", "com.atproto.repo.applyWrites", json={"repo": carla.did, "writes": writes})
    wanted = {one["uri"] for one in made["results"]}
    eventually(lambda: wanted - {post.external_id for post in desk.heard()[0]}, lambda missing: not missing)
    seen, cursor, polls = set(), None, 0
    while polls == 0 or cursor["at"]:
        posts, cursor = desk.heard(cursor, requests=1)
        seen |= {post.external_id for post in posts}
        polls += 1
        assert polls < 10
    assert wanted <= seen
    assert polls >= 2


def test_a_reply_is_one_post_with_live_names_links_and_tags(desk, carla, theo):
    post = desk.hears(carla.say("Help! @brand.test", names=[desk.person])["uri"])
    wish = desk.answer(post, "🎁 @carla.test, @theo.test: see https://acme.example/a #fixed @nobody.test")
    sent = desk.connector().send(wish)
    assert desk.connector().send(wish) == sent
    assert desk.connector().find(wish) == Found(sent.external_id, sent.url)
    record = desk.connector()._record(*sent.external_id.removeprefix("at://").split("/"))["value"]
    raw = wish.text.encode()
    shown = [raw[one["index"]["byteStart"] : one["index"]["byteEnd"]].decode() for one in record["facets"]]
    assert shown == ["@carla.test", "@theo.test", "https://acme.example/a", "#fixed"]
    assert record["reply"]["parent"]["uri"] == post.external_id

    def told(person):
        found = person.call("GET", "app.bsky.notification.listNotifications")["notifications"]
        return [one["uri"] for one in found if one["uri"] == sent.external_id]

    assert eventually(lambda: told(carla)) == eventually(lambda: told(theo)) == [sent.external_id]
    [own] = eventually(lambda: desk.connector().refresh([sent.external_id], datetime.now(UTC)))
    assert own.ours


def test_a_reply_to_a_deleted_post_is_not_posted(desk, carla):
    made = carla.say("gone soon @brand.test", names=[desk.person])
    post = desk.hears(made["uri"])
    carla.forget(made["uri"])
    eventually(lambda: desk.connector().refresh([post.external_id], datetime.now(UTC)) == [Deleted(post.external_id)])
    wish = desk.answer(post, key="deleted")
    with pytest.raises(Gone):
        desk.connector().send(wish)
    assert not isinstance(desk.connector().find(wish), Found)


def test_a_reply_that_is_too_long_is_refused_by_the_network_as_by_us(desk, carla):
    post = desk.hears(carla.say("long @brand.test", names=[desk.person])["uri"])
    family = "👨‍👩‍👧‍👦"
    for number, text in enumerate(["a" * 300, family * 120, "字" * 300]):
        assert not desk.connector().measure(text).problems
        assert desk.connector().send(desk.answer(post, text, key=f"fits-{number}")).external_id
    for text in ["a" * 301, family * 121, "字" * 301]:
        assert desk.connector().measure(text).problems
        with pytest.raises(Invalid):
            desk.connector().send(desk.answer(post, text, key="too long"))


def test_an_edit_and_a_block_are_followed(desk, carla, network):
    made = carla.say("I paid 10 @brand.test", names=[desk.person])
    post = desk.hears(made["uri"])
    body = {"repo": carla.did, "collection": POSTS, "rkey": made["uri"].rpartition("/")[2]}
    carla.call("POST", "com.atproto.repo.putRecord", json=body | {"record": carla.said("I paid 100 @brand.test")})

    def now():
        return next(iter(desk.connector().refresh([post.external_id], datetime.now(UTC))), None)

    after = eventually(now, lambda one: isinstance(one, Post) and "100" in one.text)
    assert after.version != post.version
    rob = Person(network["pds"], "rob")
    angry = desk.hears(rob.say("never again @brand.test", names=[desk.person])["uri"])
    rob.keep("app.bsky.graph.block", {"subject": desk.person.did, "createdAt": zulu(datetime.now(UTC))})

    def standing():
        return next(iter(desk.connector().refresh([angry.external_id], datetime.now(UTC))), None)

    eventually(standing, lambda one: isinstance(one, Withheld))
    with pytest.raises(Gone):
        desk.connector().send(desk.answer(angry, key="blocked"))


def test_replies_in_our_thread_are_hidden_by_its_gate(desk, theo):
    ours = desk.person.say("Our news")
    rude = desk.hears(theo.say("rude", to=ours)["uri"])
    assert desk.connector().can(rude, datetime.now(UTC))["hide"].allowed
    hidden = desk.connector().do("hide", rude).post

    def gate():
        thread = theo.call("GET", "app.bsky.feed.getPostThread", params={"uri": ours["uri"]})["thread"]
        return (thread["post"].get("threadgate") or {}).get("record", {}).get("hiddenReplies")

    assert eventually(gate) == [rude.external_id]
    desk.connector().do("unhide", hidden)
    assert eventually(gate, lambda one: one == []) == []


def test_where_only_some_may_answer_nothing_is_posted(desk, carla):
    made = carla.say("Only friends @brand.test", names=[desk.person])
    gate = {"post": made["uri"], "allow": [], "createdAt": zulu(datetime.now(UTC))}
    carla.keep("app.bsky.feed.threadgate", gate, made["uri"].rpartition("/")[2])
    post = desk.hears(made["uri"])

    def closed():
        [one] = desk.connector().refresh([post.external_id], datetime.now(UTC))
        return one.grants["closed"]

    eventually(closed)
    with pytest.raises(PolicyRefused):
        desk.connector().send(desk.answer(post, key="closed"))


def test_a_like_is_one_like_and_can_be_taken_back(desk, carla):
    post = desk.hears(carla.say("nice @brand.test", names=[desk.person])["uri"])

    def likes():
        return carla.call("GET", "app.bsky.feed.getLikes", params={"uri": post.external_id})["likes"]

    desk.connector().do("like", post)
    assert len(eventually(likes)) == 1
    desk.connector().do("like", post)
    eventually(lambda: desk.connector()._views([post.external_id])[0]["viewer"].get("like"))
    desk.connector().do("unlike", post)
    eventually(likes, lambda found: not found)


def test_an_author_is_muted_and_blocked_and_a_second_time_changes_nothing(desk, carla):
    post = desk.hears(carla.say("pills @brand.test", names=[desk.person])["uri"])

    def seen():
        return desk.connector()._views([post.external_id])

    for verb, wanted in (("mute", True), ("mute", True), ("unmute", False)):
        desk.connector().do(verb, post)
        eventually(lambda: bool(seen()[0]["author"]["viewer"]["muted"]), lambda found, wanted=wanted: found is wanted)
    desk.connector().do("block", post)
    desk.connector().do("block", post)
    eventually(seen, lambda found: not found)  # the network shows us nothing more of who is blocked
    assert isinstance(desk.connector().refresh([post.external_id], datetime.now(UTC))[0], Withheld)
    desk.connector()._drop(f"at://{desk.person.did}/app.bsky.graph.block/{record_key(carla.did, post.created_at)}")
    eventually(seen)


def test_a_post_is_reported_to_the_moderators(desk, carla):
    post = desk.hears(carla.say("cheap pills @brand.test", names=[desk.person])["uri"])
    desk.connector().do("report", post)
    with pytest.raises(Gone):
        desk.connector().do("report", replace(post, external_id=f"{post.external_id}x"))


def test_our_own_reply_can_be_deleted_twice(desk, carla):
    post = desk.hears(carla.say("quick @brand.test", names=[desk.person])["uri"])
    wish = desk.answer(post, key="deleted again")
    sent = desk.connector().send(wish)
    [own] = eventually(lambda: desk.connector().refresh([sent.external_id], datetime.now(UTC)))
    desk.connector().do("delete", own)
    desk.connector().do("delete", own)
    assert not isinstance(desk.connector().find(wish), Found)


def test_a_search_finds_posts_that_name_nobody(desk, carla):
    made = carla.say("marmalade is hard to find")
    found = eventually(lambda: desk.heard(source="search:marmalade")[0])
    assert [(post.external_id, post.kind) for post in found] == [(made["uri"], PostKind.RESULT)]


def test_a_search_without_an_account_asks_the_public_view(desk, carla, network):
    carla.say("chutney is hard to find")
    connector = desk.connector({}, appview=network["appview"], server="")

    def look():
        pages = connector.poll("search:chutney", None, Budget(), datetime.now(UTC))
        return [post for page in pages for post in page.posts]

    assert len(eventually(look)) == 1


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
def test_an_expired_session_is_renewed_and_a_lost_one_had_anew(desk):
    claims = jwt.decode(desk.secrets["access_jwt"], options={"verify_signature": False})
    past = int(time.time()) - 60
    expired = jwt.encode(claims | {"iat": past - 60, "exp": past}, "jwt-secret", headers={"typ": "at+jwt"})
    with pytest.raises(AuthExpired):
        desk.connector({**desk.secrets, "access_jwt": expired}).refresh(["at://x/y/z"], datetime.now(UTC))
    with pytest.raises(AuthExpired):
        desk.connector({**desk.secrets, "access_jwt": "x.y.z"}).refresh(["at://x/y/z"], datetime.now(UTC))
    with pytest.raises(AuthRevoked):
        desk.connector({"access_jwt": "x.y.z"}).refresh(["at://x/y/z"], datetime.now(UTC))
    connector = desk.connector()
    again = connector.renew(desk.secrets)
    assert again["refresh_jwt"] != desk.secrets["refresh_jwt"]
    ended = requests.post(
        f"{desk.person.pds}/xrpc/com.atproto.server.deleteSession",
        headers={"Authorization": f"Bearer {again['refresh_jwt']}"},
        timeout=20,
    )
    assert ended.ok
    assert connector.renew(again)["access_jwt"]
    without = Secrets({name: value for name, value in again.items() if name != "app_password"})
    with pytest.raises((AuthExpired, AuthRevoked)):
        connector.renew(without)


def test_too_many_sign_ins_wait_until_the_network_says(network):
    rob = Person(network["strict"], "wes")
    seam = Seam(guard=lambda: None, allow=["127.0.0.1"])
    connector = Bluesky({"server": network["strict"], "handle": rob.handle}, Secrets({"app_password": "x"}), seam)
    with pytest.raises(RateLimited) as raised:
        for _ in range(40):
            try:
                connector.renew(connector.secrets)
            except AuthRevoked:
                continue
    assert timedelta(0) < raised.value.until - datetime.now(UTC) <= timedelta(minutes=5)


def test_the_firehose_carries_a_reply_sent_twice_once(desk, carla, network):
    from atproto import CAR, FirehoseSubscribeReposClient, models, parse_subscribe_repos_message

    seen, enough = [], threading.Event()
    client = FirehoseSubscribeReposClient({"cursor": 0}, base_uri=network["pds"].replace("http", "ws") + "/xrpc")

    def heard(message):
        commit = parse_subscribe_repos_message(message)
        if isinstance(commit, models.ComAtprotoSyncSubscribeRepos.Commit) and commit.repo == desk.person.did:
            blocks = CAR.from_bytes(commit.blocks).blocks
            seen.extend((op.action, op.path, (blocks.get(op.cid) or {}).get("text")) for op in commit.ops)
            if seen[-1][2] == "the last":
                enough.set()

    post = desk.hears(carla.say("firehose @brand.test", names=[desk.person])["uri"])
    wish = desk.answer(post, "once on the firehose", key="firehose")
    path = desk.connector().send(wish).external_id.partition(f"{desk.person.did}/")[2]
    desk.connector().send(wish)
    desk.person.say("the last")
    thread = threading.Thread(target=client.start, args=(heard,), daemon=True)
    thread.start()
    assert enough.wait(PATIENCE)
    client.stop()
    assert [one for one in seen if one[1] == path] == [("create", path, wish.text)]


def test_the_server_vouches_for_a_video_and_shows_it_below_the_post(desk, carla):
    """The video service is ours, for the true one is closed; it does with the voucher what the true one does."""
    post = desk.hears(carla.say("How do I brew it? @brand.test", names=[desk.person])["uri"])
    body, jobs = b"\0\0\0\x18ftypmp42" + b"\1" * 2_000, {}

    def service(asked):
        if asked.method == "POST":
            headers = {"Authorization": asked.headers["authorization"], "Content-Type": "video/mp4"}
            url = f"{desk.person.pds}/xrpc/com.atproto.repo.uploadBlob"
            put = requests.post(url, data=asked.body, headers=headers, timeout=20)
            assert put.status_code == 200, put.text
            jobs["1"] = put.json()["blob"]
        state = {"jobId": "1", "did": asked.one("did", ""), "state": "JOB_STATE_COMPLETED"}
        return Reply(200, {"jobStatus": state | ({} if asked.method == "POST" else {"blob": jobs["1"]})})

    with FakeServer(service) as video:
        clip = Medium(key="f", kind="video", type="video/mp4", name="clip.mp4", size=len(body), read=lambda: body)
        wish, step = replace(desk.answer(post, key="key-video"), media=(clip,)), Uploaded("", whole=False)
        while not step.whole:
            step = desk.connector(video_url=video.url).upload(clip, wish, step.token)
        sent = desk.connector().send(replace(wish, media=(replace(clip, token=step.token),)))
    shown = eventually(
        lambda: desk.person.call("GET", "app.bsky.feed.getPosts", params={"uris": sent.external_id})["posts"]
    )
    assert shown[0]["embed"]["$type"] == "app.bsky.embed.video#view"
