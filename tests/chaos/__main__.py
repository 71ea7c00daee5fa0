"""`python -m tests.chaos --seconds 60 --seed 1` (the drill) or `--failpoints`: one line of JSON; ends with 1 when
anything was lost, doubled or stuck."""

import argparse
import json
import random
import sys
from pathlib import Path

import connectors
from socialcare.environment import above_zero
from tests.chaos import drill, failpoints

FAKES = Path(__file__).resolve().parents[1] / "fakes"
NETWORKS = Path(connectors.__file__).parent / "networks"


def network(name):
    """One that has a fake, or all; looked for without loading Django, which the house sets up later."""
    if name != "all" and not (
        name.isidentifier() and (FAKES / f"{name}.py").exists() and any(NETWORKS.glob(f"{name}*"))
    ):
        raise ValueError(name)
    return name


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=above_zero, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument(
        "--network", type=network, nargs="+", default=["demo"], help="one or several that have a fake, or all"
    )
    parser.add_argument("--failpoints", nargs="*", help="die once at each of these places (all, if none is named)")
    options = parser.parse_args()
    if options.failpoints is not None:
        result = failpoints.run(options.failpoints)
        print(json.dumps(result))
        sys.exit(any(words != "ok" for words in result.values()))
    sys.exit(drill.say(drill.run(options.seconds, options.seed, options.network)))
