"""JSON view of a history: every event with its sentence, both times (bitemporal), and the links of its corrections."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from shared.domain.decider import history_at
from shared.domain.envelope import EventRegistry, Fact
from shared.domain.messages import Correction
from shared.domain.permissions import Permission
from shared.domain.sealing import Sealed, to_json
from shared.domain.sentences import sealed_notes, sentence_of
from shared.privacy.disclosure import Disclosure


def history_view(
    book: EventRegistry,
    disclosure: Disclosure,
    *,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
    permission: Permission | None = None,
) -> list[dict[str, Any]]:
    """Convert the events of a whole stream to JSON, in order of version: those of `history_at`, each as it was recorded.

    Beside a corrected event stand the ids of its corrections, and its sentence and fields with the corrected values. Personal fields
    that the reader may not see become `{"sealed": true}`, those with a destroyed key `{"forgotten": true}`. An event is late if
    an event with a later occurrence was recorded before it. Fields that the `permission` hides are left out. Raises `BrokenHistory`.
    """
    history = disclosure.facts
    facts_by_id = {fact.event_id: fact for fact in history_at(history, as_of=as_of, known_at=known_at)}
    latest: datetime | None = None
    lines: list[dict[str, Any]] = []
    for fact in history:
        late = latest is not None and fact.occurred_at < latest
        latest = fact.occurred_at if latest is None else max(latest, fact.occurred_at)
        if fact.event_id in facts_by_id:
            lines.append(_line(fact, facts_by_id[fact.event_id], late, book.words, disclosure.show))
    if permission is not None and permission.hides:
        for line in lines:
            line["data"] = permission.visible_data(line["data"])
            line["corrected_data"] = line["corrected_data"] and permission.visible_data(line["corrected_data"])
    return lines


def _line(
    fact: Fact, corrected: Fact, late: bool, words: Mapping[str, str], show: Callable[[Sealed[Any]], Any]
) -> dict[str, Any]:
    """Convert one event, as it was recorded, beside the same event with its corrections."""
    envelope = fact.envelope
    sentence = sentence_of(fact.event, words)
    reads_now = sentence_of(corrected.event, words)
    line = {
        "version": fact.version,
        "type": fact.name,
        "type_name": envelope.type,
        "sentence": sentence,
        "corrected_sentence": None if reads_now == sentence else reads_now,
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
        "rationale": {rule: to_json(text, show) for rule, text in envelope.rationale.items()},
        "notes": [{"field": sealed.path, "note": sealed.note} for sealed in sealed_notes(fact, words)],
        "labels": envelope.labels,
        "origin": envelope.origin.model_dump(mode="json"),
        "hash": None if fact.hash is None else fact.hash.hex(),
        "data": to_json(fact.event, show),
        "corrected_data": None if not corrected.corrected_by else to_json(corrected.event, show),
        "corrected_by": [str(correction) for correction in corrected.corrected_by],
    }
    if isinstance(fact.event, Correction):
        line["corrects"] = str(fact.event.corrects)
    return line
