"""Scenarios whose personal values are marked: every free text carries a token that stands nowhere else in the world."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel

from services.system.registry import deciding_services
from services.trade.vocabulary import PersonDetails
from shared.domain.sealing import Sealed, field_class
from tools.scenario.parser import read_scenario
from tools.scenario.story import CommandStep, Result, Scenario

SERVICES: Final = {service.name: service for service in deciding_services()}
PLAYED: Final = (
    *("11", "09", "51", "14", "24", "81", "41", "18", "28", "55", "31", "83", "84"),
    *("90-deferral", "91-deferral", "93-handed", "93-work", "95", "96", "105", "107", "108", "110", "111"),
    *("113", "114", "115", "116", "117", "120", "122", "124", "134", "144"),
)
"""The beginnings of the names of the scenarios that together write every sealed field of every event; a test says so."""
TELEPHONE: Final = "+44 7700 948 151 623"
"""The telephone number of everybody marked: a number has no room for a token."""

SEX: Final = "UNKNOWN"
"""The sex of everybody marked: one of three codes has no room for a token."""


def marked_scenarios(marker: Marker) -> dict[str, Scenario]:
    """Return these scenarios, marked, by the beginnings of their names."""
    folder = Path(__file__).parents[1] / "scenarios"
    return {name: marker.marked(read_scenario(next(folder.glob(f"{name}-*.yaml")))) for name in PLAYED}


def marked_path(path: str, sealed: Sealed[Any], marker: Marker) -> str | None:
    """Return the path of a field without the places in its lists; None if it has no mark, and nothing else that is searched for."""
    text = json.dumps(sealed.value, default=str)
    if marker.token not in text and text.strip('"') not in {TELEPHONE, SEX, *marker.birth_dates}:
        return None
    return ".".join(part for part in path.split(".") if not part.isdigit())


class Marker:
    """Marks scenarios. Each marked text ends with the token and a number of its own, so that a copy can be traced."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.texts: list[str] = []
        """Every marked text."""
        self.birth_dates: set[str] = set()
        """Every birth date (ISO 8601), which has no room for a token."""
        self._numbers = itertools.count(1)

    def marked(self, scenario: Scenario) -> Scenario:
        """Mark the people and the commands of a scenario, and leave out its checks: other tests make them.

        A command that will be accepted also gets a text in each optional sealed field that it leaves out. Commands that
        are sent twice under one key stay the same, so they are not changed.
        """
        people = {alias: self._object(PersonDetails, details, fill=True) for alias, details in scenario.people.items()}
        commands = [step for step in scenario.steps if isinstance(step, CommandStep)]
        return replace(scenario, people=people, steps=tuple(self._step(step) for step in commands))

    def _step(self, step: CommandStep) -> CommandStep:
        if step.key is not None or step.expected.word is Result.INVALID:
            return step
        (command,) = (one for one in SERVICES[step.service].commands if one.__name__ == step.command)
        fields = self._object(command, step.fields, fill=step.expected.word is Result.ACCEPTED)
        if rationale := step.fields.get("rationale"):
            fields["rationale"] = {rule: self._mark(text) for rule, text in rationale.items()}
        if "corrects" in step.fields and _corrects_sealed_field(step):
            fields["value"] = self._value(step.fields["value"], str(step.fields["field"]).rpartition(".")[2])
        return replace(step, fields=fields)

    def _object(self, model: type[BaseModel], values: Mapping[str, Any], *, fill: bool) -> dict[str, Any]:
        """Mark the sealed texts of a model's JSON, at any depth; with `fill`, also those optional ones that it leaves out."""
        made = dict(values)
        for name, field in model.model_fields.items():
            if (sealed := next(_sealed_in(field.annotation), None)) is not None:
                if name in values:
                    made[name] = self._value(values[name], name)
                elif fill and not field.is_required() and name != "interpreter":  # who needs one is asked for one (IN1)
                    made[name] = self._value(["marked"] if _holds_list(sealed) else "marked", name)
            elif name in values and (inner := next(_models_in(field.annotation), None)) is not None:
                made[name] = self._nested(inner, values[name], fill=fill)
        return made

    def _nested(self, model: type[BaseModel], value: Any, *, fill: bool) -> Any:
        if isinstance(value, Mapping):
            return self._object(model, value, fill=fill)
        return [self._nested(model, item, fill=fill) for item in value] if isinstance(value, list) else value

    def _value(self, value: Any, name: str) -> Any:
        if isinstance(value, list):
            return [self._value(item, name) for item in value]
        if not isinstance(value, str):
            return value
        if name in {"telephone", "sex"}:
            return TELEPHONE if name == "telephone" else SEX
        if name == "email":
            return self._mark("").strip() + "@example.org"
        if _is_day(value):
            self.birth_dates.add(value)
            return value
        return self._mark(value)

    def _mark(self, text: str) -> str:
        marked = f"{text} {self.token}{next(self._numbers)}"
        self.texts.append(marked)
        return marked


def _corrects_sealed_field(step: CommandStep) -> bool:
    """Tell whether a correction is of a sealed field: `corrects` names the event as `$stream.EventType`."""
    name = str(step.fields["corrects"]).rpartition(".")[2]
    events = [event for event in SERVICES[step.service].events.events if event.__name__ == name]
    return any(field_class(event, str(step.fields["field"])) is not None for event in events)


def _is_day(text: str) -> bool:
    return len(text) == 10 and text[4] == text[7] == "-"


def _holds_list(sealed: Any) -> bool:
    (inner,) = get_args(sealed)
    return any(get_origin(part) is tuple for part in _parts(inner))


def _sealed_in(annotation: Any) -> Iterator[Any]:
    return (part for part in _parts(annotation) if get_origin(part) is Sealed)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    return (part for part in _parts(annotation) if isinstance(part, type) and issubclass(part, BaseModel))


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    if get_origin(annotation) is not Sealed:
        for inner in get_args(annotation):
            yield from _parts(inner)
