"""Records of a person that say different things: listed until corrected or explained, for who may read them alone."""

from typing import Any
from uuid import UUID, uuid4

from tests.hostile import partnership as world
from tests.hostile.partnership import Partnership
from tests.hostile.test_search import child, destroy_key
from tests.received_referral import linked_person

settings, partnership = world.settings, world.partnership


async def differences(
    partnership: Partnership, person: UUID, role: str = "SUPERVISOR", query: str = ""
) -> list[dict[str, Any]]:
    """Return what a role is told of a person."""
    answer = await partnership.read("reporting", f"/v1/differences{query}", await partnership.token(role))
    assert answer.status_code == 200, answer.text
    return [one for one in answer.json()["people"] if one["person_id"] == str(person)]


async def open_disposal(partnership: Partnership, case: UUID, person: UUID, **more: Any) -> UUID:
    """Open a disposal for a person under the details of `more`, and return it."""
    stream = uuid4()
    rationale = more.pop("rationale", {})
    opening = world.opened_disposal(case, person, {"name": "Robin Roe", "date_of_birth": "2011-03-14", **more})
    await partnership.tell("disposal", stream, "YJS_CASE_MANAGER", {**opening, "rationale": rationale})
    return stream


async def correct(partnership: Partnership, service: str, stream: UUID, role: str, birth: str) -> None:
    """Correct the birth date in the last event of a record that has one."""
    collection = {"referral": "referrals", "disposal": "disposals"}[service]
    history = await partnership.read(
        service, f"/v1/{collection}/{stream}/history", await partnership.token("SUPERVISOR")
    )
    events = [event for event in history.json()["events"] if "details" in event["data"]]
    correction = {
        "type": {"referral": "CorrectReferral", "disposal": "CorrectRecord"}[service],
        "corrects": events[-1]["event_id"],
        "field": "details.date_of_birth",
        "value": birth,
        "why": "The birth certificate says so.",
    }
    await partnership.tell(service, stream, role, correction)
    await partnership.carry()


async def test_a_difference_is_listed_until_it_is_corrected(partnership: Partnership) -> None:
    """Given a birth date that one of two records holds otherwise since its correction, then it is listed until the other follows."""
    record = await child(partnership, "Robin Roe", ethnicity="W1")
    disposal = await open_disposal(partnership, record.case, record.person, name="robin  ROE")
    await partnership.carry()
    assert not await differences(partnership, record.person)
    await correct(partnership, "referral", record.stream, "SAFE_SCHOOLS_OFFICER", "2011-03-15")
    (found,) = await differences(partnership, record.person)
    assert found["fields"] == ["date_of_birth"]
    assert [(one["service"], one["id"], one["case_ids"]) for one in found["records"]] == [
        ("disposal", str(disposal), [str(record.case)]),
        ("referral", str(record.stream), [str(record.case)]),
    ]
    assert not await differences(partnership, record.person, query=f"?officer={uuid4()}")
    assert not await differences(partnership, record.person, "VICTIM_WORKER")
    await correct(partnership, "disposal", disposal, "YJS_CASE_MANAGER", "2011-03-15")
    assert not await differences(partnership, record.person)


async def test_an_explained_difference_is_not_listed(partnership: Partnership) -> None:
    """Given details that say why they differ (N1), then nothing is listed; a name that changes without a reason is, until forgotten."""
    record = await child(partnership, "Robin Roe")
    await open_disposal(partnership, record.case, record.person, name="Robin Poe", rationale={"N1": "Adopted in May."})
    silent = await child(partnership, "Robin Roe")
    await open_disposal(partnership, silent.case, silent.person)
    linked = linked_person(silent.person, name="Robin Poe")
    await partnership.tell("referral", silent.stream, "SAFE_SCHOOLS_OFFICER", linked)
    await partnership.carry()
    assert not await differences(partnership, record.person)
    (found,) = await differences(partnership, silent.person)
    assert found["fields"] == ["name"]
    await destroy_key(partnership, silent.person)
    assert not await differences(partnership, silent.person)


async def test_cases_may_name_a_person_otherwise_but_nobody_is_born_twice(partnership: Partnership) -> None:
    """Given two cases of a person, then another name is nothing to put right, and another birth date is."""
    record = await child(partnership, "Robin Roe")
    await open_disposal(partnership, uuid4(), record.person, name="Robin Poe", date_of_birth="2010-03-14")
    await partnership.carry()
    (found,) = await differences(partnership, record.person)
    assert found["fields"] == ["date_of_birth"]
