"""The rules and dated values in force on a day, as this release of the system has them.

They are part of the services' code, hold nothing of anybody, and are the same for every reader.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.console.rendering import render
from services.console.routing import query, read_day
from services.console.sessions import Session
from services.console.words import day, in_words, today
from services.system.registry import DECIDING
from shared.domain.decisions import RuleKind
from shared.domain.policy import PolicyValue
from shared.domain.rules import Rule

KINDS: Final = {
    RuleKind.FORBIDS: "Forbids",
    RuleKind.WARNS: "Warns: a reason lets the command through",
    RuleKind.STATE: "Follows from where the record stands",
}
TITLES: Final = {entry.name: entry.title for entry in DECIDING}


@dataclass(frozen=True, slots=True)
class ValueInForce:
    """A dated value as it is on a day."""

    name: str
    value: str
    unit: str
    source: str
    since: date | None
    """None if it is not in force yet."""
    next: date | None
    """The day of its next change that is known."""


async def rules_page(request: Request, session: Session) -> Response:
    """Show the dated values and the rules of a service on a day."""
    question = query(request, "service", "on")
    service = question["service"] or next(iter(TITLES))
    if service not in TITLES:
        raise HTTPException(404)
    on = read_day(question["on"])
    wrong = bool(question["on"]) and on is None
    on = on or today()
    # The declaration of a service takes half a second to import, once.
    values, rules = await asyncio.to_thread(_of, service, on)
    return render(
        request,
        "rules.html",
        session,
        problem=wrong,
        wrong=wrong,
        titles=TITLES,
        service=service,
        on=on,
        values=values,
        rules=rules,
        kinds=KINDS,
    )


def _of(service: str, on: date) -> tuple[Sequence[ValueInForce], Sequence[Rule]]:
    declared = next(entry for entry in DECIDING if entry.name == service).service()
    values = [value_on(term, on) for term in declared.policy.terms.values()]
    return values, sorted(declared.decider.rules.rules, key=lambda rule: (rule.id, rule.name))


def value_on(term: PolicyValue, on: date) -> ValueInForce:
    """Return a dated value as it is on a day, with the day of its next change."""
    now = [entry for entry in term.entries if entry.since <= on]
    later = [entry.since for entry in term.entries if entry.since > on]
    return ValueInForce(
        in_words(term.name.upper()),
        value_in_words(now[-1].value) if now else "Not in force yet",
        term.unit,
        term.source,
        now[-1].since if now else None,
        min(later, default=None),
    )


def value_in_words(value: Any) -> str:
    """Return a value of a policy as text: yes or no, a list, or a table as pairs."""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, Mapping):
        return "; ".join(f"{in_words(key)}: {value_in_words(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(value_in_words(item) for item in value)
    return day(str(value)) or in_words(value)
