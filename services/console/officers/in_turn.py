"""What waits for a role on its first page, in the order in which it works: lists of cases by where their work stands."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.console.apis import Apis, part_of
from services.console.names import Record
from services.console.officers.cases import record_of
from services.console.sessions import Session
from services.reporting.access import NAMING
from services.trade.vocabulary import Role

SHOWN: Final = 10
"""Cases of a list that the page shows."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A kind of work that waits for a role: its heading, the service and the states in which it waits."""

    title: str
    service: str
    states: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """The cases that wait so, each with the record that does."""

    title: str
    state: str
    """The state by which the list of cases shows all of them; empty if several states wait so."""
    lines: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]
    more: bool


TURNS: Final[Mapping[str, Sequence[Turn]]] = {
    Role.SUPERVISOR: (
        Turn("To allocate", "referral", ("TRIAGED",)),
        Turn("Conferences to assign", "rj_conference", ("PROPOSED",)),
        Turn("Risks to approve", "rj_conference", ("ASSESSED",)),
    ),
    Role.POLICE_DECISION_MAKER: (
        Turn("To decide", "disposal", ("RECOMMENDED",)),
        Turn("To give", "disposal", ("DECIDED",)),
        Turn("Breaches", "disposal", ("BREACH_REVIEW",)),
    ),
    Role.RJ_FACILITATOR: (
        Turn("Conferences to take on", "rj_conference", ("PROPOSED",)),
        Turn("To prepare", "rj_conference", ("ENGAGING", "ASSESSED", "PREPARED")),
        Turn("Day and place are fixed", "rj_conference", ("SCHEDULED",)),
        Turn("To follow up", "rj_conference", ("HELD", "MONITORING", "FOLLOW_UP")),
    ),
}
"""Role -> its lists in order; every other role begins with its duties."""


async def waiting_for(apis: Apis, session: Session, officer: str | None) -> list[Waiting]:
    """Return the lists of the person's roles that have a case, perhaps those of an officer's cases alone."""
    turns = [turn for role in session.roles for turn in TURNS.get(role, ())]
    states = {state for turn in turns for state in turn.states}
    answers = dict(
        zip(
            states,
            await asyncio.gather(
                *(
                    part_of(apis.get_projected(session, "/v1/cases", {"state": state, "officer": officer}))
                    for state in states
                )
            ),
            strict=True,
        )
    )
    return [waiting for turn in turns if (waiting := waiting_in(turn, answers)).lines]


def named_by(case: Mapping[str, Any], work: Mapping[str, Any]) -> Record:
    """Return the record whose child a line names: its own, so that another suspect of the case is not taken for them."""
    return (work["service"], work["id"]) if work["service"] in NAMING else record_of(case)


def waiting_in(turn: Turn, answers: Mapping[str, Any]) -> Waiting:
    lines = [
        (case, work)
        for state in turn.states
        for case in (answers[state].value or {}).get("cases", ())
        for work in case["work"]
        if work["service"] == turn.service and work["state"] == state
    ]
    return Waiting(turn.title, turn.states[0] if len(turn.states) == 1 else "", lines[:SHOWN], len(lines) > SHOWN)
