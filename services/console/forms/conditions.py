"""The conditions of a caution as a list on one form: each row becomes a command of its own, checked and sent with the others."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from services.console.forms.fields import MAX_ROWS, Answers, Field, boxes_of, boxes_of_time, is_answered
from services.console.records import as_it_stands, texts_of
from services.console.routing import first
from services.disposal.domain.conditions import DEFINITIONS
from services.reporting.projection.read_models import READ_MODELS
from services.trade.vocabulary import ConditionType

COMMAND: Final = "ProposeCondition"
VARYING: Final = "VaryConditions"
GROUP: Final = "condition"
KIND: Final = f"{GROUP}.type"
ROWS: Final = 4
"""The rows of a new list."""
FIRST: Final = ("type", "object", "due", "hours")
"""The fields that every row shows; the others stand folded."""
FILLED: Final = frozenset({"object", "due"})
"""The fields that are filled in if they are left empty."""


def due_of_condition(on: date, name: str = GROUP) -> Answers:
    """Return the day by which a condition that is proposed on a day is to be done, unless somebody says another (rule R20W)."""
    weeks = READ_MODELS["disposal"].policy.on(on).number("completion_advised_weeks")
    return boxes_of(f"{name}.due", on + timedelta(weeks=weeks))


def as_list(fields: Sequence[Field], rows: int, on: date) -> tuple[Sequence[Field], Answers]:
    """Draw the conditions as rows, and return the day by which each is due.

    What is left empty of those with a usual answer is filled in when they are taken.
    """
    count = min(max(rows, 1), MAX_ROWS)
    days: dict[str, Sequence[str]] = {}
    for row in range(count):
        days |= due_of_condition(on, f"{GROUP}.{row}")
    return [_as_rows(field, count) if field.name == GROUP else field for field in fields], days


def _as_rows(group: Field, count: int) -> Field:
    def drawn(field: Field, row: int) -> Field:
        last = field.name.removeprefix(f"{GROUP}.")
        return replace(
            field,
            name=f"{GROUP}.{row}.{last}",
            required=field.required and last not in FILLED,
            help="" if last in FIRST else field.help,
            is_folded=last not in FIRST,
        )

    return replace(
        group,
        kind="rows",
        title="Conditions",
        help="Leave a row empty that you do not need. An object that is left empty is the usual one of the kind.",
        limits={"minItems": 1},
        fields=(),
        rows=[[drawn(field, row) for field in group.fields] for row in range(count)],
    )


def without_empty_rows(fields: Sequence[Field], answers: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the answers without those of rows that hold nothing but a day that was filled in."""
    empty = {
        field.name.rpartition(".")[0]
        for part in fields
        for row in part.rows
        if not is_answered([field for field in row if not field.name.endswith(".due")], answers)
        for field in row[:1]
    }
    return {name: given for name, given in answers.items() if not any(name.startswith(f"{row}.") for row in empty)}


def in_commands(answers: Answers, key: UUID, on: date) -> Iterator[tuple[UUID, dict[str, list[str]]]]:
    """Yield the answers of a command for each row that is answered, each under a key of its own; the last under the form's key."""
    rows: dict[str, dict[str, Sequence[str]]] = {}
    shared: dict[str, list[str]] = {}
    for name, given in answers.items():
        group, _, rest = name.partition(".")
        row, _, last = rest.partition(".")
        if group == GROUP and last:
            rows.setdefault(row, {})[f"{GROUP}.{last}"] = given
        elif group != "rows":
            shared[name] = list(given)
    taken = [(row, said) for row, said in rows.items() if first(said, KIND) in DEFINITIONS][:MAX_ROWS]
    for n, (row, said) in enumerate(taken, start=1):
        id_ = key if n == len(taken) else uuid5(key, row)
        filled = {**_usual(said, on), **{name: values for name, values in said.items() if any(values)}}
        yield id_, {**shared, **{name: list(values) for name, values in filled.items()}}


def as_a_change(id_: str, state: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> Answers:
    """Return the answers of a variation that leaves a condition as it stands; none if a text of it is not shown, and would be lost."""
    asked = state["condition_terms"][id_]
    texts = texts_of(state, asked["told_by"])
    terms: Any = next(as_it_stands(event) for event in events if event["version"] == asked["told_by"])
    for name in asked["field"].split("."):
        terms = terms[int(name)] if isinstance(terms, list) else terms[name]
    answers: dict[str, Sequence[str]] = {"changes.0.action": ["MODIFY"], "changes.0.condition_id": [id_]}
    shown = {name: texts.get(f"{asked['field']}.{name}", value) for name, value in terms.items()}
    if any(isinstance(value, Mapping) for value in shown.values()):
        return {}
    for name, value in shown.items():
        field = f"changes.0.condition.{name}"
        if name == "due":
            answers |= boxes_of(field, date.fromisoformat(value))
        elif name == "starts_at" and value:
            answers |= boxes_of_time(field, value)
        elif value is not None:
            answers[field] = [str(value)]
    return answers


def _usual(given: Mapping[str, Sequence[str]], on: date) -> Answers:
    usual = dict(due_of_condition(on))
    object_ = DEFINITIONS[ConditionType(first(given, KIND))].usual_object
    return usual if object_ is None else {**usual, f"{GROUP}.object": [object_.value]}
