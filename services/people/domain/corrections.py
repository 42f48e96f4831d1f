"""Corrections of a person: which fields may be corrected."""

from typing import Final

from services.people.domain.commands import COMMANDS, DEFAULT_ROLES, CorrectRecord
from services.people.domain.evolve import evolve
from services.people.domain.state import Person
from services.people.events import CircumstanceRecorded, HistoryRecorded, RecordCorrected, RelationRecorded
from services.trade.vocabulary import Role
from shared.domain.corrections import CorrectionEngine, recorders
from shared.domain.messages import Event
from shared.domain.persons import Merging, Separation
from shared.domain.rules import Context

CORRECTIONS: Final[CorrectionEngine[RecordCorrected, Person]] = CorrectionEngine(
    RecordCorrected,
    evolve,
    # The stream says whose record it is, and whose key seals; a wrong merging is separated.
    fixed=frozenset(
        {
            (Event, "person_id"),
            (Merging, "into"),
            (Separation, "into"),
            (HistoryRecorded, "entry_id"),
            (RelationRecorded, "child_id"),
            (CircumstanceRecorded, "circumstance_id"),
            (CircumstanceRecorded, "kind"),
        }
    ),
    corrected_by=recorders(COMMANDS, DEFAULT_ROLES, Role.SUPERVISOR),
)


def decide_correction(command: CorrectRecord, state: Person, context: Context) -> RecordCorrected:
    """Return the correction, with the persons whom the corrected event is about."""
    target = CORRECTIONS.target(command, state).event
    child = target.child_id if isinstance(target, RelationRecorded) else None
    correction = CORRECTIONS.correction(command, state)
    return correction.model_copy(update={"person_id": context.stream, "child_id": child})
