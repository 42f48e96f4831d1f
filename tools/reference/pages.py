"""The reference pages of a service and of reporting's measures, each from its declarations."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel

from services.registry import SERVICES
from services.reporting.measures import MEASURES
from services.reporting.measures.policy import POLICY
from shared.api.command_schemas import command_schemas, parts_of
from shared.domain.decisions import RuleKind
from shared.domain.messages import Command, Event, Message, ValueObject
from shared.domain.policy import PolicyBook
from shared.domain.rules import Rule
from shared.domain.service import Service
from shared.domain.words import Words
from tools.reference.emitted_events import emitted_events
from tools.reference.fields import WORDED_HEAD, worded_rows
from tools.reference.markdown import (
    codes,
    page,
    prose,
    state_diagram,
    table,
)
from tools.reference.state_explorer import Explored
from tools.reference.state_table import allowed_commands

CLASSES: Final = {
    RuleKind.FORBIDS: "forbids",
    RuleKind.WARNS: "warns: a reason under its id lets the command through",
    RuleKind.STATE: "state machine: named only where nothing else refuses",
}
GIVES_WAY: Final = f"{CLASSES[RuleKind.FORBIDS]}: named only where no other rule refuses, before the state machine"
_DUTY: Final = re.compile(r"^\s+([A-Z][A-Z_]+): (.+)$", re.MULTILINE)


def of_service(service: Service[Any]) -> dict[str, str]:
    """Write the pages of one service except its states, by path."""
    pages = {
        "commands": _commands(service),
        "events": _events(service),
        "rules": _rules(service),
        "duties": _duties(service),
        "policy": _policy(_title(service), service.policy),
    }
    return {f"{service.name}/{name}.md": text for name, text in pages.items()}


def of_states(service: Service[Any], explored: Explored) -> dict[str, str]:
    """Write the page with the state diagram."""
    text = page(
        f"{_title(service)}: states",
        prose(
            "Every move below was found by asking the rules: the stories of tests/scenarios are played, and from each"
            " state that they reach every command is tried in many variants. Corrections are left out. An arrow is"
            " named by the event that makes the move; the rules say when the command for it is let through."
        ),
        state_diagram(explored.moves),
        "## The same as a table",
        table(
            ("From", "Event", "To"),
            (
                (f"`{move.before}`" if move.before else "(nothing yet)", f"`{move.event}`", f"`{move.after}`")
                for move in explored.moves
            ),
        ),
        *allowed_commands(service),
        "## Members of the state",
        prose(f"The API answers with {codes(explored.members)}."),
    )
    return {f"{service.name}/states.md": text}


def of_measures() -> dict[str, str]:
    """Write the page of the measures, and of the policy that they compare with."""
    parts: list[str] = []
    for measure in MEASURES.values():
        parts += [
            f"## {measure.name}",
            prose(measure.definition),
            prose(
                f"Version {measure.version} of the definition. Source: {measure.source}. Counts the streams of:"
                f" {codes(sorted(measure.reads))}. May be grouped by: {codes(sorted(measure.groupings)) or 'nothing'}."
            ),
            table(("Column", "Says"), ((f"`{name}`", text) for name, text in measure.columns.items())),
        ]
    note = prose(
        "What reporting counts, as JSON and CSV, for a period, as of a day and as known at a moment. Every answer also"
        " carries the measure's name, the period, the version of its definition and the positions it rests on."
    )
    small = table(
        ("Measure", "A count of few children is"),
        ((f"`{measure.name}`", measure.small_numbers) for measure in MEASURES.values()),
    )
    return {
        "reporting/measures.md": page("Reporting: measures", note, *parts, "## Small numbers", small),
        "reporting/policy.md": _policy("Reporting", POLICY),
    }


def index(services: Sequence[Service[Any]]) -> dict[str, str]:
    """Write the first page."""
    lines = [
        (
            _title(service),
            f"[{len(service.commands)} commands]({service.name}/commands.md)",
            f"[{len(service.events.events)} events]({service.name}/events.md)",
            f"[{len({rule.id for rule in service.decider.rules.rules} | set(service.claim_rules))} rules]({service.name}/rules.md)",
            f"[{len(duty_texts(service))} duties]({service.name}/duties.md)",
            f"[{len(service.policy.terms)} values]({service.name}/policy.md)",
            f"[states]({service.name}/states.md)",
            f"[API]({service.name}/api.md)",
        )
        for service in services
    ]
    text = page(
        "Reference",
        prose(
            "What each service can be asked, what it records, which rules it keeps and where they come from, what is"
            " due when, and every figure with its source. These pages are written from the code by `make docs`, and a"
            " test fails where they differ from it."
        ),
        table(("Service", "Commands", "Events", "Rules", "Duties", "Policy", "State machine", "API"), lines),
        f"Reporting decides nothing and counts: [{len(MEASURES)} measures](reporting/measures.md) and the"
        f" [{len(POLICY.terms)} values](reporting/policy.md) that they compare with, and its [API](reporting/api.md).\n",
        prose(
            "For programs of others: the [topics](topics.md) with the schemas of all events, as an AsyncAPI 3.0 document"
            " too, and the OpenAPI 3.1 document beside the page of each API. `make docs` and a test refuse a change that"
            " would break such a program; what was broken on purpose is in"
            " [incompatible changes](incompatible-changes.md)."
        ),
        "## Reactions",
        prose("A service sends itself a command on an event of another. The name of a reaction never changes."),
        table(
            ("Reaction", "On", "In"),
            (
                (f"`{reaction.name}`", f"`{reaction.service}.{reaction.event.__name__}`", service.name)
                for service in services
                for reaction in service.reactions
            ),
        ),
        "## More",
        "What each process may do in the databases: [database roles](database-roles.md).\n",
        "Who may read which records, and what of them: [access](access.md).\n",
        "What the rules rest on, and what cites it: [sources](sources.md).\n",
        "What can be said at a terminal: [`ooc`](ooc.md).",
    )
    return {"README.md": text}


def duty_texts(service: Service[Any]) -> Mapping[str, tuple[str, ...]]:
    """Read each duty from the docstring of a service's duties: what opens it, when it is due, what meets it, what ends it."""
    text = inspect.getdoc(service.read_model.duties) or ""
    return {
        name: tuple(part.strip() for part in description.rstrip(".").split(";"))
        for name, description in _DUTY.findall(text)
    }


