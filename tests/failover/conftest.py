"""What each fault did in this run, and the page that says it."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Final

import pytest

from tests.failover.page import PAGE, page_of
from tests.failover.rig import Outcome

SECONDS: Final = float(os.environ.get("OOC_FAILOVER_SECONDS", "0"))
SEED: Final = int(os.environ.get("OOC_FAILOVER_SEED", str(random.randrange(10**6))))


@pytest.fixture(scope="session")
def outcomes() -> Iterator[dict[str, list[Outcome]]]:
    """Yield what each fault did; `make failover` writes the page at the end."""
    outcomes: dict[str, list[Outcome]] = {}
    yield outcomes
    if SECONDS and outcomes:
        PAGE.write_text(page_of(outcomes, SEED), encoding="utf-8")
