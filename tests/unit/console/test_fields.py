"""The one renderer of forms: every command of every service is drawn, and its example can be entered."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

import pytest

from services.console.forms.fields import (
    Drawing,
    Field,
    Option,
    all_fields,
    answers_in_words,
    asks_of_kind,
    command_of,
    controls,
    fields_of,
    find_field,
    of_chosen_kind,
)
from services.console.forms.present import NOT_THERE
from services.console.rendering import TEMPLATES
from services.reporting.measures.disproportionality import group_of
from services.reporting.measures.policy import POLICY
from services.system.registry import deciding_services
from shared.api.command_schemas import standalone_schemas
from shared.domain.dates import LONDON
from tests.as_one_test import as_one_test

SCHEMAS = {
    f"{service.name}.{name}": schema
    for service in deciding_services()
    for name, schema in standalone_schemas(service).items()
}
PERSON = "1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11"


def drawn(name: str, **rows: int) -> list[Field]:
    schema = SCHEMAS[name]
    return fields_of(schema, Drawing(schema["$defs"], {"person": [Option(PERSON, "Ida")]}, rows))


def test_a_form_requires_what_older_clients_leave_out() -> None:
    """Given a field that was added later and is always to be asked, when a form is left empty, then it asks for it."""
    fields = drawn("disposal.ConfirmAppropriateAdult")
    _, wrong = command_of(fields, {})
    assert {"involved_in_case", "received_admission", "others_unavailable"} <= {problem.name for problem in wrong}
    assert "involved_in_case" not in SCHEMAS["disposal.ConfirmAppropriateAdult"]["required"]


def entered(fields: Sequence[Field], values: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Yield what a person would enter for the fields of a command."""
    for one in fields:
        value = values.get(one.name.rpartition(".")[2])
        if value is None:
            continue
        match one.kind:
            case "group":
                yield from entered(one.fields, value)
            case "rows":
                for row, item in zip(one.rows, value, strict=False):
                    yield from entered(row, item)
            case _:
                yield from _entered(one, value)


def _entered(one: Field, value: Any) -> Iterator[tuple[str, list[str]]]:
    match one.kind:
        case "time":
            moment = datetime.fromisoformat(value).astimezone(LONDON)
            texts = [str(moment.day), str(moment.month), str(moment.year), f"{moment:%H:%M}"]
            yield from ((name, [text]) for name, text in zip(controls(one), texts, strict=True))
        case "date":
            year, month, day = value.split("-")
            yield from ((name, [text]) for name, text in zip(controls(one), (day, month, year), strict=True))
        case "yes_no":
            yield one.name, ["yes" if value else "no"]
        case "lines":
            yield one.name, ["\r\n".join(str(item) for item in value)]
        case "choices" | "ids":
            yield one.name, [str(item) for item in value]
        case _:
            yield one.name, [str(value)]


@as_one_test
@pytest.mark.parametrize("name", SCHEMAS)
def test_a_form_says_at_its_field_what_the_service_would_refuse(name: str) -> None:
    """Given an answer beyond what a field takes, when it is read, then the form itself says at that field, in words, what to enter."""
    for field in all_fields(drawn(name)):
        beyond = {
            "text": ["\x1b" * (field.longest + 1)],
            "long": ["y" * (field.longest + 1)],
            "integer": [str(field.limits.get("maximum", 10**9) + 1)],
            "number": [str(int(field.limits.get("maximum", 10**7)) + 1)],
            "choice": [] if field.is_open else ["NO_SUCH"],
            "yes_no": ["perhaps"],
            "id": ["x"],
            "date": ["31", "2", "2026"],
            "time": ["1", "2", "2026", "25:00"],
            "lines": ["\n".join(map(str, range(field.limits.get("maxItems", 0) + 1)))]
            if "maxItems" in field.limits
            else [],
        }.get(field.kind, [])
        names = controls(field) if field.kind in {"date", "time"} else [field.name] * len(beyond)
        answers = {one: [text] for one, text in zip(names, beyond, strict=True)} if beyond else {}
        if answers:
            _, wrong = command_of([field], answers)
            (problem,) = wrong
            assert problem.name == field.name
            assert problem.text[:1].isupper() or problem.text[:1].isdigit(), problem.text
            assert not any(word in problem.text for word in ("should", "Value error", "NO_SUCH", "pattern")), (
                problem.text
            )


