"""The drill and the failpoints, each in a process of its own with servers of its own."""

import json
import os
import subprocess
import sys

import pytest

from tests.chaos.house import ROOT

pytestmark = pytest.mark.chaos
SECONDS = int(os.environ.get("CHAOS_SECONDS", "60"))
TOGETHER = 20
PATIENCE = 480  # seconds for a beginning and an end, which take thirty on a quiet machine


def run(*arguments, timeout):
    clean = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    argv = [sys.executable, "-m", "tests.chaos", *arguments]
    done = subprocess.run(argv, cwd=ROOT, env=clean, capture_output=True, text=True, timeout=timeout)
    lines = done.stdout.strip().splitlines()
    assert lines, done.stderr[-2000:]
    return json.loads(lines[-1]), done


@pytest.mark.timeout(3 * SECONDS + PATIENCE)
def test_a_minute_of_killing_loses_nothing_and_doubles_nothing():
    result, done = run("--seconds", str(SECONDS), timeout=3 * SECONDS + PATIENCE)
    assert result["violations"] == {}, result
    assert done.returncode == 0
    assert sum(result["faults"].values()) >= SECONDS / 2


@pytest.mark.networks
@pytest.mark.timeout(3 * TOGETHER + PATIENCE)
def test_on_no_network_is_anything_lost_or_doubled():
    result, done = run("--network", "all", "--seconds", str(TOGETHER), timeout=3 * TOGETHER + PATIENCE)
    assert result["violations"] == {}, done.stdout
    assert done.returncode == 0
    assert all(sum(told["faults"].values()) for told in result["networks"].values())


@pytest.mark.timeout(PATIENCE)
def test_dying_between_any_two_side_effects_loses_nothing_and_doubles_nothing():
    result, done = run("--failpoints", timeout=PATIENCE)
    assert set(result.values()) == {"ok"}, result
    assert len(result) >= 14
    assert done.returncode == 0
