"""The state of a conference, and how facts change it. Nothing here applies a rule; a history that cannot be raises."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, assert_never, cast
from uuid import UUID

from services.rj_conference.events import (
    AgreementSigned,
    ConferenceClosed,
    ConferenceDidNotProceed,
    ConferenceEvent,
    ConferenceHeld,
    ConferenceProposed,
    ConferenceScheduled,
    ConsentGiven,
    ConsentWithdrawn,
    ConvertedToIndirect,
    EventAfterProposal,
    FacilitatorAssigned,
    FollowUpCompleted,
    NoAgreementReached,
    ParticipantAdded,
    ParticipantRole,
    PreparationHeld,
    PresentRole,
    RecordCorrected,
    ResponsibilityRecorded,
    RiskApproved,
    RiskAssessed,
    RiskLevel,
    Sensitivity,
    TermCompleted,
    TermNotCompleted,
    VictimInformed,
)
from services.vocabulary import ConferenceCategory, ConferenceMode
from shared.domain.corrections import PastFacts
from shared.domain.dates import local_day
from shared.domain.decider import impossible
from shared.domain.messages import Fact


class Stage(StrEnum):
    """Where a conference stands. Agreed and NoAgreement are passed in the moment in which they are reached."""

    PROPOSED = "PROPOSED"
    ENGAGING = "ENGAGING"
    ASSESSED = "ASSESSED"
    PREPARED = "PREPARED"
    SCHEDULED = "SCHEDULED"
    HELD = "HELD"
    DID_NOT_PROCEED = "DID_NOT_PROCEED"
    AGREED = "AGREED"
    NO_AGREEMENT = "NO_AGREEMENT"
    MONITORING = "MONITORING"
    FOLLOW_UP = "FOLLOW_UP"
    CLOSED = "CLOSED"


GETTING_READY: Final = frozenset({Stage.PROPOSED, Stage.ENGAGING, Stage.ASSESSED, Stage.PREPARED})
BEFORE_HELD: Final = GETTING_READY | {Stage.SCHEDULED, Stage.DID_NOT_PROCEED}


class TermStatus(StrEnum):
    """What became of a term."""

    OPEN = "OPEN"
    COMPLETED = "COMPLETED"
    NOT_COMPLETED = "NOT_COMPLETED"


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody invited beside the harmer."""

    role: ParticipantRole
    under_16: bool


@dataclass(frozen=True, slots=True)
class Responsibility:
    """What the harmer last said of the facts."""

    at: datetime
    accepts: bool
    facts_disputed: bool


@dataclass(frozen=True, slots=True)
class Consent:
    """What a party said of taking part, at one time: a consent, or (where `given` is false) its withdrawal."""

    at: datetime
    given: bool
    scope: frozenset[ConferenceMode] = frozenset()
    parental_agreement: bool = False
    valid_until: date | None = None


@dataclass(frozen=True, slots=True)
class Facilitator:
    """Who leads the conference."""

    at: datetime
    facilitator_id: UUID


@dataclass(frozen=True, slots=True)
class Risk:
    """The current risk assessment, and when it was approved."""

    assessed_at: datetime
    level: RiskLevel
    approved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """The time and mode last fixed."""

    mode: ConferenceMode
    starts_at: datetime
    hours: Decimal

    @property
    def day(self) -> date:
        """The day of the conference, in Europe/London."""
        return local_day(self.starts_at)


@dataclass(frozen=True, slots=True)
class Held:
    """The conference as it took place."""

    at: datetime
    on: date
    harmed: frozenset[UUID]
    """The harmed parties who took part."""
    signatories: frozenset[UUID]
    """The harmed parties and representatives who took part: one of them signs an agreement."""
    follow_up_due: date


@dataclass(frozen=True, slots=True)
class AgreedTerm:
    """One term of the agreement."""

    agreed_at: datetime
    agreed_on: date
    due: date
    status: TermStatus = TermStatus.OPEN
    settled_on: date | None = None


