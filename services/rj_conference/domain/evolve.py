"""The fold of a conference: how each fact changes the state. It applies no rule."""

from typing import assert_never
from uuid import UUID

from services.rj_conference import events
from services.rj_conference.domain.state import (
    BEFORE_HELD,
    GETTING_READY,
    AgreedTerm,
    CalledOff,
    Conference,
    Consent,
    Facilitator,
    FollowUp,
    HeldConference,
    Participant,
    Responsibility,
    Risk,
    Schedule,
    Stage,
    TermStatus,
)
from services.trade.vocabulary import ConferenceMode, Role
from shared.domain.corrections import PastFacts
from shared.domain.decider import BrokenHistory
from shared.domain.envelope import Fact
from shared.domain.states import replace


def evolve(state: Conference | None, fact: Fact[events.ConferenceEvent]) -> Conference:
    """Return the conference after one more fact; raises `BrokenHistory` if the fact could not have happened."""
    event = fact.event
    if isinstance(event, events.ConferenceProposed):
        if state is not None:
            raise BrokenHistory(fact, "it was proposed already")
        return Conference(
            record=PastFacts(fact),
            since=fact.occurred_at,
            needs_facilitator_from=fact.day if fact.actor.role == Role.SYSTEM else None,
            stage=Stage.PROPOSED,
            referral_id=event.referral_id,
            disposal_id=event.disposal_id,
            condition_id=event.condition_id,
            category=event.category,
            sensitive=event.sensitive,
            harmer=event.harmer,
            harmer_age=event.harmer_age,
            deciding_officer=event.deciding_officer,
        )
    if state is None:
        raise BrokenHistory(fact, "nothing was proposed")
    if state.stage is Stage.CLOSED and not isinstance(event, events.RecordCorrected):
        raise BrokenHistory(fact, "the conference is closed")
    after = replace(_state_after(state, fact, event), record=PastFacts(fact, state.record))
    if state.meeting is not None and after.stage not in {Stage.SCHEDULED, Stage.HELD}:
        after = replace(after, called_off=CalledOff(state.meeting, fact.version))
    return replace(after, stage=_readiness(after)) if after.stage in GETTING_READY else after


def _state_after(state: Conference, fact: Fact, event: events.EventAfterProposal) -> Conference:
    at, day = fact.occurred_at, fact.day
    match event:
        case events.ParticipantAdded(person_id=person):
            invited = Participant(event.role, event.under_16, event.serves, event.of_whom)
            return replace(state, participants={**state.participants, person: invited})
        case events.ResponsibilityRecorded():
            return _accepting(state, fact, event)
        case events.VictimInformed(person_id=person):
            return replace(state, informed={**state.informed, person: min(at, state.informed.get(person, at))})
        case events.ConsentGiven():
            scope, agreed = frozenset(event.scope), event.parental_agreement is True
            meets = None if event.meets is None else frozenset(event.meets)
            consent = Consent(at, True, scope, agreed, event.valid_until, meets)  # noqa: FBT003 - it is given
            return _add_consent(state, event.person_id, consent)
        case events.ConsentWithdrawn(person_id=person):
            return _add_consent(state, person, Consent(at, given=False))
        case events.FacilitatorAssigned():
            state = replace(state, led_from=min(day, state.led_from or day))
            if state.facilitator is not None and state.facilitator.at > at:
                return state
            trained = (event.rj_trained, event.sensitive_accredited)
            return replace(state, facilitator=Facilitator(at, event.facilitator_id, *trained, fact.version))
        case events.RiskAssessed(level=level):
            if state.risk is not None and state.risk.assessed_at > at:
                return state
            return replace(state, risk=Risk(at, level, fact.actor.id, fact.version))
        case events.RiskApproved():
            if state.risk is None:
                raise BrokenHistory(fact, "no risk was assessed")
            return replace(state, risk=replace(state.risk, approved_at=at))
        case events.PreparationHeld(person_id=person):
            meetings = (*state.preparations.get(person, ()), at)
            return replace(state, preparations={**state.preparations, person: meetings})
        case events.ConferenceScheduled():
            if state.stage not in BEFORE_HELD:
                raise BrokenHistory(fact, f"it is {state.stage}")
            schedule = Schedule(event.mode, event.starts_at, event.hours, fact.version)
            return replace(_move_to(state, Stage.SCHEDULED, fact), schedule=schedule, mode=schedule.mode)
        case events.ConferenceHeld():
            return _with_held(_require_stage(state, fact, Stage.SCHEDULED), fact, event)
        case events.ConferenceDidNotProceed():
            lost = _move_to(_require_stage(state, fact, Stage.SCHEDULED), Stage.DID_NOT_PROCEED, fact)
            return replace(lost, outcome_version=fact.version)
        case events.ConvertedToIndirect(mode=mode):
            if state.stage not in BEFORE_HELD:
                raise BrokenHistory(fact, f"it is {state.stage}")
            indirect = ConferenceMode(mode.value)
            return replace(_move_to(state, Stage.PREPARED, fact), converted_to=indirect, mode=indirect)
        case events.AgreementSigned():
            return _agreed(_require_stage(state, fact, Stage.HELD), fact, event)
        case events.NoAgreementReached():
            ended = _move_to(_require_stage(state, fact, Stage.HELD), Stage.FOLLOW_UP, fact)
            return replace(ended, agreement_version=fact.version)
        case events.TermCompleted(term_id=term):
            return _settled(state, fact, term, TermStatus.COMPLETED)
        case events.TermNotCompleted(term_id=term):
            return _settled(state, fact, term, TermStatus.NOT_COMPLETED)
        case events.FollowUpCompleted(person_id=person):
            if state.held is None:
                raise BrokenHistory(fact, "it was not held")
            answers = (*state.follow_ups.get(person, ()), FollowUp(day, event.satisfaction))
            in_order = tuple(sorted(answers, key=lambda answer: answer.on))
            return replace(state, follow_ups={**state.follow_ups, person: in_order})
        case events.ConferenceClosed():
            return replace(_move_to(state, Stage.CLOSED, fact), closed_on=day)
        case events.RecordCorrected():  # the corrected value already stands in its place
            return state
        case _:
            assert_never(event)


