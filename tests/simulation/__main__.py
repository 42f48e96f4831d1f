"""`make simulate`: seeds, one after the other, until so many steps are done or a law is broken."""

import argparse
import itertools
import sys
import time

from tests.simulation.run import run


def main() -> None:
    """Run seeds; the last line of a failure says how to repeat it."""
    parser = argparse.ArgumentParser(prog="make simulate")
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, help="one seed alone, with all that it noted last")
    asked = parser.parse_args()
    began, steps = time.perf_counter(), 0
    for seed in itertools.count(int(time.time())) if asked.seed is None else [asked.seed]:
        ended = run(seed)
        steps += ended.steps
        print(ended, flush=True)
        if ended.broken is not None:
            sys.exit(f"Repeat it with: make simulate SEED={seed}")
        if steps >= asked.steps:
            break
    print(f"{steps} steps in {time.perf_counter() - began:.0f} s: every law holds")


if __name__ == "__main__":
    main()
