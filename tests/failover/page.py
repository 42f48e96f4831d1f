"""The page that `make failover` writes: what each fault did in its last run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.failover.faults import FAULTS, Fault
from tests.failover.rig import Outcome

PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "reliability.md"

_HEAD: Final = """# Reliability

Written by `make failover` from its last run: people at work on a PostgreSQL primary with a synchronous and an asynchronous standby.
Promotions are done to one service's event store and relay, and every fault to a whole system on three brokers, if the time that the
run was given allows. Each line is a test (tests/failover). *Lost* counts receipts that are not in event store
and topic, *doubled* events and reactions. Times are seconds, median and longest: *pause* is the longest in which nobody was
answered, *recovery* lasts until all is replicated, caught up and without an alarm.

| fault | promise | tries | lost | doubled | pause | recovery |
|---|---|---|---|---|---|---|
"""


def page_of(outcomes: Mapping[str, Sequence[Outcome]], seed: int) -> str:
    """Return the page; a fault that was not tried says so."""
    tries = [outcome for some in outcomes.values() for outcome in some]
    promotions = sum(len(outcomes.get(fault.name, ())) for fault in FAULTS if fault.promotes)
    tail = (
        f"\n{promotions} promotions; {sum(one.whole for one in tries)} of {len(tries)} tries on a whole system; seed {seed}, {datetime.now(UTC):%d %B %Y}, {os.cpu_count()} cores,"
        f" load {os.getloadavg()[1]:.0f} (15 minutes: {os.getloadavg()[2]:.0f}).\n"
    )
    return _HEAD + "".join(_line(fault, outcomes.get(fault.name, ())) for fault in FAULTS) + tail


def _line(fault: Fault, outcomes: Sequence[Outcome]) -> str:
    lost, doubled = sum(o.lost for o in outcomes), sum(o.doubled for o in outcomes)
    times = [_times([o.pause for o in outcomes]), _times([o.recovery for o in outcomes])]
    cells = [fault.what, fault.promise, len(outcomes), lost, doubled, *times]
    return f"| {' | '.join(map(str, cells))} |\n"


def _times(seconds: Sequence[float]) -> str:
    if not seconds:
        return "-"
    ordered = sorted(seconds)
    return f"{ordered[len(ordered) // 2]:.0f}, {ordered[-1]:.0f}"
