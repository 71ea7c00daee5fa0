import os
import runpy
import stat
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from socialcare import local
from socialcare.ground import Unavailable
from socialcare.management.commands import up
from tests.waiting import PATIENCE

GIVEN = ("SECRET_KEY", "SEAL_KEYS", "DATABASE_URL", "REDIS_URL", "PUBLIC_URL", "HOST", "PORT", "ROLE")


@pytest.fixture(autouse=True)
def bare(monkeypatch, folder):
    """The environment of a fresh shell, given back afterwards."""
    for name in GIVEN:
        monkeypatch.setenv(name, "")  # remembers the old value
        monkeypatch.delenv(name)
        monkeypatch.setenv(f"{name}_FILE", "")
        monkeypatch.delenv(f"{name}_FILE")
    monkeypatch.setenv("DATA_DIR", str(folder / "var"))


def test_up_makes_the_keys_once_and_only_their_owner_reads_them(folder):
    local.fill_environment("up")
    names = ("secret_key", "seal_keys")
    first = [(folder / "var" / "keys" / name).read_text() for name in names]
    local.fill_environment("up")
    assert [(folder / "var" / "keys" / name).read_text() for name in names] == first
    assert len(first[0]) >= 50
    assert all(stat.S_IMODE((folder / "var" / "keys" / name).stat().st_mode) == 0o600 for name in names)
    assert stat.S_IMODE((folder / "var" / "keys").stat().st_mode) == 0o700


def test_children_get_keys_by_file_and_not_in_their_environment():
    local.fill_environment("up")
    assert "SECRET_KEY" not in os.environ
    assert os.environ["SECRET_KEY_FILE"].endswith("keys/secret_key")
    assert os.environ["SEAL_KEYS_FILE"].endswith("keys/seal_keys")


def test_what_is_given_is_kept(monkeypatch, folder):
    given = {
        "SECRET_KEY": "given",
        "SEAL_KEYS": "k:given",
        "DATABASE_URL": "postgresql://elsewhere/care",
        "REDIS_URL": "redis://elsewhere/1",
        "PUBLIC_URL": "https://care.example.com",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    local.fill_environment("up")
    assert {name: os.environ[name] for name in given} == given
    assert list((folder / "var" / "keys").iterdir()) == []


@pytest.mark.parametrize("name", ["SECRET_KEY", "SECRET_KEY_FILE"])
def test_a_secret_key_that_is_given_leaves_all_else_to_up(monkeypatch, folder, name):
    (folder / "given").write_text("given")
    monkeypatch.setenv(name, str(folder / "given"))
    for command in ("up", "shell"):
        local.fill_environment(command)
        assert os.environ["SEAL_KEYS_FILE"].endswith("keys/seal_keys")
        assert os.environ.pop("DATABASE_URL").startswith("postgresql://")
        assert os.environ["PUBLIC_URL"] == "http://127.0.0.1:8000"


def test_the_address_of_the_page_follows_host_and_port(monkeypatch):
    monkeypatch.setenv("HOST", "0.0.0.0")
    monkeypatch.setenv("PORT", "8123")
    local.fill_environment("up")
    assert os.environ["PUBLIC_URL"] == "http://127.0.0.1:8123"
    assert local.listening_at() == ("0.0.0.0", 8123)


def test_other_commands_print_links_to_where_up_has_opened_the_page(monkeypatch, folder):
    local.fill_environment("up")
    local.write_secret(folder / "var" / local.PUBLIC, "http://127.0.0.1:9471")
    for command, port in (("agent", 9471), ("up", 8000)):
        monkeypatch.delenv("PUBLIC_URL")
        local.fill_environment(command)
        assert os.environ["PUBLIC_URL"] == f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("port", ["eighty", "0", "65536", "-1", "80.5"])
def test_a_port_that_is_none_is_one_sentence(monkeypatch, port):
    monkeypatch.setenv("PORT", port)
    with pytest.raises(Unavailable, match="PORT must be a number between 1 and 65535"):
        local.listening_at()


def test_other_commands_find_what_up_has_made_but_make_nothing(folder):
    local.fill_environment("shell")
    assert "DATABASE_URL" not in os.environ
    assert not (folder / "var").exists()
    local.fill_environment("up")
    address = os.environ.pop("DATABASE_URL")
    local.fill_environment("shell")
    assert os.environ["DATABASE_URL"] == address


def test_a_data_folder_that_cannot_be_made_is_one_sentence(folder):
    (folder / "var").write_text("")
    with pytest.raises(Unavailable, match=r"^The data folder .* cannot be used: .*\.$"):
        local.fill_environment("up")


def test_production_without_its_settings_fails_loudly(folder):
    bare = {name: value for name, value in os.environ.items() if name in {"PATH", "DATA_DIR"}}
    done = subprocess.run([sys.executable, "manage.py", "check"], env=bare, capture_output=True, text=True)
    assert done.returncode == 1
    assert "SECRET_KEY is not set" in done.stderr


def told(folder, *command, **given):
    """What the command says, started with a data folder of its own and nothing else but this."""
    env = {"PATH": os.environ["PATH"], "DATA_DIR": str(folder / "var"), **given}
    argv = [sys.executable, "manage.py", *command]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=PATIENCE)  # it might run
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    [sentence] = done.stderr.strip().splitlines()
    return sentence


