"""The records behind a number of a measure, told on records: no database, no events."""

from datetime import date
from typing import Any
from uuid import uuid4

import pytest

from services.referral.summary import ReferralSummary
from services.reporting.measures import MEASURES, Dataset, WorkItem
from services.reporting.measures.period import BadQuestion, Period
from services.reporting.queries.cells import OPENED, records_in_cell
from services.trade.summary import LapsedDuty
from tests.unit.reporting.summaries_of import case, day, victim

Q4 = Period(date(2026, 1, 1), date(2026, 3, 31))


def opened(name: str, cell: str, *summaries: Any, **more: Any) -> tuple[int, set[Any]]:
    """Return a number, and the streams that count in it."""
    value, found = records_in_cell(MEASURES[name], Dataset(summaries, **more), Q4, cell)
    return value, {stream for _, stream in found}


def test_a_number_leads_to_the_records_that_count_in_it() -> None:
    """Given interventions that ended in several ways, when a number of KPI 6 is opened, then those of its cell alone are there."""
    done, left, other = (
        case("YCC", "2025-11-01", ended="2026-01-10"),
        case("YCC", "2025-11-01", ended="2026-01-11", completed=False),
        case("YRD", "2025-11-01", ended="2026-01-12"),
    )
    before = case("YCC", "2025-11-01", ended="2025-12-31")
    ended = "columns.youth_conditional_caution.ended"
    assert opened("kpi6", ended, done, left, other, before) == (2, {done.stream, left.stream})
    completed = "columns.youth_conditional_caution.completed"
    assert opened("kpi6", completed, done, left, other, before) == (1, {done.stream})
    assert opened("kpi6", "columns.youth_caution.ended", done, left) == (0, set())


def test_people_who_count_once_have_every_record_in_which_they_count() -> None:
    """Given one victim of two children, when the number of victims is opened, then it is one, and both records are there."""
    harmed = victim()
    first, second = (case("YCC", "2025-11-01", ended="2026-01-10", victims=(harmed,)) for _ in range(2))
    assert opened("kpi10", "victims", first, second) == (1, {first.stream, second.stream})


def test_a_lapsed_duty_leads_to_its_record() -> None:
    """Given a duty that lapsed with its record, when timeliness is opened there, then the record is there."""
    lapsed = ReferralSummary(
        stream=uuid4(),
        home=uuid4(),
        reported_on=day("2026-01-05"),
        lapsed=(LapsedDuty(duty="ASSESSMENT", on=day("2026-02-01")),),
    )
    assert opened("timeliness", "lapsed.ASSESSMENT", lapsed) == (1, {lapsed.stream})


def test_work_of_a_service_that_reporting_does_not_know_is_found_by_its_name() -> None:
    """Given open work of another service, when the workload is opened, then its service comes from the work item."""
    stream = uuid4()
    work = [WorkItem("fifth", stream, "OPEN", open=True, is_work=True)]
    assert records_in_cell(MEASURES["workload"], Dataset(work_items=work), Q4, "by_state.OPEN") == (
        1,
        [("fifth", stream)],
    )


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("timeliness", "report_to_triage.median_days"),
        ("kpi6", "columns.youth_caution"),
        ("kpi6", "columns.youth_caution.ended.more"),
        ("kpi6", "nothing"),
        ("disproportionality", "groups.WHITE.disposals"),
    ],
)
def test_what_counts_no_records_is_not_opened(name: str, cell: str) -> None:
    """Given a median, a group of numbers, nothing, or a group that follows from sealed fields, when it is opened, then it is refused."""
    done = case("YCC", "2025-11-01", ended="2026-01-10")
    with pytest.raises(BadQuestion):
        opened(name, cell, done)
    assert "disproportionality" not in OPENED
