"""The fields of a form, from the JSON Schema of a command; and the command, from the answers.

One renderer draws every command, so a new one appears without a line here. A field's name on the form is its path in the
command, such as `offence.code` or `changes.0.kind`; a day and a time are three and one fields under it.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from services.console.routing import first
from services.console.words import moment
from shared.domain.dates import LONDON

Answers = Mapping[str, Sequence[str]]
Json = Mapping[str, Any]

LEFT_OUT: Final = frozenset({"type", "rationale", "expected_version"})
"""Fields that the console fills in itself: the command, the reasons that a warning asks for, the version that was read."""
LONG_TEXT: Final = 300
"""Letters from which a text gets several lines."""
ONE_LINE: Final = frozenset(
    {
        *("name", "address", "contact", "contact_person", "email", "ethnicity"),
        *("language", "payee", "place", "service", "telephone", "title"),
    }
)
"""Texts of one line; their schemas allow as much as those of a narrative."""
YES_NO: Final = {"yes": True, "no": False}
MAX_ROWS: Final = 20
LONGEST_SCALE: Final = 10
"""A number up to which each step of a scale is offered."""
MISSING: Final = object()
LIMITS: Final = frozenset({"description", "maxItems", "maximum", "minItems", "minimum", "pattern"})
KIND: Final = "kind"
"""The field that may decide which others are asked."""
ONCE: Final = frozenset({KIND, "occurred_at"})
"""Where it does, they stand folded once it is answered."""
RADIOS: Final = range(1, 8)
"""The numbers of options that are shown as radio buttons."""
CHOICES: Final = "x-choices"
"""Texts that a form offers; another program may send others."""
ANY: Final = r"[\s\S]*"
_CLOCK: Final = re.compile(r"([0-9]{1,2})(?:[:.]?([0-5][0-9]))? ?([ap]m)?")
"""15:20, 15.20, 1520, 3.20pm, 3 pm."""
_WORDS: Final = re.compile(r"\^\(\?:([A-Za-z0-9 _-]+(?:\|[A-Za-z0-9 _-]+)+)\)\$")


OFFICERS: Final = (
    "officer",
    "facilitator",
    "deciding_officer",
    "investigating_officer",
    "chair",
    "owner",
    "case_manager",
    "to",
)
"""Fields that name an officer, without `_id`."""
THERE: Final = ("action", "alert", "case", "chair", "condition", "corrects", "disposal", "referral", "step", "term")
"""Fields of a command that name what is there already, without `_id`."""


@dataclass(frozen=True, slots=True)
class Option:
    """A value that can be chosen, and its words."""

    value: str
    text: str


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a form. The options of a text are suggestions.

    `kind`: text, long, number, integer, date, time (with its day), yes_no, choice, choices, ticks (whose values are JSON), id,
    ids, lines, json, file, hidden, group or rows. One without a title is filled in, and not shown. A group holds `fields`; rows hold one list of fields for each row.
    """

    name: str
    kind: str
    title: str
    help: str = ""
    required: bool = False
    options: Sequence[Option] = ()
    fields: Sequence[Field] = ()
    rows: Sequence[Sequence[Field]] = ()
    example: str = ""
    longest: int = 200
    limits: Json = dataclasses.field(default_factory=dict)
    """What its schema says of a value, by the words of JSON Schema."""
    is_open: bool = False
    """Whether an answer that was given before may be another than those that can be chosen."""

    sends_nothing: bool = False
    """Whether an empty answer says that nothing is right."""

    is_officer: bool = False
    """Whether it names the officer who gets a record, and has an id already: no new one is offered."""

    of_kind: Sequence[str] = ()
    """The answers of the field `kind` to which it belongs; empty if to each."""

    is_folded: bool = False
    """Whether it stands folded in its row or group, since few need it."""

    @property
    def id(self) -> str:
        return f"f-{self.name.replace('.', '-')}"

    @property
    def another(self) -> str:
        """The words for an id beside those that are known; empty if the command means one that is there."""
        if self.name.removesuffix("_id") in {*THERE, *OFFICERS}:
            return ""
        return f"{'Somebody else' if self.name.endswith('person_id') else 'Another one'}, not in this list"

    @property
    def is_new_id(self) -> bool:
        """Whether it is an id that nobody chooses: a new one is filled in."""
        return self.kind == "id" and self.required and not self.options

    @property
    def is_digest(self) -> bool:
        """Whether it is the SHA-256 of a document, which says nothing to who reads an answer."""
        return "[0-9a-f]{64}" in self.limits.get("pattern", "")

    @property
    def first_id(self) -> str:
        """The id of its first control, to which the error summary leads."""
        return {"date": f"{self.id}-day", "time": f"{self.id}-day"}.get(self.kind, self.id)


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with a field, and what to do."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A schema that is being drawn: its parts, the ids that fields can name, and how many rows each repeated group has."""

    parts: Json
    known: Mapping[str, Sequence[Option]] = dataclasses.field(default_factory=dict)
    rows: Mapping[str, int] = dataclasses.field(default_factory=dict)


