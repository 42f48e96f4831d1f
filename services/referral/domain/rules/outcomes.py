"""Which Home Office outcome a crime may have: O1, O1P, O4, O11, O21, O21W, O22, O23, B6 and R11."""

from typing import Final

from services.referral.domain.commands import (
    AssignCrimeOutcome,
    CarryOutcome,
    CompleteNudesScreening,
    CorrectCarriedOutcome,
    CorrectReferral,
    RecordCrime,
)
from services.referral.domain.corrections import CORRECTIONS
from services.referral.domain.rules.rulebook import rules
from services.referral.domain.state import LinkedPerson, Referral, born_on
from services.referral.events import CrimeOutcomeAssigned
from services.trade.vocabulary import OutcomeCode
from shared.domain.corrections import Uncorrectable
from shared.domain.dates import age_on
from shared.domain.rules import Context
from shared.domain.sealing import Sealed

SEVERAL: Final = 2


@rules.forbids("O1", AssignCrimeOutcome, CarryOutcome, CorrectCarriedOutcome, lifted_by=(RecordCrime,))
def crime_is_recorded(state: Referral, _context: Context) -> bool:
    """Only a recorded crime has an outcome: record its number first.

    Source: Home Office Counting Rules
    """
    return state.crime_number is not None


@rules.forbids("O1P", AssignCrimeOutcome, looks_at=("person_id",))
def one_of_several_is_named(command: AssignCrimeOutcome, state: Referral, _context: Context) -> bool:
    """Several suspects are linked, each with an outcome of their own: name one of them.

    Source: Home Office Counting Rules, section H
    """
    named = command.person_id is not None and state.linked_as(command.person_id) in state.suspects
    return named or len(state.suspects) < SEVERAL


@rules.forbids("O4", AssignCrimeOutcome, looks_at=("person_id",), gives_way=True, lifted_by=(CorrectReferral,))
def no_outcome_stands(command: AssignCrimeOutcome, state: Referral, _context: Context) -> bool:
    """An outcome stands already: where it is wrong, correct its record, or that of its disposal.

    Source: Home Office Counting Rules, section H; DPA 2018 s46
    """
    suspects = set(map(state.suspect_of, state.assigned.values()))
    return state.linked_as(command.person_id) not in suspects if command.person_id else not suspects


@rules.forbids("O11", AssignCrimeOutcome, looks_at=("code", "person_id", "named_suspect"))
def named_and_under_ten(command: AssignCrimeOutcome, state: Referral, context: Context) -> bool:
    """Outcome 11 is for a named suspect who was under ten when it happened: name that child.

    Source: Home Office outcome 11; CYPA 1933 s50
    """
    if command.code is not OutcomeCode.C11:
        return True
    person = _person_of(command, state)
    if person is None or person.age_at_incident is None or not command.named_suspect:
        return False
    return person.age_at_incident < context.policy.number("age_of_criminal_responsibility")


@rules.forbids(
    "O21",
    AssignCrimeOutcome,
    looks_at=("code", "named_suspect", "rationale_text", "victim_informed", "parent_informed"),
)
def suspect_named_and_families_told(command: AssignCrimeOutcome, _state: Referral, _context: Context) -> bool:
    """Outcome 21 needs a named suspect, a written rationale, and the victim and a parent informed.

    Source: Home Office outcome 21
    """
    if command.code is not OutcomeCode.C21:
        return True
    reasoned = bool(command.rationale_text.value.strip())
    return command.named_suspect and reasoned and command.victim_informed and command.parent_informed


@rules.warns("O21W", AssignCrimeOutcome, looks_at=("code",))
def not_for_domestic_or_hate(command: AssignCrimeOutcome, state: Referral, context: Context) -> bool:
    """Outcome 21 is rarely right for domestic abuse or hate: say why it is here.

    Source: Home Office outcome 21
    """
    flags = context.policy.codes("flags_warning_of_outcome_21")
    return command.code is not OutcomeCode.C21 or flags.isdisjoint(flag.value for flag in state.flags)


