"""The commands of a row of a register. Pure.

A row is one referral: its report, the people in it, and what was done with it. The columns below belong to steps, and each
step is one command. A step is taken if the row has a cell of its own for it. Types, codes and their labels are those of the
schemas that the API gives, so a register is read as the API that receives it would read a form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from services.console.supervisors.import_table import ERRORS, Register, TableRow
from services.trade.names import forms_of
from shared.domain.dates import LONDON
from shared.domain.ids import derived_uuid

Schema = Mapping[str, Any]
Cells = Mapping[str, str]

REFERENCE: Final = "reference"
LIST: Final = ";"
"""What separates the values of a cell that may have several."""

_REFERENCE: Final = re.compile(r"[A-Z]{0,6}([/.-]?[A-Z]{0,3}[0-9]{1,8}+){1,6}[A-Z]?")
_NUMBER: Final = re.compile(r"[A-Z]{0,4}[/-]?[0-9]{1,6}")
"""A person's number in the register. Too short for one that others know: UPN, NHS number, PNC id."""


@dataclass(frozen=True, slots=True)
class ImportStep:
    """A step of a row: its command, the column of its time, and its columns with the fields that they fill."""

    command: str
    when: str
    fields: Mapping[str, str]
    """Heading -> dotted path of a field of the command."""
    fixed: Mapping[str, str] = field(default_factory=dict)
    """Paths of fields that every register fills alike."""
    person: str | None = None
    """The person whose id goes into `person_id`: child or harmed."""

    @property
    def own(self) -> set[str]:
        return {*self.fields, self.when} - {"received_on"}

    @property
    def headings(self) -> Mapping[str, str]:
        return {path: heading for heading, path in self.fields.items()} | {"occurred_at": self.when}


def _person(who: str) -> Mapping[str, str]:
    details = ("name", "date_of_birth", "address", "contact", "school_urn", "ethnicity", "needs")
    return {f"{who}_{name}": f"details.{name}" for name in details} | {f"{who}_category": "category"}


def _alike(*names: str) -> dict[str, str]:
    return {name: name for name in names}


STEPS: Final = (
    ImportStep(
        "ReceiveReferral",
        "received_on",
        {"happened_on": "happened_at", "reported_on": "reported_at"}
        | _alike("source", "incident_type", "setting", "school_urn", "on_premises", "in_school_hours", "flags")
        | _alike("narrative", "assessment", "lawful_basis"),
    ),
    ImportStep("LinkPerson", "received_on", _person("child"), {"role": "HARMER"}, "child"),
    ImportStep("LinkPerson", "received_on", _person("harmed"), {"role": "HARMED"}, "harmed"),
    ImportStep(
        "RecordVictimPreference",
        "received_on",
        {"harmed_preference": "preference", "preference_given_by": "given_by"},
        person="harmed",
    ),
    ImportStep("RecordCrime", "received_on", _alike("crime_number")),
    ImportStep("AcknowledgeReferral", "acknowledged_on", {}),
    ImportStep("ReferToYjs", "yjs_referred_on", {}),
    ImportStep(
        "TriageReferral",
        "triaged_on",
        {"triage_outcome": "outcome", "triage_reason": "rationale_text"} | _alike("supervisor_reviewed"),
    ),
    ImportStep("AllocateReferral", "allocated_on", _alike("officer_id")),
    ImportStep(
        "AssignCrimeOutcome",
        "outcome_on",
        {"outcome_code": "code", "outcome_reason": "rationale_text"}
        | _alike("named_suspect", "victim_informed", "parent_informed"),
        person="child",
    ),
    ImportStep("CloseReferral", "closed_on", {"closing_reason": "reason"}),
)

BIRTH: Final = "details.date_of_birth"
"""A register has people only: an organisation, which was never born, is linked by hand."""

COMMANDS: Final = tuple(dict.fromkeys(step.command for step in STEPS))

_HEADINGS: Final = dict.fromkeys(heading for step in STEPS for heading in (*step.fields, step.when))
COLUMNS: Final = (REFERENCE, *_HEADINGS, "child_number", "child_person_id", "harmed_number", "harmed_person_id")