def fields_of(schema: Json, drawing: Drawing) -> list[Field]:
    return list(_of_object(schema, drawing, "", LEFT_OUT))


def of_chosen_kind(fields: Sequence[Field], answers: Answers) -> Sequence[Field]:
    """Leave out the fields of other kinds than the chosen one; where the kind decides, it is asked first, alone."""
    if not any(field.of_kind for field in fields):
        return fields
    kind = first(answers, KIND)
    return [
        replace(
            field, of_kind=[kind] if field.name == KIND else field.of_kind, is_folded=bool(kind) and field.name in ONCE
        )
        for field in fields
        if field.name == KIND or field.kind == "id" or (kind and kind in (field.of_kind or [kind]))
    ]


def asks_of_kind(fields: Sequence[Field], answers: Answers) -> bool:
    """Tell whether a kind decides the fields, and those of the chosen one were not asked: a browser sends all but radio buttons."""
    sent = [field for field in fields if field.kind != "id" and len(field.options) not in RADIOS]
    return any(field.of_kind for field in fields) and not all(name in answers for one in sent for name in controls(one))


def field_at(path: str, schema: Json, drawing: Drawing) -> Field | None:
    """Return the field at a path, such as `terms.0.due`; None if the schema has none there."""
    within, required = schema, False
    for part in path.split("."):
        holder, _ = _resolved(within, drawing.parts)
        inner = holder.get("items") if part.isdecimal() else holder.get("properties", {}).get(part)
        if inner is None:
            return None
        within, required = inner, part in holder.get("required", ())
    return _field(path, within, drawing, required=required)


def _of_object(schema: Json, drawing: Drawing, prefix: str, left_out: frozenset[str] = frozenset()) -> Iterator[Field]:
    required = set(schema.get("required", ()))
    for name, part in schema.get("properties", {}).items():
        if name not in left_out:
            yield _field(f"{prefix}{name}", part, drawing, required=name in required)


def _field(name: str, schema: Json, drawing: Drawing, *, required: bool) -> Field:
    title, help_ = str(schema.get("title", name)), str(schema.get("description", ""))
    inner, optional = _resolved(schema, drawing.parts)
    if CHOICES in schema:
        inner = {**inner, CHOICES: schema[CHOICES]}
    example = next(iter(schema.get("examples", ())), None)
    if isinstance(example, list):
        example = next(iter(example), None)
    made = Field(
        name,
        "text",
        title,
        help_,
        (required and not optional) or schema.get("x-asked", False),
        example="" if example is None or isinstance(example, dict) else str(example),
        longest=int(inner.get("maxLength", 200)),
        limits={word: inner[word] for word in LIMITS & inner.keys()},
        is_officer="x-handed-to" in schema,
        of_kind=schema.get("x-of-kind", ()),
    )
    return _shaped(made, inner, drawing)


_KINDS: Final[Mapping[tuple[str, str], str]] = {
    ("boolean", ""): "yes_no",
    ("integer", ""): "integer",
    ("number", ""): "number",
    ("string", "date"): "date",
    ("string", "date-time"): "time",
}
"""Type and format of a schema -> the kind of its field."""


def _shaped(made: Field, schema: Json, drawing: Drawing) -> Field:
    if "properties" in schema:
        return replace(made, kind="group", fields=tuple(_of_object(schema, drawing, f"{made.name}.")))
    if options := _options(schema):
        return replace(made, kind="choice", options=options, is_open=CHOICES in schema)
    type_, format_ = str(schema.get("type", "")), str(schema.get("format", ""))
    if type_ == "array":
        return _list(made, schema, drawing)
    if format_ == "uuid":
        return replace(made, kind="id", options=_offered_ids(made.name, drawing))
    if type_ == "string" and not format_:
        is_long = made.longest > LONG_TEXT and made.name.rpartition(".")[2] not in ONE_LINE
        return replace(made, kind="long" if is_long else "text", options=_offered_ids(made.name, drawing))
    made = replace(made, kind=_KINDS.get((type_, format_), "json"))
    return replace(made, options=_scale(schema)) if made.kind == "integer" else made


