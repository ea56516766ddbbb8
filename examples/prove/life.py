"""Thousands of random lives of a small collection, each answer held against a model of plain dictionaries.

    python examples/prove/life.py -n 2000 --seed 7

The machine is the one that the tests run (tests/helpers/life). Prints what the lives met: commands, faults by the
write that they struck, questions asked. A life that goes another way than its model ends the run with the commands
that led there.
"""

import argparse
import gc
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.helpers.life.machine import Life


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=200, help="lives")
    parser.add_argument("--steps", type=int, default=15, help="commands in each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shrink", action="store_true", help="look for the shortest life that fails: takes minutes")
    options = parser.parse_args()
    begun = time.perf_counter()
    gc.freeze()  # what was imported stays: no collection looks through it
    phases = [Phase.generate, *([Phase.shrink] if options.shrink else [])]
    how = settings(
        max_examples=options.n,
        stateful_step_count=options.steps,
        phases=phases,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    try:
        run_state_machine_as_test(seed(options.seed)(Life), settings=how)
    finally:
        for name, count in sorted(Life.counts.items()):
            print(f"{count:8d} {name}")
        print(f"{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
