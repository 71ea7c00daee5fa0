"""WordPress as it is: a site of its own with its own database, read, moderated and answered by our connector. Skipped
where it is not at hand; the reason says how to bring it."""

import os
import shutil
import signal
import socket
import subprocess
import time
from datetime import UTC, datetime, timedelta
from getpass import getuser
from pathlib import Path

import pytest
import requests

from connectors.base import (
    AuthRevoked,
    Budget,
    Deleted,
    Duplicate,
    Found,
    Gone,
    Outgoing,
    PolicyRefused,
    Secrets,
    Visibility,
)
from connectors.http import Seam
from connectors.networks.wordpress.connector import WordPress

ROOT = Path(__file__).parents[2] / ".tools" / "wordpress" / "root" / "usr"
SITE, LIBRARIES = ROOT / "share" / "wordpress", ROOT / "lib" / "x86_64-linux-gnu"
pytestmark = [
    pytest.mark.networks,
    pytest.mark.skipif(not SITE.is_dir(), reason="WordPress is not here; on Debian make test-networks brings it"),
]
CONFIG = """<?php
define('DB_NAME', 'wp'); define('DB_USER', 'root'); define('DB_PASSWORD', '');
define('DB_HOST', 'localhost:%s'); define('DB_CHARSET', 'utf8mb4'); define('DB_COLLATE', '');
define('WP_ENVIRONMENT_TYPE', 'local'); define('WP_HTTP_BLOCK_EXTERNAL', true); define('DISABLE_WP_CRON', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
$table_prefix = 'wp_';
define('ABSPATH', __DIR__ . '/');
require_once ABSPATH . 'wp-settings.php';
"""
APP_PASSWORD = (
    "require '%s/wp-load.php';"
    "[$p] = WP_Application_Passwords::create_new_application_password(%d, ['name' => 'care']); echo $p;"
)


