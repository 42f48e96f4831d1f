"""A case at two moments: what differs, in words; and the steps from event to event."""

from datetime import UTC, date, datetime

import pytest

from services.console.officers.education import WEEKS, weeks_of
from services.console.officers.moments import Difference, differences, moment_of, neighbours

CHILD, CONDITION = "7b25a32c-7a6b-5cf9-bdc4-0b84d596c200", "1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11"


@pytest.mark.parametrize("text", [None, "", "yesterday", "2026-06-09T10:00:00", "2026-02-30", "9999-12-31"])
def test_a_moment_without_a_zone_is_none(text: str | None) -> None:
    """Given a time of an address that cannot be compared with those of events, then there is none."""
    assert moment_of(text) is None
    assert moment_of("2026-06-09T10:00:00+01:00") == datetime(2026, 6, 9, 9, tzinfo=UTC)


def disposal(state: str, standing: str | None, **more: object) -> dict[str, object]:
    """Return a case with one disposal."""
    record = {"id": "d", "version": 3, "state": state, "conditions": {CONDITION: standing} if standing else {}, **more}
    return {"disposals": [record], "duties": []}


def test_what_differs_is_said_in_words_and_what_is_the_same_is_left_out() -> None:
    """Given a case at two moments, when they are compared, then only what differs is there, with names in place of ids."""
    first = disposal("DECIDED", "PROPOSED", disposal="YCC")
    second = disposal("ACTIVE", "ACTIVE", disposal="YCC", issued_on="2026-03-02")
    assert differences(first, second, {CONDITION: "Retail workshop"}) == [
        Difference("Disposal: state", "Decided", "Active"),
        Difference("Disposal: conditions, Retail workshop", "Proposed", "Active"),
        Difference("Disposal: issued on", "Not there", "2 March 2026"),
    ]
    assert differences(second, second, {}) == []


def test_a_record_that_was_not_there_is_said_to_be_so() -> None:
    """Given a case before its first event, when it is compared, then every value stands in the second column alone."""
    rows = differences({}, disposal("OPENED", None), {})
    assert [(row.what, row.first, row.second) for row in rows] == [("Disposal: state", "Not there", "Opened")]


def test_a_duty_that_was_met_meanwhile_differs() -> None:
    """Given an open duty that is met later, when both moments are compared, then its row says due and met."""
    duty = {"duty": "ASSESSMENT", "item": None, "opened_on": "2026-03-02", "due": "2026-03-16", "overdue": False}
    first = {"duties": [{**duty, "met_on": None, "lapsed_on": None}]}
    second = {"duties": [{**duty, "met_on": "2026-03-10", "lapsed_on": None}]}
    assert differences(first, second, {}) == [
        Difference("Duty: Complete the assessment, opened 2 March 2026", "due 16 March 2026", "met on 10 March 2026")
    ]


def test_one_steps_from_event_to_event_and_past_those_of_one_moment() -> None:
    """Given events of which two are of one moment, when one steps, then each step leads to another moment."""
    moments = [datetime(2026, 3, day, 12, tzinfo=UTC) for day in (1, 2, 2, 5)]
    assert neighbours(moments, moments[0]) == (None, 1)
    assert neighbours(moments, moments[1]) == (0, 3)
    assert neighbours(moments, moments[3]) == (2, None)
    assert neighbours(moments, datetime(2026, 3, 4, tzinfo=UTC)) == (0, 3)
    assert neighbours(moments, datetime(2026, 2, 1, tzinfo=UTC)) == (None, 0)
    assert neighbours(moments, None) == (None, None)


def test_sessions_stand_under_the_monday_of_their_london_day() -> None:
    """Given a session of early Monday in London, when weeks are made, then it is in that week, and empty weeks are there."""
    late_sunday_in_utc = {"starts_at": "2026-06-07T23:30:00+00:00"}
    weeks = weeks_of([late_sunday_in_utc], date(2026, 6, 1))
    assert [monday for monday, _ in weeks] == [date(2026, 6, 1 + 7 * n) for n in range(WEEKS)]
    assert [len(sessions) for _, sessions in weeks] == [0, 1, 0, 0]