def test_a_code_is_read_in_either_case() -> None:
    """Given a code with a pattern, when it is entered in lower case, then the form takes it; another text is refused with the hint of the code."""
    for text, wrong in (("th68010", False), ("theft?", True)):
        (field,) = (one for one in all_fields(drawn("disposal.OpenDisposalCase")) if one.name == "offence.code")
        _, problems = command_of([field], {"offence.code": [text]})
        assert bool(problems) == wrong


def comparable(value: Any) -> Any:
    """Return a value in which two ways of writing the same time or number are the same."""
    match value:
        case Mapping():
            return {key: comparable(item) for key, item in value.items()}
        case list():
            return [comparable(item) for item in value]
        case bool():
            return value
        case int() | float():
            return str(value)
        case str() if len(value) > 18 and value[10:11] == "T":
            return datetime.fromisoformat(value).timestamp()
        case _:
            return value


@as_one_test
@pytest.mark.parametrize("name", SCHEMAS)
def test_the_example_of_every_command_can_be_entered(name: str) -> None:
    """Given the form of a command, when its example is entered as a person would, then the command is the example again."""
    (example,) = SCHEMAS[name]["examples"]
    fields = drawn(name)
    body, wrong = command_of(fields, dict(entered(fields, example)))
    assert not wrong
    wanted = {key: value for key, value in example.items() if key != "type"}
    assert comparable(body) == comparable(wanted)


@as_one_test
@pytest.mark.parametrize("name", SCHEMAS)
def test_every_form_is_drawn_with_a_label_for_each_control(name: str) -> None:
    """Given a command, when its form is rendered, then every control has a name, an id of its own and a label."""
    macros = TEMPLATES.get_template("fields.html").make_module({})
    text = "".join(str(macros.field_control(field, {}, {}, lambda: PERSON)) for field in drawn(name))  # type: ignore[attr-defined]
    page = Controls()
    page.feed(text)
    assert len(page.ids) == len(set(page.ids))
    assert page.controls <= page.labelled, page.controls - page.labelled
    printed = {
        control for field in all_fields(drawn(name)) if not (field.fields or field.rows) for control in controls(field)
    }
    assert printed <= page.names


