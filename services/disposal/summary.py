"""What is counted and listed of a disposal case: one child, one offence, the disposal issued and how it ended."""

from dataclasses import asdict
from datetime import date
from enum import StrEnum
from typing import Final
from uuid import UUID

from services.disposal.domain.programme import programme_of
from services.disposal.domain.state import DisposalState, FailedDiversion, VictimView
from services.disposal.events import Residence
from services.trade.summary import Summary, common_fields
from services.trade.victims import INFORMED, TOLD, first_day
from services.trade.vocabulary import Disposal, OffenceCategory, OutcomeCode, Recommendation
from shared.domain.dates import local_day
from shared.domain.envelope import Fact
from shared.domain.messages import Timestamp, ValueObject

COLUMN: Final = {
    Disposal.YRD: "community_resolution",
    Disposal.YC: "youth_caution",
    Disposal.YCC: "youth_conditional_caution",
}
OUTCOME_22: Final = "outcome_22"
DEFERRED: Final = "outcome_22_deferred"
OUTCOME_20_21: Final = "outcome_20_21"
COLUMN_OF_CODE: Final = {OutcomeCode.C22: OUTCOME_22, OutcomeCode.C20: OUTCOME_20_21, OutcomeCode.C21: OUTCOME_20_21}
COLUMN_OF_DECISION: Final = {Recommendation.OUTCOME_22: OUTCOME_22, Recommendation.OUTCOME_21: OUTCOME_20_21}


class End(StrEnum):
    """The way in which an intervention ended."""

    COMPLETED = "COMPLETED"
    NOT_COMPLETED = "NOT_COMPLETED"


class SealedTexts(ValueObject):
    """A sealed value as it stands in an event's bytes; the event's id is needed to open it."""

    event_id: UUID
    token: str


class OffenceSummary(ValueObject):
    """The offence, as corrected."""

    code: str
    on: date
    category: OffenceCategory
    recordable: bool


class VictimSummary(ValueObject):
    """A victim of the offence. Consent is as last said; None: never asked or not answered."""

    person_id: UUID
    consents_to_contact: bool | None = None
    view_sought_before_decision: bool = False
    told: bool = False
    """Whether the victim was told of a decision."""
    contacted: bool = False
    """Whether the victim was told of a decision or of restorative justice."""


class DecisionSummary(ValueObject):
    """The latest decision of the police; the child's age that day, in years."""

    decision: Recommendation
    on: date
    age: int | None = None


class IssueSummary(ValueObject):
    """The disposal that was issued, and the child's age that day, in whole years."""

    disposal: Disposal
    at: Timestamp
    on: date
    age: int


class DeferralSummary(ValueObject):
    """The deferral of the prosecution that was agreed, and the child's age that day, in whole years."""

    on: date
    age: int


class EndSummary(ValueObject):
    """The end of an issued disposal, of a diversion's programme, or of a deferral."""

    on: date
    how: End


class OutcomeSummary(ValueObject):
    """The crime outcome as it stands; the child's age on the day that it was assigned, in years."""

    code: OutcomeCode
    on: date
    age: int | None = None


class ProgrammeSummary(ValueObject):
    """The programme, with its column of KPI 6; the child's age in whole years on its first day."""

    column: str
    starts_on: date
    ends_on: date | None = None
    completed: bool | None = None
    age_at_start: int


class DisposalSummary(Summary):
    """All that is counted of a disposal case. `prior_cautions` are those given elsewhere and convictions, None if unknown."""

    referral_id: UUID | None = None
    child: UUID
    age_at_offence: int
    offence: OffenceSummary
    victims: tuple[VictimSummary, ...] = ()
    prior_cautions: int | None = None
    ethnicity: SealedTexts | None = None
    opened_on: date
    school_age_until: date | None = None
    """The last day of compulsory school age, if it was recorded."""
    yjb_score: int | None = None
    gravity: int | None = None
    """The final gravity score."""
    assessment_asked_on: date | None = None
    assessed_on: date | None = None
    intervened: bool = False
    """Whether the youth justice service intervened: it planned a programme, or an activity is recorded."""
    decided: DecisionSummary | None = None
    given: IssueSummary | None = None
    deferred: DeferralSummary | None = None
    ended: EndSummary | None = None
    failed_diversion: FailedDiversion | None = None
    programme: ProgrammeSummary | None = None
    lived_here: bool = True
    """Whether the child lived in the area on the day of the legal outcome, or nobody has said that they did not."""
    outcome: OutcomeSummary | None = None
    taken_back_on: date | None = None
    """When the disposal was annulled, or the case withdrawn."""

    @property
    def is_counted(self) -> bool:
        """Whether measures count it: not once it is annulled or withdrawn (YJB: appeals that succeeded are excluded)."""
        return self.taken_back_on is None

    @property
    def resolution(self) -> tuple[str, date] | None:
        """How it was resolved out of court, as a column of KPI 6, and when; None: it was not."""
        if self.deferred is not None:
            return DEFERRED, self.deferred.on
        if self.given is not None:
            return COLUMN[self.given.disposal], self.given.on
        outcome = self.outcome
        return (
            None
            if outcome is None or outcome.code not in COLUMN_OF_CODE
            else (COLUMN_OF_CODE[outcome.code], outcome.on)
        )

    @property
    def subject(self) -> UUID:
        """The child, under one id."""
        return self.kept(self.child)

    @property
    def follows(self) -> UUID | None:
        return self.referral_id