def _title(service: Service[Any]) -> str:
    return next(entry.title for entry in SERVICES if entry.name == service.name)


def _first_lines(cls: type[BaseModel]) -> str:
    return prose(inspect.getdoc(cls) or "")


def _commands(service: Service[Any]) -> str:
    parts = [
        prose(
            "Every command may also carry `occurred_at` (when it happened, if not now), `rationale` (a reason for each"
            " warning, by the id of its rule) and `expected_version`. An unknown field is refused. T1 guards every"
            " command and is not named again."
        ),
        prose(
            "`GET /schemas/NAME` gives the JSON Schema of a command, with the same titles, help and example, and every"
            " code in words: a form can be drawn from it."
        ),
    ]
    schemas = command_schemas(service)
    for command in service.commands:
        parts += [
            f"## {command.__name__}",
            _first_lines(command),
            table(WORDED_HEAD, worded_rows(command, service.words)),
            _around(service, command),
            f"```json\n{json.dumps(schemas[command.__name__]['examples'][0], indent=2, ensure_ascii=False)}\n```",
        ]
    parts += _groups(service.commands, service.words)
    return page(f"{_title(service)}: commands", *parts)


def _around(service: Service[Any], command: type[Command]) -> str:
    book = service.decider.rules
    events = ", ".join(
        f"[`{event.__name__}`](events.md#{event.__name__.lower()})" for event in emitted_events(service, command)
    )
    forbidding = _links(rule.id for rule in book.rules_for(command, RuleKind.FORBIDS) if rule.id != "T1")
    claimed = _links(service.claim_rules) if command.opens else ""
    warning = _links(rule.id for rule in book.rules_for(command, RuleKind.WARNS))
    lines = [
        f"- Who may: {codes(sorted(service.roles_for(command)))}",
        f"- May make: {events}",
        f"- Forbidden by: {', '.join(filter(None, (forbidding, claimed))) or 'no rule of its own'}",
        f"- Warned of by: {warning or 'none'}",
    ]
    if command.opens:
        lines.insert(0, f"- Opens a new {service.collection.removesuffix('s')}.")
    return "\n".join(lines)


def _links(ids: Iterable[str]) -> str:
    return ", ".join(f"[{rule_id}](rules.md#{rule_id.lower()})" for rule_id in dict.fromkeys(ids))


def _groups(messages: Iterable[type[Message]], words: Words) -> list[str]:
    shapes = {part.__name__: part for part in parts_of(messages) if issubclass(part, ValueObject)}
    if not shapes:
        return []
    parts = ["# Groups of fields"]
    for name in sorted(shapes):
        parts += [f"## {name}", _first_lines(shapes[name]), table(WORDED_HEAD, worded_rows(shapes[name], words))]
    return parts


