"""A register becomes commands: tables, headings, codes and dates as people write them, and errors that repeat no cell."""

import csv
import io
import stat
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import xlsxwriter

from ooc.cases.reading import NotFound
from ooc.imports import run_import
from services.console.sessions import Draft
from services.console.supervisors.import_pages import _answers_of, _summary
from services.console.supervisors.import_rows import (
    COLUMNS,
    STEPS,
    Owner,
    Plan,
    RowError,
    Summary,
    day_of,
    errors_of,
    moment_of,
    plans_of,
    value_of,
)
from services.console.supervisors.import_table import (
    ERRORS,
    MAX_COLUMNS,
    UnreadableRegister,
    register_of,
    with_errors,
    write_private,
)
from services.referral.service import service
from shared.api.command_schemas import standalone_schemas
from tools.client.http import NoAnswer, Reply
from tools.scenario.backend import Request
from tools.scenario.in_memory import Memory
from tools.scenario.story import Officer, Result

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "docs" / "how-to" / "import-a-register.csv"
SCHEMAS = standalone_schemas(service)
OWNER = Owner("DORSET_POLICE", "DORSET")
ROW = {
    "reference": "SSO/2025/0001",
    "happened_on": "03/03/2025 10:40",
    "reported_on": "03/03/2025",
    "source": "A school",
    "incident_type": "DRUGS",
    "setting": "At a school",
    "on_premises": "yes",
    "in_school_hours": "No",
    "narrative": "A pupil was found with cannabis.",
    "lawful_basis": "law enforcement",
}
CHILD = {"child_name": "Robin Doe", "child_date_of_birth": "14/03/2011", "child_category": "Suspect"}


