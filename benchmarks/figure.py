"""One figure in a process of its own: `python -m benchmarks.figure journey`. Started by the table (see __main__)."""

import argparse
import importlib
import os
import sys
from pathlib import Path

import django

from benchmarks.measure import Row, Wrong, emit


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    django.setup()
    if options.name == "load":
        from benchmarks.data import load

        load(options.rows)
        return 0
    if options.name == "words":
        from benchmarks import search

        search.load()
        return 0
    figure = importlib.import_module(f"benchmarks.{options.name}")
    with Path(os.environ.get("BENCH_ROWS", os.devnull)).open("a") as file:
        try:
            for row in figure.run(options):
                emit(file, row)
        except Wrong as wrong:
            emit(file, Row("wrong", options.name, note=str(wrong), value="!", met=False))
            print(f"{options.name} is wrong: {wrong}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(code)  # without waiting for threads of the product that wait for rings
