"""Corrections: what a field of an earlier event should have been, and what else follows from it (DPA 2018 s46).

The original stays; the kernel puts the corrected value in its place before a history is folded. What was computed from
the corrected field when its event was made (an age, a time limit, a spent date) is corrected beside it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, TypeAdapter, ValidationError

from services.disposal.domain.commands import CorrectRecord
from services.disposal.domain.condition_set import REMAINS, ends_on, spent_on
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
    RecordCorrected,
)
from shared.domain.decider import BrokenHistory, corrected
from shared.domain.messages import (
    Correction,
    DerivedCorrection,
    Event,
    Fact,
)
from shared.domain.policy import Policy
from shared.domain.rules import Context
from shared.privacy.sealing import OwnedBy, Sealed, to_json

FIXED: Final = frozenset({"case_id", "person_id", "printed_here"})
"""What a case is known by, and whose key seals it: a case of another child is another case. And what was found by printing."""


class NotAField(Exception):
    """A correction that cannot be made, and why."""


def facts_of(state: DisposalState) -> list[Fact]:
    """The facts of the case, oldest first, with earlier corrections in place."""
    return [] if state.record is None else list(reversed(list(state.record)))


def target_of(command: CorrectRecord, state: DisposalState) -> Fact:
    """The fact that a command corrects; raises `NotAField`."""
    for fact in facts_of(state):
        if fact.event_id == command.corrects:
            if isinstance(fact.event, Correction):
                raise NotAField("a correction is not corrected: correct the original again")
            return fact
    raise NotAField("there is no such event in this case")


def parse_value(event: BaseModel, path: str, value: Any) -> tuple[Any, UUID | None]:
    """The value in the type of the field at a dotted path, and whose key seals it; raises `NotAField`."""
    owner: UUID | None = None
    model, names = event, path.split(".")
    for depth, name in enumerate(names):
        field = type(model).model_fields.get(name)
        if field is None or name in FIXED:
            raise NotAField(f"{path} is no field that can be corrected")
        owner = next((getattr(model, m.field) for m in field.metadata if isinstance(m, OwnedBy)), owner)
        if depth == len(names) - 1:
            adapter: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation(), config=None)
            try:
                right = adapter.validate_json(json.dumps(value), strict=True)
            except (ValidationError, ValueError, TypeError) as error:
                raise NotAField(f"{path} cannot be that: {error}") from error
            # What stands there counts too: a group without its personal fields would take them away.
            if _must_be_taken_apart(right) or _must_be_taken_apart(getattr(model, name)):
                raise NotAField(f"{path} is a group, with personal fields or of many facts: correct them one by one")
            return right, owner
        inner = getattr(model, name)
        if not isinstance(inner, BaseModel):
            raise NotAField(f"{path} is no field that can be corrected")
        model = inner
    raise NotAField("a field must be named")


def _must_be_taken_apart(value: Any) -> bool:
    """Whether it is a group of fields of which one is personal, or a list of groups, which holds more than one fact."""
    if isinstance(value, BaseModel):
        return any(isinstance(held, Sealed) or _must_be_taken_apart(held) for _, held in value)
    return isinstance(value, tuple) and any(isinstance(one, BaseModel) for one in value)


def correction_of(target: Fact, path: str, value: Any, why: Sealed[str]) -> RecordCorrected:
    """The event that corrects one field; raises `NotAField`."""
    right, owner = parse_value(target.event, path, value)
    if isinstance(right, Sealed):
        # The value stands as in JSON, since that is how it will be opened again.
        return RecordCorrected(corrects=target.event_id, field=path, sealed=Sealed(value), owner=owner, why=why)
    return RecordCorrected(corrects=target.event_id, field=path, value=value, why=why)


def as_corrected(state: DisposalState, corrections: Sequence[RecordCorrected]) -> DisposalState:
    """The state with corrections in place; raises `BrokenHistory` where the record would no longer make sense."""
    facts = facts_of(state)
    for correction in corrections:
        facts = [
            corrected(fact, Fact(fact.envelope, correction)) if fact.event_id in correction.targets else fact
            for fact in facts
        ]
    after: DisposalState | None = None
    for fact in facts:
        after = evolve(after, fact)
    assert after is not None
    return after


def correction_error(command: CorrectRecord, state: DisposalState) -> str | None:
    """Why a correction cannot be made, None where it can."""
    try:
        target = target_of(command, state)
        as_corrected(state, [correction_of(target, command.field, command.value, command.why)])
    except (NotAField, BrokenHistory) as error:
        return str(error)
    return None


def derived_corrections(
    state: DisposalState, first: RecordCorrected, context: Context
) -> tuple[DerivedCorrection, ...]:
    """What follows from a correction: what was computed from the corrected field, computed again."""
    policy = context.policy
    after = as_corrected(state, [first])
    facts = facts_of(after)
    corrected_event = next(fact.event for fact in facts if fact.event_id == first.corrects)
    if isinstance(corrected_event, DisposalCaseOpened) and f"{first.field}.".startswith(
        ("offence.", "details.date_of_birth.")
    ):
        right = [(fact, _of_offence(fact.event, after, policy)) for fact in facts]
    elif isinstance(corrected_event, ConditionProposed) and first.field in {"condition", "condition.due"}:
        setters = [fact for fact in facts if isinstance(fact.event, DisposalIssued | ConditionsVaried)]
        right = [(fact, _of_deadline(fact.event, after, policy)) for fact in setters[-1:]]
    elif isinstance(corrected_event, DocumentSigned) and first.field == "document_sha256":
        signed = next(n for n, fact in enumerate(facts) if fact.event_id == first.corrects)
        right = [(facts[signed], _of_signature(corrected_event, facts[:signed], context))]
    else:
        return ()
    return tuple(
        DerivedCorrection(corrects=fact.event_id, field=name, value=to_json(value, lambda sealed: sealed.token))
        for fact, fields in right
        for name, value in fields.items()
        if value != getattr(fact.event, name)
    )


def _of_offence(event: Event, state: DisposalState, policy: Policy) -> dict[str, Any]:
    """What was computed from the offence and the date of birth; an age stays where it can no longer be known."""
    offence = state.opened.offence
    fields: dict[str, Any] = {}
    if isinstance(event, DisposalCaseOpened | DisposalIssued):
        fields["age_at_offence"] = state.age_on(offence.date)
    if isinstance(event, DisposalCaseOpened):
        fields["prosecution_time_limit"] = prosecution_time_limit(offence, policy)
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
    """Whether what was signed is what is printed here of the facts before the signature."""
    state: DisposalState | None = None
    for fact in before:
        state = evolve(state, fact)
    assert state is not None
    return {"printed_here": is_printed_here(event.document_sha256, state.to_be_issued, before, context)}


def _of_deadline(event: Event, state: DisposalState, policy: Policy) -> dict[str, Any]:
    """What was computed from the due dates of the conditions, in the event that computed it last."""
    assert isinstance(event, DisposalIssued | ConditionsVaried)
    assert state.issue is not None
    remaining = [held.terms for held in state.conditions.values() if held.standing in REMAINS]
    agreed_end = ends_on(remaining)
    return {
        "conditions": tuple(condition.terms for condition in remaining),
        "ends_on": agreed_end,
        "spent_on": spent_on(state.issue.disposal, state.issue.on, agreed_end, policy),
    }
