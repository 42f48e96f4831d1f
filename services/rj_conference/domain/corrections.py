"""Corrections of a conference: which fields may be corrected, and the copies of them in later events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any, Final

from services.rj_conference.domain.commands import CorrectRecord
from services.rj_conference.domain.evolve import evolve
from services.rj_conference.domain.state import Conference
from services.rj_conference.events import (
    ConferenceDidNotProceed,
    ConferenceHeld,
    ConferenceProposed,
    ConferenceScheduled,
    FollowUpCompleted,
    PresentRole,
    RecordCorrected,
)
from shared.domain.corrections import CorrectionEngine, facts_of
from shared.domain.envelope import Fact
from shared.domain.messages import DerivedCorrection, Event

CORRECTIONS: Final[CorrectionEngine[RecordCorrected, Conference]] = CorrectionEngine(
    RecordCorrected,
    evolve,
    # The case and the person decide whose key seals what.
    fixed=frozenset({(ConferenceProposed, "case_id"), (FollowUpCompleted, "person_id")}),
)
"""How the record of a conference is corrected."""

OF_THE_PROPOSAL: Final[Mapping[type[Event], frozenset[str]]] = {
    ConferenceHeld: frozenset({"disposal_id", "condition_id", "harmer", "category"}),
    ConferenceDidNotProceed: frozenset({"disposal_id", "condition_id", "harmer"}),
}
"""What later events hold of the proposal, so that others can react without asking back."""

OF_THE_SCHEDULE: Final = frozenset({"mode", "hours"})
"""What a conference that was held holds of its schedule."""


def decide_correction(command: CorrectRecord, conference: Conference) -> RecordCorrected:
    """Return the correction, with the copies of the corrected field in later events."""
    alone = CORRECTIONS.correction(command, conference)
    facts = facts_of(CORRECTIONS.applied(conference, [alone]))
    return alone.model_copy(update={"also": tuple(_derived_corrections(alone, facts))})


def _derived_corrections(alone: RecordCorrected, facts: Sequence[Fact]) -> Iterator[DerivedCorrection]:
    """Yield the fields that later events copied or computed from the corrected one, which the facts hold already."""
    number = next(n for n, fact in enumerate(facts) if fact.event_id == alone.corrects)
    later = facts[number + 1 :]
    match facts[number].event:
        case ConferenceProposed():
            holding = [fact for fact in later if alone.field in OF_THE_PROPOSAL.get(type(fact.event), ())]
            yield from (_derived(fact, alone.field, alone.value) for fact in holding)
        case ConferenceScheduled() if alone.field in OF_THE_SCHEDULE:
            until_the_next = takewhile(lambda fact: not isinstance(fact.event, ConferenceScheduled), later)
            copies = [fact for fact in until_the_next if isinstance(fact.event, ConferenceHeld)]
            yield from (_derived(fact, alone.field, alone.value) for fact in copies)
        case ConferenceHeld(present=present) if alone.field.partition(".")[0] == "present":
            harmed = [str(one.person_id) for one in present if one.attended and one.role is PresentRole.HARMED]
            yield _derived(facts[number], "harmed_took_part", len(harmed))
            yield _derived(facts[number], "harmed_ids", harmed)
        case _:
            pass


def _derived(fact: Fact, field: str, value: Any) -> DerivedCorrection:
    return DerivedCorrection(corrects=fact.event_id, field=field, value=value)
