import os
import signal
import subprocess
import sys
import time

import pytest

from connectors.stopping import Stop
from socialcare.children import is_running
from socialcare.supervisor import Keeper, Log, Program, Supervisor
from tests.waiting import PATIENCE, soon


class Heard(Log):
    def __init__(self):
        super().__init__()
        self.lines = []

    def say(self, text, name=""):
        self.lines.append((name, text))

    def wait_for(self, name, text):
        deadline = time.monotonic() + PATIENCE
        while (name, text) not in self.lines:
            assert time.monotonic() < deadline, f"{text} was not said: {self.lines}"
            time.sleep(0.01)


@pytest.fixture
def log():
    return Heard()


@pytest.fixture
def program(log):
    made = []

    def make(name, script, **options):
        made.append(Program(name, [sys.executable, "-c", script], log, env={}, **options))
        return made[-1]

    yield make
    for one in made:
        one.patience = 0
        one.stop()


def test_what_a_child_says_is_headed_by_its_name(program, log):
    program("web", "import sys; print('hello'); print('trouble', file=sys.stderr)").start()
    log.wait_for("web", "hello")
    log.wait_for("web", "trouble")


def test_a_dead_child_is_started_again_after_a_pause_that_grows(program, log, monkeypatch):
    keeper = Keeper(program("worker", "pass"))
    now = 1000.0
    monkeypatch.setattr("socialcare.supervisor.time.monotonic", lambda: now)
    keeper.started = now
    pauses = []
    for _ in range(7):
        keeper.child.start()
        keeper.child.process.wait()
        keeper.look(log)
        pauses.append(keeper.again_at - now)
        first = keeper.child.process
        keeper.look(log)
        assert keeper.child.process is first, "it must wait"
        now = keeper.again_at
        keeper.look(log)
        assert keeper.child.process is not first
        keeper.child.process.wait()
    assert pauses == [2, 4, 8, 16, 30, 30, 30]


def test_a_child_that_lived_long_is_started_again_at_once(program, log):
    keeper = Keeper(program("worker", "pass"))
    keeper.pause = 30
    keeper.started = time.monotonic() - 61
    keeper.child.start()
    keeper.child.process.wait()
    keeper.look(log)
    assert keeper.pause == 1


STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready'); time.sleep(60)"


def test_a_child_that_does_not_listen_is_killed_when_its_patience_is_over(program, log):
    child = program("worker", STUBBORN, patience=0.3)
    child.start()
    log.wait_for("worker", "ready")
    child.stop()
    assert child.process.returncode == -9


GROUP = """
import os, signal, sys, time
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print(os.getpid())
    print('ready')
    time.sleep(60)
time.sleep(60)
"""


def test_nothing_a_child_has_started_outlives_it(program, log):
    child = program("worker", GROUP)
    child.start()
    log.wait_for("worker", "ready")
    grandchild = next(int(text) for _, text in log.lines if text.isdecimal())
    child.stop()
    soon(lambda: not is_running(grandchild))


def test_all_children_are_asked_at_once_so_that_the_end_takes_the_longest_patience_only(program, log):
    supervisor = Supervisor(log)
    for name in ("a", "b", "c"):
        supervisor.start(program(name, STUBBORN, patience=3))
    for name in ("a", "b", "c"):
        log.wait_for(name, "ready")
    began = time.monotonic()
    supervisor.stop()
    assert 3 <= time.monotonic() - began < 8  # nine, if each were asked after the one before
    assert [keeper.child.process.returncode for keeper in supervisor.keepers] == [-9, -9, -9]


def test_lines_go_to_one_stream_without_colours_unless_it_is_a_terminal(capsys):
    log = Log()
    log.say("hello", "web")
    log.say("nobody's")
    assert capsys.readouterr().out == "web      │ hello\nnobody's\n"


def test_a_log_nobody_reads_any_more_does_not_stop_the_end(monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr(sys, "stdout", os.fdopen(writer, "w", buffering=1))
    Log().say("x" * 100_000)
    Log().say("and again")


IGNORED = """
import os, signal, weakref
from socialcare.supervisor import Log, Stopped, Supervisor, on_signals
class Thing: pass
on_signals()
thing = Thing()
watched = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGTERM))
del thing
try:
    Supervisor(Log()).watch()
except Stopped:
    print("stopped")
"""


def test_a_signal_that_meets_a_place_which_ignores_exceptions_ends_it_all_the_same():
    done = subprocess.run([sys.executable, "-c", IGNORED], capture_output=True, text=True, timeout=PATIENCE)
    assert "ignored" in done.stderr
    assert done.stdout == "stopped\n"


TWICE = """
import os, signal
from socialcare.supervisor import Stopped, off_signals, on_signals

try:
    on_signals()
    os.kill(os.getpid(), signal.SIGTERM)
except Stopped:
    os.kill(os.getpid(), signal.SIGTERM)
    print("stopped")
finally:
    os.kill(os.getpid(), signal.SIGINT)
    off_signals()
    print("ended")
"""


def test_a_second_signal_does_not_cut_the_end_short():
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.stdout, done.stderr, done.returncode) == ("stopped\nended\n", "", 0)


AGAIN = """
import signal, sys
from connectors.stopping import Stop

def again(*_):
    signal.raise_signal(signal.SIGTERM)
    return again

with Stop() as stop:
    sys.settrace(again)  # at every line of the handler
    signal.raise_signal(signal.SIGTERM)
    sys.settrace(None)
    print("ended", stop.asked())
"""


def test_signals_that_meet_a_loops_handler_at_its_work_hold_it_nowhere():
    """The death of a supervisor is told a sweep once for each of the supervisor's threads."""
    done = subprocess.run([sys.executable, "-c", AGAIN], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.stdout, done.stderr, done.returncode) == ("ended True\n", "", 0)


def test_a_loop_that_was_asked_to_end_gives_the_signals_back():
    before = signal.getsignal(signal.SIGTERM)
    with Stop() as stop:
        assert not stop.asked()
        signal.raise_signal(signal.SIGTERM)
        assert stop.asked()
        assert stop.asked(within=600)
    assert signal.getsignal(signal.SIGTERM) == before
