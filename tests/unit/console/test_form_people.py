"""The people of a case in a form: only fitting ones are offered, and a child whom the case knows is not typed again."""

import pytest

from services.console.forms.choices import unfit_in
from services.console.forms.fields import Drawing, Field, Option, all_fields, command_of, fields_of
from services.console.forms.people import (
    ALIKE,
    CRIME_NUMBER,
    HARMED,
    LINKED,
    OFFERED,
    REPORTED,
    asks_part,
    of_adult,
    of_opening,
    of_part,
)
from services.console.names import Who, called
from services.disposal.service import service
from services.referral.service import service as referral
from services.system.registry import deciding_services
from services.trade.vocabulary import PersonRole
from shared.api.command_schemas import standalone_schemas

SCHEMA = standalone_schemas(service)["OpenDisposalCase"]
NOA, ZOE = "6f1e2d3c-0000-4000-8000-000000000001", "6f1e2d3c-0000-4000-8000-000000000002"


@pytest.mark.parametrize(
    ("command", "field", "part", "is_offered"),
    [
        ("RecordVictimView", "person", "SUSPECT", False),
        ("RecordVictimView", "person", "VICTIM", True),
        ("RecordVictimView", "person", "", True),
        ("TellVictim", "person", "HARMER", False),
        ("ConfirmAppropriateAdult", "person", "VICTIM", False),
        ("ConfirmAppropriateAdult", "person", "WITNESS", False),
        ("ConfirmAppropriateAdult", "person", "PARENT_CARER", True),
        ("OpenDisposalCase", "person", "VICTIM", False),
        ("OpenDisposalCase", "victims", "SUSPECT", False),
        ("RecordContact", "person", "SUSPECT", True),
    ],
)
def test_only_fitting_people_are_offered(command: str, field: str, part: str, is_offered: bool) -> None:
    """A child is offered as no victim, and nobody with a part as an appropriate adult; whose part is not known is offered."""
    schema = next(found for service in deciding_services() if (found := standalone_schemas(service).get(command)))
    assert (part not in unfit_in(schema).get(field, ())) is is_offered


def test_whoever_has_no_name_is_called_by_their_part() -> None:
    """Given people whose names the reader may not know, then parts stand for them, numbered alike on every page, and no ids."""
    people = [
        Who(ZOE, "SUPPORTER", "", {}),
        Who("1", "", "", {}),
        Who("2", "VICTIM", "Ida", {}),
        Who(NOA, "SUPPORTER", "", {}),
    ]
    assert called(people) == called(people[::-1])
    assert called(people) == {
        "2": "Ida",
        "1": "Person, name not shown",
        NOA: "Supporter 1, name not shown",
        ZOE: "Supporter 2, name not shown",
    }


@pytest.mark.parametrize(
    ("linked", "answers", "asks"),
    [
        ((NOA,), {}, False),
        ((NOA, ZOE), {}, False),
        ((NOA,), {"person_id": [NOA]}, False),
        ((NOA,), {"person_id": [ZOE]}, True),
        ((), {}, True),
    ],
)
def test_details_are_asked_of_a_child_whom_the_case_does_not_know(
    linked: tuple[str, ...], answers: dict[str, list[str]], asks: bool
) -> None:
    """Given a linked child, then name and birth date are not asked; of another child that is chosen they are required."""
    known = {LINKED: [Option(id_, "Noa Fenn") for id_ in linked], CRIME_NUMBER: [Option("55260060101", "55260060101")]}
    fields, suggested = of_opening(fields_of(SCHEMA, Drawing(SCHEMA["$defs"])), answers, known)
    assert suggested["crime_number"] == ["55260060101"]
    assert ("person_id" in suggested) is (len(linked) == 1)
    assert ("details" in {field.name for field in fields}) is asks
    _, wrong = command_of(fields, answers)
    assert ("details.name" in {problem.name for problem in wrong}) is asks


def test_the_time_of_the_report_is_not_asked_again() -> None:
    """Given one referral, then the case is opened with the time of its report; given two, it is asked."""
    fields = fields_of(SCHEMA, Drawing(SCHEMA["$defs"]))
    reports = [Option(at, at) for at in ("2025-09-06T14:20:00+00:00", "2025-09-07T14:20:00+00:00")]
    _, suggested = of_opening(fields, {}, {REPORTED: reports[:1]})
    assert [suggested[f"reported_at.{part}"] for part in ("day", "month", "year", "clock")] == [
        ["6"],
        ["9"],
        ["2025"],
        ["15:20"],
    ]
    assert "reported_at.day" not in of_opening(fields, {}, {REPORTED: reports})[1]


