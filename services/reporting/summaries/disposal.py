"""The summary of a disposal case: one child, one offence, the disposal issued and how it ended."""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from services.disposal import events
from services.reporting.summaries.summary import SummaryType, first_fields
from services.trade.summary import Summary
from services.trade.vocabulary import Disposal, OffenceCategory, OutcomeCode, Recommendation, Role
from shared.domain.envelope import Fact
from shared.domain.messages import Event, Timestamp, ValueObject

ETHNICITY: Final = "details.ethnicity"


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


class DisposalSummary(Summary):
    """All that is counted of a disposal case. `prior_cautions` are earlier cautions and convictions, None if unknown."""

    referral_id: UUID | None = None
    child: UUID
    age_at_offence: int
    offence: OffenceSummary
    victims: tuple[VictimSummary, ...] = ()
    prior_cautions: int | None = None
    ethnicity: SealedTexts | None = None
    opened_on: date
    yjb_score: int | None = None
    assessment_asked_on: date | None = None
    assessed_on: date | None = None
    intervened: bool = False
    """Whether the youth justice service intervened: it planned a programme, or an activity is recorded."""
    decided: DecisionSummary | None = None
    given: IssueSummary | None = None
    deferred: DeferralSummary | None = None
    ended: EndSummary | None = None
    outcome: OutcomeSummary | None = None

    @property
    def counted_days(self) -> list[date]:
        """The days of assessment, issue, end and outcome, and those on which duties lapsed."""
        course = (self.given, self.ended, self.outcome)
        assessed = [] if self.assessed_on is None else [self.assessed_on]
        return [*super().counted_days, *assessed, *(event.on for event in course if event is not None)]

    @property
    def subject(self) -> UUID:
        """The child."""
        return self.child

    @property
    def follows(self) -> UUID | None:
        """The referral that led to it."""
        return self.referral_id


def disposal_summary(history: Sequence[Fact]) -> DisposalSummary | None:
    """Summarise a history; None if no case had been opened."""
    opening = next((fact for fact in history if isinstance(fact.event, events.DisposalCaseOpened)), None)
    if opening is None:
        return None
    opened = opening.event
    assert isinstance(opened, events.DisposalCaseOpened)
    prior = opened.prior
    return DisposalSummary(
        **first_fields(history),
        officer=_officer(opening, history),
        cases=(opened.case_id,),
        referral_id=opened.referral_id,
        child=opened.person_id,
        age_at_offence=opened.age_at_offence,
        offence=OffenceSummary(
            code=opened.offence.code,
            on=opened.offence.date,
            category=opened.offence.category,
            recordable=opened.offence.recordable,
        ),
        victims=_victims(opened, history),
        prior_cautions=None if prior is None else prior.yc + prior.ycc + prior.convictions,
        ethnicity=_ethnicity(opening, history),
        opened_on=opening.day,
        assessment_asked_on=_assessment_asked_on(opening, history),
        intervened=any(map(_is_intervention, history)),
        **_course(history),
    )


def _officer(opening: Fact, history: Sequence[Fact]) -> UUID | None:
    """Return who has the case: the officer to whom it was handed last, else who opened it; None if a reaction did."""
    handed = [fact.event.to for fact in history if isinstance(fact.event, events.CaseHandedOver)]
    if handed:
        return handed[-1]
    return None if opening.actor.role == Role.SYSTEM else opening.actor.id


def _course(history: Sequence[Fact]) -> dict[str, Any]:
    """Return score, decision, issue, end and outcome, each by its last event; an assessment by its first completion."""
    course: dict[str, Any] = {}
    for fact in history:
        match fact.event:
            case events.GravityScored(yjb_seriousness_score=score):
                course["yjb_score"] = score
            case events.AssessmentCompleted():
                course.setdefault("assessed_on", fact.day)
            case events.DisposalDecided(decision=decision, age=age):
                course["decided"] = DecisionSummary(decision=decision, on=fact.day, age=age)
            case events.DisposalIssued() as event:
                course |= _summarise_issue(fact, event)
            case events.ProsecutionDeferred(age=age):
                course["deferred"] = DeferralSummary(on=fact.day, age=age)
            case events.OutcomeAssigned(code=code, age=age):
                course["outcome"] = OutcomeSummary(code=code, on=fact.day, age=age)
            case event if (end := _end(event)) is not None:
                # A deferral ends once: neither what follows nor a decision anew moves that day.
                course["ended"] = course["ended"] if {"deferred", "ended"} <= course.keys() else end
            case _:
                pass
    return course


