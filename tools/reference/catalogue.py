"""The contract of all services on one page, as YAML: tests/architecture/catalogue.yaml, which is reviewed as a diff.

It names what other programs and other people rely on: commands with fields, roles, rules and events; events with their
fields; states, reactions, duties and measures. The types are those of the legend at its head.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin
from uuid import UUID

import yaml
from pydantic import AwareDatetime, BaseModel

from services import vocabulary
from services.reporting.measures import MEASURES
from shared.domain.decisions import RuleKind
from shared.domain.messages import COMMAND_FIELDS, Command
from shared.domain.sealing import Sealed
from shared.domain.service import Service
from tools.reference.emitted_events import emitted_events
from tools.reference.fields import groups
from tools.reference.pages import duty_texts
from tools.scenario.in_memory import Memory

LEGEND: Final = """\
# The contract of all services, written from the code by `make docs`. A difference is a change of the contract: review it.
#
# Types: id, text, date, time (RFC 3339 with zone), bool, int, hours (decimal, two places), value (any), enum(A|B), the
# name of an enum or of a shape, [..] a list, {..} a group of fields; '?' optional; sealed: stored encrypted only.
# Every command also carries occurred_at, rationale and expected_version, and is guarded by T1 and by the state machine.
# A command without roles is open to the default roles of its service. 'refuses' names rules that forbid, 'warns' those
# that a rationale satisfies. A duty says what opens it, when it is due, what meets it and what ends it otherwise.
"""

DUTY_PARTS: Final = ("opened", "due", "met", "ended")

TYPES: Final[dict[Any, str]] = {
    UUID: "id",
    str: "text",
    date: "date",
    datetime: "time",
    AwareDatetime: "time",
    bool: "bool",
    int: "int",
    Decimal: "hours",
    Any: "value",
}


def catalogue(services: Sequence[Service[Any]], played: Memory) -> str:
    """Write the contract of these services. `played` holds at least one stream of each, which shows the fields of its state."""
    enums = [item for item in vars(vocabulary).values() if _is_enum(item) and item is not vocabulary.Role]
    contract: dict[str, Any] = {
        "collections": {service.name: service.collection for service in services},
        "default_roles": {service.name: _ordered(service.default_roles) for service in services},
        "roles": [str(role) for role in vocabulary.Role],
        "enums": {enum.__name__: [str(value) for value in enum] for enum in enums},
        "shapes": {shape.__name__: _fields(shape) for shape in _shapes(services)},
        **{service.name: _service(service, played) for service in services},
        "reactions": [
            {"when": f"{reaction.service}.{reaction.event.__name__}", "then": service.name, "name": reaction.name}
            for service in services
            for reaction in service.reactions
        ],
        "duties": {
            service.name: {
                name: dict(zip(DUTY_PARTS, parts, strict=False)) for name, parts in duty_texts(service).items()
            }
            for service in services
        },
        "measures": {
            name: {
                "version": measure.version,
                "reads": sorted(measure.reads),
                "groupings": sorted(measure.groupings),
                "columns": list(measure.columns),
            }
            for name, measure in MEASURES.items()
        },
    }
    sections = (
        yaml.dump({name: section}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
        for name, section in contract.items()
    )
    return "\n".join((LEGEND, *sections))


class _Dumper(yaml.SafeDumper):
    """Writes a list of words on one line, and everything else a line for each, so that a diff shows what has changed."""

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        """Represent a list."""
        words = all(isinstance(item, str | int) for item in sequence)
        return super().represent_sequence(tag, sequence, flow_style=words or flow_style)

    def ignore_aliases(self, _data: Any) -> bool:
        """Write equal values out each time."""
        return True


def shown_fields(service: Service[Any], played: Memory) -> set[tuple[str, ...]]:
    """Return the fields of every state that a service has shown."""
    views = (service.read_model.view_of(facts) for name, facts in played.histories if name == service.name)
    return {tuple(view) for view in views if view is not None}


def _service(service: Service[Any], played: Memory) -> dict[str, Any]:
    return {
        "commands": {command.__name__: _command(service, command) for command in service.commands},
        "events": {
            event.__name__: {"type": service.events.type_name(event), "fields": _fields(event)}
            for event in service.events.events
        },
        "state": sorted({field for fields in shown_fields(service, played) for field in fields}),
        "states": [str(state) for state in service.read_model.states],
    }


def _command(service: Service[Any], command: type[Command]) -> dict[str, Any]:
    book = service.decider.rules
    claimed = service.claim_rules if command.opens else ()
    forbidding = {rule.id for rule in book.rules_for(command, RuleKind.FORBIDS)} - {"T1"}
    parts = {
        "opens": command.opens,
        "roles": None if command.roles is None else _ordered(command.roles),
        "fields": _fields(command),
        "emits": [event.__name__ for event in emitted_events(service, command)],
        "refuses": sorted({*forbidding, *claimed}),
        "warns": sorted({rule.id for rule in book.rules_for(command, RuleKind.WARNS)}),
    }
    return {name: part for name, part in parts.items() if part}


def _ordered(roles: Iterable[str]) -> list[str]:
    return [str(role) for role in vocabulary.Role if role in roles]


def _is_enum(item: Any) -> bool:
    return isinstance(item, type) and issubclass(item, StrEnum) and item is not StrEnum


def _shapes(services: Iterable[Service[Any]]) -> list[type[BaseModel]]:
    """Return the groups of fields of all messages, by name."""
    messages = [message for service in services for message in (*service.commands, *service.events.events)]
    shapes = {shape.__name__: shape for message in messages for shape in groups(message)}
    return [shapes[name] for name in sorted(shapes)]


def _fields(model: type[BaseModel]) -> dict[str, str]:
    return {
        field.alias or name: type_text(field.annotation)
        for name, field in model.model_fields.items()
        if name not in COMMAND_FIELDS or not issubclass(model, Command)
    }


def type_text(annotation: Any) -> str:
    """Return an annotation in the words of the legend."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        text = type_text(args[0])
    elif origin in (Union, types.UnionType):
        text = f"{'|'.join(type_text(arg) for arg in args if arg is not type(None))}?"
    elif origin is Sealed:
        text = f"sealed {type_text(args[0])}"
    elif origin is tuple:
        text = f"[{type_text(args[0])}]"
    elif origin is dict:
        text = f"{{{type_text(args[0])}: {type_text(args[1])}}}"
    elif origin is Literal:
        text = f"enum({'|'.join(args)})"
    elif _is_enum(annotation):
        text = annotation.__name__ if hasattr(vocabulary, annotation.__name__) else f"enum({'|'.join(annotation)})"
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        text = annotation.__name__
    else:
        text = TYPES[annotation]
    return text