def _events(service: Service[Any]) -> str:
    parts = [
        prose(
            "What is recorded, stored and published as the same bytes. A sealed field stands there as a token that only"
            " its key opens; where the key is destroyed the rest of the event stays. What stands around these fields is"
            " told in [topics](../topics.md); [the JSON Schemas](events.schema.json) say the same, with an example of"
            " each event. A field that may be left out is null, or absent from events that are older than it."
        ),
    ]
    for event in service.events.events:
        labels = service.events.labels(event)
        parts += [
            f"## {event.__name__}",
            _first_lines(event),
            f"Sentence: `{event.sentence}`",
            f"Type `{service.events.type_name(event)}`, regime `{labels.get('regime', 'none')}`. Made by: {_makers(service, event)}.",
            table(WORDED_HEAD, worded_rows(event, service.words)),
        ]
    return page(f"{_title(service)}: events", *parts, *_groups(service.events.events, service.words))


def _makers(service: Service[Any], event: type[Event]) -> str:
    makers = [command.__name__ for command in service.commands if event in emitted_events(service, command)]
    return ", ".join(f"[`{name}`](commands.md#{name.lower()})" for name in makers)


def _rules(service: Service[Any]) -> str:
    by_id: dict[str, dict[str, Rule]] = {}
    for rule in service.decider.rules.rules:
        by_id.setdefault(rule.id, {})[rule.name] = rule  # a row of the state machine may be two rules of one name
    parts = [
        prose(
            "All forbidding rules that a command breaks are named at once; only where none is broken is the state"
            " machine asked, and only then the warnings. One id may have several rules under it. A precondition looks at"
            " the state of the record alone, so that its answer is known before a command is written; a check looks at"
            " the command too. [Sources](../sources.md) says what each source is."
        ),
    ]
    for rule_id in sorted({*by_id, *service.claim_rules}, key=_in_order):
        parts.append(f"## {rule_id}")
        lines = [
            (
                f"`{rule.name}`",
                GIVES_WAY if rule.gives_way else CLASSES[rule.kind],
                "the command too: check" if rule.looks_at else "the state: precondition",
                rule.text,
                rule.source,
                _commands_of(service, rule),
            )
            for rule in by_id.get(rule_id, {}).values()
        ]
        if rule_id in service.claim_rules:
            text, source = service.claim_rules[rule_id]
            openers = codes(command.__name__ for command in service.commands if command.opens)
            lines.append(
                ("a claim that another stream holds", CLASSES[RuleKind.FORBIDS], "other records", text, source, openers)
            )
        parts.append(table(("Rule", "Class", "Looks at", "What the officer reads", "Source", "Guards"), lines))
    return page(f"{_title(service)}: rules", *parts)


def _in_order(rule_id: str) -> tuple[str, int, str]:
    letters, number, rest = re.fullmatch(r"([A-Z]+)(\d*)(.*)", rule_id).groups()  # type: ignore[union-attr]
    return letters, int(number or 0), rest


def _commands_of(service: Service[Any], rule: Rule) -> str:
    if Command in rule.commands:
        return "every command"
    return codes(command.__name__ for command in service.commands if issubclass(command, rule.commands))


def _duties(service: Service[Any]) -> str:
    terms = service.policy.terms
    lines = []
    for name, parts in duty_texts(service).items():
        opens, due, met, *ends = parts
        for term in terms.values():
            due = due.replace(f"`{term.name}`", f"[`{term.name}`](policy.md#{term.name}) ({term.unit})")
        lines.append((f"`{name}`", opens, due, met, ends[0] if ends else "nothing"))
    return page(
        f"{_title(service)}: duties",
        prose(
            "Computed from the facts when asked, never written because a day has passed. A due date follows from the"
            " policy of the day of the fact that opens the duty; working days are those of England and Wales."
        ),
        table(("Duty", "Opened when", "Due", "Met when", "Falls away when"), lines),
    )


def _policy(title: str, book: PolicyBook) -> str:
    parts = [
        prose(
            "A change is a new entry with its own day, never a rewritten one: what happened is judged by the values of"
            " its own day for ever."
        ),
    ]
    for term in book.terms.values():
        entries = ((entry.since.isoformat(), _value(entry.value)) for entry in term.entries)
        parts += [f"## {term.name}", f"In {term.unit}. Source: {term.source}.", table(("From", "Value"), entries)]
    return page(f"{title}: policy", *parts)


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