def _scale(schema: Json) -> tuple[Option, ...]:
    """Return the steps of a short scale, such as 0 to 10; none for any other number."""
    most = schema.get("maximum")
    if schema.get("minimum") != 0 or most is None or most > LONGEST_SCALE:
        return ()
    ends = {0: " (lowest)", most: " (highest)"}
    return tuple(Option(str(step), f"{step}{ends.get(step, '')}") for step in range(most + 1))


def _list(made: Field, schema: Json, drawing: Drawing) -> Field:
    items, _ = _resolved(schema["items"], drawing.parts)
    if "properties" in items:
        count = min(max(drawing.rows.get(made.name, 1), 1), MAX_ROWS)
        rows = tuple(tuple(_of_object(items, drawing, f"{made.name}.{row}.")) for row in range(count))
        return replace(made, kind="rows", rows=rows)
    if options := _options(items):
        return replace(made, kind="choices", options=options)
    if items.get("format") == "uuid":
        return replace(made, kind="ids", options=_offered_ids(made.name, drawing))
    return replace(made, kind="lines", longest=int(items.get("maxLength", 200)))


def _resolved(schema: Json, parts: Json) -> tuple[Json, bool]:
    """Follow references and take the null away: the schema that is left, and whether the field may be empty."""
    if "$ref" in schema:
        return _resolved(parts[str(schema["$ref"]).rpartition("/")[2]], parts)
    if "anyOf" in schema:
        kinds = [kind for kind in schema["anyOf"] if kind.get("type") != "null"]
        inner, _ = _resolved(kinds[0], parts)
        return inner, len(kinds) < len(schema["anyOf"])
    return schema, False


def _options(schema: Json) -> tuple[Option, ...]:
    """Return the codes of a schema in words, or the words that its pattern lists."""
    if "enum" in schema:
        words = {str(choice["const"]): str(choice["title"]) for choice in schema.get("oneOf", ())}
        return tuple(Option(str(code), words.get(str(code), str(code))) for code in schema["enum"])
    if CHOICES in schema:
        return tuple(Option(text, text) for text in schema[CHOICES])
    listed = _WORDS.fullmatch(str(schema.get("pattern", "")))
    return tuple(Option(word, word[:1].upper() + word[1:]) for word in listed[1].split("|")) if listed else ()


def _offered_ids(name: str, drawing: Drawing) -> tuple[Option, ...]:
    """Return the ids that a field may mean: of the field itself, or of what its name says, such as `person`."""
    last = next(part for part in reversed(name.split(".")) if not part.isdecimal())
    words = last.removesuffix("_id").removesuffix("_ids")
    return tuple(drawing.known.get(last) or drawing.known.get(words) or ())


def command_of(fields: Sequence[Field], answers: Answers) -> tuple[dict[str, Any], list[FieldProblem]]:
    body: dict[str, Any] = {}
    wrong: list[FieldProblem] = []
    for field in fields:
        try:
            value = _value(field, answers, wrong)
            _check_limits(field, value)
        except ValueError as error:
            wrong.append(FieldProblem(field.name, str(error)))
            continue
        if value is not MISSING:
            body[field.name.rpartition(".")[2]] = value
        elif field.sends_nothing:
            body[field.name] = None
        elif field.required:
            wrong.append(FieldProblem(field.name, _how_to_answer(field)))
    return body, wrong


def _value(field: Field, answers: Answers, wrong: list[FieldProblem]) -> Any:
    """Return the value of a field, or MISSING. Raises ValueError with what to do."""
    match field.kind:
        case "group":
            value = _group(field, answers, wrong)
        case "rows":
            value = _rows(field, answers, wrong)
        case "choices" | "ids" | "lines":
            values = [
                text.strip() for value in answers.get(field.name, ()) for text in value.split("\n") if text.strip()
            ]
            value = values if values or field.required else MISSING
        case "ticks":
            value = [_json(text) for text in answers.get(field.name, ())]
        case "time":
            value = _time(field.name, answers)
        case "date":
            day = day_in(field.name, answers)
            value = day if day is MISSING else day.isoformat()
        case _:
            text = first(answers, field.name).strip()
            value = _plain(field, text) if text else MISSING
    return value


