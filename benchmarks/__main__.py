"""`python -m benchmarks [--full] [--only BM-02,BM-14] [--rows N] [--json FILE] [--compare | --keep]`: starts its own
servers, runs each figure in a process and with the data it needs, and prints the table. A result that is not right is
an error (exit 1), whatever its speed; a missed goal is not."""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.figures import FIGURES
from benchmarks.measure import Row, is_busy, table
from benchmarks.scratch import HERE, Scratch

KEPT = Path(__file__).with_name("kept.json")
WORSE = 0.20


def arguments():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="the full amounts of data and more rounds")
    parser.add_argument("--only", default="", help="figures by their numbers, with commas between them")
    parser.add_argument("--rows", type=int, help="conversations in the large database (a million)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also writes the rows there, with machine and versions")
    parser.add_argument("--compare", action="store_true", help="fails if a ratio is 20 %% worse than the kept one")
    parser.add_argument("--keep", action="store_true", help="writes the ratios to benchmarks/kept.json")
    return parser.parse_args()


def run_figure(scratch, name, database, options):
    """Runs a figure in its own process; its rows, and whether everything in it was right."""
    figure, log = FIGURES[name], scratch.folder / f"{name}.rows"
    environment = scratch.environment(database, BENCH_ROWS=str(log), **figure.environment)
    argv = [sys.executable, "-m", "benchmarks.figure", name, f"--rounds={options.rounds}"]
    argv += ["--full"] if options.full else []
    started, patience = time.monotonic(), figure.patience * (6 if options.full else 1)
    try:
        ended = subprocess.run(argv, cwd=HERE, env=environment, check=False, timeout=patience).returncode
    except subprocess.TimeoutExpired:
        print(f"{name}: not done after {patience} seconds", file=sys.stderr)
        ended = 1
    rows = [Row(**json.loads(line)) for line in log.read_text().splitlines()] if log.exists() else []
    print(f"{name}: {figure.says} ({time.monotonic() - started:.0f} s)", file=sys.stderr, flush=True)
    return rows, ended == 0


def run(options):
    wanted = {part.strip().upper() for part in options.only.split(",") if part.strip()}
    names = [name for name, figure in FIGURES.items() if not wanted or wanted & set(figure.ids)]
    small = [name for name in names if not FIGURES[name].large]
    large = [name for name in names if FIGURES[name].large]
    untimed = {name for name in names if FIGURES[name].untimed}
    scratch, rows, right = Scratch(), [], []
    with ThreadPoolExecutor(1) as aside:  # whose figure ends with the servers
        try:
            scratch.start()
            scratch.make_template()
            with scratch.database("bench_large") as database:
                counted = [aside.submit(_in_own, scratch, name, options) for name in small if name in untimed]
                if large:
                    load(scratch, database, large, options.rows or 1_000_000)
                results = [run_figure(scratch, name, database, options) for name in large if name in untimed]
                results += [each.result() for each in counted]
                results += [_in_own(scratch, name, options) for name in small if name not in untimed]
                results += [run_figure(scratch, name, database, options) for name in large if name not in untimed]
        finally:
            scratch.stop()
    for found, was_right in results:
        rows += found
        right.append(was_right)
    return sorted(rows, key=lambda row: row.id), all(right)


def _in_own(scratch, name, options):
    with scratch.database(f"bench_{name}") as database:
        return run_figure(scratch, name, database, options)


def load(scratch, database, names, size):
    """The large tables, and the words in them for the figures that ask for words."""
    parts = ["load", *(["words"] if any(FIGURES[name].words for name in names) else [])]
    for part in parts:
        started = time.monotonic()
        argv = [sys.executable, "-m", "benchmarks.figure", part, f"--rows={size}"]
        subprocess.run(argv, cwd=HERE, env=scratch.environment(database), check=True)
        print(f"{part}: {size:,} conversations ({time.monotonic() - started:.0f} s)", file=sys.stderr, flush=True)


def machine():
    import django

    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return {
        "processor": f"{len(names)} × {names[0]}" if names else platform.processor(),
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "system": platform.platform(),
        "python": platform.python_version(),
        "django": django.get_version(),
        "load": os.getloadavg(),
    }


def worse(rows):
    """Ratios more than 20 % worse than the kept ones, as sentences."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for row in rows:
        was = kept.get(f"{row.id} {row.what}")
        if was and row.ratio is not None:
            change = row.ratio / was if row.higher else was / row.ratio
            if change < 1 - WORSE:
                yield f"{row.id} {row.what}: {row.ratio:.3g}, kept {was:.3g}"


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the servers and their folder go with us
    options = arguments()
    busy = is_busy()
    rows, right = run(options)
    about = machine()
    print(table(rows))
    print(
        f"{about['processor']}, {about['memory']}; Python {about['python']}, Django {about['django']}; "
        f"load {about['load'][0]:.1f}{' (busy: only the ratios mean something)' if busy or is_busy() else ''}"
    )
    if options.json:
        lines = [{**vars(row), "busy": busy} for row in rows]
        options.json.write_text(json.dumps({"machine": about, "rows": lines}, indent=1))
    if options.keep:
        kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
        kept |= {f"{row.id} {row.what}": row.ratio for row in rows if row.ratio is not None}
        KEPT.write_text(json.dumps(dict(sorted(kept.items())), indent=1, ensure_ascii=False) + "\n")
    fallen = list(worse(rows)) if options.compare else []
    print("".join(f"worse: {sentence}\n" for sentence in fallen), end="")
    return 0 if right and not fallen else 1


if __name__ == "__main__":
    sys.exit(main())
