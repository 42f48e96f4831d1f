"""The reference pages of a service and of reporting's measures, each from its declarations and its template."""

import inspect
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel

from services.reporting.measures import MEASURES
from services.reporting.measures.policy import POLICY
from shared.api.command_schemas import command_schemas, parts_of
from shared.domain.decisions import RuleKind
from shared.domain.members import members_of
from shared.domain.messages import Command, Event, Message, ValueObject, events_of
from shared.domain.rules import Rule
from shared.domain.service import Service
from tools.reference.fields import HEAD, rows
from tools.reference.markdown import TITLES, codes, fill, prose, state_diagram, table
from tools.reference.moves import Move
from tools.reference.state_table import allowed_commands

CLASSES: Final = {
    RuleKind.FORBIDS: "forbids",
    RuleKind.WARNS: "warns: a reason under its id lets the command through",
    RuleKind.STATE: "state machine: named only if nothing else refuses",
}
GIVES_WAY: Final = f"{CLASSES[RuleKind.FORBIDS]}: named only if no other rule refuses, before the state machine"
_DUTY: Final = re.compile(r"^\s+([A-Z][A-Z_]+): (.+)$", re.MULTILINE)


def of_service(service: Service[Any]) -> dict[str, str]:
    book, schemas = service.decider.rules, command_schemas(service)

    def fields(model: type[BaseModel]) -> str:
        return table(HEAD, rows(model, service.words))

    def groups(messages: Iterable[type[Message]]) -> str:
        shapes = {part.__name__: part for part in parts_of(messages) if issubclass(part, ValueObject)}
        parts = [(f"## {name}\n", _doc(shapes[name]), fields(shapes[name])) for name in sorted(shapes)]
        return "\n".join(["# Groups of fields\n", *(line for part in parts for line in part)] if parts else ())

    def forbidding(command: type[Command]) -> list[str]:
        rules = (rule.id for rule in book.rules_for(command, RuleKind.FORBIDS) if rule.id != "T1")
        return [*rules, *(service.claim_rules if command.opens else ())]

    def makers(event: type[Event]) -> list[str]:
        return [f"`{command.__name__}`" for command in service.commands if event in events_of(command)]

    context = {
        "service": service,
        "title": TITLES[service.name],
        "book": service.policy,
        "fields": fields,
        "groups": groups,
        "forbidding": forbidding,
        "makers": makers,
        "doc": _doc,
        "value": _value,
        "rules_of": rules_of,
        "since": _since,
        "class_of": lambda rule: GIVES_WAY if rule.gives_way else CLASSES[rule.kind],
        "lifted_by": lambda rule: codes(command.__name__ for command in rule.lifted_by),
        "guarded_by": lambda rule: _commands_of(service, rule),
        "openers": codes(command.__name__ for command in service.commands if command.opens),
        "duties": _duties(service),
        "emitted": lambda command: [f"`{event.__name__}`" for event in events_of(command)],
        "warning": lambda command: [rule.id for rule in book.rules_for(command, RuleKind.WARNS)],
        "example_of": lambda command: json.dumps(
            schemas[command.__name__]["examples"][0], indent=2, ensure_ascii=False
        ),
    }
    names = ("commands", "events", "rules", "duties", "policy")
    return {f"{service.name}/{name}.md": fill(name, **context) for name in names}


def of_states(service: Service[Any], moves: Sequence[Move]) -> dict[str, str]:
    text = fill(
        "states",
        service=service,
        moves=moves,
        members=members_of(service.read_model.view),
        diagram=state_diagram(moves),
        allowed=allowed_commands(service),
    )
    return {f"{service.name}/states.md": text}


def of_measures() -> dict[str, str]:
    return {
        "reporting/measures.md": fill("measures", measures=MEASURES),
        "reporting/policy.md": fill("policy", title=TITLES["reporting"], book=POLICY, value=_value),
    }


def index(services: Sequence[Service[Any]]) -> dict[str, str]:
    text = fill("index", services=services, rules_of=rules_of, duties_of=duty_texts, measures=MEASURES, policy=POLICY)
    return {"README.md": text}


def duty_texts(service: Service[Any]) -> Mapping[str, tuple[str, ...]]:
    """Read each duty from the docstring of a service's duties: what opens it, when it is due, what meets it, what ends it."""
    text = inspect.getdoc(service.read_model.duties) or ""
    return {
        name: tuple(part.strip() for part in description.rstrip(".").split(";"))
        for name, description in _DUTY.findall(text)
    }


def _since(rule: Rule) -> str:
    """Say from which day on a rule holds; nothing if it always has."""
    records = ", for records that began on it or later" if rule.spares_old_records else ""
    return "" if rule.since is None else f" Since {rule.since:%-d %B %Y}{records}."


def undated_rules(service: Service[Any], page: str) -> list[str]:
    """Name the rules without a first day that a page of rules lacks, if they guard a command that stands there.

    Rules that are made of another rule, or of a type of condition, are left out.
    """
    return [
        f"{service.name} {rule.id} ({rule.name}) is new, and refuses what happened on any day: let it begin with `since=`,"
        " unless nothing that it guards can be recorded late"
        for rule in service.decider.rules.rules
        if rule.kind is not RuleKind.STATE and "<locals>" not in rule.function.__qualname__
        if rule.since is None and f"`{rule.name}`" not in page
        if any(f"`{command.__name__}`" in page for command in service.commands if issubclass(command, rule.commands))
    ]


def rules_of(service: Service[Any]) -> Mapping[str, Sequence[Rule]]:
    """Return the rules of a service by their ids, in order; none under an id of claims alone."""
    by_id: dict[str, dict[str, Rule]] = {rule_id: {} for rule_id in service.claim_rules}
    for rule in service.decider.rules.rules:
        by_id.setdefault(rule.id, {})[rule.name] = rule  # a row of the state machine may be two rules of one name
    return {rule_id: list(by_id[rule_id].values()) for rule_id in sorted(by_id, key=_in_order)}


def _in_order(rule_id: str) -> tuple[str, int, str]:
    letters, number, rest = re.fullmatch(r"([A-Z]+)(\d*)(.*)", rule_id).groups()  # type: ignore[union-attr]
    return letters, int(number or 0), rest


def _commands_of(service: Service[Any], rule: Rule) -> str:
    if Command in rule.commands:
        return "every command"
    return codes(command.__name__ for command in service.commands if issubclass(command, rule.commands))


def _doc(cls: type[BaseModel]) -> str:
    return prose(inspect.getdoc(cls) or "")


def _duties(service: Service[Any]) -> Iterator[Sequence[str]]:
    """Yield the row of each duty; if its day follows from a dated value, that is linked and has its unit."""
    terms = service.policy.terms

    def linked(name: re.Match[str]) -> str:
        return f"[{name[0]}](policy.md#{name[1]}) ({terms[name[1]].unit})" if name[1] in terms else name[0]

    for name, (opens, due, met, *ends) in duty_texts(service).items():
        yield f"`{name}`", opens, re.sub(r"`(\w+)`", linked, due), met, ends[0] if ends else "nothing"


def _value(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case Mapping():
            return "<br>".join(f"{key}: {_value(item)}" for key, item in value.items()) or "(none yet)"
        case list():
            return ", ".join(
                _value(item) if not isinstance(item, list) else " → ".join(map(str, item)) for item in value
            )
        case _:
            return f"`{value}`"
