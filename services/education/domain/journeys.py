"""The journeys of a session: planned, then its register."""

from typing import Final

from services.education.domain import commands
from services.education.domain.state import Session, Stage
from services.trade.vocabulary import Role
from shared.domain.journeys import Journey, Purposes, Step, each, once

OFFICER: Final = frozenset(
    {Role.SAFE_SCHOOLS_OFFICER.value, Role.INTERNET_SAFETY_OFFICER.value, Role.YJS_CASE_MANAGER.value}
)

JOURNEYS: Final[tuple[Journey[Session], ...]] = (
    Journey(
        "Plan",
        lambda state: state.stage is Stage.PLANNED,
        (
            Step("Book places", (commands.BookPlace,), OFFICER, once(lambda state: bool(state.places))),
            Step(
                "Record that it was held",
                (commands.DeliverSession,),
                OFFICER,
                once(lambda state: state.delivered_at is not None),
            ),
        ),
    ),
    Journey(
        "Register",
        lambda state: state.stage is Stage.DELIVERED,
        (
            Step(
                "Record who came",
                (commands.RecordAttendance,),
                OFFICER,
                each("person_id", lambda state: state.places, lambda state, person: not state.places[person].open),
                duty="ATTENDANCE_RECORDED",
            ),
            Step(
                "Find out why they did not come",
                (commands.DecideAbsenceReason,),
                OFFICER,
                each(
                    "person_id",
                    lambda state: (person for person, place in state.places.items() if place.absence is not None),
                    lambda state, person: not state.places[person].waits_for_reason,
                ),
                duty="ABSENCE_REASON",
            ),
        ),
    ),
)
"""In the words of those who do it."""

PURPOSES: Final[Purposes] = {
    "About a child": (commands.CancelPlace, commands.DecideAbsenceReason, commands.RecordContact),
    "Ending it": (commands.CancelSession,),
}
"""Where the other commands stand."""
