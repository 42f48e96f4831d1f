"""Declare what the system must reach on two cores, with broker and database beside it and fsync on."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Target:
    """What one figure must be: at least `want`, or at most, where less is better.

    Attributes:
        bench: the bench that measures it.
        figure: of this bench, with its unit.
        side: against whom. `ours`: the median itself is judged; any other: the ratio of ours to that side's.
        want: the least that is enough.
        at_most: whether it is the most instead.

    """

    bench: str
    figure: str
    side: str
    want: float
    at_most: bool = False

    def reached_by(self, found: float) -> bool:
        """Whether this is enough."""
        return found <= self.want if self.at_most else found >= self.want

    def __str__(self) -> str:
        amount = f"{self.want:,g}" if self.side == "ours" else f"{self.want:g} x"
        return f"{'≤' if self.at_most else '≥'} {amount}"


PAGES: Final = (
    "my day",
    "my day, mine",
    "daily sheet",
    "cases",
    "cases, overdue",
    "case",
    "timeline",
    "record",
    "form",
    "begin",
    "sessions",
    "panel",
    "handing over",
    "returns",
    "board",
    "rules",
    "evidence",
    "operations",
)
"""The pages of the console that are measured."""

TARGETS: Final = (
    Target("append-64", "events/s", "limit", 0.6),
    Target("append-64", "events/s", "peer", 9.0),
    Target("http", "commands/s", "ours", 900),
    Target("guidance", "p50 ms", "ours", 50.0, at_most=True),  # half of a page
    Target("relay", "events/s", "ours", 11_000),
    Target("live", "events/s", "ours", 5_000),
    Target("live", "events/s", "peer", 4.0),
    Target("rebuild-stores", "events/s", "ours", 11_000),
    Target("verify", "events/s", "ours", 3_300),
    Target("visible-20", "p50 ms", "ours", 15.0, at_most=True),
    Target("visible-20", "p99 ms", "ours", 60.0, at_most=True),
    Target("memory", "all processes at rest, MB", "ours", 1_500, at_most=True),  # Kafka and PostgreSQL included
    *(
        Target(bench, f"{page}, {figure}", "ours", want, at_most=True)
        for bench in ("pages", "pages-1000")
        for page in PAGES
        for figure, want in (("p50 ms", 100.0), ("p99 ms", 300.0), ("kB", 100.0))
    ),
)
"""The targets that a bench judges; docs/explanation/load.md derives each from the load."""

ELSEWHERE: Final = (
    "growth from 10,000 events on: make bench-growth; a large verification: make bench-verify",
    "nothing lost, duplicated or reordered after kill -9: tests/chaos",
)
"""Promises of docs/explanation/load.md that other commands check."""


def target_of(bench: str, figure: str, side: str) -> Target | None:
    """Return the target of a figure, if there is one."""
    return next((t for t in TARGETS if (t.bench, t.figure, t.side) == (bench, figure, side)), None)
