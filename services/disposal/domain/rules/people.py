"""Whom a command may name: fitting people of the case, as referral links them. A person whom nobody has linked passes."""

from datetime import date

from services.disposal.domain.commands import (
    ConfirmAppropriateAdult,
    InformVictimOfRestorativeJustice,
    OpenDisposalCase,
    RecordVictimView,
    TellVictim,
)
from services.disposal.domain.history import live_cases
from services.disposal.domain.opening import harmed_in_the_referral, known_details, told_for
from services.disposal.domain.rules.rulebook import rules
from services.disposal.domain.state import DisposalState
from services.trade.people import did_harm, differing, had_a_part, linked_people
from services.trade.relations import barred
from services.trade.vocabulary import EXPLAINS_A_DIFFERENCE, Role
from shared.domain.rules import Context


@rules.forbids("V1", RecordVictimView, InformVictimOfRestorativeJustice, TellVictim, looks_at=("person_id",))
def is_no_harmer(
    command: RecordVictimView | InformVictimOfRestorativeJustice | TellVictim, state: DisposalState, context: Context
) -> bool:
    """This is the child of the case, or somebody who is linked as having done harm: choose a person who was harmed.

    Source: Victims' Code: a victim is a person who has suffered harm
    """
    who = command.person_id
    return who != state.opened.person_id and not did_harm(who, context)


@rules.forbids("V1", RecordVictimView, InformVictimOfRestorativeJustice, TellVictim, looks_at=("person_id",))
def an_officer_says_who_was_harmed(
    command: RecordVictimView | InformVictimOfRestorativeJustice | TellVictim, state: DisposalState, context: Context
) -> bool:
    """This person is linked, and not as harmed: ask an officer to link them so in the referral, or to inform them first.

    Source: DPA 2018 s40 (security): anyone who works for victims reads the notes on them, and makes nobody a victim to that end
    """
    who = command.person_id
    if context.actor.role != Role.VICTIM_WORKER or who in state.everyone_harmed:
        return True
    if not isinstance(command, RecordVictimView) and told_for(who, state, context) is not None:
        return True
    linked = context.of_kept(linked_people).get(who)
    return linked is None or linked.is_harmed


@rules.forbids("R7", ConfirmAppropriateAdult, looks_at=("person_id",))
def appropriate_adult_has_no_part(command: ConfirmAppropriateAdult, state: DisposalState, context: Context) -> bool:
    """This is the child, a victim, a witness or somebody else who had a part in what happened: find another adult.

    Source: PACE 1984 Code C 1.7 and note 1B
    """
    adult = command.person_id
    if adult == state.opened.person_id or adult in state.everyone_harmed:
        return False
    return not had_a_part(adult, context)


@rules.forbids("R7", ConfirmAppropriateAdult, looks_at=("person_id",))
def appropriate_adult_may_be_in_contact(
    command: ConfirmAppropriateAdult, state: DisposalState, context: Context
) -> bool:
    """This adult may have no contact with the child: find another adult.

    Source: PACE 1984 Code C note 1B; Children Act 1989 s8
    """
    return barred(command.person_id, state.opened.person_id, context.known, context.day) is None


@rules.forbids("R7", ConfirmAppropriateAdult, looks_at=("child_objects",))
def child_does_not_object(command: ConfirmAppropriateAdult, _state: DisposalState, _context: Context) -> bool:
    """The child objects to this estranged parent: find another adult.

    Source: PACE 1984 Code C note 1B
    """
    return command.child_objects is not True


@rules.forbids("R28", OpenDisposalCase, looks_at=("person_id", "offence"))
def no_case_under_another_id(command: OpenDisposalCase, _state: DisposalState | None, context: Context) -> bool:
    """This child has a disposal case for this offence already: work in that one, or close it first.

    Source: local policy: one live disposal for one child and one offence
    """
    return not any(live_cases(command.person_id, command.offence, context.known))


@rules.warns(EXPLAINS_A_DIFFERENCE, OpenDisposalCase, looks_at=("person_id", "details"))
def details_are_those_of_the_case(command: OpenDisposalCase, _state: DisposalState | None, context: Context) -> bool:
    """The name, the date of birth or the ethnicity differs from what the case holds of this person: correct one of them, or say why they differ.

    Source: DPA 2018 s38 (accuracy)
    """
    given, known = command.details, known_details(command, context)
    return given is None or known is None or not differing(given, known)


@rules.allowed_in(OpenDisposalCase, looks_at=("person_id", "details"))
def details_are_known(command: OpenDisposalCase, _state: DisposalState | None, context: Context) -> bool:
    """Nobody has linked this child in the case: give the child's name and date of birth.

    Source: state machine of a disposal case (rule S1)
    """
    known = known_details(command, context)
    return command.details is not None or known is not None


@rules.warns(
    "VC1",
    OpenDisposalCase,
    looks_at=("victims", "victims_with_enhanced_rights", "referral_id", "person_id"),
    since=date(2013, 12, 10),
)
def nobody_harmed_is_left_out(command: OpenDisposalCase, _state: DisposalState | None, context: Context) -> bool:
    """Somebody who is linked as harmed in the referral is no victim of this case, and would be told nothing: name them, or say why not.

    Source: Victims' Code 2021, rights 3 and 6
    """
    if command.victims is None:
        return True
    named = {*command.victims, *(command.victims_with_enhanced_rights or ())}
    return named.issuperset(harmed_in_the_referral(command, context))