def test_what_is_typed_in_another_charset_is_refused_in_one_sentence(folder):
    assert told(folder, "channel", "test", b"A\xff") == "What was typed is not UTF-8."


@pytest.mark.parametrize(
    ("module", "given"),
    [
        ("tests.chaos", ("--seconds", "-5")),
        ("tests.chaos", ("--seconds", "nan")),
        ("tests.chaos", ("--network", "nosuch")),
        ("manage", ("demo", "--pace", "nan")),
    ],
)
def test_a_drill_or_a_demo_that_would_prove_nothing_is_refused(folder, module, given):
    done = subprocess.run([sys.executable, "-m", module, *given], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 2 or "Error: argument" in done.stderr
    assert f"argument {given[-2]}: invalid" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_whoever_starts_it_can_mend_is_one_sentence(folder):
    assert "SECRET_KEY is not set" in told(folder, "channel", "list")
    assert told(folder, "up", DATABASE_URL="foo") == "DATABASE_URL must begin with postgresql://."
    assert "The database cannot be reached; is Socialcare running?" in told(folder, "channel", "list")
    (folder / "var" / "keys" / "secret_key").unlink()
    assert "SECRET_KEY is not set" in told(folder, "channel", "list")


WRONG = {
    "TIME_ZONE": ("Mars/Olympus", "must be a time zone such as Europe/Lisbon"),
    "LOG_LEVEL": ("chatty", "must be one of DEBUG, INFO"),
    "LOG_FORMAT": ("xml", "must be one of console, json"),
    "ROLE": ("king", "must be one of web, worker"),
    "DATABASE_URL": ("postgresql://localhost:abc/x", "is no address"),
    "MAIL_URL": ("smtp://h:abc", "is no address"),
    "REDIS_URL": ("bogus", "must be redis://host:port/number"),
    "PUBLIC_URL": ("https://", "must be an address such as https://care.example.com"),
    "FETCH_ALLOW": ("10.0.0.0/99", "“10.0.0.0/99” is neither a host nor a network"),
    "UNDO_SECONDS": ("-5", "must be a number from 0 to "),
    "WORKER_PROCESSES": ("abc", "must be a whole number"),
    "TRUSTED_PROXY_COUNT": ("-1", "must be a number from 0 to "),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_value_that_cannot_be_is_one_sentence_with_its_name(monkeypatch, name):
    value, words = WRONG[name]
    local.fill_environment("up")
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=f"^{name}.*{words}"):
        runpy.run_path(str(local.CHECKOUT / "socialcare" / "settings.py"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"secret_key": b""}, "which is empty"),
        ({"seal_keys": b"\n"}, "which is empty"),
        ({"secret_key": b"\xff\xfe"}, "which holds no text"),
        ({"seal_keys": b"garbage!"}, "Key 1 of SEAL_KEYS is not base64."),
        ({"seal_keys": b"k1:c2hvcnQ="}, "Key 1 of SEAL_KEYS has 5 bytes; it must have 32."),
    ],
)
def test_a_key_file_that_was_cut_off_is_said_at_the_start(folder, content, words):
    local.fill_environment("up")
    for name, text in content.items():
        (folder / "var" / "keys" / name).write_bytes(text)
    assert words in told(folder, "up")
    assert words in told(folder, "channel", "list")


@pytest.mark.parametrize(
    ("host", "port", "words"),
    [
        ("203.0.113.7", "8123", r"^203\.0\.113\.7 is no address of this machine \(.+\): choose another by HOST"),
        ("nowhere.invalid", "8123", r"^nowhere\.invalid is no address of this machine \(.+\): choose another by HOST"),
    ],
)
def test_a_host_that_is_not_ours_says_so_at_once(monkeypatch, host, port, words):
    monkeypatch.setenv("HOST", host)
    monkeypatch.setenv("PORT", port)
    with pytest.raises(Unavailable, match=words):
        up._listen()
