"""What is counted of a person: where a child lives, learns and works, and from when until when."""

from datetime import date
from uuid import UUID

from services.people.domain.state import CODED, Person
from services.people.events import (
    Accommodation,
    CareStatus,
    CircumstanceKind,
    MentalHealthIntervention,
    Provision,
    SubstancesIntervention,
)
from services.trade.summary import Summary, common_fields
from shared.domain.envelope import Fact
from shared.domain.messages import Hours, ValueObject, model_from


class CircumstanceSummary(ValueObject):
    """What is in clear of how a child lives, in an interval of days. Hours are those of a week."""

    kind: CircumstanceKind | None = None
    """None as it was first summarised: it has an accommodation or a provision."""
    accommodation: Accommodation | None = None
    provision: Provision | None = None
    suitable: bool = False
    hours_offered: Hours | None = None
    hours_attended: Hours | None = None
    identified: bool | None = None
    formal_plan: bool | None = None
    screened_on: date | None = None
    mental_health_intervention: MentalHealthIntervention | None = None
    substances_intervention: SubstancesIntervention | None = None
    offered_on: date | None = None
    attended_from: date | None = None
    attended_until: date | None = None
    care_status: CareStatus | None = None
    since: date
    until: date | None = None

    def stands(self, first: date, last: date) -> bool:
        """Whether it was so on a day from the first to the last."""
        return self.since <= last and first <= (self.until or date.max)


class PersonSummary(Summary):
    """The person under the id that is kept, and the circumstances that were recorded under this one."""

    person: UUID
    circumstances: tuple[CircumstanceSummary, ...] = ()

    @property
    def subject(self) -> UUID | None:
        """The child; nobody if no circumstance is recorded, as of an adult."""
        return self.person if self.circumstances else None


def summary(person: Person, first: Fact) -> PersonSummary:
    """Summarise a person. What is said in words alone is sealed, and counted by nothing."""
    return PersonSummary(
        **common_fields(first),
        person=person.ids[0],
        circumstances=tuple(
            model_from(CircumstanceSummary, said, suitable=said.suitable == "SUITABLE")
            for said in person.circumstances.values()
            if any(getattr(said, name) is not None for name in CODED)
        ),
    )
