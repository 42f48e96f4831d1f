"""Records as stories tell them: one line for each child."""

from datetime import date, datetime, time
from typing import Any
from uuid import UUID, uuid4

from services.disposal.summary import (
    DecisionSummary,
    DisposalSummary,
    End,
    EndSummary,
    IssueSummary,
    OffenceSummary,
    OutcomeSummary,
    ProgrammeSummary,
    VictimSummary,
)
from services.people.summary import CircumstanceSummary, PersonSummary
from services.rj_conference.summary import ConferenceSummary
from services.trade.vocabulary import Disposal, OffenceCategory, OutcomeCode, Recommendation
from shared.domain.dates import LONDON


def day(text: str) -> date:
    return date.fromisoformat(text)


def case(
    disposal: str | None = None,
    on: str = "2026-01-10",
    *,
    age: int = 15,
    child: UUID | None = None,
    ended: str | None = None,
    completed: bool = True,
    code: str | None = None,
    code_on: str = "2026-02-01",
    decided_age: int | None = None,
    category: OffenceCategory = OffenceCategory.THEFT,
    recordable: bool = True,
    victims: tuple[VictimSummary, ...] = (),
    offence: str = "04601",
    offence_on: str = "2025-12-20",
    **more: Any,
) -> DisposalSummary:
    """Return a disposal case: what was given and when, how it ended, or which outcome it got."""
    stream = uuid4()
    home = uuid4()
    return DisposalSummary(
        stream=stream,
        home=home,
        cases=(home,),
        area="DORSET",
        child=child or uuid4(),
        age_at_offence=age,
        offence=OffenceSummary(code=offence, on=day(offence_on), category=category, recordable=recordable),
        victims=victims,
        opened_on=day("2025-12-22"),
        decided=None
        if decided_age is None
        else DecisionSummary(decision=Recommendation.OUTCOME_22, on=day("2026-01-05"), age=decided_age),
        given=None
        if disposal is None
        else IssueSummary(
            disposal=Disposal(disposal), on=day(on), at=datetime.combine(day(on), time(12), LONDON), age=age
        ),
        ended=None
        if ended is None
        else EndSummary(on=day(ended), how=End.COMPLETED if completed else End.NOT_COMPLETED),
        outcome=None if code is None else OutcomeSummary(code=OutcomeCode(code), on=day(code_on), age=None),
        **more,
    )


def programme(
    column: str, ended: str | None = "2026-03-01", *, completed: bool | None = True, age: int = 15, **more: Any
) -> ProgrammeSummary:
    """Return a programme that began at the turn of the year."""
    ends_on = None if ended is None else day(ended)
    return ProgrammeSummary(
        column=column, starts_on=day("2026-01-01"), ends_on=ends_on, completed=completed, age_at_start=age, **more
    )


def victim(
    *, consents: bool | None = None, asked_before: bool = False, contacted: bool = False, person: UUID | None = None
) -> VictimSummary:
    return VictimSummary(
        person_id=person or uuid4(),
        consents_to_contact=consents,
        view_sought_before_decision=asked_before,
        contacted=contacted,
    )


def lives(of: DisposalSummary, *items: dict[str, Any], person: UUID | None = None) -> PersonSummary:
    """Return the child of a case with circumstances of these fields, all of them suitable unless they say otherwise."""
    person = person or uuid4()
    circumstances = tuple(
        CircumstanceSummary(**{"suitable": True, "since": day("2020-01-01"), **item}) for item in items
    )
    return PersonSummary(stream=person, home=person, person=of.subject, circumstances=circumstances)


def conference(
    of: DisposalSummary, *took_part: UUID, held: str | None = "2026-01-20", linked: bool = True
) -> ConferenceSummary:
    return ConferenceSummary(
        stream=uuid4(),
        home=of.home,
        cases=of.cases,
        harmer=of.child,
        disposal_id=of.stream if linked else None,
        held_on=None if held is None else day(held),
        took_part=took_part,
    )
