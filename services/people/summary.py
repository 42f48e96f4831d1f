"""What is counted of a person: where a child lives, learns and works, and from when until when."""

from datetime import date
from uuid import UUID

from services.people.domain.state import Person
from services.people.events import Accommodation, Provision
from services.trade.summary import Summary, common_fields
from shared.domain.envelope import Fact
from shared.domain.messages import Hours, ValueObject, model_from


class CircumstanceSummary(ValueObject):
    """Accommodation, or a provision of education, training or employment, in an interval of days. Hours are those of a week."""

    accommodation: Accommodation | None = None
    provision: Provision | None = None
    suitable: bool
    hours_offered: Hours | None = None
    hours_attended: Hours | None = None
    since: date
    until: date | None = None


class PersonSummary(Summary):
    """The person under the id that is kept, and the circumstances that were recorded under this one."""

    person: UUID
    circumstances: tuple[CircumstanceSummary, ...] = ()

    @property
    def subject(self) -> UUID | None:
        """The child; nobody if no circumstance is recorded, as of an adult."""
        return self.person if self.circumstances else None


def summary(person: Person, first: Fact) -> PersonSummary:
    """Summarise a person. A need is sealed, and counted by nothing yet."""
    return PersonSummary(
        **common_fields(first),
        person=person.ids[0],
        circumstances=tuple(
            model_from(CircumstanceSummary, said, suitable=said.suitable == "SUITABLE")
            for said in person.circumstances.values()
            if said.kind in {"ACCOMMODATION", "ETE"}
        ),
    )
