"""Measuring: wall time and the processor time of client and database backend, medians over interleaved rounds, and the
rows of the table. A figure is a ratio of two things measured in the same run; absolute times are only shown."""

import json
import os
import statistics
import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

CPU_CLOCK = 2  # of a process, beside its inverted number: clock_getcpuclockid(3)


class Wrong(Exception):
    """A result is not right; then its speed does not matter."""


def check(right, sentence):
    """Raises Wrong with the sentence when the result is not right."""
    if not right:
        raise Wrong(sentence)


def processor_seconds(*pids):
    """User and system time that the processes have used so far. Of their own clocks, because /proc counts in hundredths
    of a second: a quarter of what a hundred bells cost."""
    return sum(time.clock_gettime(~pid << 3 | CPU_CLOCK) for pid in pids)


@dataclass
class Take:
    """One measurement: `wall` and `cpu` in seconds for `items` things."""

    items: int
    wall: float = 0.0
    cpu: float = 0.0

    @property
    def rate(self):
        return self.items / self.wall

    @property
    def cpu_each(self):
        return self.cpu / self.items


@contextmanager
def taking(items, *backends):
    """Measures its block. `backends` are the processes whose time counts beside our own."""
    take = Take(items)
    cpu, wall = time.process_time() + processor_seconds(*backends), time.perf_counter()
    yield take
    take.wall = time.perf_counter() - wall
    take.cpu = time.process_time() + processor_seconds(*backends) - cpu


@dataclass
class Takes:
    """Takes of the candidates over all rounds, by candidate."""

    by_name: dict[str, list[Take]] = field(default_factory=dict)

    def add(self, name, take):
        self.by_name.setdefault(name, []).append(take)

    def rate(self, name):
        return statistics.median(take.rate for take in self.by_name[name])

    def each(self, name):
        """Seconds a thing, wall."""
        return statistics.median(take.wall / take.items for take in self.by_name[name])

    def cpu(self, name):
        """Processor seconds a thing."""
        return statistics.median(take.cpu_each for take in self.by_name[name])


def interleaved(rounds: int, candidates: dict[str, Callable[[int], Take | dict[str, Take]]]) -> Takes:
    """Runs A B C A B C …, so that a checkpoint or a busy neighbour meets all alike. A candidate gets the round; one
    that measures several things gives them by name."""
    takes = Takes()
    for number in range(rounds):
        for name, candidate in candidates.items():
            found = candidate(number)
            for each, take in (found if isinstance(found, dict) else {name: found}).items():
                takes.add(each, take)
    return takes


@dataclass
class Row:
    """A line of the table. `ratio` is value to limit, or limit to value where less is better; `goal` is text and `met`
    is True, False or None (no goal, or skipped: then `note` says why)."""

    id: str
    what: str
    value: str = ""
    limit: str = ""
    ratio: float | None = None
    goal: str = ""
    met: bool | None = None
    note: str = ""
    higher: bool = True

    @property
    def verdict(self):
        if self.met is None:
            return f"skipped: {self.note}" if not self.value else self.note
        return ("met" if self.met else "missed") + (f" ({self.note})" if self.note else "")


def row(number, what, value, limit, ratio, *, least=None, most=None, note="", higher=None):
    """A row whose ratio is to be at least or at most something; `higher` says which is better where it has no goal."""
    met, goal, higher = None, "", most is None if higher is None else higher
    if least is not None:
        met, goal = ratio >= least, f"≥ {least:g}"
    elif most is not None:
        met, goal = ratio <= most, f"≤ {most:g}"
    return Row(number, what, value, limit, round(ratio, 4), goal, met, note, higher)


def skipped(number, what, why):
    return Row(number, what, note=why)


def is_busy():
    return os.getloadavg()[0] > 0.5 * (os.cpu_count() or 1)


def table(rows: Iterable[Row]) -> str:
    head = ("id", "what", "value", "limit", "ratio", "goal", "")
    shown = [
        (row.id, row.what, row.value, row.limit, f"{row.ratio:.3g}" if row.ratio is not None else "", row.goal)
        for row in rows
    ]
    widths = [max(len(line[column]) for line in [head[:6], *shown]) for column in range(6)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(head, widths, strict=False)).rstrip()]
    for line, entry in zip(shown, rows, strict=True):
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        lines.append("  ".join([*cells, entry.verdict]).rstrip())
    return "\n".join(lines)


def emit(file, entry: Row):
    """Hands a row from a figure's process to the one that prints the table."""
    file.write(json.dumps(asdict(entry)) + "\n")
    file.flush()


def rate(number):
    return f"{number:,.0f}/s"


def micro(seconds):
    return f"{seconds * 1e6:,.1f} µs" if seconds < 1e-4 else f"{seconds * 1e6:,.0f} µs"


def milli(seconds):
    return f"{seconds * 1e3:,.2f} ms"
