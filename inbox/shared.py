"""What many readers ask at the same moment is made once: the first makes it, those who come meanwhile wait for it, and
for a few seconds later ones get the same. The key names everything the answer depends on, rights included; the value
never holds anything of one reader."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any

KEPT = 2.0  # seconds
MOST = 256  # answers kept at once
PATIENCE = 10.0  # seconds that one waits for another's work; longer than a statement may take

_lock = threading.Lock()
_made: OrderedDict[Hashable, tuple[float, Future[Any]]] = OrderedDict()


def once[T](key: Hashable, make: Callable[[], T]) -> T:
    """What `make` gives, or gave another a moment ago under the same key. A failure is told to those who wait, and
    kept for nobody."""
    with _lock:
        at, made = _made.get(key, (0.0, None))
        if made is None or time.monotonic() - at > KEPT:
            mine = made = Future()
            _made[key] = (time.monotonic(), mine)
            _made.move_to_end(key)
            if len(_made) > MOST:
                _made.popitem(last=False)
        else:
            mine = None
    if mine is not None:
        _fulfil(key, mine, make)
    result: T = made.result(PATIENCE)
    return result


def _fulfil(key: Hashable, promise: Future[Any], make: Callable[[], Any]) -> None:
    try:
        promise.set_result(make())
    except BaseException as error:
        with _lock:
            if _made.get(key, (0.0, None))[1] is promise:
                del _made[key]
        promise.set_exception(error)
        raise
