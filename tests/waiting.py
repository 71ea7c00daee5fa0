"""How tests wait and what they measure. What is to happen is waited for as long as it takes on a machine that does ten
other things, which costs nothing while all is well; what something costs is told in seconds of the processor, never by
the clock on the wall."""

import time
from contextlib import contextmanager

PATIENCE = 60.0


def soon(look, patience=PATIENCE, pause=0.02):
    """What `look` gives as soon as it gives something."""
    deadline = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(pause)
    return found


@contextmanager
def costs(seconds):
    """What is done within takes this process at most so many seconds of a processor."""
    before = time.process_time()
    yield
    spent = time.process_time() - before
    assert spent < seconds, f"it cost {spent:.1f} s"


@contextmanager
def by_itself(seconds=20.0):
    """What is done within comes to its end while the other side, that would hold it for longer, is still holding it."""
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert took < seconds, f"it took {took:.1f} s"