def summary(state: DisposalState, first: Fact) -> DisposalSummary:
    """Summarise a disposal case. A first assessment counts, and of a decision, issue, end and outcome the latest."""
    opened, prior, offence = state.opened, state.prior_elsewhere, state.opened.offence
    decision, issue, deferral, end = state.decision, state.issue, state.deferral, state.end
    assessed_at = min((assessment.at for assessment in state.assessments), default=None)
    asked_at = min((request.at for request in state.requests), default=state.yot_referred_at or state.opened_at)
    return DisposalSummary(
        **common_fields(first),
        officer=state.officer_id,
        cases=(first.envelope.home,),
        referral_id=opened.referral_id,
        child=opened.person_id,
        age_at_offence=opened.age_at_offence,
        offence=OffenceSummary(
            code=offence.code, on=offence.date, category=offence.category, recordable=offence.recordable
        ),
        victims=tuple(_victim(state, person) for person in state.everyone_harmed),
        prior_cautions=None if prior is None else prior.yc + prior.ycc + prior.convictions,
        ethnicity=_ethnicity(state),
        opened_on=local_day(state.opened_at),
        school_age_until=opened.school_age_until,
        yjb_score=state.yjb_seriousness,
        gravity=state.gravity,
        assessment_asked_on=local_day(asked_at),
        assessed_on=None if assessed_at is None else local_day(assessed_at),
        intervened=bool(state.activities) or any(assessment.plan for assessment in state.assessments),
        decided=None
        if decision is None
        else DecisionSummary(decision=decision.what, on=local_day(decision.at), age=decision.age),
        given=None if issue is None else IssueSummary(disposal=issue.disposal, at=issue.at, on=issue.on, age=issue.age),
        deferred=None if deferral is None else DeferralSummary(on=deferral.on, age=deferral.age),
        ended=None if end is None else EndSummary(on=end.on, how=End.COMPLETED if end.completed else End.NOT_COMPLETED),
        failed_diversion=state.failed_diversion,
        programme=_programme(state),
        lived_here=state.programme_said.residence is not Residence.OTHER,
        outcome=_outcome(state),
        taken_back_on=None if state.taken_back_at is None else local_day(state.taken_back_at),
    )


def _column(state: DisposalState) -> str | None:
    """Return the column of KPI 6: that of what was given, else decided, else of the outcome code."""
    if state.deferral is not None:
        return DEFERRED
    if state.issue is not None:
        return COLUMN[state.issue.disposal]
    decided = None if state.decision is None else COLUMN_OF_DECISION.get(state.decision.what)
    return decided or (None if state.outcome is None else COLUMN_OF_CODE.get(state.outcome))


def _programme(state: DisposalState) -> ProgrammeSummary | None:
    column, programme = _column(state), programme_of(state)
    if column is None or programme is None:
        return None
    return ProgrammeSummary(column=column, **asdict(programme))


def _outcome(state: DisposalState) -> OutcomeSummary | None:
    if state.outcome is None or state.outcome_at is None:
        return None
    return OutcomeSummary(code=state.outcome, on=local_day(state.outcome_at), age=state.outcome_age)


def _victim(state: DisposalState, person: UUID) -> VictimSummary:
    said = state.views.get(person, VictimView())
    told, informed = (first_day(state.log, person, event) is not None for event in (TOLD, INFORMED))
    return VictimSummary(
        person_id=person,
        consents_to_contact=said.consents_to_contact,
        view_sought_before_decision=said.sought_before_decision,
        told=told,
        contacted=told or informed,
    )


def _ethnicity(state: DisposalState) -> SealedTexts | None:
    """Return the token of the child's ethnicity as corrected last; None if none was recorded, or it is not sealed yet."""
    ethnicity = state.opened.details.ethnicity
    if ethnicity is None or not ethnicity.has_token:
        return None
    return SealedTexts(event_id=state.ethnicity_in, token=ethnicity.token)
