"""The laws of failover on a few seeds, and what they are worth: a planted fault is found, and a seed repeats a run exactly."""

import os
import re
import subprocess
import sys

import pytest

from tests.simulation import nemesis
from tests.simulation.planted import PLANTED, Planted
from tests.simulation.run import run

SECONDS = 10.0
"""How long a short run is struck."""

BUDGET = 30
"""Seeds by which a planted fault must be found; most are found by the first."""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 3))
def test_the_laws_hold(seed: int) -> None:
    """Given faults that a seed chooses, nothing acknowledged is lost, doubled, reordered or forked, and all goes on after."""
    ended = run(seed, seconds=SECONDS)
    assert ended.broken is None, str(ended)
    assert ended.commands > 10


@pytest.mark.slow
def test_an_asynchronous_standby_may_lose_and_never_forks() -> None:
    """Given a standby that lags, a promotion loses commands, and no position is acknowledged twice."""
    ended = run(2, faults=(nemesis.cut_the_standby,), seconds=SECONDS, synchronous=False)
    assert ended.broken is None, str(ended)


@pytest.mark.slow
def test_relays_that_are_slower_than_their_lease_publish() -> None:
    """Given two relays that take longer to begin than a lease lasts, then one of them publishes, since it comes on."""
    ended = run(1, faults=(nemesis.starve,))
    assert ended.broken is None, str(ended)


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_a_planted_fault_is_found(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a mistake in the product, one of a few seeds breaks a law that says so, and without it breaks none."""
    planted.plant(monkeypatch)
    ended = next((ended for seed in range(1, BUDGET + 1) if (ended := planted.run(seed)).broken is not None), None)
    assert ended is not None
    assert re.search(planted.says, ended.broken or ""), str(ended)
    monkeypatch.undo()
    assert planted.run(ended.seed).broken is None


@pytest.mark.slow
def test_a_seed_repeats_a_run_exactly() -> None:
    """Given the same seed in two processes whose hashes of text differ, one of which has played another, all is the same."""
    program = "from tests.simulation.run import run; ended = run(3, seconds=9.0); print(ended.digest, ended.steps)"
    other = "from tests.simulation.run import run; run(4, seconds=1.0)"
    played = [
        subprocess.Popen(
            [sys.executable, "-c", "; ".join(code)],
            env={**os.environ, "PYTHONHASHSEED": number},
            stdout=subprocess.PIPE,
            text=True,
        )
        for number, code in (("1", [program]), ("3", [other, program]))
    ]
    digests = {each.communicate()[0] for each in played}
    assert len(digests) == 1
    assert digests != {""}