@dataclass(frozen=True)
class Conference:
    """A restorative justice conference."""

    proposed_at: datetime
    since: datetime
    """When the latest fact happened that moved the stage on; the next such fact is not before it."""
    stage: Stage
    disposal_id: UUID | None
    condition_id: UUID | None
    category: ConferenceCategory
    sensitive: Sensitivity
    harmer: UUID
    harmer_age: int
    deciding_officer: UUID | None
    participants: Mapping[UUID, Participant] = field(default_factory=dict)
    responsibility: Responsibility | None = None
    informed: Mapping[UUID, datetime] = field(default_factory=dict)
    """When a harmed party was first told what restorative justice is."""
    consents: Mapping[UUID, tuple[Consent, ...]] = field(default_factory=dict)
    """Everything that a party has said of taking part, in order of time."""
    facilitator: Facilitator | None = None
    risk: Risk | None = None
    preparations: Mapping[UUID, tuple[datetime, ...]] = field(default_factory=dict)
    schedule: Schedule | None = None
    mode: ConferenceMode | None = None
    """The mode last scheduled, or the one to which it was converted after that."""
    converted_to: ConferenceMode | None = None
    held: Held | None = None
    terms: Mapping[UUID, AgreedTerm] = field(default_factory=dict)
    follow_ups: Mapping[UUID, date] = field(default_factory=dict)
    """The day on which a participant was first asked how it was."""
    closed_on: date | None = None
    record: PastFacts | None = field(default=None, compare=False, repr=False)

    @property
    def harmed(self) -> tuple[UUID, ...]:
        """The harmed parties."""
        return tuple(person for person, one in self.participants.items() if one.role is ParticipantRole.HARMED)

    @property
    def parties(self) -> tuple[UUID, ...]:
        """Those whose consent it takes: the harmer and each harmed party."""
        return (self.harmer, *self.harmed)

    @property
    def everyone(self) -> tuple[UUID, ...]:
        """The harmer and everybody invited."""
        return (self.harmer, *self.participants)

    @property
    def has_other_side(self) -> bool:
        """Whether a harmed party, or somebody who represents one, is invited."""
        sides = {ParticipantRole.HARMED, ParticipantRole.REPRESENTATIVE}
        return any(one.role in sides for one in self.participants.values())

    def role_of(self, person: UUID) -> PresentRole | None:
        """As what a person belongs to this conference; None where they do not."""
        if person == self.harmer:
            return PresentRole.HARMER
        one = self.participants.get(person)
        return None if one is None else PresentRole(one.role.value)

    def consent_of(self, person: UUID, at: datetime | None = None) -> Consent | None:
        """The consent that stood at a time (now, where none is given); None where there was none or it was withdrawn."""
        said = [one for one in self.consents.get(person, ()) if at is None or one.at <= at]
        return said[-1] if said and said[-1].given else None

    def has_begun(self, at: datetime) -> bool:
        """Whether the scheduled start had come by then; a conference without one has none to wait for."""
        return self.schedule is None or at >= self.schedule.starts_at

    def withdrawals(self, at: datetime) -> Iterator[datetime]:
        """When anybody withdrew, up to a time."""
        return (one.at for said in self.consents.values() for one in said if not one.given and one.at <= at)

    def signed_by_both(self, signed_by: Collection[UUID]) -> bool:
        """Whether the harmer signed and, where a harmed party or representative took part, one of them."""
        other_side = self.held.signatories if self.held else frozenset[UUID]()
        return self.harmer in signed_by and (not other_side or not other_side.isdisjoint(signed_by))

    @property
    def to_follow_up(self) -> frozenset[UUID]:
        """Whom one asks how it was: the harmer, and the harmed parties who took part."""
        return frozenset() if self.held is None else self.held.harmed | {self.harmer}

    @property
    def followed_up_on(self) -> date | None:
        """The day on which the last of them had been asked; None while one is missing."""
        asked = [self.follow_ups.get(person) for person in self.to_follow_up]
        days = [day for day in asked if day is not None]
        return max(days) if days and len(days) == len(asked) else None


def evolve(state: Conference | None, fact: Fact) -> Conference:
    """The state after one more fact; raises `BrokenHistory`."""
    event = cast("ConferenceEvent", fact.event)
    if isinstance(event, ConferenceProposed):
        if state is not None:
            raise impossible(fact, "it was proposed already")
        return replace(_proposed(fact, event), record=PastFacts(fact))
    if state is None:
        raise impossible(fact, "nothing was proposed")
    if state.stage is Stage.CLOSED and not isinstance(event, RecordCorrected):
        raise impossible(fact, "the conference is closed")
    after = replace(_after(state, fact, event), record=PastFacts(fact, state.record))
    return replace(after, stage=_readiness(after)) if after.stage in GETTING_READY else after


