"""The promise under kill -9: nothing lost, duplicated or reordered in event store, topic, reaction and projection.

The whole system runs as `ooc up --workers 2` starts it, so that each kill of a worker moves its partitions to the other
one, and the restart moves some back; other tests may have worked on it before. Six writers play short stories while, at
random moments, each process, the broker and PostgreSQL included, is killed once. OOC_CHAOS_SECONDS says for how long it goes
on after that (ten minutes in `make chaos`), and OOC_CHAOS_SEED repeats a run's order of kills.
"""

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.acknowledged import Writers, check_histories
from tests.whole_system import WholeSystem, caught_up, client_of, ooc, wait_until

SECONDS = float(os.environ.get("OOC_CHAOS_SECONDS", "0"))
SEED = int(os.environ.get("OOC_CHAOS_SEED") or (random.randrange(10**6) if SECONDS else 1))
WRITERS = 6


@pytest.fixture
def system(shared_system: WholeSystem) -> Path:
    """Return the directory of a system that a person started, with two workers of each service."""
    return shared_system.var


@pytest.mark.timeout(SECONDS + 3000)
def test_kill_nine_loses_duplicates_and_reorders_nothing(system: Path) -> None:
    """After kill -9 of every process, each receipt is valid and each reaction happened once."""
    writers = Writers(system, WRITERS, patience=600)
    killed = _kill(system, SECONDS)

    def wrote() -> bool:
        writers.require_success()
        return len(writers.stories) > WRITERS

    wait_until(wrote, 900, "more than a story of each writer, which takes a slow machine longer than the kills")
    writers.end()

    wait_until(lambda: caught_up(system), 900, "the system to catch up")
    assert ooc(system, "status").returncode == 0
    with client_of(system, patience=600) as client:
        for story in writers.stories:
            check_histories(client, story)
    verified = ooc(system, "verify")
    assert verified.returncode == 0, f"seed {SEED}: {verified.stdout}{verified.stderr}"
    print(f"\n{len(writers.stories)} stories, kills (seed {SEED}): {dict(killed)}")  # noqa: T201 - what the run was worth


def _kill(var: Path, seconds: float) -> Counter[str]:
    """Kill every process, in a random order at random moments, and again as long as there is time."""
    chance = random.Random(SEED)
    killed: Counter[str] = Counter()
    until = time.monotonic() + seconds
    names: list[str] = []
    while names or not killed or time.monotonic() < until:
        time.sleep(chance.uniform(0.2, 1.8))
        if not names:
            names = sorted(path.stem for path in (var / "run").glob("*.pid"))
            chance.shuffle(names)
        name = names.pop()
        try:
            os.kill(int((var / "run" / f"{name}.pid").read_text()), signal.SIGKILL)
            killed[name] += 1
        except (ProcessLookupError, FileNotFoundError, ValueError):
            names.insert(0, name)  # it is being started again: later
    return killed
