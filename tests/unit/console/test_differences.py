"""What two records of a case say differently of a person, side by side on its page."""

from typing import Any

from services.console.apis import Part
from services.console.differences import Value, differences_of
from services.console.records import Record

CASE = "c"
NOA: dict[str, Any] = {"name": "Noa Fenn", "date_of_birth": "2012-03-04", "ethnicity": "W1"}


def record(collection: str, **details: Any) -> Record:
    """Return a record of Noa with these details."""
    state = {"state": "OPEN", "people": {"noa": "SUSPECT"}, "details": {"people": {"noa": NOA | details}}}
    return Record(collection, collection, Part(state), Part({"commands": []}), {})


def naming(collection: str, type_: str, **notes: str) -> dict[str, Any]:
    """Return the event that names Noa in a record."""
    fields = {"details.name": NOA["name"], **notes}
    return {
        "type": type_,
        "stream": collection,
        "event_id": f"{collection}-1",
        "notes": [{"field": field, "value": value} for field, value in fields.items()],
    }


def test_two_values_stand_side_by_side_with_the_forms_that_correct_them() -> None:
    """Given another birth date in one record, then both are shown in words; spaces, capitals and what is hidden differ from nothing."""
    records = [
        record("referrals", name="noa  FENN", ethnicity={"sealed": True}),
        record("disposals", date_of_birth="2012-04-03"),
    ]
    events = [naming("disposals", "DisposalCaseOpened")]
    (found,) = differences_of(records, events, {"disposals": "CorrectRecord", "referrals": None}, CASE)
    assert (found.who, found.what, found.because) == ("noa  FENN", "Date of birth", "")
    assert found.values == [
        Value("Referral", "4 March 2012", ""),
        Value("Disposal", "3 April 2012", "/records/disposals/disposals/do/CorrectRecord?case=c&corrects=disposals-1"),
    ]
    assert not list(differences_of([record("referrals"), record("disposals")], events, {}, CASE))


def test_a_difference_that_was_explained_says_why() -> None:
    """Given a reason under N1, then it stands beside the values."""
    events = [naming("disposals", "DisposalCaseOpened", **{"rationale.N1": "Adopted in May."})]
    (found,) = differences_of([record("referrals", ethnicity="W9"), record("disposals")], events, {}, CASE)
    assert (found.what, found.because) == ("Ethnic group", "Adopted in May.")
