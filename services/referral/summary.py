"""What is counted and listed of a referral."""

from collections.abc import Iterator
from datetime import date
from uuid import UUID

from services.referral.domain.state import Referral
from services.referral.policy import POLICY
from services.trade.summary import Summary, common_fields
from services.trade.victims import INFORMED, REFERRED, TOLD, first_day
from services.trade.vocabulary import OutcomeCode, Topic, TriageOutcome
from shared.domain.dates import local_day
from shared.domain.envelope import Fact
from shared.domain.messages import ValueObject


class VictimWishes(ValueObject):
    """What a victim wanted last, and what was done: of updates on progress, and of support."""

    person_id: UUID
    wants_updates: bool = False
    wants_support: bool = False
    told: bool = False
    contacted: bool = False
    """Whether the victim was told of a decision or of restorative justice."""
    supported: bool = False


class Advice(ValueObject):
    """Advice that was given, and how long it took, if that was noted."""

    on: date
    topic: Topic
    minutes: int | None = None


class CrimeOutcome(ValueObject):
    """A Home Office outcome that stands, and the day on which it was assigned."""

    code: OutcomeCode
    on: date


class ReferralSummary(Summary):
    """The days on which an incident was reported and first triaged, the advice that was given, and the outcomes. A reopened referral keeps its first triage."""

    reported_on: date
    triaged_on: date | None = None
    triage_outcome: TriageOutcome | None = None
    victims: tuple[VictimWishes, ...] = ()
    advice: tuple[Advice, ...] = ()
    outcome: CrimeOutcome | None = None
    """The outcome of the crime: the highest."""
    outcomes: tuple[CrimeOutcome, ...] = ()
    """Those of its suspects."""


def summary(state: Referral, first: Fact) -> ReferralSummary:
    """Summarise a referral. The officer to whom it is allocated has the work."""
    return ReferralSummary(
        **common_fields(first),
        officer=state.officer_id,
        cases=(first.envelope.home,),
        reported_on=state.reported_on,
        triaged_on=state.triages[0].on if state.triages else None,
        triage_outcome=state.triages[-1].outcome if state.triages else None,
        victims=tuple(_wishes(state)),
        advice=tuple(Advice(on=on, topic=given.topic, minutes=given.minutes) for on, given in state.advice),
        outcome=None if (code := state.outcome(POLICY.on)) is None else _outcome(state, code),
        outcomes=tuple(
            _outcome(state, code, person)
            for person, code in state.outcomes(POLICY.on).items()
            if person != state.referral_id
        ),
    )


def _outcome(state: Referral, code: OutcomeCode, suspect: UUID | None = None) -> CrimeOutcome:
    assigned = [
        one.at for one in state.assigned.values() if one.code is code and suspect in {None, state.suspect_of(one)}
    ]
    return CrimeOutcome(code=code, on=local_day(max(assigned)))


def _wishes(state: Referral) -> Iterator[VictimWishes]:
    for person in dict.fromkeys((*state.victim_details, *state.log)):
        details = state.victim_details.get(person)
        told, informed, supported = (
            first_day(state.log, person, event) is not None for event in (TOLD, INFORMED, REFERRED)
        )
        if details is not None or told or informed or supported:
            yield VictimWishes(
                person_id=person,
                wants_updates=details is not None and details.wants_updates,
                wants_support=details is not None and details.wants_support,
                told=told,
                contacted=told or informed,
                supported=supported,
            )
