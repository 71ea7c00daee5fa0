import os
import stat
import subprocess
import sys

import pytest

from socialcare import local
from socialcare.ground import Unavailable

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


def test_the_address_of_the_page_follows_host_and_port(monkeypatch):
    monkeypatch.setenv("HOST", "0.0.0.0")
    monkeypatch.setenv("PORT", "8123")
    local.fill_environment("up")
    assert os.environ["PUBLIC_URL"] == "http://127.0.0.1:8123"
    assert local.listening_at() == ("0.0.0.0", 8123)


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
