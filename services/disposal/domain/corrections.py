"""Corrections: what a field of an earlier event should have been, and what else follows from it (DPA 2018 s46).

The original stays; the kernel puts the corrected value in its place before a history is folded. What was computed from
the corrected field when its event was made (an age, a time limit, a spent date) is corrected beside it.
"""

from typing import Final

from services.disposal import events
from services.disposal.domain.commands import COMMANDS, DEFAULT_ROLES
from services.disposal.domain.derived import SOURCES, derived_fields
from services.disposal.domain.evolve import evolve
from services.disposal.domain.signing import is_printed_here
from services.disposal.domain.state import DisposalState
from services.trade.vocabulary import Role
from shared.domain.corrections import CorrectionEngine, derived, facts_of, recorders
from shared.domain.messages import Event
from shared.domain.rules import Context

CORRECTIONS: Final[CorrectionEngine[events.RecordCorrected, DisposalState]] = CorrectionEngine(
    events.RecordCorrected,
    evolve,
    fixed=frozenset(
        {
            # What a case is known by, and whose key seals it: a case of another child is another case.
            (Event, "case_id"),
            (Event, "person_id"),
            (Event, "child_id"),
            # What its condition was.
            (events.ConditionCompleted, "conference"),
            # What printing showed.
            (events.DocumentSigned, "printed_here"),
            # Who reads the note, and the case: an area has read it already, so the transfer is ended or made anew.
            (events.ContactRecorded, "with_victim"),
            *((events.CaseTransferred, field) for field in ("to_area", "kind", "ends")),
            (events.TransferEnded, "ends"),
        }
    ),
    corrected_by=recorders(COMMANDS, DEFAULT_ROLES, Role.SUPERVISOR),
    derived_fields=derived_fields,
    sources=SOURCES,
)


def with_consequences(alone: events.RecordCorrected, state: DisposalState, context: Context) -> events.RecordCorrected:
    """Add what follows from a corrected field, and whether another digest than was typed is that of a print of ours."""
    correction = CORRECTIONS.with_consequences(alone, state, context)
    facts = facts_of(state)
    number = next(n for n, fact in enumerate(facts) if fact.event_id == alone.corrects)
    event = facts[number].event
    if not isinstance(event, events.DocumentSigned) or alone.field != "document_sha256":
        return correction
    before = facts[:number]
    printed_here = is_printed_here(str(alone.value), CORRECTIONS.fold(before), before, context)
    if printed_here == event.printed_here:
        return correction
    return correction.model_copy(
        update={"also": (*correction.also, derived(facts[number], "printed_here", printed_here))}
    )
