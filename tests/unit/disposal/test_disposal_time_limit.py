"""The time in which a summary offence can be prosecuted: from the offence, from knowledge, from a report (R21)."""

from datetime import date, datetime
from typing import Any

import pytest

from services.disposal.domain.commands import InstituteProceedings, OpenDisposalCase
from services.disposal.events import TimeLimit
from services.trade.vocabulary import BreachDecision, TrialMode
from tests.unit.disposal.stories import (
    OPENED_AT,
    POLICE,
    PROPOSED_AT,
    SUPERVISOR,
    YJS,
    CaseStory,
    breach,
    condition,
    offence,
    opening,
    proposed,
)
from tests.unit.disposal.test_disposal_monitoring import decided

REPORTED = "2026-03-02T15:20:00+00:00"


def summary(limit: str | None, on: date, known_on: date | None = None, **other: Any) -> OpenDisposalCase:
    """Return the opening of a summary offence, with the time limit that applies to it."""
    time_limit = None if limit is None else TimeLimit(limit)
    of = offence(TrialMode.SUMMARY, date=on, time_limit=time_limit, known_on=known_on)
    return opening(offence=of, reported_at=datetime.fromisoformat(REPORTED), **other)


@pytest.mark.parametrize(
    ("limit", "on", "known_on", "last_day"),
    [
        (None, date(2026, 3, 2), None, "2026-09-02"),
        ("SIX_MONTHS", date(2025, 8, 31), date(2026, 3, 1), "2026-02-28"),
        ("FROM_KNOWLEDGE", date(2024, 5, 1), date(2026, 2, 10), "2026-08-10"),
        ("FROM_KNOWLEDGE", date(2024, 5, 1), None, "2026-09-02"),
        ("FROM_KNOWLEDGE", date(2023, 6, 1), date(2026, 2, 10), "2026-06-01"),
        ("DOMESTIC_ASSAULT", date(2025, 5, 1), date(2026, 1, 31), "2026-07-31"),
        ("DOMESTIC_ASSAULT", date(2024, 6, 1), None, "2026-06-01"),
    ],
)
def test_the_last_day_follows_its_time_limit(
    case: CaseStory, limit: str | None, on: date, known_on: date | None, last_day: str
) -> None:
    """Given a summary offence, then its last day counts from the offence, or from knowledge within two or three years."""
    case.opened(summary(limit, on, known_on))
    assert case.view["prosecution_time_limit"] == last_day
    assert case.duties(date(2026, 3, 3))["PROSECUTION_TIME_LIMIT"].due.isoformat() == last_day


@pytest.mark.parametrize("limit", ["FROM_KNOWLEDGE", "DOMESTIC_ASSAULT"])
def test_conditions_follow_the_time_limit(case: CaseStory, limit: str) -> None:
    """Given six months from knowledge, when a condition is due on the last day, then R21W warns; a day later R21 refuses."""
    case.decided(command=summary(limit, date(2025, 9, 20), date(2026, 1, 20)))
    assert case.refused(proposed(condition(due=date(2026, 7, 21))), by=YJS, at=PROPOSED_AT) == {"R21"}
    for due in (date(2026, 7, 20), date(2026, 6, 23)):
        assert "R21W" in case.warned(proposed(condition(due=due)), by=YJS, at=PROPOSED_AT)
    assert case.warned(proposed(condition(due=date(2026, 6, 22))), by=YJS, at=PROPOSED_AT) == {"R20W"}


def test_proceedings_follow_the_time_limit(case: CaseStory) -> None:
    """Given a breach to be prosecuted, when proceedings come on the last day, then they are; a day later R21 refuses."""
    case.issued(command=summary("FROM_KNOWLEDGE", date(2026, 3, 2), date(2026, 3, 3)))
    case.ask(breach(), by=YJS, at="2026-05-29T09:00:00+01:00")
    case.ask(decided(BreachDecision.PROSECUTE), by=POLICE, at="2026-06-01T09:00:00+01:00")
    proceedings = InstituteProceedings(reference="55/1")
    assert case.refused(proceedings, by=POLICE, at="2026-09-04T09:00:00+01:00") == {"R21"}
    case.ask(proceedings, by=POLICE, at="2026-09-03T18:00:00+01:00")


def test_a_corrected_report_moves_the_time_limit(case: CaseStory) -> None:
    """Given a limit that counts from the report, when the report is corrected, then it follows; stated knowledge stays."""
    case.opened(summary("DOMESTIC_ASSAULT", date(2025, 9, 20)))
    case.ask(
        case.corrects("DisposalCaseOpened", "reported_at", "2026-02-20T09:00:00+00:00"), by=SUPERVISOR, at=PROPOSED_AT
    )
    assert case.view["prosecution_time_limit"] == "2026-08-20"
    case.ask(case.corrects("DisposalCaseOpened", "offence.known_on", "2026-02-01"), by=SUPERVISOR, at=PROPOSED_AT)
    assert case.view["prosecution_time_limit"] == "2026-08-01"


@pytest.mark.parametrize("known_on", [date(2026, 3, 1), date(2026, 3, 4)])
def test_an_offence_is_known_between_its_day_and_the_opening(case: CaseStory, known_on: date) -> None:
    """Given knowledge before the offence or after the opening, when the case is opened, then T1 refuses."""
    command = summary("FROM_KNOWLEDGE", date(2026, 3, 2), known_on)
    assert case.refused(command, by=YJS, at=OPENED_AT) == {"T1"}


def test_a_time_limit_that_was_not_law_yet_is_six_months(case: CaseStory) -> None:
    """Given a domestic assault opened before 28 June 2022, then six months from the offence are its limit."""
    of = offence(TrialMode.SUMMARY, date=date(2022, 1, 10), time_limit=TimeLimit.DOMESTIC_ASSAULT)
    reported = datetime.fromisoformat("2022-05-01T09:00:00+01:00")
    case.ask(opening(offence=of, reported_at=reported), by=YJS, at="2022-05-02T09:00:00+01:00")
    assert case.view["prosecution_time_limit"] == "2022-07-10"