def _end(event: Event) -> EndSummary | None:
    """Return the end that an event brings, None if it brings none."""
    match event:
        case events.DisposalCompleted(completed_on=day) | events.DeferralCompleted(completed_on=day):
            return EndSummary(on=day, how=End.COMPLETED)
        case events.DisposalCeased(ceased_on=day):
            return EndSummary(on=day, how=End.NOT_COMPLETED)
        case (
            events.DisposalNotCompleted(ended_on=day)
            | events.DisposalClosedWithoutProceedings(ended_on=day)
            | events.DeferralEnded(ended_on=day)
        ):
            return EndSummary(on=day, how=End.NOT_COMPLETED)
        case _:
            return None


def _is_intervention(fact: Fact) -> bool:
    """Whether a fact shows that the youth justice service planned a programme, or that the child undertook an activity."""
    planned = isinstance(fact.event, events.AssessmentCompleted) and fact.event.programme_plan
    return planned or isinstance(fact.event, events.ActivityUndertaken)


def _summarise_issue(fact: Fact, event: events.DisposalIssued) -> dict[str, Any]:
    """Return the issue; a restorative disposal without agreed actions is completed by it."""
    issue = IssueSummary(disposal=event.disposal, at=fact.occurred_at, on=event.issued_on, age=event.age_at_issue)
    if event.disposal is not Disposal.YRD or event.conditions:
        return {"given": issue}
    return {"given": issue, "ended": EndSummary(on=event.issued_on, how=End.COMPLETED)}


def _assessment_asked_on(opening: Fact, history: Sequence[Fact]) -> date:
    """Return the day on which the child was referred for assessment: asked for, else referred to the YOT, else opened."""
    for kind in (events.AssessmentRequested, events.YotReferred):
        days = [fact.day for fact in history if isinstance(fact.event, kind)]
        if days:
            return days[0]
    return opening.day


def _victims(opened: events.DisposalCaseOpened, history: Sequence[Fact]) -> tuple[VictimSummary, ...]:
    """Return the victims named at the opening, and those who were informed or asked as victims later."""
    victims: dict[UUID, VictimSummary] = {
        person: VictimSummary(person_id=person)
        for person in (*(opened.victims or ()), *(opened.victims_with_enhanced_rights or ()))
    }
    for fact in sorted(
        history, key=lambda fact: fact.occurred_at
    ):  # what was said last counts, also if it is recorded late
        match fact.event:
            case events.VictimInformedOfRestorativeJustice(person_id=person):
                victims.setdefault(person, VictimSummary(person_id=person))
            case events.VictimViewSought() as view:
                earlier = victims.get(view.person_id, VictimSummary(person_id=view.person_id))
                consents = earlier.consents_to_contact if view.consents_to_contact is None else view.consents_to_contact
                before = earlier.view_sought_before_decision or (view.sought and view.before_decision)
                victims[view.person_id] = earlier.model_copy(
                    update={"consents_to_contact": consents, "view_sought_before_decision": before}
                )
            case events.VictimTold(person_id=person):
                earlier = victims.get(person, VictimSummary(person_id=person))
                victims[person] = earlier.model_copy(update={"told": True})
            case _:
                pass
    return tuple(victims.values())


def _ethnicity(opening: Fact, history: Sequence[Fact]) -> SealedTexts | None:
    """Return the token of the child's ethnicity as corrected last; None if none was recorded, or it is not sealed yet."""
    assert isinstance(opening.event, events.DisposalCaseOpened)
    ethnicity, owner = opening.event.details.ethnicity, opening.event_id
    for fact in history:
        match fact.event:
            case events.RecordCorrected(corrects=corrects, field=field, sealed=sealed) if sealed is not None:
                if corrects == opening.event_id and field == ETHNICITY:
                    ethnicity, owner = sealed, fact.event_id
            case _:
                pass
    return None if ethnicity is None or not ethnicity.has_token else SealedTexts(event_id=owner, token=ethnicity.token)


DISPOSAL: Final = SummaryType(events.EVENTS.service, DisposalSummary, disposal_summary)
