"""What each fault did: it is written down at once, and the page with it."""

import itertools
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.failover.faults import FAULTS
from tests.failover.page import TRIES, Try
from tests.failover.rig import Outcome

SECONDS: Final = float(os.environ.get("OOC_FAILOVER_SECONDS", "0"))
SEED: Final = int(os.environ.get("OOC_FAILOVER_SEED", str(random.randrange(10**6))))
_BEGAN: Final = time.monotonic()

Note = Callable[[str, Outcome], None]


@pytest.fixture(scope="session")
def note(request: pytest.FixtureRequest) -> Note:
    """Return what notes a try; it raises AssertionError if anything was lost or doubled.

    A run of all faults begins anew, one of some (pytest's -k) adds to what is written down.
    """
    if SECONDS and not request.config.getoption("keyword"):
        TRIES.unlink(missing_ok=True)

    def note(fault: str, outcome: Outcome) -> None:
        print(f"\nseed {SEED}, {fault}: {outcome}")  # noqa: T201 - what the run was worth
        if SECONDS:
            Try(fault, SEED, outcome).note()
        assert outcome.lost == outcome.doubled == 0, f"seed {SEED}: {outcome}"

    return note


@pytest.fixture(scope="module")
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Yield a folder of the rig, which the user of the servers may enter. After a failure its logs are kept."""
    with tempfile.TemporaryDirectory(prefix="ooc-failover-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        if request.session.testsfailed:
            kept = Path(tempfile.mkdtemp(prefix="ooc-failed-"))
            for number, log in enumerate(sorted(log for log in folder.rglob("*.log") if "data" not in log.parts)):
                shutil.copy(log, kept / f"{number}-{log.name}")
            print(f"\nthe logs of the failure: {kept}")  # noqa: T201 - where to look


@pytest.fixture
def until(request: pytest.FixtureRequest) -> float:
    """Return the monotonic time at which a test's share of the run is over: promotions on the small rig have a third of it."""
    tests = [item for item in request.session.items if "until" in getattr(item, "fixturenames", ())]
    shares = list(itertools.accumulate(1 if hasattr(item, "callspec") else len(FAULTS) / 2 for item in tests))
    return _BEGAN + SECONDS * shares[tests.index(request.node)] / shares[-1]
