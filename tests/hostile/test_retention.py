"""The review list of retention: who is due by dated policy, for the data protection officer, and nothing goes by itself."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.trade.vocabulary import Role
from shared.domain.dates import local_day
from tests.hostile import partnership as world
from tests.hostile.partnership import Partnership, Recorded
from tests.hostile.test_forgetting import closed, decide, forget

settings, partnership, pytestmark = world.settings, world.one_partnership, world.ONE_LOOP


async def review(partnership: Partnership, record: Recorded, due_by: str) -> dict[str, Any] | None:
    """Return the line of a person on the review list of a day; None where there is none."""
    token = await partnership.token("DATA_PROTECTION_OFFICER", area="*")
    answer = await partnership.read("reporting", f"/v1/retention?due_by={due_by}", token)
    assert answer.status_code == 200, answer.text
    lines: list[dict[str, Any]] = answer.json()["people"]
    return next((line for line in lines if line["person_id"] == str(record.person)), None)


def six_years_on() -> date:
    """Return today's date in six years; 28 February for the 29th where there is none."""
    today = local_day(datetime.now(UTC))
    leap_day = (today.month, today.day) == (2, 29)
    return today.replace(year=today.year + 6, day=28 if leap_day else today.day)


async def test_a_closed_case_is_due_when_its_clear_period_is_over(partnership: Partnership) -> None:
    """Given a closed referral without an offence, then it is due after six years, and not a day before."""
    record = await closed(partnership)
    due = six_years_on()
    line = await review(partnership, record, due.isoformat())
    assert line is not None
    assert (line["group"], line["decided"], line["case_ids"]) == (4, False, [str(record.case)])
    assert await review(partnership, record, (due - timedelta(days=1)).isoformat()) is None


async def test_nobody_with_an_open_record_is_due(partnership: Partnership) -> None:
    """Given an open referral or disposal, then the person is on no list, however late."""
    record = await world.referral(partnership)
    disposed = await world.disposal(partnership)
    await partnership.carry()
    assert await review(partnership, record, "2190-01-01") is None
    assert await review(partnership, disposed, "2190-01-01") is None


async def test_a_grave_flag_makes_the_period_longer(partnership: Partnership) -> None:
    """Given a referral with a weapon, then it is of group 2, and due after ten years."""
    record = await world.rejected_referral(partnership, narrative="A knife was shown.", flags=["WEAPON"])
    await partnership.carry()
    year = local_day(datetime.now(UTC)).year
    assert await review(partnership, record, f"{year + 9}-12-31") is None
    line = await review(partnership, record, f"{year + 11}-01-01")
    assert line is not None
    assert line["group"] == 2


async def test_a_corrected_flag_counts(partnership: Partnership) -> None:
    """Given flags that are corrected, then the group follows from what they should have been, as last corrected."""
    record = await world.rejected_referral(partnership)
    officer = await partnership.token("SAFE_SCHOOLS_OFFICER")
    events = (await partnership.read("referral", f"{record.path}/history", officer)).json()["events"]
    correction = {"type": "CorrectReferral", "field": "flags", "why": "A slip of the pen."}
    triaged = next(event for event in events if event["type"] == "ReferralTriaged")
    groups = []
    for event, flags in ((events[0], ["WEAPON"]), (triaged, []), (events[0], [])):
        body = correction | {"corrects": event["event_id"], "value": flags}
        await partnership.send("referral", record.stream, body, officer)
        await partnership.carry()
        line = await review(partnership, record, "2190-01-01")
        assert line is not None
        groups.append(line["group"])
    assert groups == [2, 2, 4]


async def test_a_review_that_keeps_the_records_names_the_next_day(partnership: Partnership) -> None:
    """Given a person who was reviewed, then they are due on that day; once forgotten they are on no list."""
    record = await closed(partnership)
    kept_answer = await decide(partnership, "referral", record.person, "keep", review_on="2060-05-04")
    assert kept_answer.json()["review_on"] == "2060-05-04"
    await partnership.carry()
    assert await review(partnership, record, "2060-05-03") is None
    line = await review(partnership, record, "2060-05-04")
    assert line is not None
    assert (line["review_on"], line["decided"]) == ("2060-05-04", True)
    await forget(partnership, record)
    await partnership.carry()
    assert await review(partnership, record, "2190-01-01") is None


