"""The journeys of a referral: triage, the intervention, what is left to the school, its end, and the victim's side."""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final
from uuid import UUID

from services.referral.domain import commands
from services.referral.domain.state import Referral, Stage
from services.referral.domain.state_machine import BEFORE_TRIAGE, WITH_AN_OFFICER
from services.trade.victims import REFERRED, first_day, told_victim
from services.trade.vocabulary import Flag, Role, TriageOutcome
from shared.domain.journeys import Journey, Purposes, Step, Task, each, once

OFFICER: Final = frozenset({Role.SAFE_SCHOOLS_OFFICER.value, Role.INTERNET_SAFETY_OFFICER.value})
SUPERVISOR: Final = frozenset({Role.SUPERVISOR.value})
VICTIM_WORKER: Final = frozenset({Role.VICTIM_WORKER.value})
SCHOOL: Final = frozenset({Role.SCHOOL.value, Role.SAFE_SCHOOLS_OFFICER.value})

WITH_OTHERS: Final = frozenset(
    {Stage.WITH_PANEL, Stage.SCHOOL_LED, Stage.REJECTED, Stage.WITH_MASH, Stage.WITH_INVESTIGATION}
)


def _harmed(state: Referral) -> Iterable[UUID]:
    return state.victims


def _every_suspect_has_an_outcome(state: Referral) -> bool:
    decided = set(map(state.suspect_of, state.assigned.values()))
    return bool(decided) and (None in decided or decided.issuperset(state.suspects))


def _concerns(state: Referral, _day: date) -> Iterator[Task]:
    if state.concerns:
        yield Task(all(concern.answered_on is not None for concern in state.concerns))


FIRST_CONTACT: Final[Step[Referral]] = Step(
    "Make first contact",
    (commands.RecordContact,),
    OFFICER,
    once(lambda state: state.contacted_on is not None),
    duty="FIRST_CONTACT",
)


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
                "Raise the concern: a child may be exploited",
                (commands.RaiseSafeguardingConcern,),
                OFFICER,
                once(lambda state: state.concern_at is not None, lambda state: Flag.EXPLOITATION in state.flags),
                duty="CONCERN_RAISED",
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
                "Refer the child to the National Referral Mechanism",
                (commands.ReferToNrm,),
                OFFICER,
                once(lambda state: bool(state.nrm_referred_on), lambda state: state.exploited_on is not None),
                duty="NRM_REFERRAL",
            ),
            Step(
                "Tell the youth justice service of the knife",
                (commands.ReferToYjs,),
                OFFICER,
                once(lambda state: state.yjs_referred_on is not None, lambda state: state.is_of_a_knife),
                duty="YJS_REFERRAL",
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
                once(
                    lambda state: state.officer_id is not None,
                    lambda state: state.triage_outcome is TriageOutcome.ACCEPT_INTERVENTION,
                ),
            ),
            FIRST_CONTACT,
            Step("Give advice", (commands.GiveAdvice,), OFFICER, once(lambda state: bool(state.advice))),
            Step(
                "Assign the outcome of the crime",
                (commands.AssignCrimeOutcome,),
                OFFICER,
                once(_every_suspect_has_an_outcome, lambda state: state.crime_number is not None),
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
        "Safety",
        lambda state: bool(state.unanswered or state.nrm_referred_on),
        (
            Step(
                "Record what the local authority answered",
                (commands.RecordMashDecision,),
                OFFICER,
                once(lambda state: not state.unanswered),
                duty="MASH_DECISION",
            ),
            Step(
                "Record what the competent authority decided",
                (commands.RecordNrmDecision,),
                OFFICER,
                once(lambda state: state.nrm_decided_on is not None, lambda state: bool(state.nrm_referred_on)),
                duty="NRM_DECISION",
            ),
        ),
    ),
    Journey(
        "Messages",
        lambda state: bool(state.failures or state.absences or state.interpreters_wanted),
        (
            Step(
                "Ring them: a message did not arrive",
                (commands.RecordContact,),
                OFFICER,
                duty="RING_INSTEAD",
                about=lambda state, item: {"person_id": state.messages[UUID(item)].person_id},
            ),
            Step(
                "Ring them: they cannot come",
                (commands.RecordContact,),
                OFFICER,
                duty="ANSWER_ABSENCE",
                about=lambda _state, item: {"person_id": UUID(item.split(maxsplit=1)[0])},
            ),
            Step(
                "Reach them with an interpreter",
                (commands.RecordContact,),
                OFFICER,
                duty="INTERPRETER_ARRANGED",
                about=lambda _state, item: {"person_id": UUID(item)},
            ),
        ),
    ),
    Journey(
        "With others",
        lambda state: state.stage in WITH_OTHERS and not state.reopened,
        (
            FIRST_CONTACT,
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
                once(
                    lambda state: state.closed_on is not None,
                    lambda state: state.stage is not Stage.WITH_PANEL or _every_suspect_has_an_outcome(state),
                ),
                duty="REFERRAL_CLOSED",
            ),
        ),
    ),
    Journey(
        "The victim's side",
        lambda state: bool(state.victims),
        (
            Step(
                "Record how it is safe to reach them",
                (commands.RecordVictimDetails,),
                VICTIM_WORKER,
                each("person_id", _harmed, lambda state, person: person in state.victim_details),
            ),
            Step(
                "Tell them about restorative justice",
                (commands.InformVictimOfRestorativeJustice,),
                VICTIM_WORKER,
                each(
                    "person_id",
                    lambda state: state.victims if state.triages and state.stage is not Stage.WITH_PANEL else (),
                    lambda state, person: state.informed_on(person) is not None,
                ),
                duty="VICTIM_RJ_INFORMATION",
            ),
            Step(
                "Refer them to support",
                (commands.ReferVictimToSupport,),
                VICTIM_WORKER,
                each(
                    "person_id",
                    lambda state: (person for person, details in state.victim_details.items() if details.wants_support),
                    lambda state, person: first_day(state.log, person, REFERRED) is not None,
                ),
                duty="VICTIM_SUPPORT_REFERRAL",
            ),
            Step(
                "Tell them what was decided",
                (commands.TellVictim,),
                VICTIM_WORKER,
                duty="VICTIM_TOLD",
                about=told_victim,
            ),
        ),
    ),
)
"""In the words of those who do it."""

PURPOSES: Final[Purposes] = {
    "About the child": (commands.RaiseAlert, commands.EndAlert, commands.LinkPerson, commands.ComparePerson),
    "What is said of our work": (commands.RecordFeedback, commands.AnswerFeedback),
    "Messages": (commands.WriteToPerson, commands.RecordPreferences),
    "About safety": (commands.RaiseSafeguardingConcern, commands.OverrideSafeguardingHold),
    "About the crime": (commands.RecordCrime, commands.AttachDocument),
}
"""Where the other commands stand."""