def test_who_was_harmed_is_ticked() -> None:
    """Given two people who were harmed, then the form ticks both, and sends an empty list if nobody stays ticked (VC1)."""
    harmed = [Option(ZOE, "Zoe Fenn, victim"), Option(NOA, "Corner Shop, victim")]
    drawn = fields_of(SCHEMA, Drawing(SCHEMA["$defs"], {"victims": [*harmed, Option("1", "Ida, witness")]}))
    fields, suggested = of_opening(drawn, {}, {HARMED: harmed})
    assert suggested["victims"] == [ZOE, NOA]
    assert command_of(fields, suggested)[0]["victims"] == [ZOE, NOA]
    assert command_of(fields, {})[0]["victims"] == []
    assert "victims" not in command_of(of_opening(drawn, {}, {})[0], {})[0]


@pytest.mark.parametrize(("kind", "is_asked"), [("PARENT_GUARDIAN", False), ("RESPONSIBLE_ADULT", True)])
def test_whether_others_are_available_is_asked_of_the_last_resort(kind: str, is_asked: bool) -> None:
    """Given another responsible adult, then the form asks whether nobody else is available; of a parent it does not (R7)."""
    schema = standalone_schemas(service)["ConfirmAppropriateAdult"]
    answers = {"kind": [kind]}
    _, wrong = command_of(of_adult(fields_of(schema, Drawing(schema["$defs"])), answers), answers)
    assert ("others_unavailable" in {problem.name for problem in wrong}) is is_asked


def test_the_details_of_a_person_are_those_that_the_part_needs() -> None:
    """Given no part, then who and the part are asked alone; of a witness nothing that only a child needs stands unfolded."""
    names = ("name", "date_of_birth", "kind", "school_urn", "ethnicity", "needs", "email", "language")
    details = [Field(f"details.{name}", "text", name) for name in names]
    group = Field("details", "group", "Details", fields=details)
    others = [Field(name, "choice", name) for name in ("occurred_at", "person_id", "role", "category", "parent_of")]
    drawn, _ = of_part([*others, group], {}, {})
    assert [field.name for field in drawn] == ["person_id", "role"]
    shown = {}
    for part in PersonRole:
        drawn, suggested = of_part([*others, group], {"role": [part]}, {})
        shown[part] = {field.title for field in drawn[-1].fields if not field.is_folded}
        assert ("parent_of" in {field.name for field in drawn}) == (part is PersonRole.PARENT_CARER)
        assert len(drawn[-1].fields) == len(details), "what is folded can be given all the same"
        assert suggested["category"]
        assert {field.name for field in drawn if field.is_folded} == {"occurred_at", "person_id", "role"}
        (born,) = (field for field in drawn[-1].fields if field.title == "date_of_birth")
        assert born.required == (part not in {PersonRole.HARMED, PersonRole.PROFESSIONAL}), "these may be organisations"
    assert shown[PersonRole.WITNESS] == {"name", "date_of_birth", "email"}
    assert shown[PersonRole.HARMER] == {"name", "date_of_birth", "school_urn", "ethnicity", "needs"}
    assert shown[PersonRole.HARMED] == {"name", "date_of_birth", "kind", "needs", "email", "language"}


def test_the_details_are_asked_once_the_part_is_known() -> None:
    """Given the part alone, then the details are asked; once they were on the page, answered or not, they are not asked again."""
    assert asks_part({"role": ["WITNESS"]})
    assert not asks_part({"role": ["WITNESS"], "details.name": [""]})
    assert not asks_part({})


def test_somebody_is_looked_for_before_the_details_are_asked() -> None:
    """Given a role that may search, then name, birth date and school come first, then who was found, then the details of nobody of these."""
    schema = standalone_schemas(referral)["LinkPerson"]
    fields = fields_of(schema, Drawing(schema["$defs"]))
    sought = {"role": ["HARMER"], "details.name": ["Noa Fenn"], "details.date_of_birth.day": ["1"]}

    def asked(answers: dict[str, list[str]], found: tuple[str, ...] = ()) -> list[str]:
        drawn, _ = of_part(fields, answers, {ALIKE: [Option(id_, "Noa Fenn, 14 years old") for id_ in found]})
        return [field.name for field in all_fields(drawn) if field.kind not in {"hidden", "group"}]

    looking = ["role", "details.name", "details.date_of_birth", "details.school_urn"]
    assert asked({}) == asked({**sought, "details.name": [""]}) == looking
    assert asked(sought, (NOA, ZOE)) == asked({**sought, OFFERED: ["yes"]}) == ["person_id"]
    details = asked({**sought, OFFERED: ["yes"], "person_id": [ZOE]})
    assert asked(sought) == details
    assert {"details.address", "category", "person_id"} < set(details)
    assert asks_part(sought)
    assert not asks_part({**sought, OFFERED: ["yes"]}), "nobody is chosen: say so"
    assert not asks_part({**sought, "category": ["SUSPECT"]})
