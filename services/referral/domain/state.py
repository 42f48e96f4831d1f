"""The state of a referral and how each event changes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Final, TypeAlias, assert_never
from uuid import UUID

from services.referral.events import (
    ActivityUndertaken,
    AdviceGiven,
    ContactRecorded,
    CrimeOutcomeAssigned,
    CrimeRecorded,
    DocumentAttached,
    MashReferralMade,
    NudesScreeningCompleted,
    PersonLinked,
    Preference,
    ReferralAcknowledged,
    ReferralAllocated,
    ReferralClosed,
    ReferralCorrected,
    ReferralReceived,
    ReferralReopened,
    ReferralTriaged,
    SafeguardingConcernRaised,
    SafeguardingHoldOverridden,
    SchoolLedOutcomeConfirmed,
    Setting,
    VictimPreferenceRecorded,
)
from services.vocabulary import Category, Flag, IncidentType, OutcomeCode, TriageOutcome
from shared.domain.corrections import PastFacts
from shared.domain.dates import local_day
from shared.domain.decider import impossible
from shared.domain.messages import Fact
from shared.privacy.sealing import Sealed


class Stage(StrEnum):
    """How far a referral has come."""

    RECEIVED = "RECEIVED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    SAFEGUARDING_HOLD = "SAFEGUARDING_HOLD"
    TRIAGED = "TRIAGED"
    ALLOCATED = "ALLOCATED"
    IN_PROGRESS = "IN_PROGRESS"
    WITH_PANEL = "WITH_PANEL"
    WITH_MASH = "WITH_MASH"
    WITH_INVESTIGATION = "WITH_INVESTIGATION"
    SCHOOL_LED = "SCHOOL_LED"
    REJECTED = "REJECTED"
    CLOSED = "CLOSED"


STAGE_AFTER_TRIAGE: Final[Mapping[TriageOutcome, Stage]] = {
    TriageOutcome.ACCEPT_INTERVENTION: Stage.TRIAGED,
    TriageOutcome.ADVICE_ONLY: Stage.TRIAGED,
    TriageOutcome.REFER_EARLY_HELP: Stage.TRIAGED,
    TriageOutcome.SIGNPOST: Stage.TRIAGED,
    TriageOutcome.SCHOOL_LED: Stage.SCHOOL_LED,
    TriageOutcome.REFER_DISPOSAL_PANEL: Stage.WITH_PANEL,
    TriageOutcome.REFER_MASH: Stage.WITH_MASH,
    TriageOutcome.REFER_INVESTIGATION: Stage.WITH_INVESTIGATION,
    TriageOutcome.REJECT_OUT_OF_SCOPE: Stage.REJECTED,
    TriageOutcome.DUPLICATE: Stage.REJECTED,
}
"""Where each outcome of triage leads."""


@dataclass(frozen=True)
class LinkedPerson:
    """A person's part in the incident. The age is in years on the day of the incident; the birth date stays sealed."""

    category: Category
    age_at_incident: int
    date_of_birth: Sealed[date]


@dataclass(frozen=True)
class Concern:
    """A safeguarding concern, and the day on which MASH was told or a supervisor said why not."""

    raised_at: datetime
    answered_on: date | None = None


@dataclass(frozen=True)
class Screening:
    """The screening of nude imagery: when it was done, and whether any answer was a Yes."""

    completed_at: datetime
    any_yes: bool


@dataclass(frozen=True)
class Wish:
    """What a harmed person, or a parent for them, would have done."""

    preference: Preference
    recorded_at: datetime


@dataclass(frozen=True)
class Triage:
    """A decision of triage."""

    outcome: TriageOutcome
    on: date


