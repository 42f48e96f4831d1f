"""The plan of a deferred prosecution, as the page of its record shows it; each open step leads to its form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from services.console.words import day, in_words

UNSETTLED: Final = frozenset({"OPEN", "MISSED"})


@dataclass(frozen=True, slots=True)
class Line:
    """A step of the plan, in words."""

    id: str
    kind: str
    text: str
    due: str
    standing: str
    overdue: bool

    @property
    def is_unsettled(self) -> bool:
        """Whether it is neither done nor excused."""
        return self.standing in UNSETTLED


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan with its review."""

    lines: Sequence[Line]
    review_on: str


def plan_of(state: Mapping[str, Any], today: date) -> Plan | None:
    """Return the plan that the state of a disposal holds, as corrected; None if it has none, or the role is not shown it."""
    if not state.get("plan"):
        return None
    texts = {text["field"]: text.get("value") for text in (state.get("details") or {}).get("texts", ())}
    lines = []
    for place, step in enumerate(state["plan"]):
        standing = str(state["steps"][step["step_id"]])
        lines.append(
            Line(
                step["step_id"],
                in_words(step["kind"]),
                texts.get(f"plan.{place}.text") or "Not shown to your role",
                day(step["due"]),
                standing,
                overdue=standing in UNSETTLED and date.fromisoformat(step["due"]) < today,
            )
        )
    return Plan(lines, day(state["review_on"]))