@rules.forbids("O22", AssignCrimeOutcome, looks_at=("code",))
def activity_undertaken(command: AssignCrimeOutcome, state: Referral, _context: Context) -> bool:
    """Outcome 22 says that an activity has been undertaken: record one first. Advice alone is none.

    Source: Home Office outcome 22
    """
    return command.code is not OutcomeCode.C22 or bool(state.activities)


@rules.forbids("O23", AssignCrimeOutcome, looks_at=("code",))
def not_assigned_by_hand(command: AssignCrimeOutcome, _state: Referral, _context: Context) -> bool:
    """Outcome 23 comes with a completed deferral: complete it in the disposal case, and it is carried here by itself.

    Source: Home Office outcome 23
    """
    return command.code is not OutcomeCode.C23


@rules.forbids("B6", AssignCrimeOutcome, looks_at=("code",), lifted_by=(CompleteNudesScreening,))
def nudes_screened_without_yes(command: AssignCrimeOutcome, state: Referral, context: Context) -> bool:
    """Outcome 21 fits a nude image only where the screening is complete, every answer is No, and nobody exploited it.

    Source: College of Policing briefing note on youth-produced sexual imagery; Home Office outcome 21
    """
    if command.code is not OutcomeCode.C21 or not state.nude_imagery:
        return True
    barring = context.policy.codes("flags_barring_outcome_21_on_nudes")
    screened = state.screening is not None and not state.screening.any_yes
    return screened and barring.isdisjoint(flag.value for flag in state.flags)


@rules.forbids("R11", AssignCrimeOutcome, looks_at=("code", "person_id"))
def no_adult_caution(command: AssignCrimeOutcome, state: Referral, context: Context) -> bool:
    """An adult caution, a penalty notice or a cannabis warning cannot be given to anyone under eighteen: name an adult or choose again.

    Source: CDA 1998 s66ZA(6); ACPO 2009
    """
    if command.code.value not in context.policy.codes("outcomes_for_adults_only"):
        return True
    person = _person_of(command, state)
    age = None if person is None else _age_on(person, context)
    return age is not None and age >= context.policy.number("adult_age")


@rules.allowed_in(AssignCrimeOutcome, looks_at=("code",))
def assigned_where_it_was_judged(command: AssignCrimeOutcome, _state: Referral, context: Context) -> bool:
    """This outcome follows from a disposal: assign it in the disposal case, and it is carried here by itself.

    Source: rules O2 and O8 of this house; Home Office outcomes 2, 2A and 8
    """
    return command.code.value not in context.policy.codes("outcomes_of_a_disposal")


@rules.allowed_in(CorrectReferral, looks_at=("corrects",))
def corrected_where_it_was_judged(command: CorrectReferral, state: Referral, _context: Context) -> bool:
    """This outcome was carried from a disposal: correct it in the disposal case, and it is corrected here by itself.

    Source: rules O2 and O8 of this house; Home Office outcomes 2, 2A and 8
    """
    try:
        event = CORRECTIONS.target(command, state).event
    except Uncorrectable:
        return True  # another of these functions refuses it
    return not isinstance(event, CrimeOutcomeAssigned) or event.disposal_id is None


def _assigned(event: CrimeOutcomeAssigned, _before: Referral) -> AssignCrimeOutcome | None:
    """Write the command of an outcome that was assigned here; one that was carried is corrected in its disposal case."""
    if event.disposal_id is not None:
        return None
    return AssignCrimeOutcome(
        code=event.code,
        person_id=event.person_id,
        named_suspect=bool(event.named_suspect),
        rationale_text=event.rationale_text or Sealed(""),
        victim_informed=bool(event.victim_informed),
        parent_informed=bool(event.parent_informed),
    )


CORRECTIONS.judge_again(
    rules, CorrectReferral, AssignCrimeOutcome, CrimeOutcomeAssigned, "code", "person_id", asked=_assigned
)


def _person_of(command: AssignCrimeOutcome, state: Referral) -> LinkedPerson | None:
    return None if command.person_id is None else state.people.get(command.person_id)


def _age_on(person: LinkedPerson, context: Context) -> int | None:
    """Return the age on the day; without a birth date the age at the incident, which is never more. An organisation has none."""
    born = born_on(person.date_of_birth)
    return person.age_at_incident if born is None else age_on(born, context.day)