@dataclass(frozen=True)
class Referral:
    """A referral."""

    stage: Stage
    since: datetime
    """The latest time at which a fact brought it to a stage: the next stage follows no earlier."""
    received_at: datetime
    reported_at: datetime
    happened_at: datetime
    incident_type: IncidentType
    setting: Setting
    flags: frozenset[Flag]
    acknowledged_on: date | None = None
    people: Mapping[UUID, LinkedPerson] = field(default_factory=dict)
    concerns: tuple[Concern, ...] = ()
    screening: Screening | None = None
    crime_number: str | None = None
    crime_recorded_at: datetime | None = None
    wishes: Mapping[UUID, Wish] = field(default_factory=dict)
    triages: tuple[Triage, ...] = ()
    triage_outcome: TriageOutcome | None = None
    reopened: bool = False
    """Whether it was opened again and not triaged since."""
    officer_id: UUID | None = None
    advice_given: int = 0
    contacted_on: date | None = None
    """The first day on which somebody was reached."""
    activities: tuple[datetime, ...] = ()
    school_confirmed: bool = False
    outcome: OutcomeCode | None = None
    closed_on: date | None = None
    record: PastFacts | None = field(default=None, compare=False, repr=False)

    @property
    def reported_on(self) -> date:
        """The day of the report, in Europe/London."""
        return local_day(self.reported_at)

    @property
    def received_on(self) -> date:
        """The day on which it was taken in."""
        return local_day(self.received_at)

    @property
    def happened_on(self) -> date:
        """The day of the incident."""
        return local_day(self.happened_at)

    @property
    def nude_imagery(self) -> bool:
        """Whether a nude image of a child is part of it: the flags say so, or somebody answered the five questions."""
        return Flag.NUDE_IMAGERY in self.flags or self.screening is not None

    @property
    def on_hold(self) -> bool:
        """Whether a safeguarding concern still waits for MASH or a supervisor."""
        return self.stage is Stage.SAFEGUARDING_HOLD


ReferralEvent: TypeAlias = (
    ReferralReceived
    | PersonLinked
    | ReferralAcknowledged
    | SafeguardingConcernRaised
    | MashReferralMade
    | SafeguardingHoldOverridden
    | NudesScreeningCompleted
    | CrimeRecorded
    | VictimPreferenceRecorded
    | DocumentAttached
    | ReferralTriaged
    | ReferralAllocated
    | AdviceGiven
    | ContactRecorded
    | SchoolLedOutcomeConfirmed
    | CrimeOutcomeAssigned
    | ActivityUndertaken
    | ReferralCorrected
    | ReferralClosed
    | ReferralReopened
)


def evolve(state: Referral | None, fact: Fact) -> Referral:
    """The referral after one more fact; raises `BrokenHistory` where the fact could not have happened."""
    event: ReferralEvent = fact.event  # type: ignore[assignment]  # the book of this service reads no other
    return replace(_after(state, fact, event), record=PastFacts(fact, None if state is None else state.record))


def _after(state: Referral | None, fact: Fact, event: ReferralEvent) -> Referral:
    if isinstance(event, ReferralReceived):
        return _received(state, fact, event)
    if state is None:
        raise impossible(fact, "the referral was never received")
    match event:
        case PersonLinked():
            person = LinkedPerson(event.category, event.age_at_incident, event.details.date_of_birth)
            return replace(state, people={**state.people, event.person_id: person})
        case ReferralAcknowledged():
            return _acknowledged(state, fact)
        case SafeguardingConcernRaised():
            held = _at(state, fact, Stage.SAFEGUARDING_HOLD)
            return replace(held, concerns=(*state.concerns, Concern(fact.occurred_at)), triage_outcome=None)
        case MashReferralMade():
            return _hold_lifted(state, fact)
        case SafeguardingHoldOverridden():
            if not state.on_hold:
                raise impossible(fact, "there is no hold to lift")
            return _hold_lifted(state, fact)
        case NudesScreeningCompleted():
            return _screened(state, fact, event)
        case CrimeRecorded():
            return replace(state, crime_number=event.crime_number, crime_recorded_at=fact.occurred_at)
        case VictimPreferenceRecorded():
            wish = Wish(event.preference, fact.occurred_at)
            return replace(state, wishes={**state.wishes, event.person_id: wish})
        case DocumentAttached():
            return state
        case ReferralTriaged():
            return _triaged(state, fact, event)
        case ReferralAllocated():
            return _allocated(state, fact, event)
        case AdviceGiven():
            return replace(_in_progress(state, fact), advice_given=state.advice_given + 1)
        case ContactRecorded():
            return _contacted(state, fact, event)
        case SchoolLedOutcomeConfirmed():
            return replace(state, school_confirmed=True)
        case CrimeOutcomeAssigned():
            return replace(state, outcome=event.code)
        case ActivityUndertaken():
            return replace(_in_progress(state, fact), activities=(*state.activities, fact.occurred_at))
        case ReferralClosed():
            return _closed(state, fact)
        case ReferralReopened():
            return _reopened(state, fact)
        case ReferralCorrected():  # the corrected value already stands in its place
            return state
        case _:
            assert_never(event)


