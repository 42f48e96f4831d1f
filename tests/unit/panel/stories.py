"""Words for stories about sittings: who, when, and the usual commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final
from uuid import UUID

from services.panel.domain.commands import (
    AddToAgenda,
    AdjournCase,
    CloseSitting,
    CompleteAction,
    ConsiderCase,
    PlanSitting,
    RecordMembers,
)
from services.panel.events import Action, Member
from services.panel.read_model import READ_MODEL
from services.panel.service import service
from services.trade.vocabulary import MemberKind, Recommendation
from shared.domain.ids import derived_uuid
from shared.domain.messages import Command
from shared.domain.policy import PolicyBook
from shared.domain.sealing import Sealed
from tests.command_spec import CommandSpec, officer

CHAIR: Final = "YJS_CASE_MANAGER"

PLANNED: Final = "2026-03-02T09:00:00+00:00"
LISTED: Final = "2026-03-02T09:05:00+00:00"
START: Final = "2026-03-10T10:00:00+00:00"
CONSIDERED: Final = "2026-03-10T10:20:00+00:00"
LATER: Final = "2026-03-10T12:00:00+00:00"
AFTERWARDS: Final = "2026-03-16T09:00:00+00:00"
DUE: Final = date(2026, 3, 17)


def known(name: str) -> UUID:
    """Return the id of somebody or something, by name."""
    return derived_uuid("panel-test", name)


LEO, MIA, IVY = known("leo"), known("mia"), known("ivy")
POLICE, YJS, NURSE = known("police"), known("yjs"), known("nurse")
ACTION: Final = known("action")


def disposal_of(child: UUID) -> UUID:
    """Return the id of a child's disposal."""
    return derived_uuid("panel-test", child, "disposal")


def case_of(child: UUID) -> UUID:
    """Return the id of a child's case."""
    return derived_uuid("panel-test", child, "case")


class SittingStory(CommandSpec):
    """A sitting on Tuesday 10 March 2026 at ten."""

    def __init__(self, policy: PolicyBook = READ_MODEL.policy) -> None:
        super().__init__(replace(service, read_model=replace(READ_MODEL, policy=policy)))

    def does(self, command: Command, at: str) -> Sequence[str]:
        """Ask as the chair."""
        return self.ask(command, by=CHAIR, at=at)

    def problems(self, command: Command, at: str) -> set[str]:
        """Ask as the chair, to be refused."""
        return self.refused(command, by=CHAIR, at=at)

    def planned(self) -> SittingStory:
        """Given: it is planned."""
        self.does(plan(), PLANNED)
        return self

    def listed(self, *children: UUID, at: str = LISTED) -> SittingStory:
        """Given: the cases of some children are on the agenda."""
        for child in children or (LEO,):
            self.does(listing(child), at)
        return self

    def begun(self, *members: Member, at: str = START) -> SittingStory:
        """Given: the members are recorded."""
        self.does(RecordMembers(members=members or MEMBERS), at)
        return self

    def considered(self, child: UUID = LEO, at: str = CONSIDERED, **more: Any) -> SittingStory:
        """Given: the case of a child was considered."""
        self.does(consideration(child, **more), at)
        return self

    def sitting(self) -> SittingStory:
        """Given: it sits with one case on its agenda."""
        return self.planned().listed().begun()

    def sat(self) -> SittingStory:
        """Given: it considered one case with all that can be said, with an abstention, adjourned another, and is closed."""
        self.planned().listed(LEO, MIA).begun()
        self.considered(
            LEO,
            parent_view=Sealed("He has been grounded."),
            dissent=Sealed("The nurse would rather divert him."),
            abstaining=(NURSE,),
            actions=(action(),),
        )
        self.does(adjournment(MIA), LATER)
        self.does(CLOSE, LATER)
        return self


def plan() -> PlanSitting:
    """Return the planning of the sitting."""
    starts_at: Any = START
    return PlanSitting.model_validate_json(
        f'{{"starts_at": "{starts_at}", "place": "The old court house", "chair": "{officer(CHAIR).id}"}}'
    )


def listing(child: UUID) -> AddToAgenda:
    """Return the command that puts a child's case on the agenda."""
    return AddToAgenda(disposal_id=disposal_of(child), case_id=case_of(child), person_id=child)


def member(who: UUID, kind: MemberKind, *, present: bool = True) -> Member:
    """Return a member of the panel."""
    return Member(officer_id=who, kind=kind, organisation="Dorset Council", present=present)


MEMBERS: Final = (member(POLICE, MemberKind.POLICE), member(YJS, MemberKind.YJS), member(NURSE, MemberKind.HEALTH))


def consideration(child: UUID = LEO, **more: Any) -> ConsiderCase:
    """Return a recommendation of a youth caution, the child heard."""
    fields: dict[str, Any] = {
        "disposal_id": disposal_of(child),
        "recommended": Recommendation.YC,
        "reasons": Sealed("He is sorry."),
        "child_view": Sealed("I am sorry."),
    }
    return ConsiderCase(**(fields | more))


def action(number: UUID = ACTION, due: date = DUE) -> Action:
    """Return an action of the panel."""
    return Action(action_id=number, text=Sealed("Ask the school."), owner=YJS, due=due)


def adjournment(child: UUID = LEO) -> AdjournCase:
    """Return the adjournment of a child's case."""
    return AdjournCase(disposal_id=disposal_of(child), why=Sealed("The assessment is late."))


def done(number: UUID = ACTION) -> CompleteAction:
    """Return the record that an action was done."""
    return CompleteAction(action_id=number, note=Sealed("A place from Monday."))


CLOSE: Final = CloseSitting()
