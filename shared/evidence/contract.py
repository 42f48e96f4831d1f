"""The contract of a service: its events' schemas, rules and policy, as canonical JSON.

A statement of evidence names its SHA-256, so that a case is read later by the rules of its day.
"""

import json
from functools import cache
from typing import Any, Final

from shared.domain.messages import Event
from shared.domain.service import Service

NO_CONTRACT: Final = b"{}"
"""The contract of a service that publishes no events."""


def contract_of(service: Service[Any]) -> bytes:
    """Build the contract of a service: keys sorted, no white space, UTF-8."""
    contract = {
        "service": service.name,
        "events": {service.events.type_name(event): _schema_of(event) for event in service.events.events},
        "rules": {
            rule.id: {"kind": rule.kind.value, "text": rule.text, "source": rule.source}
            for rule in service.decider.rules.rules
        },
        "policy": {
            term.name: {
                "unit": term.unit,
                "source": term.source,
                "entries": [{"since": entry.since.isoformat(), "value": entry.value} for entry in term.entries],
            }
            for term in service.policy.terms.values()
        },
    }
    return json.dumps(contract, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain).encode()


@cache
def _schema_of(event: type[Event]) -> dict[str, Any]:
    """Build the JSON Schema of an event, once in a process: a tenth of the time in which an API is built."""
    return event.model_json_schema(mode="serialization")


def _plain(value: Any) -> Any:
    """Convert what JSON does not know: a set becomes a sorted list, any other value its text."""
    return sorted(value, key=str) if isinstance(value, (set, frozenset)) else str(value)
