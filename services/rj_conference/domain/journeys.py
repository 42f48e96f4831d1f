"""The journeys of a conference: getting ready, holding it, and what follows."""

from typing import Final

from services.rj_conference.domain import commands
from services.rj_conference.domain.state import BEFORE_HELD, Conference, Stage
from services.trade.vocabulary import Role
from shared.domain.journeys import Journey, Purposes, Step, each, item_as, once

FACILITATOR: Final = frozenset({Role.RJ_FACILITATOR.value, Role.SAFE_SCHOOLS_OFFICER.value})
NAMED_FACILITATOR: Final = frozenset({Role.RJ_FACILITATOR.value})
FACILITATORS: Final = frozenset({Role.SUPERVISOR.value, Role.RJ_FACILITATOR.value})
VICTIM_SIDE: Final = frozenset({Role.RJ_FACILITATOR.value, Role.VICTIM_WORKER.value})


JOURNEYS: Final[tuple[Journey[Conference], ...]] = (
    Journey(
        "Get ready",
        lambda state: state.stage in BEFORE_HELD,
        (
            Step(
                "Assign a facilitator",
                (commands.AssignFacilitator,),
                FACILITATORS,
                once(lambda state: state.facilitator is not None),
                duty="ASSIGN_FACILITATOR",
            ),
            Step(
                "Hear whether the child accepts responsibility",
                (commands.RecordResponsibility,),
                FACILITATOR,
                each("person_id", lambda state: state.harmers, lambda state, person: state.accepts(person)),
            ),
            Step(
                "Say who takes part", (commands.AddParticipant,), FACILITATOR, once(lambda state: state.has_other_side)
            ),
            Step(
                "Tell the harmed what it is",
                (commands.InformVictim,),
                VICTIM_SIDE,
                each("person_id", lambda state: state.harmed, lambda state, person: person in state.informed),
            ),
            Step(
                "Ask for consent",
                (commands.GiveConsent,),
                VICTIM_SIDE,
                each(
                    "person_id", lambda state: state.parties, lambda state, person: state.consent_of(person) is not None
                ),
            ),
            Step("Assess the risk", (commands.AssessRisk,), FACILITATOR, once(lambda state: state.risk is not None)),
            Step(
                "Approve the risk",
                (commands.ApproveRisk,),
                FACILITATORS,
                once(
                    lambda state: state.risk is not None and state.risk.approved_at is not None,
                    lambda state: state.risk is not None,
                ),
            ),
            Step(
                "Meet each of them beforehand",
                (commands.HoldPreparation,),
                FACILITATOR,
                each(
                    "person_id",
                    lambda state: state.everyone,
                    lambda state, person: bool(state.preparations.get(person)),
                ),
            ),
            Step(
                "Fix the day and the place",
                (commands.ScheduleConference,),
                FACILITATOR,
                once(lambda state: state.stage is Stage.SCHEDULED),
            ),
            Step(
                "Record that it was held, or why not",
                (commands.RecordConferenceHeld, commands.RecordDidNotProceed),
                FACILITATOR,
                once(lambda state: state.held is not None, lambda state: state.stage is Stage.SCHEDULED),
            ),
        ),
    ),
    Journey(
        "Afterwards",
        lambda state: state.held is not None and state.stage is not Stage.CLOSED,
        (
            Step(
                "Record what was agreed",
                (commands.SignAgreement, commands.RecordNoAgreement),
                FACILITATOR,
                once(lambda state: state.stage is not Stage.HELD),
            ),
            Step(
                "See that each term is kept",
                (commands.CompleteTerm, commands.FailTerm),
                FACILITATOR,
                duty="TERM",
                about=item_as("term_id"),
            ),
            Step(
                "Ask how it was",
                (commands.RecordFollowUp,),
                FACILITATOR,
                each(
                    "person_id",
                    lambda state: sorted(state.to_follow_up),
                    lambda state, person: person in state.follow_ups,
                ),
                duty="RJ_FOLLOW_UP",
            ),
            Step(
                "Close it",
                (commands.CloseConference,),
                NAMED_FACILITATOR,
                once(lambda state: state.closed_on is not None),
            ),
        ),
    ),
)
"""In the words of those who do it."""

PURPOSES: Final[Purposes] = {"About who takes part": (commands.WithdrawConsent, commands.ConvertToIndirect)}
"""Where the other commands stand."""
