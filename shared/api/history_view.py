"""JSON view of a history: every event with both times (bitemporal), and the ids of its corrections."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.domain.envelope import Fact
from shared.domain.messages import Correction
from shared.privacy.sealing import Sealed, to_json


def history_view(history: Sequence[Fact]) -> list[dict[str, Any]]:
    """Convert the events of a whole stream to JSON, in order of version.

    Personal fields that are not decrypted become `{"sealed": true}`, those with a destroyed key `{"forgotten": true}`. An
    event is late if an event with a later occurrence was recorded before it.
    """
    corrected_by: dict[UUID, list[str]] = {}
    for fact in history:
        if isinstance(fact.event, Correction):
            for target in fact.event.targets:
                corrected_by.setdefault(target, []).append(str(fact.event_id))
    latest: datetime | None = None
    lines: list[dict[str, Any]] = []
    for fact in history:
        envelope = fact.envelope
        late = latest is not None and fact.occurred_at < latest
        latest = fact.occurred_at if latest is None else max(latest, fact.occurred_at)
        line = {
            "version": fact.version,
            "type": fact.name,
            "type_name": envelope.type,
            "event_id": str(fact.event_id),
            "command_id": str(envelope.command_id),
            "correlation_id": str(envelope.correlation_id),
            "causation_id": None if envelope.causation_id is None else str(envelope.causation_id),
            "occurred_at": fact.occurred_at.isoformat(),
            "recorded_at": None if fact.recorded_at is None else fact.recorded_at.isoformat(),
            "position": fact.position,
            "late": late,
            "actor": {"id": str(fact.actor.id), "role": fact.actor.role, "organisation": fact.actor.organisation},
            "policy": envelope.policy.model_dump(mode="json"),
            "rules": list(envelope.rules),
            "rationale": {rule: to_json(text, _show_sealed) for rule, text in envelope.rationale.items()},
            "labels": envelope.labels,
            "origin": envelope.origin.model_dump(mode="json"),
            "hash": None if fact.hash is None else fact.hash.hex(),
            "data": to_json(fact.event, _show_sealed),
            "corrected_by": corrected_by.get(fact.event_id, []),
        }
        if isinstance(fact.event, Correction):
            line["corrects"] = str(fact.event.corrects)
        lines.append(line)
    return lines


def _show_sealed(sealed: Sealed[Any]) -> Any:
    """Return a personal value if it is decrypted, or else its status."""
    if sealed.is_forgotten:
        return {"forgotten": True}
    return {"sealed": True} if sealed.is_closed else sealed.value
