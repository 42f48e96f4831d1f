"""The figures of a pack: the headline of each measure in a quarter, and how it moved."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from services.reporting.measures import MEASURES
from services.reporting.measures.period import Period, quarter, quarter_of

QUARTERS: Final = 8


@dataclass(frozen=True, slots=True)
class Figure:
    """The headline of a measure: how many, and of how many if it is a share."""

    of: int
    over: int | None
    target: float | None = None
    """What it should reach, in the unit of its value; None: nothing is loaded."""

    @property
    def value(self) -> float | None:
        """The share in per cent, or the count; None where there is nobody to be a share of."""
        if self.over is None:
            return self.of
        return round(100 * self.of / self.over, 1) if self.over else None

    @property
    def aim(self) -> str:
        """Return the target with its unit; nothing without one."""
        return "" if self.target is None else f"{self.target:g}{'' if self.over is None else '%'}"

    def __str__(self) -> str:
        if self.over is None:
            return str(self.of)
        return f"{self.value:g}% ({self.of} of {self.over})" if self.over else "Nobody"

    def moved_from(self, before: "Figure | None") -> str:
        """Return by how much it moved, such as +12.5 points; nothing where one of the two has no value."""
        if before is None or self.value is None or before.value is None:
            return ""
        unit = "" if self.over is None else " points"
        return f"{self.value - before.value:+g}{unit}" if self.value != before.value else "No change"


def figures_of(pack: Mapping[str, Any]) -> dict[str, Figure]:
    """Return the figure of each measure of a pack that has one, and that is known."""
    heads = {name: MEASURES[name].headline for name in pack if name in MEASURES and MEASURES[name].headline}
    return {
        name: Figure(pack[name][head["of"]], pack[name].get(head.get("over")), pack[name].get("target"))
        for name, head in heads.items()
        if pack[name][head["of"]] is not None
    }


def whole_quarters(on: date, count: int) -> list[Period]:
    """Return the last quarters that ended before a day, the latest first."""
    quarters: list[Period] = []
    while len(quarters) < count:
        on = quarter_of(on).first - timedelta(days=1)
        quarters.append(quarter_of(on))
    return quarters


def quarter_name(period: Period) -> str:
    """Return a quarter as people name it, such as July to September 2026 (2026-27 Q2)."""
    return f"{period.first:%B} to {period.last:%B %Y} ({quarter(period.first).replace('-Q', ' Q')})"