def _accepting(state: Conference, fact: Fact, event: events.ResponsibilityRecorded) -> Conference:
    """Note what a harmer said of the facts; what was said before their latest word changes nothing."""
    harmer = event.person_id or state.harmer
    before = state.responsibilities.get(harmer)
    if before is not None and before.at > fact.occurred_at:
        return state
    said = Responsibility(fact.occurred_at, event.accepts, event.facts_disputed, fact.version)
    return replace(state, responsibilities={**state.responsibilities, harmer: said})


def _readiness(state: Conference) -> Stage:
    """Return the stage of a conference without a date: it follows from what has been done, in whatever order."""
    if state.risk is not None:
        prepared = state.has_other_side and all(person in state.preparations for person in state.everyone)
        return Stage.PREPARED if prepared else Stage.ASSESSED
    begun = state.participants or state.responsibilities or state.consents or state.preparations
    return Stage.ENGAGING if begun else Stage.PROPOSED


def _require_stage(state: Conference, fact: Fact, stage: Stage) -> Conference:
    if state.stage is not stage:
        raise BrokenHistory(fact, f"it is {state.stage}, not {stage}")
    return state


def _move_to(state: Conference, stage: Stage, fact: Fact) -> Conference:
    """Return the conference in another stage, with the time from which the next one may follow."""
    return replace(state, stage=stage, since=max(state.since, fact.occurred_at))


def _add_consent(state: Conference, person: UUID, consent: Consent) -> Conference:
    """Add to what a party said of taking part, in order of time; of two at one time the later recorded counts."""
    in_order = tuple(sorted((*state.consents.get(person, ()), consent), key=lambda statement: statement.at))
    return replace(state, consents={**state.consents, person: in_order})


def _with_held(state: Conference, fact: Fact, event: events.ConferenceHeld) -> Conference:
    conference_held = HeldConference(
        fact.occurred_at, fact.day, frozenset(event.harmed_ids), event.present, event.follow_up_due
    )
    return replace(_move_to(state, Stage.HELD, fact), held=conference_held, outcome_version=fact.version)


def _agreed(state: Conference, fact: Fact, event: events.AgreementSigned) -> Conference:
    terms: dict[UUID, AgreedTerm] = {}
    for term in event.terms:
        if term.due is None:
            raise BrokenHistory(fact, "a term has no due date")
        terms[term.term_id] = AgreedTerm(fact.occurred_at, fact.day, term.due)
    agreed = _move_to(state, Stage.MONITORING if terms else Stage.FOLLOW_UP, fact)
    return replace(agreed, terms=terms, agreement_version=fact.version)


def _settled(state: Conference, fact: Fact, term_id: UUID, status: TermStatus) -> Conference:
    term = state.terms.get(term_id)
    if term is None or term.status is not TermStatus.OPEN:
        raise BrokenHistory(fact, "no such term is open")
    terms = {**state.terms, term_id: replace(term, status=status, settled_on=fact.day)}
    is_open = any(other.status is TermStatus.OPEN for other in terms.values())
    return replace(_move_to(state, Stage.MONITORING if is_open else Stage.FOLLOW_UP, fact), terms=terms)
