"""The journeys of a sitting: its agenda, the sitting itself, and the actions that it leaves."""

from typing import Final

from services.panel.domain import commands
from services.panel.domain.state import ItemStatus, Sitting, Stage
from services.panel.domain.state_machine import OPEN
from services.trade.vocabulary import Role
from shared.domain.journeys import Journey, Purposes, Step, each, item_as, once

CHAIR: Final = frozenset({Role.POLICE_DECISION_MAKER.value, Role.YJS_CASE_MANAGER.value, Role.SUPERVISOR.value})

JOURNEYS: Final[tuple[Journey[Sitting], ...]] = (
    Journey(
        "Sit",
        lambda state: state.stage in OPEN,
        (
            Step("Put cases on the agenda", (commands.AddToAgenda,), CHAIR, once(lambda state: bool(state.agenda))),
            Step("Record who is there", (commands.RecordMembers,), CHAIR, once(lambda state: bool(state.memberships))),
            Step(
                "Consider the case, or adjourn it",
                (commands.ConsiderCase, commands.AdjournCase),
                CHAIR,
                each(
                    "disposal_id",
                    lambda state: state.agenda,
                    lambda state, disposal: state.agenda[disposal].status is not ItemStatus.TO_CONSIDER,
                ),
            ),
            Step("Close the sitting", (commands.CloseSitting,), CHAIR, once(lambda state: state.stage is Stage.CLOSED)),
        ),
    ),
    Journey(
        "Actions",
        lambda state: bool(state.actions),
        (
            Step(
                "Do what the panel agreed",
                (commands.CompleteAction,),
                CHAIR,
                duty="PANEL_ACTION",
                about=item_as("action_id"),
            ),
        ),
    ),
)
"""In the words of those who do it."""

PURPOSES: Final[Purposes] = {"About the agenda": (commands.RemoveFromAgenda,), "Ending it": (commands.CancelSitting,)}
"""Where the other commands stand."""
