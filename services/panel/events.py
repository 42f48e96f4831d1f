"""What has happened in a sitting of the panel: the contract, the only module that other services import.

A sitting considers several cases and belongs to none: its home is its own id. What it says of one case is sealed under
the key of that case (`sealed_under`), so that forgetting the child reaches it.
"""

from datetime import date
from typing import Annotated, Any, Final, TypeAlias, get_args
from uuid import UUID

from pydantic import Field

from services.trade.vocabulary import LAW_ENFORCEMENT, WORDS, MemberKind, Organisation, Personal, Recommendation
from shared.domain.envelope import EventRegistry
from shared.domain.messages import Correction, Event, FreeText, Timestamp, ValueObject
from shared.domain.sealing import OwnedBy, Sealed


class Member(ValueObject):
    """A member of the panel at a sitting, and whether they were there."""

    officer_id: UUID
    kind: MemberKind
    organisation: Organisation
    present: bool


class PresentMember(ValueObject):
    """A member who was there when a case was considered."""

    officer_id: UUID
    kind: MemberKind


class Action(ValueObject):
    """What the panel asks somebody to do in a case, and by when."""

    action_id: UUID
    text: Annotated[Sealed[FreeText], Personal.CONDITIONS]
    owner: UUID
    due: date


class SittingPlanned(Event):
    """A sitting of the panel will begin at `starts_at`; `chair` is the officer who leads it and records what it says."""

    sentence = "Panel sitting planned for {starts_at}"

    starts_at: Timestamp
    place: Annotated[Sealed[FreeText], Personal.PLACE]
    chair: UUID


class CaseAddedToAgenda(Event):
    """A disposal case stands on the agenda of the sitting: it will be considered or adjourned."""

    sentence = "Case put on the panel's agenda"
    sealed_under = "case_id"

    disposal_id: UUID
    case_id: UUID
    person_id: UUID


class CaseRemovedFromAgenda(Event):
    """A case was taken off the agenda before the panel considered it."""

    sentence = "Case taken off the panel's agenda"
    sealed_under = "case_id"

    disposal_id: UUID
    case_id: UUID
    why: Annotated[Sealed[FreeText], Personal.REASONS]


class MembersRecorded(Event):
    """These are the members of the panel from now on, present or not, until they are recorded anew.

    The sitting has begun once one of them is present.
    """

    sentence = "Members of the panel recorded: {members#member|members}"

    members: Annotated[tuple[Member, ...], Field(max_length=50)]


class CaseConsidered(Event):
    """The panel considered a case and recommended what the police should decide.

    The disposal records the recommendation of the members who were present and did not abstain. Each action is a duty
    `PANEL_ACTION`, due on its own date.
    """

    sentence = "Panel considered the case and recommended: {recommended}[; {abstaining#member|members} abstained]"
    sealed_under = "case_id"

    disposal_id: UUID
    recommended: Recommendation
    reasons: Annotated[Sealed[FreeText], Personal.REASONS]
    child_view: Annotated[Sealed[FreeText] | None, Personal.NARRATIVE] = None
    no_child_view_because: Annotated[Sealed[FreeText] | None, Personal.REASONS] = None
    parent_view: Annotated[Sealed[FreeText] | None, Personal.NARRATIVE] = None
    dissent: Annotated[Sealed[FreeText] | None, Personal.REASONS] = None
    abstaining: Annotated[tuple[UUID, ...], Field(max_length=50)] | None = None
    actions: Annotated[tuple[Action, ...], Field(max_length=50)] | None = None
    case_id: UUID
    person_id: UUID
    starts_at: Timestamp
    """When the sitting began, as planned."""
    present: Annotated[tuple[PresentMember, ...], Field(max_length=50)]

    @property
    def voting(self) -> tuple[MemberKind, ...]:
        """The kinds of the members who were present and did not abstain, each once."""
        abstaining = self.abstaining or ()
        return tuple(dict.fromkeys(member.kind for member in self.present if member.officer_id not in abstaining))


class CaseAdjourned(Event):
    """The panel did not recommend in this case: another sitting considers it, or the same one later."""

    sentence = "Panel adjourned the case"
    sealed_under = "case_id"

    disposal_id: UUID
    case_id: UUID
    why: Annotated[Sealed[FreeText], Personal.REASONS]


class ActionCompleted(Event):
    """Somebody did what the panel had asked for in this case; the duty `PANEL_ACTION` is met on that day."""

    sentence = "Action of the panel completed"
    sealed_under = "case_id"

    action_id: UUID
    case_id: UUID
    note: Annotated[Sealed[FreeText] | None, Personal.NARRATIVE] = None


class SittingClosed(Event):
    """The sitting is over: every case of its agenda was considered or adjourned (rule P5). Its actions go on."""

    sentence = "Panel sitting closed"


class SittingCancelled(Event):
    """The sitting did not take place; no case was considered."""

    sentence = "Panel sitting cancelled"

    why: Annotated[Sealed[FreeText], Personal.REASONS]


class CorrectedRecommendation(ValueObject):
    """What the panel recommended in a case, as corrected: the disposal takes it in the place of the earlier one."""

    disposal_id: UUID
    recommended: Recommendation
    voting: tuple[MemberKind, ...]
    told_by: tuple[UUID, ...]
    """The events by which the disposal had learned of it as it was before: their reactions are superseded."""


class RecordCorrected(Correction):
    """A field of an earlier event of this sitting was wrong; this is its right value (DPA 2018 s46).

    The original event stays. Value and reason are sealed under the case `case_id` that the event is about, or under the
    sitting if it is about none. `recommendations` tells disposals what the panel recommended instead.
    """

    sealed_under = "case_id"

    case_id: UUID | None = None
    owner: UUID | None = None
    sealed: Annotated[Sealed[Any] | None, OwnedBy("owner")] = None
    recommendations: tuple[CorrectedRecommendation, ...] = ()


EventAfterPlanning: TypeAlias = (
    CaseAddedToAgenda
    | CaseRemovedFromAgenda
    | MembersRecorded
    | CaseConsidered
    | CaseAdjourned
    | ActionCompleted
    | SittingClosed
    | SittingCancelled
    | RecordCorrected
)
"""The events that may follow the planning; mypy reports each one that `evolve` has no branch for."""

PanelEvent: TypeAlias = SittingPlanned | EventAfterPlanning
"""Every event of a sitting."""

EVENTS: Final = EventRegistry(
    "panel",
    get_args(PanelEvent),
    labels=lambda _cls: LAW_ENFORCEMENT,
    mentions=("disposal_id", "case_id", "person_id"),
    words=WORDS,
    reasons=Personal.REASONS,
)
