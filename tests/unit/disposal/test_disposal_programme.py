"""When a programme began and ended: by its events, and else as somebody said last."""

from datetime import date
from typing import Any

import pytest

from services.disposal.domain.commands import CorrectRecord, RecordActivityUndertaken, RecordProgramme
from services.disposal.domain.derived import school_age_until
from services.disposal.domain.programme import Programme, programme_of
from shared.domain.sealing import Sealed
from tests.unit.disposal.stories import AFTER, ISSUED_AT, YJS, CaseStory, conference

GIVEN = date(2026, 3, 12)
BIRTHDAY = date(2026, 3, 14)
LATER = "2026-05-04T09:00:00+01:00"
LAST = "2026-05-05T09:00:00+01:00"


def programme_after(story: CaseStory, at: str, **fields: Any) -> Programme | None:
    story.ask(RecordProgramme(**fields), by=YJS, at=at)
    return programme_of(story.state)


def test_a_caution_begins_with_its_first_activity_unless_another_day_is_said() -> None:
    """Given a caution at 14, when an activity and then a day after the birthday are recorded, then each is its start in turn."""
    story = CaseStory().issued("YC")
    story.ask(RecordActivityUndertaken(provider=Sealed("A club")), by=YJS, at=AFTER)
    begun = programme_of(story.state)
    assert begun == Programme(date(2026, 3, 13), 14, None, None)
    assert programme_after(story, LATER, starts_on=BIRTHDAY) == Programme(BIRTHDAY, 15, None, None)


def test_what_is_said_counts_field_by_field_the_latest_in_time() -> None:
    """Given an end that is said, when an earlier word comes late, then it fills only what was open, and a correction changes the rest."""
    story = CaseStory().issued("YC")
    programme_after(story, LATER, ends_on=date(2026, 5, 3), completed=True)
    found = programme_after(story, AFTER, starts_on=GIVEN, ends_on=GIVEN)
    assert found == Programme(GIVEN, 14, date(2026, 5, 3), completed=True)
    wrong = next(fact for fact in story.facts if getattr(fact.event, "starts_on", None) == GIVEN)
    story.ask(
        CorrectRecord(corrects=wrong.event_id, field="starts_on", value="2026-03-14", why=Sealed("Misread.")),
        by=YJS,
        at=LAST,
    )
    assert programme_of(story.state) == Programme(BIRTHDAY, 15, date(2026, 5, 3), completed=True)


@pytest.mark.parametrize("what", ["YCC", "YRD"])
def test_a_disposal_with_conditions_is_dated_by_its_events(what: str) -> None:
    """Given a disposal with a condition, when another first day is said, then its giving is the start all the same."""
    story = CaseStory().issued(what, conference())
    assert programme_after(story, LATER, starts_on=BIRTHDAY) == Programme(GIVEN, 14, None, None)


def test_the_giving_of_a_disposal_without_conditions_ends_no_programme() -> None:
    """Given a restorative disposal without conditions, when it is given, then its programme ends on the day that is said."""
    story = CaseStory().issued("YRD")
    found = programme_after(story, LATER, ends_on=date(2026, 5, 3), completed=False)
    assert found == Programme(GIVEN, 14, date(2026, 5, 3), completed=False)


def test_where_a_child_lives_makes_no_programme() -> None:
    """Given a case that is only opened, or whose residence alone is said, then there is no programme by that."""
    story = CaseStory().opened()
    assert programme_of(story.state) is None
    assert story.refused(RecordProgramme(starts_on=GIVEN), by=YJS, at=ISSUED_AT) == {"S1"}


@pytest.mark.parametrize(
    ("born", "until"),
    [
        ("2010-03-14", "2026-06-26"),
        ("2010-06-30", "2026-06-26"),
        ("2010-08-31", "2026-06-26"),
        ("2010-09-01", "2027-06-25"),
        ("2008-09-02", "2025-06-27"),
        ("2012-02-29", "2028-06-30"),
    ],
)
def test_school_age_ends_with_a_friday_in_june(born: str, until: str) -> None:
    """Given a birthday, then school age lasts until the last Friday in June of the school year in which the child turns 16."""
    assert school_age_until(date.fromisoformat(born), 16) == date.fromisoformat(until)
