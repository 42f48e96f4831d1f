"""The commands of a sitting. Each is open to police decision-makers, YJS case managers and supervisors."""

from typing import Annotated, ClassVar, Final
from uuid import UUID

from pydantic import Field

from services.panel import events
from services.trade.vocabulary import FieldCorrection, Recommendation, Role
from shared.domain.messages import Command, FreeText, Timestamp, commands_in, require_each_once
from shared.domain.sealing import Sealed

DEFAULT_ROLES: Final = frozenset({Role.POLICE_DECISION_MAKER, Role.YJS_CASE_MANAGER, Role.SUPERVISOR})


class PlanSitting(Command):
    """Plan a sitting of the panel. Cases are put on its agenda afterwards."""

    opens: ClassVar[bool] = True
    records = events.SittingPlanned

    starts_at: Timestamp
    place: Sealed[FreeText]
    chair: UUID


class AddToAgenda(Command):
    """Put a disposal case on the agenda: the panel considers or adjourns it before the sitting closes (rule P5)."""

    records = events.CaseAddedToAgenda

    disposal_id: UUID
    case_id: UUID
    person_id: UUID


class RemoveFromAgenda(Command):
    """Take a case off the agenda that the panel has not considered."""

    makes = (events.CaseRemovedFromAgenda,)

    disposal_id: UUID
    why: Sealed[FreeText]


class RecordMembers(Command):
    """Record the members of the panel, and who of them is there.

    The panel considers a case with police and youth justice service present (rule P1). A later list replaces this one.
    """

    records = events.MembersRecorded

    members: Annotated[tuple[events.Member, ...], Field(min_length=1, max_length=50), require_each_once("officer_id")]


class ConsiderCase(Command):
    """Record what the panel recommends in a case, with what the child and the parent say of it. The police decide.

    The disposal takes the recommendation over from here. Say why, if the panel has not heard the child (rule P4).
    """

    makes = (events.CaseConsidered,)

    disposal_id: UUID
    recommended: Recommendation
    reasons: Sealed[FreeText]
    child_view: Sealed[FreeText] | None = None
    no_child_view_because: Sealed[FreeText] | None = None
    parent_view: Sealed[FreeText] | None = None
    dissent: Sealed[FreeText] | None = None
    abstaining: Annotated[tuple[UUID, ...], Field(max_length=50), require_each_once()] | None = None
    actions: Annotated[tuple[events.Action, ...], Field(max_length=50), require_each_once("action_id")] | None = None


class AdjournCase(Command):
    """Record that the panel does not recommend in a case today, and why."""

    makes = (events.CaseAdjourned,)

    disposal_id: UUID
    why: Sealed[FreeText]


class CompleteAction(Command):
    """Record that an action of the panel was done, also after the sitting."""

    makes = (events.ActionCompleted,)

    action_id: UUID
    note: Sealed[FreeText] | None = None


class CloseSitting(Command):
    """Close the sitting, once each case of the agenda is considered or adjourned (rule P5). Its actions go on."""

    records = events.SittingClosed


class CancelSitting(Command):
    """Call the sitting off, before it has considered a case. Put its cases on the agenda of another."""

    records = events.SittingCancelled

    why: Sealed[FreeText]


class CorrectRecord(FieldCorrection):
    """Say what a field of an earlier event should have been, and why (DPA 2018 s46).

    The original stays visible beside it. A disposal that took a recommendation over learns of the right one.
    """

    makes = (events.RecordCorrected,)


COMMANDS: Final = commands_in(__name__)