def as_csv(*rows: Mapping[str, str], delimiter: str = ",") -> bytes:
    headings = list(dict.fromkeys(heading for row in rows for heading in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, headings, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def plans(*rows: Mapping[str, str]) -> list[Plan]:
    found, errors = plans_of(register_of(as_csv(*rows), "cases.csv"), SCHEMAS, OWNER)
    assert not errors
    return found


def plan(row: Mapping[str, str]) -> Plan:
    (found,) = plans(row)
    return found


def errors(row: Mapping[str, str]) -> list[str]:
    return [str(error) for error in plan(row).errors]


def play(memory: Memory, plan: Plan) -> Sequence[str]:
    """Send a plan in memory, by the production handler; return the rules that refused a command."""
    supervisor = Officer("SUPERVISOR")
    for n, command in enumerate(plan.commands):
        body = {"case_id": str(plan.stream), **command} if command["type"] == "ReceiveReferral" else command
        answer = memory.send(Request("referral", plan.stream, supervisor, body, f"{plan.stream}/{n}"))
        if answer.word is not Result.ACCEPTED:
            return [str(answer)]
    return []


@pytest.fixture
def memory() -> Memory:
    return Memory([service])


def test_the_example_is_imported(memory: Memory) -> None:
    """Each row of the how-to's example passes the rules, and the same child is the same person in two rows."""
    found, wrong = plans_of(register_of(EXAMPLE.read_bytes(), EXAMPLE.name), SCHEMAS, OWNER)
    assert not wrong
    assert [one.errors for one in found] == [[], [], []]
    assert [play(memory, one) for one in found] == [[], [], []]
    states = [memory.state("referral", one.stream, as_of=None, known_at=None) for one in found]
    assert [state and state["state"] for state in states] == ["CLOSED", "CLOSED", "TRIAGED"]
    children = {c["person_id"] for one in found for c in one.commands if c.get("role") == "HARMER"}
    assert len(children) == 1


def test_the_how_to_names_every_column() -> None:
    """The table of columns in the how-to has each column once, and its example is a file with these columns."""
    page = (ROOT / "docs/how-to/import-a-register.md").read_text(encoding="utf-8")
    assert [column for column in COLUMNS if f"`{column}`" not in page] == []
    headings = EXAMPLE.read_text(encoding="utf-8").splitlines()[0].split(",")
    assert set(headings) <= set(COLUMNS)


def test_every_field_that_a_command_needs_has_a_column() -> None:
    """No step needs a field that no column, fixed value or derived id fills."""
    for step in STEPS:
        needed = set(SCHEMAS[step.command]["required"]) - {"type", "case_id", "person_id"}
        filled = {path.split(".")[0] for path in [*step.fields.values(), *step.fixed]}
        assert needed <= filled, step.command


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_is_read_with_any_usual_delimiter(delimiter: str) -> None:
    """Rows keep the number that a spreadsheet shows, and an empty row is passed over."""
    content = as_csv(ROW, dict.fromkeys(ROW, ""), ROW, delimiter=delimiter)
    register = register_of(content, "cases.csv")
    assert [row.number for row in register.rows] == [2, 4]
    assert register.rows[0].cells == ROW


def test_a_table_of_excel_on_windows_is_read() -> None:
    """A CSV file in Windows-1252 keeps its letters."""
    content = as_csv({**ROW, "narrative": "Zoë was hurt."}).decode().encode("cp1252")
    assert register_of(content, "cases.csv").rows[0].cells["narrative"] == "Zoë was hurt."


def test_a_workbook_is_read_as_its_table() -> None:
    """Given dates, times and numbers as cells of a workbook, then the same commands follow as from the CSV file."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as book:
        sheet = book.add_worksheet("Cases")
        day, clock = book.add_format({"num_format": "dd/mm/yyyy"}), book.add_format({"num_format": "dd/mm/yyyy hh:mm"})
        row = {**ROW, **CHILD, "child_number": "17", "school_urn": "113905"}
        for place, (heading, cell) in enumerate(row.items()):
            sheet.write_string(0, place, heading)
            match heading:
                case "happened_on":
                    sheet.write_datetime(1, place, datetime(2025, 3, 3, 10, 40), clock)  # noqa: DTZ001 - a cell has no zone
                case "reported_on":
                    sheet.write_datetime(1, place, date(2025, 3, 3), day)
                case "child_number" | "school_urn":
                    sheet.write_number(1, place, int(cell))
                case "on_premises":
                    sheet.write_boolean(1, place, boolean=True)
                case _:
                    sheet.write_string(1, place, cell)
    register = register_of(content.getvalue(), "cases.xlsx", "Cases")
    (found,), _ = plans_of(register, SCHEMAS, OWNER)
    assert found.errors == []
    assert found.commands == plan(row).commands
    with pytest.raises(UnreadableRegister, match="has no sheet Kids: choose one of Cases"):
        register_of(content.getvalue(), "cases.xlsx", "Kids")


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"", "cases.csv", "has no headings"),
        (b"reference,source\n", "cases.csv", "has headings and no rows"),
        (b"reference\nA1,x\n", "cases.csv", "Row 2 of cases.csv has more cells"),
        (b'reference\n"A1', "cases.csv", "is no CSV file"),
        (b"PK\x03\x04", "cases.csv", "is a workbook: give it the ending"),
        (b"PK\x03\x04", "cases.xlsx", "cannot be read as a workbook"),
        (b"x" * 20_000_001, "cases.csv", "is larger than 20 MB"),
        (b"reference\n" + b"A1\n" * 20_001, "cases.csv", "at most 20,000 are imported at once"),
    ],
)
def test_a_file_that_is_no_register_is_said(content: bytes, name: str, said: str) -> None:
    """A sentence says what is wrong with the file, and what to do."""
    with pytest.raises(UnreadableRegister, match=said):
        register_of(content, name)


def test_a_heading_may_be_written_as_words() -> None:
    """Capitals and spaces do not matter; unknown, double and missing headings are named."""
    assert errors({heading.replace("_", " ").title(): cell for heading, cell in ROW.items()}) == []
    _, wrong = plans_of(register_of(b"Shoe size,source,Source\n1,2,3\n", "cases.csv"), SCHEMAS, OWNER)
    assert [(error.heading, error.text.partition(":")[0]) for error in wrong] == [
        ("Shoe size", "there is no such column"),
        ("Source", "this column is there twice"),
        ("reference", "this column is missing"),
    ]


@pytest.mark.parametrize(
    "text", ["2025-03-07", "2025-3-7", "07/03/2025", "7/3/2025", "7.3.2025", "7 March 2025", "7 mar 2025"]
)
def test_a_day_is_read_as_people_write_it(text: str) -> None:
    """The day comes before the month, as in the United Kingdom, unless the year comes first."""
    assert day_of(text) == date(2025, 3, 7)
    assert moment_of(text) == date(2025, 3, 7)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("07/06/2025 15:20", "2025-06-07T15:20:00+01:00"),
        ("2025-01-07 15:20", "2025-01-07T15:20:00+00:00"),
        ("2025-06-07T15:20:30Z", "2025-06-07T15:20:30+00:00"),
        ("2025-06-07T15:20+02:00", "2025-06-07T15:20:00+02:00"),
        ("7 June 2025 9:05", "2025-06-07T09:05:00+01:00"),
    ],
)
def test_a_time_without_an_offset_is_of_london(text: str, means: str) -> None:
    """Summer time is that of the day."""
    moment = moment_of(text)
    assert isinstance(moment, datetime)
    assert moment.isoformat() == means


@pytest.mark.parametrize(
    "text",
    [
        "07/03/25",
        "31/02/2025",
        "2025-13-01",
        "yesterday",
        "7 Mai 2025",
        "2025-03-07 25:00",
        "2025-03-07 3pm",
        "7 ju 2025",
    ],
)
def test_what_is_no_time_is_refused_without_repeating_it(text: str) -> None:
    """The error says what to write, and holds nothing of the cell."""
    with pytest.raises(ValueError, match=r"write|there is no such") as raised:
        moment_of(text)
    assert text not in str(raised.value)


def test_a_day_alone_follows_the_step_before() -> None:
    """A step on the same day comes no earlier than the one before it, and on a later day at its start."""
    found = plan(
        {
            **ROW,
            "acknowledged_on": "03/03/2025",
            "triaged_on": "04/03/2025",
            "triage_outcome": "SIGNPOST",
            "triage_reason": "x",
        }
    )
    received, acknowledged, triaged = found.commands
    assert received["occurred_at"] == received["reported_at"] == received["happened_at"] == "2025-03-03T10:40:00+00:00"
    assert acknowledged["occurred_at"] == "2025-03-03T10:40:00+00:00"
    assert triaged["occurred_at"] == "2025-03-04T00:00:00+00:00"


def test_a_knife_of_the_register_was_referred_to_the_youth_justice_service(memory: Memory) -> None:
    """Given a row of 2026 with a knife, when it was referred and went to the panel, then it is imported; 23 by hand is refused."""
    days = dict.fromkeys(("happened_on", "reported_on", "acknowledged_on"), "10/03/2026")
    row = {**ROW, **CHILD, **days, "flags": "Knife", "crime_number": "55260031001", "yjs_referred_on": "11/03/2026"}
    row |= {"triaged_on": "12/03/2026", "triage_outcome": "REFER_DISPOSAL_PANEL", "triage_reason": "A knife."}
    outcome = {"outcome_on": "20/03/2026", "outcome_code": "23", "outcome_reason": "He kept to it."}
    outcome |= dict.fromkeys(("named_suspect", "victim_informed", "parent_informed"), "yes")
    good, bad = plans(row, {**row, **outcome, "reference": "SSO/2025/0002", "child_name": "Kim Roe"})
    assert play(memory, good) == []
    (refused,) = play(memory, bad)
    assert "O23" in refused
    assert [fact.name for _, history in memory.histories for fact in history].count("YjsReferred") == 2


def test_codes_and_labels_mean_the_same() -> None:
    """A code is found by itself or by its label, and several are separated by semicolons."""
    flags = {
        "type": "array",
        "items": {"oneOf": [{"const": "AGE_GAP", "title": "Large gap in age"}, {"const": "HATE", "title": "Hate"}]},
    }
    for cell in ("AGE_GAP; HATE", "large gap in age;hate", "Age gap ;Hate;"):
        assert value_of(cell, flags) == ["AGE_GAP", "HATE"]
    with pytest.raises(ValueError, match=r"choose one of: Large gap in age \(AGE_GAP\), Hate \(HATE\)"):
        value_of("Robin", flags)


def test_all_that_is_wrong_with_a_row_is_said_at_once() -> None:
    """Each error names its column and what to write; no error repeats a cell."""
    row = {
        **ROW,
        "reference": "Robin Doe",
        "source": "Mum",
        "on_premises": "perhaps",
        "reported_on": "May",
        "narrative": "",
    }
    row |= {
        "child_number": "A123456789012",
        "child_name": "Robin Doe",
        "officer_id": "x",
        "harmed_preference": "POLICE",
    }
    found = errors(row)
    assert [error.partition(":")[0] for error in found] == [
        "reference",
        "reported_on",
        "child_number",
        "source",
        "on_premises",
        "narrative",
        "child_date_of_birth",
        "child_category",
        "give harmed_name and harmed_date_of_birth, whose it is",
        "preference_given_by",
        "allocated_on",
    ]
    assert not [error for error in found if "Robin" in error or "Mum" in error]


def test_a_reference_stands_for_one_row() -> None:
    """The second row with a reference is refused, and names the first."""
    first, second = plans(ROW, {**ROW, "reference": "sso/2025/0001"})
    assert first.errors == []
    assert str(second.errors[0]) == "reference: row 2 has the same reference: give each referral one of its own"


def test_ids_follow_from_organisation_register_and_number() -> None:
    """The same row gives the same ids wherever it stands; another organisation, area or register gives others."""
    row = {**ROW, **CHILD, "child_number": "17"}
    assert plan(row) == plan(row)
    others = [Owner("DEVON_POLICE", "DORSET"), Owner("DORSET_POLICE", "DEVON"), Owner("DORSET_POLICE", "DORSET", "sso")]
    ids = {(owner.id_of("referral", "A1"), owner.id_of("person", "17")) for owner in [OWNER, *others]}
    assert len(ids) == 4
    moved = plans({**ROW, "reference": "A1"}, row)[1]
    assert (moved.stream, moved.commands) == (plan(row).stream, plan(row).commands)


def test_no_row_says_its_case() -> None:
    """A case whose id follows from a reference could be named by whoever knows that: the API chooses it."""
    assert not [command for command in plan({**ROW, **CHILD}).commands if "case_id" in command]


def test_a_person_without_a_number_belongs_to_the_row_alone() -> None:
    """Two rows with the same name and another birth date are two persons, and the id of a known person is taken as it is."""
    one, two, known = plans(
        ROW | CHILD,
        ROW | CHILD | {"reference": "A2", "child_date_of_birth": "15/03/2011"},
        ROW | CHILD | {"reference": "A3", "child_name": "Ann", "child_person_id": str(UUID(int=7))},
    )
    people = [plan.commands[1]["person_id"] for plan in (one, two, known)]
    assert people[0] != people[1]
    assert people[2] == str(UUID(int=7))


def test_likely_doubles_are_said_before_anything_is_recorded() -> None:
    """Given rows with people of one name and birth date under several ids, then the later row says so; under one number, or born on another day, they are none."""
    double = ROW | CHILD | {"reference": "SSO/2025/0002", "child_name": "DOE, Robin"}
    harmed = {"harmed_name": "Robin Döe", "harmed_date_of_birth": "14/03/2011", "harmed_category": "Victim"}
    for other, heading in ((double, "child_name"), (ROW | harmed | {"reference": "SSO/2025/0002"}, "harmed_name")):
        first, second = plans(ROW | CHILD, other)
        assert first.commands
        assert [(error.heading, "row 2 has a person" in error.text) for error in second.errors] == [(heading, True)]
        assert second.commands == ()
    number = {"child_number": "17"}
    another_day = {"child_date_of_birth": "15/03/2011"}
    for rows in ((ROW | CHILD | number, double | number), (ROW | CHILD, double | another_day)):
        assert all(plan.commands for plan in plans(*rows))


def test_errors_of_the_api_stand_by_the_columns() -> None:
    """A malformed field is named by its column, a rule with text and source, and a changed row as such."""
    found = plan(ROW | CHILD)
    outcomes: list[Mapping[str, Any]] = [
        {"number": 1, "outcome": "recorded"},
        {"number": 2, "outcome": "malformed", "errors": [{"field": "details.date_of_birth", "message": "too early"}]},
        {"number": 2, "outcome": "refused", "rules": [{"id": "B8", "text": "Too young.", "source": "CYPA 1933 s50"}]},
        {"number": 1, "outcome": "changed"},
        {"number": 1, "outcome": "unknown"},
    ]
    texts = [str(error) for error in errors_of(found, outcomes)]
    assert texts[0] == "child_date_of_birth: too early"
    assert texts[1] == "child_name, child_date_of_birth: B8: Too young. (CYPA 1933 s50)"
    assert "imported before with other content" in texts[2]
    assert "you may not see it" in texts[3]


@pytest.mark.parametrize("text", ["9999-12-31 23:00-05:00", "0001-01-01 00:00+10:00"])
def test_a_time_beyond_the_calendar_is_an_error_of_its_row(text: str) -> None:
    """Given a time that no clock in London shows, when its row is read, then the row says so, and the others are read."""
    with pytest.raises(ValueError, match="there is no such time"):
        moment_of(text)
    found = plan(ROW | {"happened_on": text})
    assert [error.heading for error in found.errors] == ["happened_on"]


def test_the_table_comes_back_with_a_column_of_errors_and_can_be_imported_again() -> None:
    """CSV and workbook come back with their cells; the column of errors is passed over when they are read again."""
    register = register_of(as_csv(ROW | {"narrative": '=1+1, "said" he'}, delimiter=";"), "cases.csv")
    back = with_errors(register, {2: ["source: choose", "setting: choose"]})
    again = register_of(back, "cases.csv")
    assert again.headings == [*register.headings, ERRORS]
    assert again.rows[0].cells == {**register.rows[0].cells, ERRORS: "source: choose setting: choose"}
    assert plans_of(again, SCHEMAS, OWNER)[0] == plans_of(register, SCHEMAS, OWNER)[0]
    assert with_errors(again, {}).count(ERRORS.encode()) == 1


def test_a_table_of_very_many_columns_is_refused() -> None:
    """Given a small file with hundreds of thousands of columns, which its copy with errors would have in each row, then it is refused."""
    for between in ("," * MAX_COLUMNS, ",x" * MAX_COLUMNS + ","):
        with pytest.raises(UnreadableRegister, match=f"more than {MAX_COLUMNS} columns"):
            register_of(f"reference{between}narrative\nSSO/2025/0001\n".encode(), "cases.csv")


@pytest.mark.timeout(30)
def test_a_number_that_fits_in_many_ways_holds_nobody_up() -> None:
    """Given a register whose numbers could be read in thousands of ways and are none, then each row is refused in its time."""
    rows = [ROW | {"reference": "AAA" + "1" * 48 + "!"} for _ in range(1500)]
    found, _ = plans_of(register_of(as_csv(*rows), "cases.csv"), SCHEMAS, OWNER)
    assert all(any(error.heading == "reference" for error in plan.errors) for plan in found)
    for reference in ("SSO/2025/0153", "A1", "1234567890123", "SS-1/2/3/4/5/6A", "55260041001"):
        ((plan,), _) = plans_of(register_of(as_csv(ROW | {"reference": reference}), "cases.csv"), SCHEMAS, OWNER)
        assert not any(error.heading == "reference" for error in plan.errors), reference


def test_a_workbook_comes_back_as_a_workbook_without_formulas() -> None:
    """What looks like a formula comes back as text."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as book:
        sheet = book.add_worksheet()
        for place, (heading, cell) in enumerate((ROW | {"narrative": "=1+1"}).items()):
            sheet.write_string(0, place, heading)
            sheet.write_string(1, place, cell)
    register = register_of(content.getvalue(), "cases.xlsx")
    again = register_of(with_errors(register, {2: ["wrong"]}), "cases.errors.xlsx")
    assert again.rows[0].cells == {**register.rows[0].cells, ERRORS: "wrong"}
    assert again.rows[0].cells["narrative"] == "=1+1"


def test_the_file_with_errors_is_its_owners_alone(tmp_path: Path) -> None:
    """It holds names, so nobody else may read it, also where an older one lay open."""
    file = tmp_path / "cases.errors.csv"
    file.write_text("old", encoding="utf-8")
    write_private(file, b"new")
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"new", 0o600)
    with pytest.raises(UnreadableRegister, match="give another file with --errors"):
        write_private(tmp_path / "none" / "x.csv", b"")


def answer(outcome: str = "imported") -> Reply:
    """Answer as the API does to a row."""
    return Reply(200, {"outcome": outcome, "commands": []})


def test_rows_are_sent_and_counted() -> None:
    """Rows with errors are not sent; of the others the API's answer counts."""
    rows = [ROW | {"reference": f"A{n}"} for n in range(4)] + [ROW | {"reference": "B1", "source": "?"}]
    replies = {2: Reply(410, {"detail": "gone"}), 3: answer("repeated")}
    replies[4] = Reply(422, {"errors": [{"field": "body", "message": "shorten the texts"}]})
    sent: list[int] = []

    def send(plan: Plan) -> Reply:
        sent.append(plan.number)
        return replies.get(plan.number, answer())

    summary = run_import(plans(*rows), send, "Checking")
    assert sent == [2, 3, 4, 5]
    assert summary.outcomes == {3: "repeated", 5: "imported"}
    assert (summary.count("imported"), summary.count("repeated")) == (1, 1)
    texts = {row: str(error) for row, error in summary.errors_in_order()}
    assert texts[2].endswith("have been forgotten: remove the row")
    assert texts[4] == "shorten the texts"
    assert texts[6].startswith("source: choose one of")


def test_no_row_is_sent_after_a_server_was_lost() -> None:
    """The error is raised at once."""
    sent: list[Plan] = []

    def send(plan: Plan) -> Reply:
        sent.append(plan)
        raise NoAnswer("referral does not answer")

    with pytest.raises(NoAnswer):
        run_import(plans(ROW, ROW | {"reference": "A2"}), send, "Checking")
    assert len(sent) == 1


def test_an_importer_without_the_role_is_told_at_once() -> None:
    """A 403 ends the import with its own text."""
    with pytest.raises(NotFound, match="may not import"):
        run_import([plan(ROW)], lambda _plan: Reply(403, {"detail": "the role SCHOOL may not import"}), "Checking")


def test_a_draft_keeps_the_errors_of_a_register() -> None:
    """What the page keeps of a check is read back as it was: numbers, rows, columns and texts."""
    errors: dict[int, Sequence[RowError]] = {7: [RowError("choose\tone", "source"), RowError("remove the row")]}
    summary = Summary(4, {2: "imported", 3: "imported", 4: "repeated"}, errors)
    answers = _answers_of(summary)
    assert {name: answers[name] for name in ("rows", "imported", "repeated")} == {
        "rows": ["4"],
        "imported": ["2"],
        "repeated": ["1"],
    }
    draft = Draft(UUID(int=1), "referral", UUID(int=1), "Import", 0, answers)
    assert (_summary(draft).rows, _summary(draft).errors) == (4, errors)