def _check_limits(field: Field, value: Any) -> None:
    """Raise ValueError with what to do about a value that the command would not take."""
    if value is MISSING:
        return
    match field.kind:
        case "number" | "integer":
            _check_number(field, Decimal(value))
        case "text" | "long" | "file" | "hidden":
            _check_text(field, value)
        case "choice":
            if not field.is_open and value not in {option.value for option in field.options}:
                raise ValueError(_how_to_answer(field))
        case "rows" | "choices" | "ids" | "lines":
            if len(value) < field.limits.get("minItems", 0):
                raise ValueError(_how_to_answer(field))
            if len(value) > field.limits.get("maxItems", len(value)):
                raise ValueError(f"{field.title}: give {field.limits['maxItems']} at most")


def _check_number(field: Field, value: Decimal) -> None:
    least, most = (Decimal(str(field.limits.get(word, value))) for word in ("minimum", "maximum"))
    if value < least:
        raise ValueError(f"{field.title} must be {least:f} or more")
    if value > most:
        raise ValueError(f"{field.title} must be {most:,.10g} or less")


def _check_text(field: Field, value: str) -> None:
    if len(value) > field.longest:
        raise ValueError(f"{field.title} must be {field.longest:,} characters or fewer")
    # A service reads a code in either case.
    if not any(re.fullmatch(field.limits.get("pattern", ANY), text) for text in (value, value.upper(), value.lower())):
        hint = str(field.limits.get("description") or f"{field.title} must be on one line")
        raise ValueError(hint[:1].upper() + hint[1:])


def _plain(field: Field, text: str) -> Any:
    match field.kind:
        case "yes_no":
            if text not in YES_NO:
                raise ValueError(f"{field.title} must be answered by yes or no")
            return YES_NO[text]
        case "integer":
            if not re.fullmatch(r"-?[0-9]{1,9}", text):
                raise ValueError(f"{field.title} must be a whole number, such as 3")
            return int(text)
        case "number":
            if not re.fullmatch(r"-?[0-9]{1,6}(\.[0-9]{1,4})?", text):
                raise ValueError(f"{field.title} must be a number, such as 1.5")
            return text
        case "id":
            try:
                return str(UUID(text))
            except ValueError:
                raise ValueError(f"{field.title} must be an id such as 1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11") from None
        case "json":
            return _json(text)
        case _:
            return text.replace("\r\n", "\n")


def _json(text: str) -> Any:
    """Return a value of any type: what reads as JSON that a service can be sent, or else the text."""
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (RecursionError, ValueError):
        return text
    return value


def _group(field: Field, answers: Answers, wrong: list[FieldProblem]) -> Any:
    """Return a group; one that may be left out is, if nothing in it is answered."""
    if not field.required and not is_answered(field.fields, answers):
        return MISSING
    body, problems = command_of(field.fields, answers)
    wrong += problems
    return body


def _rows(field: Field, answers: Answers, wrong: list[FieldProblem]) -> Any:
    rows = []
    for fields in field.rows:
        if is_answered(fields, answers):
            body, problems = command_of(fields, answers)
            wrong += problems
            rows.append(body)
    return rows if rows or field.required else MISSING


def is_answered(fields: Sequence[Field], answers: Answers) -> bool:
    """Whether any of these fields has an answer. An id that the form suggests is none."""
    return any(
        is_answered(field.fields, answers)
        if field.fields
        else field.kind != "id" and any(text.strip() for name in controls(field) for text in answers.get(name, ()))
        for field in fields
    )


def controls(field: Field) -> list[str]:
    parts = {"date": ("day", "month", "year"), "time": ("day", "month", "year", "clock")}.get(field.kind, ())
    return [f"{field.name}.{part}" for part in parts] or [field.name]


def boxes_of(name: str, on: date) -> dict[str, Sequence[str]]:
    """Return the answers that a day has in its three boxes."""
    return {f"{name}.{part}": [str(getattr(on, part))] for part in ("day", "month", "year")}