def _received(state: Referral | None, fact: Fact, event: ReferralReceived) -> Referral:
    if state is not None:
        raise impossible(fact, "the referral was received already")
    return Referral(
        stage=Stage.RECEIVED,
        since=fact.occurred_at,
        received_at=fact.occurred_at,
        reported_at=event.reported_at,
        happened_at=event.happened_at,
        incident_type=event.incident_type,
        setting=event.setting,
        flags=frozenset(event.flags),
    )


def _at(state: Referral, fact: Fact, stage: Stage) -> Referral:
    # A fact recorded late does not turn back the time from which the next stage may follow.
    return replace(state, stage=stage, since=max(state.since, fact.occurred_at))


def _acknowledged(state: Referral, fact: Fact) -> Referral:
    moved = _at(state, fact, Stage.ACKNOWLEDGED) if state.stage is Stage.RECEIVED else state
    return replace(moved, acknowledged_on=fact.day)


def _hold_lifted(state: Referral, fact: Fact) -> Referral:
    answered = tuple(
        concern if concern.answered_on else replace(concern, answered_on=fact.day) for concern in state.concerns
    )
    moved = _at(state, fact, Stage.ACKNOWLEDGED) if state.on_hold else state
    return replace(moved, concerns=answered)


def _screened(state: Referral, fact: Fact, event: NudesScreeningCompleted) -> Referral:
    answers = (
        event.adult_involved,
        event.coercion,
        event.atypical_or_violent,
        event.under_13_sexual_act,
        event.immediate_risk,
    )
    # A later screening does not take back an earlier Yes; only a correction does.
    earlier_yes = state.screening is not None and state.screening.any_yes
    return replace(state, screening=Screening(fact.occurred_at, any(answers) or earlier_yes))


def _triaged(state: Referral, fact: Fact, event: ReferralTriaged) -> Referral:
    moved = _at(state, fact, STAGE_AFTER_TRIAGE[event.outcome])
    triages = (*state.triages, Triage(event.outcome, fact.day))
    return replace(moved, triages=triages, triage_outcome=event.outcome, reopened=False)


def _allocated(state: Referral, fact: Fact, event: ReferralAllocated) -> Referral:
    if not state.triages:
        raise impossible(fact, "it was never triaged")
    # Another officer takes over what is in progress as it is.
    moved = state if state.stage is Stage.IN_PROGRESS else _at(state, fact, Stage.ALLOCATED)
    return replace(moved, officer_id=event.officer_id)


def _in_progress(state: Referral, fact: Fact) -> Referral:
    return _at(state, fact, Stage.IN_PROGRESS) if state.stage is Stage.ALLOCATED else state


def _contacted(state: Referral, fact: Fact, event: ContactRecorded) -> Referral:
    if not event.reached:
        return state
    first = fact.day if state.contacted_on is None else min(state.contacted_on, fact.day)
    return replace(state, contacted_on=first)


def _closed(state: Referral, fact: Fact) -> Referral:
    if state.stage is Stage.CLOSED:
        raise impossible(fact, "it is closed already")
    return replace(_at(state, fact, Stage.CLOSED), closed_on=fact.day)


def _reopened(state: Referral, fact: Fact) -> Referral:
    if state.stage is not Stage.CLOSED:
        raise impossible(fact, "it is not closed")
    return replace(_at(state, fact, Stage.TRIAGED), closed_on=None, reopened=True)
