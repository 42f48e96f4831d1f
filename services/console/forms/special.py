"""The commands whose form differs from what their schema draws: one table, one entry a command."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from services.console.forms import conditions, files, gravity, offences, people, present
from services.console.forms.choices import HAS, MANAGER
from services.console.forms.fields import Answers, Field, FieldProblem, Option
from services.console.words import day, today
from services.trade.partnership import partnership_on
from services.trade.practitioners import register_on

Given = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Sketch:
    """What a form is drawn from: its fields by the schema, the answers so far, what the case knows, its repeated groups."""

    fields: Sequence[Field]
    answers: Answers
    known: Mapping[str, Sequence[Option]]
    rows: Mapping[str, int]


def _plain(sketch: Sketch) -> tuple[Sequence[Field], Answers]:
    return sketch.fields, {}


@dataclass(frozen=True, slots=True)
class SpecialForm:
    """How a form is drawn and read. Each default is that of a form that is drawn from its schema alone."""

    draw: Callable[[Sketch], tuple[Sequence[Field], Answers]] = _plain
    """Its fields, and the answers that it suggests."""
    asks_the_case: bool = False
    """Whether its fields depend on what the case knows."""
    asks_more: Callable[[Given], bool] = lambda _answers: False
    """Notes what it asks next in the answers, and tells whether it is shown again before they are checked."""
    suggests_again: bool = False
    """Whether it suggests answers also when it is shown again."""
    complete: Callable[[Sequence[Field], Given], Given] = lambda _fields, answers: answers
    """Fills in what may be left empty, before the answers are checked."""
    word_problems: Callable[[list[FieldProblem], Answers], list[FieldProblem]] = lambda wrong, _answers: wrong
    """Says at the right field what is wrong."""
    begins: str = ""
    """The field, without `_id`, of what it begins under an id of its own: nothing that exists is offered there."""
    is_repeated: bool = False
    """Whether it is mostly sent several times, each about something else."""
    split: Callable[[Given, UUID], Iterable[tuple[UUID, Given]]] = lambda answers, key: [(key, answers)]
    """The commands that it sends, in order, each with its key; the last has the key of the form."""


def _draw_opening(sketch: Sketch) -> tuple[Sequence[Field], Answers]:
    fields, suggested = people.of_opening(sketch.fields, sketch.answers, sketch.known)
    return offences.with_list(fields, sketch.answers, partnership_on(today()).offences), suggested


def _draw_conditions(sketch: Sketch) -> tuple[Sequence[Field], Answers]:
    rows = sketch.rows.get(conditions.GROUP)
    return _plain(sketch) if rows is None else conditions.as_list(sketch.fields, rows, today())


def _split_conditions(answers: Given, key: UUID) -> Iterable[tuple[UUID, Given]]:
    as_list = f"rows.{conditions.GROUP}" in answers
    return conditions.in_commands(answers, key, today()) if as_list else [(key, answers)]


def _draw_giving(sketch: Sketch) -> tuple[Sequence[Field], Answers]:
    """Suggest the case manager; where none is known, nobody is asked for an id."""
    fields = [field for field in sketch.fields if field.options or field.name != f"{MANAGER}_id"]
    return fields, {f"{MANAGER}_id": [one.value for one in sketch.known.get(HAS, ())][:1]}


def _draw_gravity(sketch: Sketch) -> tuple[Sequence[Field], Answers]:
    suggested = gravity.of_offence(sketch.known.get(gravity.OFFENCE, ()), sketch.answers)
    return gravity.with_matrix(sketch.fields, {**suggested, **sketch.answers}), suggested


def _of_the_register(fields: Sequence[Field]) -> Sequence[Field]:
    """Offer as facilitator who is trained by the register of today, with what for and until when; without one the form stays."""
    register = register_on(today())
    if register is None:
        return fields
    words = {
        str(one.officer): f"{one.level.lower()}, until {day(one.until)}"
        for one in register.values()
        if one.may_lead(today(), sensitive=False)
    }

    def of_field(field: Field) -> Field:
        trained = [Option(one.value, f"{one.text}: {words[one.value]}") for one in field.options if one.value in words]
        return replace(field, options=trained) if field.name == "facilitator_id" else field

    return list(map(of_field, fields))


SPECIAL: Final[Mapping[str, SpecialForm]] = {
    people.OPENING: SpecialForm(
        _draw_opening,
        asks_the_case=True,
        asks_more=lambda answers: offences.fill_in(answers, partnership_on(today()).offences),
    ),
    people.LINKING: SpecialForm(
        lambda sketch: people.of_part(sketch.fields, sketch.answers, sketch.known),
        asks_more=people.asks_part,
        suggests_again=True,
        is_repeated=True,
    ),
    people.CONFIRMING: SpecialForm(lambda sketch: (people.of_adult(sketch.fields, sketch.answers), {})),
    conditions.COMMAND: SpecialForm(
        _draw_conditions,
        complete=conditions.without_empty_rows,
        split=_split_conditions,
        begins="condition",
        is_repeated=True,
    ),
    gravity.COMMAND: SpecialForm(
        _draw_gravity,
        asks_the_case=True,
        asks_more=gravity.show_line,
        complete=lambda _fields, answers: gravity.with_score(answers),
    ),
    files.COMMAND: SpecialForm(lambda sketch: (files.with_file(sketch.fields), {}), word_problems=files.in_words),
    "IssueDisposal": SpecialForm(_draw_giving),
    "AssignFacilitator": SpecialForm(lambda sketch: (_of_the_register(sketch.fields), {})),
    **dict.fromkeys(
        ("RecordAttendance", "RecordConditionAttendance"),
        # What was typed is judged by rule E4, not overwritten.
        SpecialForm(
            complete=lambda _, given: given if any(given.get("hours_credited", ())) else present.of_absent(given)
        ),
    ),
    "AddParticipant": SpecialForm(is_repeated=True),
    "BookPlace": SpecialForm(is_repeated=True),
    "RaiseAlert": SpecialForm(begins="alert"),
}

ORDINARY: Final = SpecialForm()


def special_form(command: str) -> SpecialForm:
    return SPECIAL.get(command, ORDINARY)
