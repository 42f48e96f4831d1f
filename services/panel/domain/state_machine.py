"""The state machine of a sitting: the stages in which each command is allowed (rule S1).

`ConsiderCase` of a case that is not on the agenda, or was considered, is refused by P2 alone.
"""

from typing import Final

from services.panel.domain.commands import (
    AddToAgenda,
    AdjournCase,
    CancelSitting,
    CloseSitting,
    CompleteAction,
    ConsiderCase,
    CorrectRecord,
    PlanSitting,
    RecordMembers,
    RemoveFromAgenda,
)
from services.panel.domain.state import ItemStatus, Sitting, Stage
from shared.domain.rules import Context
from shared.domain.state_machine import NOTHING_YET, AllowedStages

OPEN: Final = frozenset({Stage.PLANNED, Stage.SITTING})

SOURCE: Final = "state machine of a sitting (rule S1)"


def _waits(command: RemoveFromAgenda | AdjournCase, sitting: Sitting, _context: Context) -> bool:
    item = sitting.agenda.get(command.disposal_id)
    return item is not None and item.status is ItemStatus.TO_CONSIDER


def _action_is_open(command: CompleteAction, sitting: Sitting, _context: Context) -> bool:
    action = sitting.actions.get(command.action_id)
    return action is not None and action.done_on is None


def _abstaining_are_members(command: ConsiderCase, sitting: Sitting, context: Context) -> bool:
    members = {member.officer_id for member in sitting.members(context.occurred_at)}
    return members.issuperset(command.abstaining or ())


STATE_MACHINE: Final[tuple[AllowedStages[Sitting], ...]] = (
    AllowedStages(
        "planned_once",
        (PlanSitting,),
        NOTHING_YET,
        "This sitting is planned already: give a new sitting an id of its own.",
    ),
    AllowedStages(
        "it_is_not_over",
        (AddToAgenda, RemoveFromAgenda, RecordMembers, ConsiderCase, AdjournCase, CloseSitting),
        OPEN,
        "The sitting is closed or was cancelled: plan another.",
    ),
    AllowedStages(
        "not_on_the_agenda_yet",
        (AddToAgenda,),
        OPEN,
        "The case is on the agenda of this sitting already.",
        condition=lambda command, sitting, _: command.disposal_id not in sitting.agenda,
        looks_at=("disposal_id",),
    ),
    AllowedStages(
        "the_case_waits",
        (RemoveFromAgenda, AdjournCase),
        OPEN,
        "The case does not wait on the agenda of this sitting: it was never put there, or the panel is done with it.",
        condition=_waits,
        looks_at=("disposal_id",),
    ),
    AllowedStages(
        "those_who_abstain_are_members",
        (ConsiderCase,),
        OPEN,
        "Somebody who is no member of this sitting cannot abstain: record the members first.",
        condition=_abstaining_are_members,
        looks_at=("abstaining",),
    ),
    AllowedStages(
        "its_actions_are_new",
        (ConsiderCase,),
        OPEN,
        "An action with this id was agreed already: give each action an id of its own.",
        condition=lambda command, sitting, _: sitting.actions.keys().isdisjoint(
            action.action_id for action in command.actions or ()
        ),
        looks_at=("actions",),
    ),
    AllowedStages(
        "the_action_is_open",
        (CompleteAction,),
        frozenset({Stage.SITTING, Stage.CLOSED}),
        "The panel agreed no such action, or it was done already.",
        condition=_action_is_open,
        looks_at=("action_id",),
    ),
    AllowedStages(
        "nothing_was_considered",
        (CancelSitting,),
        OPEN,
        "A sitting is cancelled before it has considered a case: adjourn the others, and close it.",
        standing=lambda sitting: all(item.status is not ItemStatus.CONSIDERED for item in sitting.agenda.values()),
    ),
)

IN_EVERY_STAGE: Final = (CorrectRecord,)
