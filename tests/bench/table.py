"""The table that is printed, and the same as JSON: what was found, beside what must be reached."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.bench.figures import Samples
from tests.bench.targets import Target, target_of

OURS: Final = "ours"
HEADINGS: Final = ("", "figure", "median", "min - max", "ours is", "must be", "")


@dataclass(frozen=True)
class Row:
    """One figure of one side.

    Attributes:
        side: `ours`, or against whom.
        figure: its name, with its unit.
        samples: a value for each round.
        ratio: ours to this one's, round by round; None for ours.
        target: what ours, or the ratio, must be.

    """

    side: str
    figure: str
    samples: Samples
    ratio: Samples | None
    target: Target | None

    @property
    def meets_target(self) -> bool | None:
        """Whether it is what it must be, by the median; None where nothing is said of it."""
        return None if self.target is None else self.target.reached_by((self.ratio or self.samples).median)


@dataclass(frozen=True)
class Part:
    """What a bench found: its name and title, what each side is in words, and its rows."""

    bench: str
    title: str
    sides: Mapping[str, str]
    rows: Sequence[Row]

    @property
    def missed(self) -> Sequence[str]:
        """Every target that was not reached, in a sentence."""
        return [
            self._missed(row, row.target) for row in self.rows if row.meets_target is False and row.target is not None
        ]

    def _missed(self, row: Row, target: Target) -> str:
        found = amount(row.samples.median) if row.ratio is None else f"{row.ratio.median:.2f} x {self.sides[row.side]}"
        return f"{self.title}: {row.figure} {found}; it must be {target}"


def part(bench: str, title: str, sides: Mapping[str, str], found: Mapping[str, Mapping[str, Samples]]) -> Part:
    """Hold what a bench found against its targets: a row for each figure of ours and each other side's of that name."""
    rows = []
    for figure, ours in found[OURS].items():
        for side, figures in found.items():
            if figure in figures:
                ratio = None if side == OURS else ours.over(figures[figure])
                rows.append(Row(side, figure, figures[figure], ratio, target_of(bench, figure, side)))
    return Part(bench, title, sides, rows)


def amount(value: float) -> str:
    """Return a figure with three digits that count, at least."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def lines(parts: Sequence[Part]) -> Iterator[str]:
    """Yield the table, line by line."""
    cells: list[Sequence[str]] = [HEADINGS]
    heads: dict[int, Part] = {}
    for one in parts:
        heads[len(cells)] = one
        cells += [_cells(row) for row in one.rows]
    widths = [max(len(line[n]) for line in cells) for n in range(len(HEADINGS))]
    for n, line in enumerate(cells):
        if n in heads:
            yield ""
            yield heads[n].title
            yield from (f"  {side}: {what}" for side, what in heads[n].sides.items())
        first, second, *numbers, verdict = line
        row = [first.ljust(widths[0]), second.ljust(widths[1])]
        row += [text.rjust(width) for text, width in zip(numbers, widths[2:], strict=False)]
        yield ("    " + "  ".join([*row, verdict])).rstrip()


def _cells(row: Row) -> Sequence[str]:
    spread = f"{amount(row.samples.least)} - {amount(row.samples.most)}"
    ratio = "" if row.ratio is None else f"{row.ratio.median:.2f} x ({row.ratio.least:.2f} - {row.ratio.most:.2f})"
    verdict = {True: "reached", False: "NOT REACHED", None: ""}[row.meets_target]
    must = "" if row.target is None else str(row.target)
    return (row.side, row.figure, amount(row.samples.median), spread, ratio, must, verdict)


def verdict(parts: Sequence[Part]) -> Iterator[str]:
    """Every target that was not reached, or that all were that were judged."""
    judged = sum(row.meets_target is not None for one in parts for row in one.rows)
    missed = [sentence for one in parts for sentence in one.missed]
    if not judged:
        yield "None of these figures has a target."
    elif not missed:
        yield f"Reached: all {judged} targets judged."
    else:
        yield f"Not reached, {len(missed)} of {judged}:"
        yield from (f"  {sentence}" for sentence in missed)


def as_json(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Return the same for machines: every value of every round."""
    return [
        {
            "bench": one.bench,
            "title": one.title,
            "sides": dict(one.sides),
            "rows": [
                {
                    "side": row.side,
                    "figure": row.figure,
                    "values": list(row.samples.values),
                    "median": row.samples.median,
                    "ratios": None if row.ratio is None else list(row.ratio.values),
                    "median_ratio": None if row.ratio is None else row.ratio.median,
                    "target": None if row.target is None else row.target.want,
                    "reached": row.meets_target,
                }
                for row in one.rows
            ],
        }
        for one in parts
    ]
