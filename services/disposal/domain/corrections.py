"""Corrections: what a field of an earlier event should have been, and what else follows from it (DPA 2018 s46).

The original stays; the kernel puts the corrected value in its place before a history is folded. What was computed from
the corrected field when its event was made (an age, a time limit, a spent date) is corrected beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from services.disposal.domain.condition_set import ends_on, remaining_terms, spent_on
from services.disposal.domain.evolve import evolve
from services.disposal.domain.signing import is_printed_here
from services.disposal.domain.state import DisposalState
from services.disposal.domain.time_limit import prosecution_time_limit
from services.disposal.events import (
    ConditionProposed,
    ConditionsVaried,
    DisposalCaseOpened,
    DisposalIssued,
    DocumentSigned,
    ProsecutionDeferred,
    RecordCorrected,
)
from shared.domain.corrections import CorrectionEngine, derived, facts_of
from shared.domain.dates import local_day
from shared.domain.envelope import Fact
from shared.domain.messages import DerivedCorrection, Event
from shared.domain.policy import Policy
from shared.domain.rules import Context
from shared.domain.sealing import to_json

CORRECTIONS: Final[CorrectionEngine[RecordCorrected, DisposalState]] = CorrectionEngine(
    RecordCorrected,
    evolve,
    fixed=frozenset(
        {
            # What a case is known by, and whose key seals it: a case of another child is another case.
            (Event, "case_id"),
            (Event, "person_id"),
            # What printing showed.
            (DocumentSigned, "printed_here"),
            # The code that a disposal was issued for follows from the offence, which can be corrected.
            (DisposalIssued, "offence_code"),
        }
    ),
)


def derived_corrections(
    state: DisposalState, first: RecordCorrected, context: Context
) -> tuple[DerivedCorrection, ...]:
    """Return the fields that change with a correction: those computed from the corrected field, computed again."""
    after = CORRECTIONS.applied(state, first)
    facts = facts_of(after)
    corrected_event = next(fact.event for fact in facts if fact.event_id == first.corrects)
    if isinstance(corrected_event, DisposalCaseOpened) and f"{first.field}.".startswith(
        ("offence.", "reported_at.", "details.date_of_birth.")
    ):
        right = [(fact, _of_offence(fact.event, after, context.policy_on(fact.day))) for fact in facts]
    elif isinstance(corrected_event, ConditionProposed) and first.field in {"condition", "condition.due"}:
        setters = [fact for fact in facts if isinstance(fact.event, DisposalIssued | ConditionsVaried)]
        right = [(fact, _of_deadline(after, context.policy_on(fact.day))) for fact in setters[-1:]]
    elif isinstance(corrected_event, DocumentSigned) and first.field == "document_sha256":
        signed = next(n for n, fact in enumerate(facts) if fact.event_id == first.corrects)
        right = [(facts[signed], _of_signature(corrected_event, facts[:signed], context))]
    else:
        return ()
    return tuple(
        derived(fact, name, to_json(value, lambda sealed: sealed.token))
        for fact, fields in right
        for name, value in fields.items()
        if value != getattr(fact.event, name)
    )


def _of_offence(event: Event, state: DisposalState, policy: Policy) -> dict[str, Any]:
    """Compute again what follows from offence and date of birth; an age stays where it can no longer be known."""
    offence = state.opened.offence
    fields: dict[str, Any] = {}
    if isinstance(event, DisposalCaseOpened | DisposalIssued | ProsecutionDeferred):
        fields["age_at_offence"] = state.age_on(offence.date)
    if isinstance(event, ProsecutionDeferred):
        fields |= {
            "age": state.age_on(state.required_deferral.on),
            "offence_category": offence.category,
            "trial_mode": offence.trial_mode,
        }
    if isinstance(event, DisposalCaseOpened):
        fields["prosecution_time_limit"] = prosecution_time_limit(offence, local_day(event.reported_at), policy)
    if isinstance(event, DisposalIssued):
        fields |= {
            "age_at_issue": state.age_on(event.issued_on),
            "offence_code": offence.code,
            "offence_category": offence.category,
            "offence_date": offence.date,
            "trial_mode": offence.trial_mode,
            "recordable": offence.recordable,
        }
    return {name: value for name, value in fields.items() if value is not None or name == "prosecution_time_limit"}


def _of_signature(event: DocumentSigned, before: Sequence[Fact], context: Context) -> dict[str, Any]:
    """Compare the signed digest with the document that is printed of the facts before the signature."""
    return {"printed_here": is_printed_here(event.document_sha256, CORRECTIONS.fold(before), before, context)}


def _of_deadline(state: DisposalState, policy: Policy) -> dict[str, Any]:
    """Compute again what follows from the due dates of the conditions, in the event that computed it last."""
    issue = state.required_issue
    remaining = remaining_terms(state.conditions)
    agreed_end = ends_on(remaining)
    return {
        "conditions": tuple(condition.terms for condition in remaining),
        "ends_on": agreed_end,
        "spent_on": spent_on(issue.disposal, issue.on, agreed_end, policy),
    }