def run(*command, folder):
    environment = os.environ | {"LD_LIBRARY_PATH": str(LIBRARIES), "PHP_CLI_SERVER_WORKERS": "3"}
    return subprocess.Popen(
        [str(word) for word in command],
        env=environment, cwd=folder, stdout=(folder / "log").open("ab"), stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip


def end(server):
    """With its workers, which would outlive it."""
    os.killpg(server.pid, signal.SIGTERM)
    server.wait(30)


def php():
    extensions = next((ROOT / "lib" / "php").glob("2*"))
    wanted = ("mysqlnd", "mysqli", "ctype", "tokenizer", "iconv", "fileinfo")
    return [ROOT / "bin" / "php8.2", "-n", "-d", f"extension_dir={extensions}", "-d", "display_errors=0",
            *(word for name in wanted for word in ("-d", f"extension={name}"))]  # fmt: skip


def until(ready, folder, patience=60):
    deadline = time.monotonic() + patience
    while not ready():
        assert time.monotonic() < deadline, (folder / "log").read_text()[-2_000:]
        time.sleep(0.1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("wp")


@pytest.fixture(scope="module")
def database(folder):
    """The socket of a MariaDB with an empty database."""
    data, place = folder / "db", folder / "db.sock"
    common = ["--no-defaults", f"--user={getuser()}", f"--datadir={data}", f"--lc-messages-dir={ROOT}/share/mysql"]
    made = run(ROOT / "bin" / "mariadb-install-db", *common, f"--basedir={ROOT}", "--skip-test-db",
               "--auth-root-authentication-method=normal", folder=folder)  # fmt: skip
    assert made.wait(60) == 0, (folder / "log").read_text()
    (folder / "init.sql").write_text("CREATE DATABASE IF NOT EXISTS wp;")
    server = run(ROOT / "sbin" / "mariadbd", *common, f"--socket={place}", "--skip-networking",
                 f"--init-file={folder}/init.sql", "--innodb-buffer-pool-size=32M", folder=folder)  # fmt: skip
    until(place.exists, folder)
    yield place
    end(server)


class Site:
    """The site, with what its people do."""

    def __init__(self, url, folder):
        self.url, self.folder = url, folder

    def evaluate(self, code):
        environment = os.environ | {"LD_LIBRARY_PATH": str(LIBRARIES)}
        command = [str(word) for word in [*php(), "-r", code]]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def app_password(self, user):
        return self.evaluate(APP_PASSWORD % (self.folder / "site", user))

    def ask(self, method, path, **request):
        url = f"{self.url}/?rest_route=/wp/v2/{path}"
        answer = requests.request(method, url, auth=("admin", self.password), timeout=30, **request)
        assert answer.ok, answer.text
        return answer.json()

    def say(self, text, person="carla", parent=0, status="approved", post=1, **more):
        given = {"post": post, "parent": parent, "content": text, "status": status}
        guest = {"author_name": person.title(), "author_email": f"{person}@acme.example"}
        return str(self.ask("POST", "comments", json=given | guest | more)["id"])

    def connector(self, user="admin", password=None, **facts):
        settings = {"site": self.url, "user": user, "facts": facts or self.facts}
        secrets = {"app_password": self.password if password is None else password}
        return WordPress(settings, Secrets(secrets), Seam(guard=lambda: None, allow=["127.0.0.1"], whole=30))

    def read(self, cursor=None, source="comments", **connector):
        posts = []
        for page in self.connector(**connector).poll(source, cursor, Budget(requests=50), datetime.now(UTC)):
            assert page.bad == ()
            posts += page.posts
            cursor = page.cursor
        return {post.external_id: post for post in posts}, cursor


@pytest.fixture(scope="module")
def site(folder, database):
    shutil.copytree(SITE, folder / "site", ignore_dangling_symlinks=True)
    (folder / "site" / "wp-config.php").write_text(CONFIG % database)
    calm = folder / "site" / "wp-content" / "mu-plugins" / "calm.php"
    calm.parent.mkdir(exist_ok=True)
    calm.write_text("<?php add_filter('comment_flood_filter', '__return_false', 99);")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    server = run(*php(), "-S", f"127.0.0.1:{port}", "-t", folder / "site", folder=folder)

    def listens():
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", port)) == 0

    until(listens, folder)
    try:
        site = Site(url, folder)
        owner = {"user_name": "admin", "admin_password": "admin-pw-1", "admin_password2": "admin-pw-1", "pw_weak": "1"}
        given = owner | {"weblog_title": "Acme", "admin_email": "ada@acme.example"}
        done = requests.post(f"{url}/wp-admin/install.php?step=2", data=given, timeout=60)
        assert "Success" in done.text, done.text[-2_000:]
        site.password = site.app_password(1)
        site.facts = {}
        site.facts = dict(site.connector().check().facts)
        yield site
    finally:
        end(server)


@pytest.fixture
def wish(site):
    parent = site.say(f"Help! {time.monotonic_ns()}")
    return Outgoing(key="key", text="We are on it", parent=site.read()[0][parent], sending_at=datetime.now(UTC))


def test_the_check_knows_who_we_are_and_what_we_may(site):
    check = site.connector().check()
    assert (check.account_name, check.scopes, check.warnings) == ("admin (Acme)", ("moderate_comments",), ())
    assert check.facts["root"].startswith(site.url)
    with pytest.raises(AuthRevoked):
        site.connector(password="wrong").check()
    with pytest.raises(AuthRevoked):
        site.read(password="wrong")


def test_a_user_who_may_not_moderate_reads_what_is_public(site):
    given = {
        "username": "ines",
        "email": "ines@acme.example",
        "password": "a long enough password",
        "roles": "subscriber",
    }
    number = site.ask("POST", "users", json=given)["id"]
    password = site.app_password(number)
    check = site.connector("ines", password, root=site.facts["root"]).check()
    assert check.warnings
    public, held = site.say("for all to see"), site.say("not yet", status="hold")
    posts, _ = site.read(user="ines", password=password, **check.facts)
    assert public in posts
    assert held not in posts
    assert public in site.read(user="", password="", root=site.facts["root"])[0]


def test_a_guest_comments_on_the_page_and_is_held_approved_and_answered(site):
    given = {"comment": "Where is my lid?", "author": "Theo", "email": "theo@acme.example", "comment_post_ID": "1"}
    answer = requests.post(f"{site.url}/wp-comments-post.php", data=given, allow_redirects=False, timeout=30)
    assert answer.status_code == 302
    [held] = [post for post in site.read()[0].values() if post.author.name == "Theo"]
    assert (held.visibility, held.text) == (Visibility.HELD, "Where is my lid?")
    with pytest.raises(PolicyRefused):
        site.connector().send(Outgoing(key="k", text="Hi", parent=held, sending_at=datetime.now(UTC)))
    approved = site.connector().do("approve", held).post
    assert approved.visibility is Visibility.PUBLIC
    site.connector().do("approve", held)
    text = "Theo, prices are < 5 & > 3:\nhttps://acme.example/?a=1&b=2 “quoted” it's"
    wish = Outgoing(key="k", text=text, parent=approved, sending_at=datetime.now(UTC))
    sent = site.connector().send(wish)
    assert site.connector().find(wish) == Found(sent.external_id, sent.url)
    [own] = site.connector().refresh([sent.external_id], datetime.now(UTC))
    assert own.ours
    assert own.parent_id == held.external_id
    assert "prices are < 5 & > 3:\nhttps://acme.example/?a=1&b=2" in own.text
    above = site.connector().ancestors(own, datetime.now(UTC))
    assert [each.external_id for each in above] == [held.external_id]


def test_the_same_text_again_is_refused_and_the_first_is_found(site, wish):
    sent = site.connector().send(wish)
    with pytest.raises(Duplicate):
        site.connector().send(wish)
    assert site.connector().find(wish).external_id == sent.external_id


def test_a_comment_that_is_gone_is_not_answered(site, wish):
    site.ask("DELETE", f"comments/{wish.parent.external_id}")
    with pytest.raises(Gone):
        site.connector().send(wish)
    site.ask("DELETE", f"comments/{wish.parent.external_id}", params={"force": "true"})
    with pytest.raises(Gone):
        site.connector().send(wish)
    assert not isinstance(site.connector().find(wish), Found)


def test_a_closed_discussion_is_refused(site):
    post = site.ask("POST", "posts", json={"title": "Closed", "status": "publish"})["id"]
    identity = site.say("last word", post=post)
    parent = site.read()[0][identity]
    site.ask("POST", f"posts/{post}", json={"comment_status": "closed"})
    wish = Outgoing(key="k", text="Too late", parent=parent, sending_at=datetime.now(UTC))
    with pytest.raises(PolicyRefused) as raised:
        site.connector().send(wish)
    assert raised.value.url == parent.url


@pytest.mark.parametrize(("verb", "away"), [("hide", ""), ("spam", "spam"), ("trash", "trash"), ("delete", "trash")])
def test_moderating_twice_is_success(site, verb, away):
    identity = site.say(f"buy {verb} pills")
    post = site.read()[0][identity]
    site.connector().do(verb, post)
    site.connector().do(verb, post)
    [now] = site.connector().refresh([identity], datetime.now(UTC))
    assert (now.visibility, now.grants["away"]) == (Visibility.HELD, away)
    assert (identity in site.read()[0]) is (not away)


@pytest.mark.parametrize(("verb", "back"), [("spam", "unspam"), ("trash", "restore")])
@pytest.mark.parametrize("before", [Visibility.PUBLIC, Visibility.HELD])
def test_what_was_put_away_is_heard_and_brought_back_as_it_was(site, verb, back, before):
    status = "approved" if before is Visibility.PUBLIC else "hold"
    identity = site.say(f"a {status} lid for the {verb}", status=status)
    site.connector().do(verb, site.read()[0][identity])
    assert site.read(source=verb)[0][identity].kind == "result"
    for _ in range(2):
        shown = site.connector().do(back, site.read()[0].get(identity) or site.read(source=verb)[0][identity]).post
        assert (shown.visibility, shown.grants["away"]) == (before, "")
    assert identity not in site.read(source=verb)[0]


def test_a_comment_with_a_word_that_the_site_forbids_is_heard_all_the_same(site):
    site.evaluate(f"require '{site.folder}/site/wp-load.php'; update_option('disallowed_keys', 'pressure');")
    said = {"comment": "What pressure can it take?", "author": "Wes", "email": "wes@acme.example"}
    given = said | {"comment_post_ID": "1"}
    requests.post(f"{site.url}/wp-comments-post.php", data=given, allow_redirects=False, timeout=30)
    [away] = [post for post in site.read(source="trash")[0].values() if post.author.name == "Wes"]
    assert site.connector().do("restore", away).post.visibility is Visibility.HELD


def test_edits_and_deletions_are_followed(site):
    edited, deleted = site.say("I paid 10"), site.say("forget it")
    before = site.read()[0]
    site.ask("POST", f"comments/{edited}", json={"content": "I paid 100"})
    site.ask("DELETE", f"comments/{deleted}", params={"force": "true"})
    now, gone = site.connector().refresh([edited, deleted], datetime.now(UTC))
    assert now.text == "I paid 100"
    assert now.version != before[edited].version
    assert gone == Deleted(deleted)
    site.connector().do("edit", now, "I paid 1,000")
    assert site.read()[0][edited].text == "I paid 1,000"


def test_times_are_ours_whatever_zone_the_site_has(site):
    site.ask("POST", "settings", json={"timezone": "Asia/Kolkata"})
    try:
        identity = site.say("on time")
        posts, cursor = site.read()
        assert abs(posts[identity].created_at - datetime.now(UTC)) < timedelta(minutes=1)
        late = site.say("and another")
        assert late in site.read(cursor)[0]
        future = cursor | {"floor": (datetime.now(UTC) + timedelta(minutes=79)).isoformat()}
        assert site.read(future)[0] == {}
    finally:
        site.ask("POST", "settings", json={"timezone": "UTC"})


def test_more_than_two_pages_are_read_in_order_while_some_are_deleted(site):
    code = (
        f"require '{site.folder}/site/wp-load.php'; $start = time() - 3600;"
        "for ($n = 0; $n < 250; $n++) echo wp_insert_comment(["
        "'comment_post_ID' => 1, 'comment_author' => 'Rob', 'comment_author_email' => 'rob@acme.example',"
        "'comment_content' => \"many $n\", 'comment_approved' => 1, 'comment_date_gmt' => gmdate('Y-m-d H:i:s',"
        "$start + intdiv($n, 120)), 'comment_date' => gmdate('Y-m-d H:i:s', $start + intdiv($n, 120))]), ' ';"
    )
    wanted = site.evaluate(code).split()
    assert len(wanted) == 250
    seen, cursor = set(), None
    for number in range(7):
        page = next(site.connector().poll("comments", cursor, Budget(requests=1), datetime.now(UTC)))
        seen |= {post.external_id for post in page.posts}
        cursor = page.cursor
        if number == 0:
            early = [post.external_id for post in page.posts if post.external_id in wanted][:10]
            for identity in early:
                site.ask("DELETE", f"comments/{identity}")
        if page.end:
            break
    assert page.end
    assert set(wanted) <= seen