def boxes_of_time(name: str, at: str) -> dict[str, Sequence[str]]:
    """Return the answers that a time, in ISO 8601, has in its four boxes."""
    local = datetime.fromisoformat(at).astimezone(LONDON)
    return {**boxes_of(name, local.date()), f"{name}.clock": [f"{local:%H:%M}"]}


def day_in(name: str, answers: Answers) -> Any:
    """Return a date, or MISSING. Raises ValueError for what is none."""
    texts = [first(answers, f"{name}.{part}").strip() for part in ("day", "month", "year")]
    if not any(texts):
        return MISSING
    if not all(text.isdecimal() and text.isascii() for text in texts):
        raise ValueError("Enter a day, a month and a year, such as 27 3 2026")
    day, month, year = (int(text[:4]) for text in texts)
    try:
        return datetime(year, month, day, tzinfo=UTC).date()
    except ValueError:
        raise ValueError("Enter a date that exists, such as 27 3 2026") from None


def _time(name: str, answers: Answers) -> Any:
    """Return a time of Europe/London in ISO 8601, or MISSING. Raises ValueError for what is none."""
    day = day_in(name, answers)
    clock = first(answers, f"{name}.clock").strip()
    if day is MISSING:
        if clock:
            raise ValueError("Enter the day as well, such as 27 3 2026")
        return MISSING
    time = _CLOCK.fullmatch(clock.lower())
    hour, half = (int(time[1]), time[3]) if time and (time[2] or time[3]) else (24, None)
    if hour > 23 or (half and not 1 <= hour <= 12):
        raise ValueError("Enter a time, such as 15:20 or 3.20pm")
    hour = hour % 12 + 12 * (half == "pm") if half else hour
    return datetime(day.year, day.month, day.day, hour, int((time and time[2]) or 0), tzinfo=LONDON).isoformat()


def _how_to_answer(field: Field) -> str:
    chooses = field.kind in {"choice", "yes_no", "choices", "ids"} or field.options
    return f"{'Choose an answer to' if chooses else 'Fill in'} “{field.title}”"


def answers_in_words(fields: Sequence[Field], answers: Answers) -> Iterator[tuple[Field, str]]:
    """Yield each answered field with its answer in words, groups and rows opened."""
    for field in fields:
        if field.kind == "group":
            yield from answers_in_words(field.fields, answers)
        elif field.kind == "rows":
            for row in field.rows:
                if is_answered(row, answers):
                    yield from answers_in_words(row, answers)
        elif text := _in_words(field, answers):
            yield field, text


def _in_words(field: Field, answers: Answers) -> str:
    texts = [text for name in controls(field) for text in answers.get(name, ()) if text.strip()]
    match field.kind:
        case "yes_no":
            return {"yes": "Yes", "no": "No"}.get(texts[0], "") if texts else ""
        case "date" | "time":
            return _day_in_words(field, answers) or " ".join(texts)
        case "id" | "ids":
            words = {option.value: option.text for option in field.options}
            return ", ".join(words.get(text, text if field.is_officer else "Another one") for text in texts)
        case _:
            words = {option.value: option.text for option in field.options}
            return ", ".join(words.get(text, text) for text in texts)


def _day_in_words(field: Field, answers: Answers) -> str:
    """Return a day or a time in words; empty for what is none."""
    try:
        value = day_in(field.name, answers) if field.kind == "date" else _time(field.name, answers)
    except ValueError:
        return ""
    return "" if value is MISSING else moment(value)


def find_field(fields: Sequence[Field], name: str) -> Field | None:
    """Find the field that a service's error names, or the nearest around it."""
    nearest = None
    for field in all_fields(fields):
        if (field.name == name or name.startswith(f"{field.name}.")) and (
            nearest is None or len(field.name) > len(nearest.name)
        ):
            nearest = field
    return nearest


def problem_links(fields: Sequence[Field], problems: Sequence[FieldProblem]) -> list[dict[str, str]]:
    """Return what is wrong, each with a link to its field on the same page, if it is about a field."""
    return [
        {"text": problem.text, **({"href": f"#{field.first_id}"} if field else {})}
        for problem in problems
        for field in (find_field(fields, problem.name),)
    ]


def all_fields(fields: Sequence[Field]) -> Iterator[Field]:
    for field in fields:
        yield field
        yield from all_fields(field.fields)
        for row in field.rows:
            yield from all_fields(row)