class Controls(HTMLParser):
    """The ids, names and labels of controls."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.controls: set[str] = set()
        self.labelled: set[str] = set()
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "label":
            self.labelled.add(attributes.get("for", ""))
        if tag in {"input", "textarea", "select"}:
            self.names.add(attributes.get("name", ""))
            if attributes.get("type") != "hidden":
                self.controls.add(attributes.get("id", ""))


def test_what_is_required_and_missing_is_named() -> None:
    """Given an empty form, when it is read, then each required field says what to do, and no optional one does."""
    fields = drawn("referral.ReceiveReferral")
    _, wrong = command_of(fields, {})
    assert {one.name for one in wrong} == {one.name for one in fields if one.required} - {"flags"}
    assert "Choose an answer to “Reported by”" in {one.text for one in wrong}


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ({"reported_at.day": ["31"], "reported_at.month": ["2"], "reported_at.year": ["2026"]}, "a date that exists"),
        (
            {"reported_at.day": ["x"], "reported_at.month": ["2"], "reported_at.year": ["2026"]},
            "a day, a month and a year",
        ),
        ({"reported_at.clock": ["10:00"]}, "the day as well"),
        (
            {
                "reported_at.day": ["1"],
                "reported_at.month": ["2"],
                "reported_at.year": ["2026"],
                "reported_at.clock": ["25:00"],
            },
            "such as 15:20 or 3.20pm",
        ),
        ({"case_id": ["no id"]}, "must be an id"),
    ],
)
def test_what_is_malformed_is_named(answers: dict[str, list[str]], sentence: str) -> None:
    """Given a malformed answer, when it is read, then its field says what to do."""
    _, wrong = command_of(drawn("referral.ReceiveReferral"), answers)
    (problem,) = (one for one in wrong if one.name == next(iter(answers)).partition(".")[0])
    assert sentence in problem.text


@pytest.mark.parametrize(
    ("clock", "read"),
    [
        *((text, "15:20") for text in ("15:20", "15.20", "1520", "3.20pm", "3:20 PM")),
        *(("9:05", "09:05"), ("3pm", "15:00"), ("12.10am", "00:10"), ("12pm", "12:00")),
        *((text, None) for text in ("15", "25:00", "2460", "13pm", "0am", "half past")),
    ],
)
def test_a_time_is_read_as_people_write_it(clock: str, read: str | None) -> None:
    """Given a time as somebody writes it, when it is read, then it is that time, or its field says how to write it."""
    boxes = {"reported_at.day": ["1"], "reported_at.month": ["2"], "reported_at.year": ["2026"]}
    fields = [field for field in drawn("referral.ReceiveReferral") if field.name == "reported_at"]
    body, wrong = command_of(fields, {**boxes, "reported_at.clock": [clock]})
    assert (body.get("reported_at", "")[11:16] or None, bool(wrong)) == (read, read is None)


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("ACCOMMODATION", {"accommodation", "suitable"}),
        ("ETE", {"provision", "suitable", "hours_offered", "hours_attended"}),
        ("SEND", {"identified", "formal_plan"}),
        ("SUBSTANCES", {"screened_on", "substances_intervention", "offered_on", "attended_from", "attended_until"}),
        ("CARE", {"care_status"}),
    ],
)
def test_the_chosen_kind_decides_what_is_asked(kind: str, asked: set[str]) -> None:
    """Given a form whose kind decides its fields, then the kind alone is asked, and after it what belongs to it."""
    fields = drawn("people.RecordCircumstance")
    assert [field.name for field in of_chosen_kind(fields, {}) if field.kind != "id"] == ["kind"]
    chosen = of_chosen_kind(fields, {"kind": [kind]})
    names = {field.name for field in chosen}
    assert names & {field.name for field in fields if field.of_kind} == asked
    assert names >= {"kind", "since", "until", "description"}
    sent = {name: [""] for field in chosen if field.name != "suitable" for name in controls(field)}
    assert asks_of_kind(chosen, {"kind": [kind]})
    assert not asks_of_kind(chosen, {**sent, "kind": [kind]})


def test_a_time_is_taken_in_london() -> None:
    """Given a summer's and a winter's time, when they are read, then each has the offset of its day."""
    fields = [field for field in drawn("referral.ReceiveReferral") if field.name == "reported_at"]

    def read(month: str) -> str:
        texts = dict(zip(controls(fields[0]), (["9"], [month], ["2026"], ["9:05"]), strict=True))
        return str(command_of(fields, texts)[0]["reported_at"])

    assert (read("6"), read("12")) == ("2026-06-09T09:05:00+01:00", "2026-12-09T09:05:00+00:00")


def test_a_group_that_may_be_left_out_is() -> None:
    """Given an optional group without an answer, when the form is read, then the command has none; with one, it is checked."""
    fields = drawn("disposal.OpenDisposalCase")
    body, _ = command_of(fields, {})
    assert "prior" not in body
    _, wrong = command_of(fields, {"prior.yc": ["1"]})
    assert "prior.ycc" in {one.name for one in wrong}


def test_rows_without_an_answer_are_none() -> None:
    """Given three rows of which one is filled in, when the form is read, then the command has one."""
    name = "rj_conference.RecordConferenceHeld"
    fields = drawn(name, present=3)
    body, _ = command_of(
        fields, {"present.1.person_id": [PERSON], "present.1.role": ["HARMER"], "present.1.attended": ["yes"]}
    )
    assert body["present"] == [{"person_id": PERSON, "role": "HARMER", "attended": True}]


def test_ids_that_are_known_can_be_chosen_by_name() -> None:
    """Given the people of a case, when a field means a person, then their names can be chosen, and the check shows the name."""
    (field,) = (field for field in drawn("referral.LinkPerson") if field.name == "person_id")
    assert [option.text for option in field.options] == ["Ida"]
    assert [text for _, text in answers_in_words([field], {"person_id": [PERSON]})] == ["Ida"]


def test_an_officer_who_is_not_listed_is_shown_before_a_record_is_handed_to_them() -> None:
    """Given the id of an officer who is not listed, then the check shows it: a slip of it hands the record to nobody."""
    (field,) = (field for field in drawn("referral.AllocateReferral") if field.name == "officer_id")
    assert [text for _, text in answers_in_words([field], {"officer_id": [PERSON]})] == [PERSON]


@pytest.mark.parametrize(
    ("command", "name", "offered"),
    [
        ("disposal.ExcuseCondition", "condition_id", ["Theirs"]),
        ("disposal.CorrectRecord", "corrects", ["Theirs"]),
        ("panel.PlanSitting", "chair", ["Theirs"]),
        ("disposal.OpenDisposalCase", "investigating_officer", ["None of them", "Theirs"]),
        ("referral.RecordVictimDetails", "person_id", ["Theirs", "Somebody else, not in this list"]),
        ("disposal.AgreeDeferral", "plan.0.step_id", ["Theirs", "Another one, not in this list"]),
    ],
)
def test_nothing_but_what_is_there_is_offered_where_nothing_else_can_be_meant(
    command: str, name: str, offered: list[str]
) -> None:
    """Given an id, when it can be chosen, then another one is offered only where the command may bring one."""
    schema, words = SCHEMAS[command], name.rpartition(".")[2].removesuffix("_id")
    field = find_field(fields_of(schema, Drawing(schema["$defs"], {words: [Option(PERSON, "Theirs")]})), name)
    macros = TEMPLATES.get_template("fields.html").make_module({})
    text = str(macros.field_control(field, {}, {}, lambda: UUID(int=4)))  # type: ignore[attr-defined]
    assert re.findall(r"govuk-radios__label.*?>\s*(.*?)\s*</label>", text, re.DOTALL) == offered


def test_what_takes_one_line_has_one_line() -> None:
    """Given the details of a person, when they are asked for, then no number and no address has a box of several lines."""
    asked = {field.name.rpartition(".")[2]: field.kind for field in all_fields(drawn("referral.LinkPerson"))}
    assert [asked[name] for name in ("contact_person", "telephone", "email", "language")] == ["text"] * 4
    assert {field.kind for field in drawn("referral.ReferVictimToSupport") if field.name == "service"} == {"text"}


def test_a_field_that_an_answer_names_is_found() -> None:
    """Given the path of a field in an answer of a service, when it is looked up, then the field, or the nearest around it, is found."""
    fields = drawn("disposal.OpenDisposalCase")
    assert (found := find_field(fields, "offence.code")) is not None
    assert found.id == "f-offence-code"
    assert (around := find_field(fields, "offence.unknown")) is not None
    assert around.name == "offence"
    assert find_field(fields, "rationale") is None


def test_an_answer_to_a_question_of_yes_or_no_is_one_of_both() -> None:
    """Given an answer that the form does not offer, when it is read, then it is wrong, and stands for neither yes nor no."""
    fields = [one for one in drawn("referral.ReceiveReferral") if one.name == "on_premises"]
    for text, body in (("yes", {"on_premises": True}), ("no", {"on_premises": False}), ("perhaps", {})):
        found, wrong = command_of(fields, {"on_premises": [text]})
        assert (found, [problem.name for problem in wrong]) == (body, [] if body else ["on_premises"])


def test_the_officer_who_gets_a_case_is_chosen_from_those_who_are_known() -> None:
    """Given officers of a case, when it is handed over, then they are the choices; advice is given to a kind of person."""
    schema = SCHEMAS["disposal.HandOverCase"]
    handed = find_field(fields_of(schema, Drawing(schema["$defs"], {"to": [Option(PERSON, "You")]})), "to")
    assert handed is not None
    assert (handed.is_officer, handed.options) == (True, (Option(PERSON, "You"),))
    advised = find_field(drawn("referral.GiveAdvice"), "to")
    assert advised is not None
    assert not advised.is_officer


def test_a_register_asks_no_hours_of_whom_the_rule_gives_none() -> None:
    """The statuses for which the register asks nothing more are those without credit (rule E4)."""
    (education,) = (service for service in deciding_services() if service.name == "education")
    assert education.policy.on(date(2026, 11, 28)).require_any().codes("statuses_without_credit") == NOT_THERE


def test_the_ethnic_groups_are_a_list_and_each_is_counted() -> None:
    """Given the 18+1 groups, when one is chosen, then the measure knows its group; what was recorded in other words stays."""
    (field,) = (one for one in all_fields(drawn("referral.LinkPerson")) if one.name == "details.ethnicity")
    assert (field.kind, len(field.options)) == ("choice", 19)
    for text in ("White British", *(option.value for option in field.options)):
        assert command_of([field], {field.name: [text]}) == ({"ethnicity": text}, [])
    policy = POLICY.on(date(2026, 11, 28)).require_any()
    groups = [group_of(option.value, policy) for option in field.options]
    assert groups == [*["WHITE"] * 4, *["MIXED"] * 4, *["ASIAN"] * 5, *["BLACK"] * 3, *["OTHER"] * 2, "NOT_KNOWN"]


def test_schools_are_offered_by_name_and_another_number_can_be_typed() -> None:
    """Given a list of schools, when a form asks for one, then they are suggested; another number is read as well."""
    schema = SCHEMAS["referral.ReceiveReferral"]
    drawing = Drawing(schema["$defs"], {"school_urn": [Option("113905", "Merrow Community School (113905)")]})
    (field,) = (one for one in fields_of(schema, drawing) if one.name == "school_urn")
    macros = TEMPLATES.get_template("fields.html").make_module({})
    text = str(macros.field_control(field, {}, {}, lambda: PERSON))  # type: ignore[attr-defined]
    assert 'list="f-school_urn-list"' in text
    assert "Merrow Community School" in text
    assert command_of([field], {"school_urn": ["113999"]}) == ({"school_urn": "113999"}, [])
    assert [words for _, words in answers_in_words([field], {"school_urn": ["113905"]})] == [
        "Merrow Community School (113905)"
    ]


def test_the_areas_of_the_partnership_are_offered() -> None:
    """Given a list of areas, when a case is transferred, then they are suggested."""
    schema = SCHEMAS["disposal.TransferCase"]
    drawing = Drawing(schema["$defs"], {"to_area": [Option("DEVON", "DEVON")]})
    (field,) = (one for one in fields_of(schema, drawing) if one.name == "to_area")
    assert [option.value for option in field.options] == ["DEVON"]


def test_a_check_page_says_days_and_ids_in_words() -> None:
    """Given a day, a time and an id that nothing names, when they are checked, then no row has numbers alone or a whole id."""
    fields = [
        Field("on", "date", "On"),
        Field("at", "time", "At"),
        Field("person_id", "id", "Person", options=[Option(PERSON, "Ida")]),
        Field("other_id", "id", "Other"),
    ]
    day = {
        f"{name}.{part}": [text]
        for name in ("on", "at")
        for part, text in (("day", "3"), ("month", "7"), ("year", "2026"))
    }
    answers = {**day, "at.clock": ["15:20"], "person_id": [PERSON], "other_id": [PERSON]}
    words = {field.name: text for field, text in answers_in_words(fields, answers)}
    assert words == {"on": "3 July 2026", "at": "3 July 2026 at 15:20", "person_id": "Ida", "other_id": "Another one"}
    assert [text for _, text in answers_in_words(fields[:1], {**day, "on.month": ["13"]})] == ["3 13 2026"]


def test_a_short_scale_is_chosen_from_and_its_ends_are_said() -> None:
    """Given a number from 0 to 10, when it is asked for, then each step can be chosen, and lowest and highest are named."""
    (field,) = (one for one in drawn("rj_conference.RecordFollowUp") if one.name == "satisfaction")
    assert [option.text for option in field.options][::5] == ["0 (lowest)", "5", "10 (highest)"]
    assert command_of([field], {"satisfaction": ["10"]}) == ({"satisfaction": 10}, [])
    assert not [one for one in drawn("education.RecordAttendance") if one.kind == "integer" and one.options]


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "NaN", '{"a": -Infinity}', "1e999", '"\\ud800"', "1" * 5000], ids=lambda text: text[:12]
)
def test_a_value_that_no_service_can_be_sent_is_taken_as_text(text: str) -> None:
    """Given what is too deep, no number of JSON or half a character, when a field of any type is read, then it is a text."""
    value, ticks = Field("value", "json", "Value"), Field("ticks", "ticks", "Ticks")
    assert command_of([value, ticks], {"value": [text], "ticks": [text]}) == ({"value": text, "ticks": [text]}, [])