def _after(state: Conference, fact: Fact, event: EventAfterProposal) -> Conference:
    at, day = fact.occurred_at, fact.day
    match event:
        case ParticipantAdded(person_id=person, role=role, under_16=under_16):
            return replace(state, participants={**state.participants, person: Participant(role, under_16)})
        case ResponsibilityRecorded(accepts=accepts, facts_disputed=disputed):
            if state.responsibility is not None and state.responsibility.at > at:
                return state
            return replace(state, responsibility=Responsibility(at, accepts, disputed))
        case VictimInformed(person_id=person):
            return replace(state, informed={**state.informed, person: min(at, state.informed.get(person, at))})
        case ConsentGiven() as given:
            scope, agreed = frozenset(given.scope), given.parental_agreement is True
            return _add_consent(state, given.person_id, Consent(at, True, scope, agreed, given.valid_until))  # noqa: FBT003 - `given` reads best
        case ConsentWithdrawn(person_id=person):
            return _add_consent(state, person, Consent(at, given=False))
        case FacilitatorAssigned(facilitator_id=facilitator):
            if state.facilitator is not None and state.facilitator.at > at:
                return state
            return replace(state, facilitator=Facilitator(at, facilitator))
        case RiskAssessed(level=level):
            if state.risk is not None and state.risk.assessed_at > at:
                return state
            return replace(state, risk=Risk(at, level))
        case RiskApproved():
            if state.risk is None:
                raise impossible(fact, "no risk was assessed")
            return replace(state, risk=replace(state.risk, approved_at=at))
        case PreparationHeld(person_id=person):
            meetings = (*state.preparations.get(person, ()), at)
            return replace(state, preparations={**state.preparations, person: meetings})
        case ConferenceScheduled() as scheduled:
            if state.stage not in BEFORE_HELD:
                raise impossible(fact, f"it is {state.stage}")
            schedule = Schedule(scheduled.mode, scheduled.starts_at, scheduled.hours)
            return replace(_move_to(state, Stage.SCHEDULED, fact), schedule=schedule, mode=schedule.mode)
        case ConferenceHeld() as held:
            return _held(_require_stage(state, fact, Stage.SCHEDULED), fact, held)
        case ConferenceDidNotProceed():
            return _move_to(_require_stage(state, fact, Stage.SCHEDULED), Stage.DID_NOT_PROCEED, fact)
        case ConvertedToIndirect(mode=mode):
            if state.stage not in BEFORE_HELD:
                raise impossible(fact, f"it is {state.stage}")
            indirect = ConferenceMode(mode.value)
            return replace(_move_to(state, Stage.PREPARED, fact), converted_to=indirect, mode=indirect)
        case AgreementSigned() as agreement:
            return _agreed(_require_stage(state, fact, Stage.HELD), fact, agreement)
        case NoAgreementReached():
            return _move_to(_require_stage(state, fact, Stage.HELD), Stage.FOLLOW_UP, fact)
        case TermCompleted(term_id=term):
            return _settled(state, fact, term, TermStatus.COMPLETED)
        case TermNotCompleted(term_id=term):
            return _settled(state, fact, term, TermStatus.NOT_COMPLETED)
        case FollowUpCompleted(person_id=person):
            if state.held is None:
                raise impossible(fact, "it was not held")
            return replace(state, follow_ups={**state.follow_ups, person: min(day, state.follow_ups.get(person, day))})
        case ConferenceClosed():
            return replace(_move_to(state, Stage.CLOSED, fact), closed_on=day)
        case RecordCorrected():  # the corrected value already stands in its place
            return state
        case _:
            assert_never(event)


def _proposed(fact: Fact, event: ConferenceProposed) -> Conference:
    return Conference(
        proposed_at=fact.occurred_at,
        since=fact.occurred_at,
        stage=Stage.PROPOSED,
        disposal_id=event.disposal_id,
        condition_id=event.condition_id,
        category=event.category,
        sensitive=event.sensitive,
        harmer=event.harmer,
        harmer_age=event.harmer_age,
        deciding_officer=event.deciding_officer,
    )


def _readiness(state: Conference) -> Stage:
    """How far a conference is that has no date: it follows from what has been done, in whatever order."""
    if state.risk is not None:
        prepared = state.has_other_side and all(person in state.preparations for person in state.everyone)
        return Stage.PREPARED if prepared else Stage.ASSESSED
    begun = state.participants or state.responsibility or state.informed or state.consents or state.preparations
    return Stage.ENGAGING if begun else Stage.PROPOSED


def _require_stage(state: Conference, fact: Fact, stage: Stage) -> Conference:
    if state.stage is not stage:
        raise impossible(fact, f"it is {state.stage}, not {stage}")
    return state


def _move_to(state: Conference, stage: Stage, fact: Fact) -> Conference:
    """The conference moved on to a stage."""
    return replace(state, stage=stage, since=max(state.since, fact.occurred_at))


def _add_consent(state: Conference, person: UUID, said: Consent) -> Conference:
    """What a party said, put in order of time; of two at one time the later recorded counts."""
    in_order = tuple(sorted((*state.consents.get(person, ()), said), key=lambda one: one.at))
    return replace(state, consents={**state.consents, person: in_order})


def _held(state: Conference, fact: Fact, event: ConferenceHeld) -> Conference:
    sides = {PresentRole.HARMED, PresentRole.REPRESENTATIVE}
    signatories = frozenset(one.person_id for one in event.present if one.attended and one.role in sides)
    held = Held(fact.occurred_at, fact.day, frozenset(event.harmed_ids), signatories, event.follow_up_due)
    return replace(_move_to(state, Stage.HELD, fact), held=held)


def _agreed(state: Conference, fact: Fact, event: AgreementSigned) -> Conference:
    terms: dict[UUID, AgreedTerm] = {}
    for term in event.terms:
        if term.due is None:
            raise impossible(fact, "a term has no due date")
        terms[term.term_id] = AgreedTerm(fact.occurred_at, fact.day, term.due)
    return replace(_move_to(state, Stage.MONITORING if terms else Stage.FOLLOW_UP, fact), terms=terms)


def _settled(state: Conference, fact: Fact, term_id: UUID, status: TermStatus) -> Conference:
    term = state.terms.get(term_id)
    if term is None or term.status is not TermStatus.OPEN:
        raise impossible(fact, "no such term is open")
    terms = {**state.terms, term_id: replace(term, status=status, settled_on=fact.day)}
    is_open = any(one.status is TermStatus.OPEN for one in terms.values())
    return replace(_move_to(state, Stage.MONITORING if is_open else Stage.FOLLOW_UP, fact), terms=terms)