async def test_the_end_of_the_retention_of_one_person(partnership: Partnership) -> None:
    """Given a closed referral, then its child's retention ends six years on, or on the day of a review; a case is nobody."""
    record = await closed(partnership)
    await partnership.carry()

    async def end_of(*records: UUID) -> dict[str, Any]:
        token = await partnership.token("DATA_PROTECTION_OFFICER", area="*")
        query = "&".join(f"record={id_}" for id_ in records)
        answer = await partnership.read("reporting", f"/v1/retention/end?person={record.person}&{query}", token)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    assert (await end_of(record.stream))["ends_on"] == six_years_on().isoformat()
    assert (await end_of(record.case)) == {
        "person_id": str(record.person),
        "ends_on": None,
        "unknown": [str(record.case)],
    }
    # Two services' records may have one id: one of them has not come yet.
    assert (await end_of(record.stream, record.stream))["unknown"] == [str(record.stream)]
    await decide(partnership, "referral", record.person, "keep", review_on="2060-05-04")
    await partnership.carry()
    assert (await end_of(record.stream))["ends_on"] == "2060-05-04"
    assert (await decide(partnership, "referral", record.case, "hold", kind="LEGAL")).status_code == 404
    # forgetting it finds no record, so that `ooc forget` says that nobody has this id
    rehearsed = await decide(partnership, "referral", record.case, "forget", basis="COURT_ORDER", dry_run="true")
    assert rehearsed.json()["records"] == []


async def merge(partnership: Partnership, person: UUID, into: UUID) -> None:
    """Say that two ids are of one person."""
    command = {"type": "MergePerson", "into": str(into), "why": "Twice.", "rationale": {"ID2": "One."}}
    await partnership.tell("people", person, "SUPERVISOR", command)
    await partnership.carry()


async def test_the_records_of_merged_ids_are_reviewed_together(partnership: Partnership) -> None:
    """Given a closed referral of a child, and one with a weapon under another id, when they are merged, then both are due once, by the gravest, and none while a record of either is open."""
    first = await closed(partnership)
    other = await world.rejected_referral(partnership, flags=["WEAPON"])
    await merge(partnership, other.person, first.person)
    named = (await decide(partnership, "referral", first.person, "hold", kind="LEGAL", dry_run="true")).json()
    assert named["ids"] == [str(first.person), str(other.person)]
    line = await review(partnership, first, "2190-01-01")
    assert line is not None
    assert (line["group"], set(line["case_ids"])) == (2, {str(first.case), str(other.case)})
    assert await review(partnership, other, "2190-01-01") is None
    token = await partnership.token("DATA_PROTECTION_OFFICER", area="*")
    for person in (first.person, other.person):
        query = f"person={person}&record={first.stream}&record={other.stream}"
        answer = (await partnership.read("reporting", f"/v1/retention/end?{query}", token)).json()
        assert (answer["ends_on"], answer["unknown"]) == (line["review_on"], [])
    await decide(partnership, "referral", other.person, "keep", review_on="2061-05-04")
    await partnership.carry()
    assert (await review(partnership, first, "2190-01-01") or {})["review_on"] == "2061-05-04"
    again = await world.referral(partnership)
    await merge(partnership, again.person, first.person)
    assert await review(partnership, first, "2190-01-01") is None


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.SYSTEM, Role.DATA_PROTECTION_OFFICER}))
async def test_the_list_is_for_the_data_protection_officer_alone(partnership: Partnership, role: str) -> None:
    """Given any other role, then the list is forbidden."""
    answer = await partnership.read("reporting", "/v1/retention", await partnership.token(role))
    assert answer.status_code == 403
