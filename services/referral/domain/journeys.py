"""The journeys of a referral: triage, the intervention, what is left to the school, and its end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Final
from uuid import UUID

from services.referral.domain import commands
from services.referral.domain.state import Referral, Stage
from services.referral.domain.state_machine import BEFORE_TRIAGE, WITH_AN_OFFICER
from services.vocabulary import Category, Role, TriageOutcome
from shared.domain.journeys import Journey, Step, Task, each, once

OFFICER: Final = frozenset({Role.SAFE_SCHOOLS_OFFICER.value, Role.INTERNET_SAFETY_OFFICER.value})
SUPERVISOR: Final = frozenset({Role.SUPERVISOR.value})
SCHOOL: Final = frozenset({Role.SCHOOL.value, Role.SAFE_SCHOOLS_OFFICER.value})

TO_CLOSE: Final = frozenset({Stage.SCHOOL_LED, Stage.REJECTED, Stage.WITH_MASH, Stage.WITH_INVESTIGATION})


def _harmed(state: Referral) -> Iterator[UUID]:
    return (person for person, linked in state.people.items() if linked.category is Category.VICTIM)


def _concerns(state: Referral, _day: date) -> Iterator[Task]:
    if state.concerns:
        yield Task(all(concern.answered_on is not None for concern in state.concerns))


def _is_accepted(state: Referral) -> bool:
    return state.triage_outcome is TriageOutcome.ACCEPT_INTERVENTION


JOURNEYS: Final[tuple[Journey[Referral], ...]] = (
    Journey(
        "Triage",
        lambda state: state.stage in BEFORE_TRIAGE or state.reopened,
        (
            Step(
                "Tell the referrer that you have it",
                (commands.AcknowledgeReferral,),
                OFFICER,
                once(lambda state: state.acknowledged_on is not None),
                duty="REFERRAL_ACKNOWLEDGED",
            ),
            Step(
                "Keep the child safe: refer to MASH",
                (commands.RecordMashReferral,),
                OFFICER,
                _concerns,
                "MASH_REFERRED",
            ),
            Step(
                "Screen the images, without looking at them",
                (commands.CompleteNudesScreening,),
                OFFICER,
                once(lambda state: state.screening is not None, lambda state: state.nude_imagery),
            ),
            Step(
                "Ask what the harmed want",
                (commands.RecordVictimPreference,),
                OFFICER,
                each("person_id", _harmed, lambda state, person: person in state.wishes),
            ),
            Step(
                "Decide what happens",
                (commands.TriageReferral,),
                OFFICER,
                once(lambda state: state.triage_outcome is not None and not state.reopened),
                duty="REFERRAL_TRIAGED",
            ),
        ),
    ),
    Journey(
        "Intervention",
        lambda state: state.stage in WITH_AN_OFFICER and not state.reopened,
        (
            Step(
                "Give it to someone",
                (commands.AllocateReferral,),
                SUPERVISOR,
                once(lambda state: state.officer_id is not None, _is_accepted),
            ),
            Step(
                "Make first contact",
                (commands.RecordContact,),
                OFFICER,
                once(lambda state: state.contacted_on is not None),
                duty="FIRST_CONTACT",
            ),
            Step(
                "Give advice",
                (commands.GiveAdvice,),
                OFFICER,
                once(lambda state: state.advice_given > 0),
            ),
            Step(
                "Assign the outcome of the crime",
                (commands.AssignCrimeOutcome,),
                OFFICER,
                once(lambda state: state.outcome is not None, lambda state: state.crime_number is not None),
            ),
            Step(
                "Close it",
                (commands.CloseReferral,),
                OFFICER,
                once(lambda state: state.closed_on is not None),
                duty="REFERRAL_CLOSED",
            ),
        ),
    ),
    Journey(
        "With others",
        lambda state: state.stage in TO_CLOSE and not state.reopened,
        (
            Step(
                "Confirm what the school did",
                (commands.ConfirmSchoolLedOutcome,),
                SCHOOL,
                once(lambda state: state.school_confirmed, lambda state: state.stage is Stage.SCHOOL_LED),
            ),
            Step(
                "Close it",
                (commands.CloseReferral,),
                OFFICER,
                once(lambda state: state.closed_on is not None),
                duty="REFERRAL_CLOSED",
            ),
        ),
    ),
)
"""In the words of those who do it."""
