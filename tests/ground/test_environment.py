"""The script that makes .venv, with a uv that only writes down what it was asked for."""

import shutil
import subprocess

import pytest

from socialcare.local import CHECKOUT

UV = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$1" in
    venv) mkdir -p .venv/bin && ln -sf /bin/true .venv/bin/python ;;
    pip) [ -z "$NO_NETWORK" ] || { echo "error: could not connect" >&2; exit 2; } ;;
esac
"""


class Checkout:
    def __init__(self, folder):
        self.folder = folder
        self.calls = folder / "calls"
        self.tools = folder / "tools"
        self.tools.mkdir()
        (folder / ".ci").mkdir()
        (folder / "requirements").mkdir()
        shutil.copy(CHECKOUT / ".ci" / "environment", folder / ".ci")
        (folder / ".python-version").write_text("3.12\n")
        for name in ("dev", "run"):
            (folder / "requirements" / f"{name}.lock").write_text(f"{name}==1\n")
        self.bring("uv", UV)
        for name in ("sh", "cat", "cksum", "dirname", "tail", "rm", "mkdir", "ln"):
            (self.tools / name).symlink_to(shutil.which(name))

    def bring(self, name, script):
        (self.tools / name).write_text(script)
        (self.tools / name).chmod(0o755)

    def make(self, wish, **environment):
        self.calls.write_text("")
        env = {
            "PATH": str(self.tools),
            "CALLS": str(self.calls),
            "HOME": str(self.folder),
            "NO_NETWORK": "",
            **environment,
        }
        self.done = subprocess.run(
            [self.folder / ".ci" / "environment", wish], cwd="/", env=env, capture_output=True, text=True
        )
        return [line.split()[0] + " " + line.split()[-1] for line in self.calls.read_text().splitlines()]


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


DEV, RUN = "pip requirements/dev.lock", "pip requirements/run.lock"


def test_it_is_made_once(checkout):
    assert checkout.make("dev") == ["venv .venv", DEV]
    assert checkout.make("dev") == []
    assert checkout.done.returncode == 0


def test_it_follows_the_lock_and_the_version_of_python(checkout):
    checkout.make("dev")
    (checkout.folder / "requirements" / "dev.lock").write_text("dev==2\n")
    assert checkout.make("dev") == [DEV]
    (checkout.folder / ".python-version").write_text("3.13\n")
    assert checkout.make("dev") == ["venv .venv", DEV]


def test_running_needs_no_tools_but_does_not_take_them_away(checkout):
    assert checkout.make("run") == ["venv .venv", RUN]
    assert checkout.make("dev") == [DEV]
    assert checkout.make("run") == []


def test_an_installation_that_failed_is_tried_again(checkout):
    checkout.make("dev", NO_NETWORK="1")
    assert checkout.done.returncode == 1
    assert "could not be installed" in checkout.done.stderr
    assert checkout.make("dev") == [DEV]
    assert checkout.done.returncode == 0


def test_a_moved_checkout_gets_a_new_one(checkout, tmp_path_factory):
    checkout.make("dev")
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "checkout"
    shutil.copytree(checkout.folder, elsewhere, symlinks=True)
    checkout.folder = elsewhere
    assert checkout.make("dev") == ["venv .venv", DEV]


def test_a_broken_one_is_made_again(checkout):
    checkout.make("dev")
    (checkout.folder / ".venv" / "bin" / "python").unlink()
    (checkout.folder / ".venv" / "bin" / "python").symlink_to("/nowhere/python")
    assert checkout.make("dev") == ["venv .venv", DEV]


def test_without_uv_and_python_it_says_what_to_install(checkout):
    (checkout.tools / "uv").unlink()
    assert checkout.make("dev") == []
    assert checkout.done.returncode == 1
    assert "Python 3 was not found" in checkout.done.stderr


PYTHON_WITHOUT_VENV = """#!/bin/sh
case "$*" in
    *venv*) echo "ensurepip is not available" >&2; exit 1 ;;
    *"pip install --quiet --target .tools"*) mkdir -p .tools/bin && cp "$UV" .tools/bin/uv ;;
    *) exit 1 ;;
esac
"""


def test_uv_is_fetched_also_where_venv_is_missing_and_pip_is_refused(checkout):
    shutil.move(checkout.tools / "uv", checkout.folder / "uv")
    (checkout.tools / "cp").symlink_to(shutil.which("cp"))
    checkout.bring("python3", PYTHON_WITHOUT_VENV)
    assert checkout.make("dev", UV=str(checkout.folder / "uv")) == ["venv .venv", DEV]
    assert checkout.done.returncode == 0


def test_without_a_network_it_says_so(checkout):
    (checkout.tools / "uv").unlink()
    checkout.bring("python3", "#!/bin/sh\necho 'no route to host' >&2\nexit 1\n")
    assert checkout.make("dev") == []
    assert checkout.done.returncode == 1
    assert "no route to host" in checkout.done.stderr
    assert "the package index cannot be reached" in checkout.done.stderr
