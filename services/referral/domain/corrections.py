"""Corrections of a referral: which fields may be corrected, and the values that follow from a corrected one."""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from services.referral import events
from services.referral.domain.commands import COMMANDS, DEFAULT_ROLES, CorrectCarriedOutcome, CorrectReferral
from services.referral.domain.evolve import evolve
from services.referral.domain.state import Referral, born_on
from services.trade.vocabulary import Category, Role
from shared.domain.corrections import CorrectionEngine, facts_of, recorders
from shared.domain.dates import age_on
from shared.domain.decisions import EventAt, NewEvents
from shared.domain.envelope import has_event
from shared.domain.messages import DerivedCorrection, model_from
from shared.domain.rules import Context
from shared.domain.sealing import Sealed

CORRECTED_THERE: Final = "The outcome was corrected in the disposal case."

CORRECTIONS: Final[CorrectionEngine[events.ReferralCorrected, Referral]] = CorrectionEngine(
    events.ReferralCorrected,
    evolve,
    fixed=frozenset(
        {
            # The case and the person decide whose key seals what follows.
            (events.ReferralReceived, "case_id"),
            (events.PersonLinked, "person_id"),
            (events.VictimDetailsRecorded, "person_id"),
            (events.VictimReferredToSupport, "person_id"),
            # Computed from the birth date, which can be corrected.
            (events.PersonLinked, "age_at_incident"),
            (events.PersonLinked, "child_at_report"),
            # Who reads the note.
            (events.ContactRecorded, "with_victim"),
            # Carried from another service, where it is corrected.
            (events.CrimeOutcomeAssigned, "disposal_id"),
            (events.ActivityUndertaken, "session_id"),
            (events.ActivityUndertaken, "person_id"),
            # What was written, and what came back, stays as it was.
            *(
                (event, name)
                for event in (
                    events.MessageRequested,
                    events.MessageSent,
                    events.MessageFailed,
                    events.MessageDelivered,
                    events.AbsenceAnnounced,
                )
                for name in event.model_fields
            ),
        }
    ),
    corrected_by=recorders(COMMANDS, DEFAULT_ROLES, Role.SUPERVISOR),
    derived_fields=lambda fact, state, _context: (
        of_triage(state) if isinstance(fact.event, events.ReferralTriaged) else {}
    ),
    sources=dict.fromkeys(("incident_type", "setting", "flags"), "the report of the incident"),
)


def of_triage(state: Referral) -> dict[str, Any]:
    """Return what a triage holds of the referral, so that readers count by it without asking back."""
    return {"incident_type": state.incident_type, "setting": state.setting, "flags": tuple(sorted(state.flags))}


def decide_correction(command: CorrectReferral, state: Referral, context: Context) -> events.ReferralCorrected:
    alone = CORRECTIONS.correction(command, state)
    correction = CORRECTIONS.with_consequences(alone, state, context)
    also = (*correction.also, *_derived_corrections(alone, state, context))
    return correction.model_copy(update={"also": also})


def decide_carried_outcome(command: CorrectCarriedOutcome, state: Referral) -> NewEvents:
    """Correct the outcome as it was carried; record it if it had not arrived, and nothing if it stands so."""
    outcomes = (fact for fact in facts_of(state) if has_event(fact, events.CrimeOutcomeAssigned))
    carried = [fact for fact in outcomes if fact.event.disposal_id == command.disposal_id]
    wrong = next((fact for fact in reversed(carried) if fact.event.code is command.was), None)
    if wrong is not None:
        correction = events.ReferralCorrected(
            corrects=wrong.event_id, field="code", value=command.code.value, why=Sealed(CORRECTED_THERE)
        )
        return (correction,)
    if any(fact.event.code is command.code for fact in carried):
        return ()
    outcome = model_from(events.CrimeOutcomeAssigned, command)
    return (EventAt(outcome, command.assigned_at),)


def _derived_corrections(
    correction: events.ReferralCorrected, state: Referral, context: Context
) -> Iterator[DerivedCorrection]:
    """Compute anew the values that had been computed from the corrected field."""
    after = CORRECTIONS.applied(state, correction)
    links = {fact.event_id: fact.event for fact in facts_of(after) if isinstance(fact.event, events.PersonLinked)}
    if correction.field == "details.date_of_birth":
        yield from _changed_ages({correction.corrects: links[correction.corrects]}, after, context)
    if correction.field in {"happened_at", "reported_at"}:
        yield from _changed_ages(links, after, context)


def _changed_ages(
    links: Mapping[UUID, events.PersonLinked], after: Referral, context: Context
) -> Iterator[DerivedCorrection]:
    """Yield each age that another birth date, or day of incident or report, changes, and each category that it bars."""
    for event_id, event in links.items():
        born = born_on(event.details.date_of_birth)
        if born is None:
            continue
        age = age_on(born, after.happened_on)
        child = age_on(born, after.reported_on) < context.policy.number("adult_age")
        if age != event.age_at_incident:
            yield DerivedCorrection(corrects=event_id, field="age_at_incident", value=age)
        if event.child_at_report not in {None, child}:
            yield DerivedCorrection(corrects=event_id, field="child_at_report", value=child)
        # A child who was under ten is never a suspect (B8).
        under_ten = age < context.policy.number("age_of_criminal_responsibility")
        if under_ten and event.category in events.OF_AN_OFFENDER:
            yield DerivedCorrection(corrects=event_id, field="category", value=Category.CHILD_UNDER_10.value)
