"""The commands of a person. The first of them begins the stream, under the person's own id."""

from datetime import date
from typing import Annotated, Any, ClassVar, Final
from uuid import UUID

from pydantic import Field

from services.people import events
from services.trade.vocabulary import FieldCorrection, GivenBy, Reference, Role
from shared.domain.messages import Command, FreeText, Hours, commands_in
from shared.domain.sealing import Sealed

DEFAULT_ROLES: Final = frozenset(
    {
        Role.SAFE_SCHOOLS_OFFICER,
        Role.INTERNET_SAFETY_OFFICER,
        Role.YJS_CASE_MANAGER,
        Role.POLICE_DECISION_MAKER,
        Role.SUPERVISOR,
    }
)
_WHO_MERGE: Final = frozenset[str]({Role.SUPERVISOR, Role.DATA_PROTECTION_OFFICER})


class MergePerson(Command):
    """Say that this person is the same as another one. Both ids then name one person everywhere.

    Send it to the id that is given up. `SeparatePerson` undoes it.
    """

    roles: ClassVar[frozenset[str] | None] = _WHO_MERGE
    opens: ClassVar[bool] = True
    makes = (events.PersonMerged,)

    into: UUID
    why: Sealed[FreeText]


class SeparatePerson(Command):
    """Say that the merging was wrong: the two ids name two persons again."""

    roles: ClassVar[frozenset[str] | None] = _WHO_MERGE
    makes = (events.PersonSeparated,)

    why: Sealed[FreeText]


class RecordHistory(Command):
    """Record what was given to the child elsewhere, with its day. It counts as earlier in every case of the child."""

    opens: ClassVar[bool] = True
    makes = (events.HistoryRecorded,)

    entry_id: UUID
    kind: events.HistoryKind
    on: date
    by: GivenBy
    reference: Reference | None = None


class RecordRelation(Command):
    """Record in which relation an adult stands to a child, and whether they may be in contact.

    Send it to the adult. While contact is NONE or under ORDER, nothing about the child goes to the adult.
    """

    opens: ClassVar[bool] = True
    makes = (events.RelationRecorded,)

    child_id: UUID
    relation: events.Relation
    parental_responsibility: bool | None = None
    contact: events.Contact
    order: Sealed[FreeText] | None = None
    until: date | None = None


def _of_kind(*kinds: events.CircumstanceKind) -> Any:
    """Return the mark of a field for its schema: it is asked if `kind` is one of these."""
    return Field(json_schema_extra={"x-of-kind": [*kinds]})


_DayOfANeed = Annotated[date | None, _of_kind("MENTAL_HEALTH", "SUBSTANCES")]


class RecordCircumstance(Command):
    """Record where the child lives, learns or works, or a need, and from when. Several may stand side by side.

    To change or end one, send its id again with all of it; sent unchanged, nothing is recorded.
    """

    roles: ClassVar[frozenset[str] | None] = frozenset(
        {Role.YJS_CASE_MANAGER, Role.SAFE_SCHOOLS_OFFICER, Role.SUPERVISOR}
    )
    opens: ClassVar[bool] = True
    makes = (events.CircumstanceRecorded,)

    circumstance_id: UUID
    kind: events.CircumstanceKind
    accommodation: Annotated[events.Accommodation | None, _of_kind("ACCOMMODATION")] = None
    provision: Annotated[events.Provision | None, _of_kind("ETE")] = None
    suitable: Annotated[events.Suitability | None, _of_kind("ACCOMMODATION", "ETE")] = None
    hours_offered: Annotated[Hours | None, _of_kind("ETE")] = None
    hours_attended: Annotated[Hours | None, _of_kind("ETE")] = None
    identified: Annotated[bool | None, _of_kind("SEND")] = None
    formal_plan: Annotated[bool | None, _of_kind("SEND")] = None
    screened_on: _DayOfANeed = None
    mental_health_intervention: Annotated[events.MentalHealthIntervention | None, _of_kind("MENTAL_HEALTH")] = None
    substances_intervention: Annotated[events.SubstancesIntervention | None, _of_kind("SUBSTANCES")] = None
    offered_on: _DayOfANeed = None
    attended_from: _DayOfANeed = None
    attended_until: _DayOfANeed = None
    care_status: Annotated[events.CareStatus | None, _of_kind("CARE")] = None
    description: Sealed[FreeText] | None = None
    since: date
    until: date | None = None


class CorrectRecord(FieldCorrection):
    """Say what a field of an earlier event should have been, and why (DPA 2018 s46).

    The original stays visible beside it. A merging is not corrected, but separated.
    """

    makes = (events.RecordCorrected,)


COMMANDS: Final = commands_in(__name__)
