"""What the system must reach, as data. Two cores, broker and database beside it, fsync on."""

from __future__ import annotations

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
    Target("append-64", "events/s", "limit", 1.0),
    Target("append-64", "events/s", "peer", 10.0),
    Target("append-64", "p99 ms", "limit", 1.5, at_most=True),
    Target("append-1", "events/s", "limit", 0.7),
    Target("command", "commands/s", "ours", 1_500),
    Target("command", "commands/s", "peer", 5.0),
    Target("command", "p99 ms", "ours", 120.0, at_most=True),
    Target("command", "processor ms", "ours", 0.5, at_most=True),
    Target("http", "commands/s", "ours", 700),
    Target("reading", "events/s", "limit", 0.8),
    Target("folding", "us an event", "ours", 6, at_most=True),
    Target("guidance", "p50 ms", "ours", 50.0, at_most=True),
    Target("relay", "events/s", "ours", 40_000),
    Target("relay", "events/s", "limit", 2.0),
    Target("live", "events/s", "ours", 10_000),
    Target("live", "events/s", "peer", 10.0),
    Target("rebuild", "events/s", "ours", 12_000),
    Target("rebuild", "events/s", "peer", 20.0),
    Target("rebuild-stores", "events/s", "ours", 20_000),
    Target("verify", "events/s", "ours", 16_667),  # a million in a minute
    Target("visible", "p50 ms", "ours", 60.0, at_most=True),
    Target("visible", "p99 ms", "ours", 250.0, at_most=True),
    Target("visible-20", "p50 ms", "ours", 25.0, at_most=True),
    Target("visible-20", "p99 ms", "ours", 80.0, at_most=True),
    Target("memory", "all processes at rest, MB", "ours", 1_200, at_most=True),  # Kafka and PostgreSQL included
    *(
        Target(bench, f"{page}, {figure}", "ours", 100.0, at_most=True)
        for bench in ("pages", "pages-1000")
        for page in PAGES
        for figure in ("p50 ms", "kB")
    ),
)

ELSEWHERE: Final = (
    "the fold of reporting alone in verification, and growth: make bench-growth",
    "nothing lost, duplicated or reordered after kill -9: tests/chaos shows it, and it is no speed",
)
"""What must be reached too, and is not measured here."""


def target_of(bench: str, figure: str, side: str) -> Target | None:
    """Return the target of a figure, if there is one."""
    return next((t for t in TARGETS if (t.bench, t.figure, t.side) == (bench, figure, side)), None)
