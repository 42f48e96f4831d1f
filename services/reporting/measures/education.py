"""Education: sessions delivered, and the heads that were counted there."""

from collections.abc import Sequence
from typing import Any, Final

from services.education.summary import SessionSummary
from services.reporting.measures.definition import Dataset, Measure
from services.reporting.measures.period import Period


def select_sessions(dataset: Dataset, period: Period) -> list[SessionSummary]:
    """Select the sessions delivered in the period."""
    return [session for session in dataset.all_of(SessionSummary) if session.delivered_on in period]


def aggregate(rows: Sequence[SessionSummary], _dataset: Dataset, _period: Period) -> dict[str, Any]:
    """Count sessions and heads, and both by topic. A head that was not counted is not inferred."""
    by_topic: dict[str, dict[str, int]] = {}
    for row in sorted(rows, key=lambda row: row.topic):
        topic = by_topic.setdefault(row.topic.value, {"sessions": 0, "pupils": 0})
        topic["sessions"] += 1
        topic["pupils"] += row.pupils or 0
    return {
        "sessions": len(rows),
        "pupils": sum(row.pupils or 0 for row in rows),
        "staff": sum(row.staff or 0 for row in rows),
        "parents": sum(row.parents or 0 for row in rows),
        "by_topic": by_topic,
    }


MEASURE: Final = Measure(
    name="education",
    version="1",
    definition=(
        "Sessions by the day of their delivery, with pupils, staff and parents as counted there: headcounts as given,"
        " none where none was given, and nothing inferred from the register."
    ),
    source="local measure",
    reads=frozenset({"education"}),
    days=lambda summary: [summary.delivered_on] if isinstance(summary, SessionSummary) else [],
    select=select_sessions,
    aggregate=aggregate,
    groupings={
        "area": lambda row: row.area,
        "topic": lambda row: row.topic.value,
        "key_stage": lambda row: row.key_stage,
        "school": lambda row: row.school_urn,
        "kind": lambda row: row.kind.value,
    },
    small_numbers="exact, and few at a school: they are heads at a session, and nobody learns more of a pupil than those who sat beside them",
    columns={
        "sessions": "sessions delivered",
        "pupils": "pupils counted",
        "staff": "staff counted",
        "parents": "parents counted",
        "by_topic": "sessions and pupils, by topic",
    },
)