TIMES: Final = tuple(dict.fromkeys(["happened_on", "reported_on", *(step.when for step in STEPS)]))
"""The columns of times, in the order in which they usually follow one another."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose register it is: organisation and area of the token, and the register's name among theirs."""

    organisation: str
    area: str
    register: str = "referrals"

    def id_of(self, kind: str, number: str) -> UUID:
        """Derive the id of what a number of the register names: the same one at every import (UUID version 5)."""
        return derived_uuid("import", self.organisation, self.area, self.register, kind, number)


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong with a cell or a row, in words that repeat no cell."""

    text: str
    heading: str | None = None

    def __str__(self) -> str:
        return f"{self.heading}: {self.text}" if self.heading else self.text


@dataclass(frozen=True, slots=True)
class Plan:
    """The commands of a row in order, with their steps, and the referral to which they go; or what is wrong."""

    number: int
    stream: UUID
    commands: Sequence[Mapping[str, Any]] = ()
    steps: Sequence[ImportStep] = ()
    errors: Sequence[RowError] = ()


def plans_of(register: Register, schemas: Mapping[str, Schema], owner: Owner) -> tuple[list[Plan], list[RowError]]:
    """Translate a register: a plan for each row, and what is wrong with its headings."""
    headings, errors = _headings(register.headings)
    if errors:
        return [], errors
    plans = [_plan(row, headings, schemas, owner) for row in register.rows]
    first, people = dict[UUID, int](), dict[str, tuple[str, int]]()
    for place, plan in enumerate(plans):
        earlier = first.setdefault(plan.stream, plan.number)
        if earlier != plan.number:
            again = RowError(f"row {earlier} has the same reference: give each referral one of its own", REFERENCE)
            plans[place] = Plan(plan.number, plan.stream, errors=[again, *plan.errors])
        elif doubles := list(_doubles(plan, people)):
            plans[place] = Plan(plan.number, plan.stream, errors=doubles)
    return plans, []


def _doubles(plan: Plan, people: dict[str, tuple[str, int]]) -> Iterator[RowError]:
    """Say who of a row has the name and birth date, as N2 compares them, of another person of an earlier row; note the others."""
    for command, step in zip(plan.commands, plan.steps, strict=False):
        if command["type"] != "LinkPerson":
            continue
        person, details = command["person_id"], command["details"]
        alike = (f"{form} {details['date_of_birth']}" for form in forms_of(details["name"]))
        found = [people.setdefault(text, (person, plan.number)) for text in alike]
        if other := next((number for id_, number in found if id_ != person), None):
            why = f"row {other} has a person of this name and birth date: give them one number, or the id of each"
            yield RowError(why, f"{step.person}_name")


def _headings(headings: Sequence[str]) -> tuple[Mapping[str, str], list[RowError]]:
    """Find the column of each heading: spelling in capitals, and spaces for underscores, are the same."""
    known = {_plain(column): column for column in COLUMNS}
    columns: dict[str, str] = {}
    errors = []
    for heading in headings:
        column = known.get(_plain(heading))
        if not heading or _plain(heading) == _plain(ERRORS):
            continue
        if column is None:
            errors.append(RowError("there is no such column: remove it, or correct its name", heading))
        elif column in columns.values():
            errors.append(RowError("this column is there twice: remove one", heading))
        else:
            columns[heading] = column
    if REFERENCE not in columns.values():
        errors.append(RowError("this column is missing: give each referral its number in your register", REFERENCE))
    return columns, errors


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold().replace("_", " ")))


def _plan(row: TableRow, headings: Mapping[str, str], schemas: Mapping[str, Schema], owner: Owner) -> Plan:
    # A spreadsheet puts an apostrophe before a text that it shall not read as a date or a formula.
    cells = {headings[name]: cell.removeprefix("'") for name, cell in row.cells.items() if name in headings}
    reference = cells.get(REFERENCE, "").upper()
    stream = owner.id_of("referral", reference or f"row {row.number}")
    errors: list[RowError] = []
    if not _REFERENCE.fullmatch(reference):
        errors.append(RowError("give its number in your register, such as SSO/2025/0153, and no name", REFERENCE))
    times = _times(cells, errors)
    people = {who: _person_id(who, cells, owner, stream, errors) for who in ("child", "harmed")}
    taken = [step for step in STEPS if step.command == "ReceiveReferral" or step.own & cells.keys()]
    commands = []
    for step in taken:
        command: dict[str, Any] = {"type": step.command, **step.fixed}
        if step.command == "ReceiveReferral":
            command["flags"] = []
        if step.when in times:
            command["occurred_at"] = times[step.when]
        elif step.when not in cells and step.when != "received_on":
            errors.append(RowError("give the day: other cells of the row say that it was done", step.when))
        linked = any(other.command == "LinkPerson" and other.person == step.person for other in taken)
        if step.person and linked:
            command["person_id"] = str(people[step.person])
        elif step.person and step.command != "AssignCrimeOutcome":
            errors.append(RowError(f"give {step.person}_name and {step.person}_date_of_birth, whose it is"))
        for heading, path in step.fields.items():
            _fill(command, heading, path, cells, times, schemas[step.command], errors)
        commands.append(command)
    return Plan(row.number, stream, () if errors else commands, taken, errors)


def _person_id(who: str, cells: Cells, owner: Owner, stream: UUID, errors: list[RowError]) -> UUID:
    """Return the id of a person of the row: given, or of their number in the register, or of this row alone."""
    if known := cells.get(f"{who}_person_id"):
        try:
            return UUID(known)
        except ValueError:
            errors.append(RowError("give the person's id as the case shows it (a UUID)", f"{who}_person_id"))
    if number := cells.get(f"{who}_number", "").upper():
        if _NUMBER.fullmatch(number):
            return owner.id_of("person", number)
        errors.append(
            RowError(
                "give the person's running number in your register, of at most 6 digits, and no number that others know",
                f"{who}_number",
            )
        )
    return derived_uuid("import", stream, who)


def _fill(
    command: dict[str, Any],
    heading: str,
    path: str,
    cells: Cells,
    times: Mapping[str, str],
    schema: Schema,
    errors: list[RowError],
) -> None:
    """Set a field of a command from its cell, or say why it cannot be."""
    kind, required = _field(schema, path)
    cell = cells.get(heading)
    if cell is None:
        if (required or path == BIRTH) and heading != "flags":
            errors.append(RowError("this cell is empty: fill it in", heading))
        return
    if heading in TIMES:
        value: Any = times.get(heading)
    else:
        try:
            value = value_of(cell, kind)
        except ValueError as error:
            errors.append(RowError(str(error), heading))
            return
    *parents, name = path.split(".")
    place = command
    for parent in parents:
        place = place.setdefault(parent, {})
    place[name] = value


def _field(schema: Schema, path: str) -> tuple[Schema, bool]:
    """Return the schema of a field, with what it refers to and without null, and whether it must be given."""
    definitions = schema.get("$defs", {})
    part: Schema = schema
    required = True
    for name in path.split("."):
        required = name in part.get("required", ())
        part = _resolved(part["properties"][name], definitions)
    return part, required


def _resolved(part: Schema, definitions: Mapping[str, Schema]) -> Schema:
    choices = [choice for choice in part.get("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) == 1:
        part = {**part, **choices[0]}
    if "$ref" in part:
        part = {**definitions[part["$ref"].rpartition("/")[2]], **{k: v for k, v in part.items() if k != "$ref"}}
    if "items" in part:
        part = {**part, "items": _resolved(part["items"], definitions)}
    return part


def value_of(cell: str, kind: Schema) -> Any:
    """Return the value of a cell for a field of this schema. Raises ValueError with what to write, repeating no cell."""
    if kind.get("type") == "array":
        return [value_of(part.strip(), kind["items"]) for part in cell.split(LIST) if part.strip()]
    if "oneOf" in kind:
        return _code(cell, kind["oneOf"])
    if kind.get("type") == "boolean":
        return _yes_or_no(cell)
    if kind.get("format") == "date":
        return day_of(cell).isoformat()
    return cell


def _code(cell: str, choices: Iterable[Mapping[str, str]]) -> str:
    """Find a code by itself or by its label; capitals, spaces and punctuation do not matter."""
    choices = list(choices)
    for choice in choices:
        if _plain(cell) in {_plain(choice["const"]), _plain(choice["title"])}:
            return choice["const"]
    listed = ", ".join(f"{choice['title']} ({choice['const']})" for choice in choices)
    raise ValueError(f"choose one of: {listed}")


def _yes_or_no(cell: str) -> bool:
    answers = {"yes": True, "y": True, "true": True, "1": True, "no": False, "n": False, "false": False, "0": False}
    if cell.casefold() not in answers:
        raise ValueError("write yes or no")
    return answers[cell.casefold()]


_DAY: Final = (
    re.compile(r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"),
    re.compile(r"(?P<day>\d{1,2})[/.-](?P<month>\d{1,2})[/.-](?P<year>\d{4})"),
    re.compile(r"(?P<day>\d{1,2}) (?P<name>[A-Za-z]{3,9}) (?P<year>\d{4})"),
)
_CLOCK: Final = re.compile(r"[T ]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(:(?P<second>\d{2})(\.\d+)?)?")
_ZONE: Final = re.compile(r"Z|[+-]\d{2}:\d{2}")
_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)


def day_of(text: str) -> date:
    """Read a day: 2026-05-07, 07/05/2026 (the day comes first), 7.5.2026 or 7 May 2026. Raises ValueError with what to write."""
    on, rest = _day(text)
    if _CLOCK.sub("", rest).strip():
        raise ValueError("write a date, such as 2026-05-07 or 07/05/2026")
    return on


def _day(text: str) -> tuple[date, str]:
    for pattern in _DAY:
        if match := pattern.match(text):
            parts = match.groupdict()
            try:
                name = parts.get("name", "").casefold()
                (month,) = (
                    [int(parts["month"])]
                    if "month" in parts
                    else [n for n, full in enumerate(_MONTHS, start=1) if full.startswith(name)]
                )
                return date(int(parts["year"]), month, int(parts["day"])), text[match.end() :]
            except ValueError:
                raise ValueError("there is no such day: write a date, such as 2026-05-07 or 07/05/2026") from None
    raise ValueError("write a date with the year in four digits, such as 2026-05-07 or 07/05/2026")


def moment_of(text: str) -> datetime | date:
    """Read a day, or a day and a time of day, which is of Europe/London unless it names its offset. Raises ValueError."""
    day, rest = _day(text)
    if not rest.strip():
        return day
    clock = _CLOCK.match(rest)
    zone = rest[clock.end() :].strip() if clock else ""
    if clock is None or (zone and not _ZONE.fullmatch(zone)):
        raise ValueError("write a date and a time, such as 2026-05-07 15:20 or 07/05/2026 15:20")
    try:
        at = datetime(day.year, day.month, day.day, int(clock["hour"]), int(clock["minute"]), int(clock["second"] or 0))  # noqa: DTZ001 - its zone follows
        moment = datetime.fromisoformat(f"{at.isoformat()}{zone}") if zone else at.replace(tzinfo=LONDON)
        moment.astimezone(LONDON)
    except (ValueError, OverflowError):
        raise ValueError("there is no such time: write it as 15:20") from None
    return moment


def _times(cells: Cells, errors: list[RowError]) -> dict[str, str]:
    """Read the times of a row (RFC 3339). A day alone means its start, or the step before if that was later on that day."""
    times: dict[str, str] = {}
    before: datetime | None = None
    for heading in TIMES:
        cell = cells.get(heading)
        if cell is None:
            if heading == "received_on" and "reported_on" in times:
                times[heading] = times["reported_on"]
            continue
        try:
            moment = moment_of(cell)
        except ValueError as error:
            errors.append(RowError(str(error), heading))
            continue
        if not isinstance(moment, datetime):
            start = datetime(moment.year, moment.month, moment.day, tzinfo=LONDON)
            same_day = before is not None and before.astimezone(LONDON).date() == moment
            moment = before if before is not None and same_day else start
        times[heading] = moment.isoformat()
        before = moment
    return times


def body_of(register: Register, plan: Plan) -> Mapping[str, Any]:
    return {"file_sha256": register.sha256, "row": plan.number, "commands": [*plan.commands]}


@dataclass
class Summary:
    """What became of the rows of a register, by their number in it: the API's word, or what is wrong."""

    rows: int
    outcomes: dict[int, str] = field(default_factory=dict)
    errors: dict[int, Sequence[RowError]] = field(default_factory=dict)

    @classmethod
    def of_plans(cls, plans: Sequence[Plan]) -> Summary:
        """Begin a summary with the rows that have errors already."""
        return cls(len(plans), errors={plan.number: plan.errors for plan in plans if plan.errors})

    def add(self, plan: Plan, status: int, body: Any) -> None:
        if status == 200:
            errors = list(errors_of(plan, body["commands"]))
        elif status == 410:
            errors = [RowError("the data of a person in this row have been forgotten: remove the row")]
        else:
            problem = body if isinstance(body, Mapping) else {}
            texts = [str(error["message"]) for error in problem.get("errors") or ()]
            errors = [RowError("; ".join(texts) or str(problem.get("detail", f"answered with HTTP {status}")))]
        if errors:
            self.errors[plan.number] = errors
        else:
            self.outcomes[plan.number] = body["outcome"]

    def count(self, outcome: str) -> int:
        return [*self.outcomes.values()].count(outcome)

    def errors_in_order(self) -> Iterator[tuple[int, RowError]]:
        """Yield each error with the number of its row, in the order of rows."""
        for number, errors in sorted(self.errors.items()):
            yield from ((number, error) for error in errors)


def errors_of(plan: Plan, outcomes: Iterable[Mapping[str, Any]]) -> Iterator[RowError]:
    """Say what the API found wrong with a row, by the headings of the register."""
    for outcome in outcomes:
        step = plan.steps[outcome["number"] - 1]
        where = next(iter(step.own), None)
        match outcome["outcome"]:
            case "malformed":
                for error in outcome["errors"]:
                    yield RowError(error["message"], step.headings.get(error["field"], error["field"]))
            case "refused" | "needs_rationale":
                for rule in outcome["rules"]:
                    yield RowError(f"{rule['id']}: {rule['text']} ({rule['source']})", _title(step))
            case "changed":
                yield RowError(
                    "was imported before with other content: correct the referral itself, or restore the row",
                    _title(step),
                )
            case "unknown":
                yield RowError("there is such a referral already, and you may not see it: tell a colleague", REFERENCE)
            case "conflict":
                yield RowError("the referral has changed since: import the row again", where)
            case _:
                pass


def _title(step: ImportStep) -> str:
    return ", ".join([*step.fields][:2] or [step.when])
