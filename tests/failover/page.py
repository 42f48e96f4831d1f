"""The page that `make failover` writes: what each fault did in its last run."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.failover.faults import FAULTS, Fault
from tests.failover.rig import Outcome
from tools.reference.alerts import alerts

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "reference" / "reliability.md"
TRIES: Final = ROOT / "var" / "failover.jsonl"
"""What the page is written from: a line for each try."""

ALERTS: Final = {alert.name: alert for alert in alerts()}

_HEAD: Final = """# Reliability

Written by `make failover` from its last run, to which `make failover FAULT=name` adds: people at work on a PostgreSQL primary with
a synchronous and an asynchronous standby.
Promotions are done to one service's event store and relay, and every fault to a whole system on three brokers, if the time that the
run was given allows. Each line is a test (tests/failover). *Lost* counts receipts that are not in event store
and topic, *doubled* events and reactions. Times are seconds, median and longest: *pause* is the longest in which nobody was
answered, *recovery* lasts until all is replicated, caught up and without an alarm.

| fault | promise | shown, if it lasts, by | tries | lost | doubled | pause | recovery |
|---|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Try:
    """One try of a fault, on which day, and the machine's load in the 15 minutes before its end."""

    fault: str
    seed: int
    outcome: Outcome
    day: str = field(default_factory=lambda: f"{datetime.now(UTC):%d %B %Y}")
    load: float = field(default_factory=lambda: os.getloadavg()[2])

    def note(self) -> None:
        """Write it down, and the page anew."""
        TRIES.parent.mkdir(exist_ok=True)
        with TRIES.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(self)) + "\n")
        read = [json.loads(line) for line in TRIES.read_text(encoding="utf-8").splitlines()]
        PAGE.write_text(
            page_of([Try(**{**row, "outcome": Outcome(**row["outcome"])}) for row in read]), encoding="utf-8"
        )


def page_of(tries: Sequence[Try]) -> str:
    """Return the page; a fault that was not tried says so."""
    by_fault = {fault: [each.outcome for each in tries if each.fault == fault.name] for fault in FAULTS}
    promotions = sum(len(outcomes) for fault, outcomes in by_fault.items() if fault.promotes)
    whole = sum(each.outcome.whole for each in tries)
    loads = sorted(each.load for each in tries)
    tail = (
        f"\n{promotions} promotions; {whole} of {len(tries)} tries on a whole system;"
        f" seeds {', '.join(map(str, sorted({each.seed for each in tries})))}; {tries[-1].day};"
        f" {os.cpu_count()} cores, load {loads[0]:.0f} to {loads[-1]:.0f}.\n"
    )
    return _HEAD + "".join(_line(fault, outcomes) for fault, outcomes in by_fault.items()) + tail


def _line(fault: Fault, outcomes: Sequence[Outcome]) -> str:
    lost, doubled = sum(o.lost for o in outcomes), sum(o.doubled for o in outcomes)
    times = [_times([o.pause for o in outcomes]), _times([o.recovery for o in outcomes])]
    alert = ALERTS[fault.alert]
    seen = f"[{alert.name}](../../{alert.page})".replace("../../docs/", "../")
    cells = [fault.what, fault.promise, seen, len(outcomes), lost, doubled, *times]
    return f"| {' | '.join(map(str, cells))} |\n"


def _times(seconds: Sequence[float]) -> str:
    if not seconds:
        return "-"
    ordered = sorted(seconds)
    return f"{ordered[len(ordered) // 2]:.0f}, {ordered[-1]:.0f}"
