"""Whom a command may name, as referral links the people of the case. A person whom nobody has linked passes."""

from datetime import date
from typing import Final

from services.rj_conference.domain.commands import AddParticipant, GiveConsent, InformVictim, ScheduleConference
from services.rj_conference.domain.rules.consent import is_under_age
from services.rj_conference.domain.rules.rulebook import rules
from services.rj_conference.domain.state import Conference
from services.rj_conference.events import ParticipantRole
from services.trade.people import did_harm, linked_people, needs_interpreter
from services.trade.relations import is_barred_from_any
from shared.domain.rules import Context


@rules.forbids("V1", InformVictim, looks_at=("person_id",))
def is_no_harmer(command: InformVictim, conference: Conference, context: Context) -> bool:
    """This is the child who did harm, or somebody who is linked as having done it: choose a person who was harmed.

    Source: Victims' Code: a victim is a person who has suffered harm
    """
    return command.person_id != conference.harmer and not did_harm(command.person_id, context)


_SIDES: Final = frozenset({ParticipantRole.HARMED, ParticipantRole.REPRESENTATIVE})


@rules.forbids("C13", AddParticipant, looks_at=("person_id", "role"), since=date(2013, 4, 8))
def each_takes_part_on_their_own_side(command: AddParticipant, _conference: Conference, context: Context) -> bool:
    """Who is linked as having done harm takes part as HARMER alone, and who was harmed as HARMED or by a REPRESENTATIVE: choose that role.

    Source: RJC Best Practice Guidance (voluntarism, safety)
    """
    linked = context.of_kept(linked_people).get(command.person_id)
    if linked is None or not (linked.did_harm or linked.is_harmed):
        return True
    as_harmer = linked.did_harm and command.role is ParticipantRole.HARMER
    return as_harmer or (linked.is_harmed and command.role in _SIDES)


@rules.forbids("PR1", AddParticipant, looks_at=("person_id",), since=date(2013, 4, 8))
def may_be_in_contact(command: AddParticipant, conference: Conference, context: Context) -> bool:
    """This adult may have no contact with a child of this case: invite somebody else.

    Source: Children Act 1989 ss2, 3, 8
    """
    others = {*conference.everyone, *context.of_kept(linked_people)}
    return not is_barred_from_any(command.person_id, others, context.known, context.day)


@rules.forbids("PR1", ScheduleConference, since=date(2013, 4, 8))
def everyone_may_be_in_contact(conference: Conference, context: Context) -> bool:
    """An adult who takes part may have no contact with a child of this case: close this conference, and propose one without them.

    Source: Children Act 1989 ss2, 3, 8
    """
    others = {*conference.everyone, *context.of_kept(linked_people)}
    return not any(is_barred_from_any(adult, others, context.known, context.day) for adult in conference.participants)


@rules.warns("IN1", GiveConsent, looks_at=("person_id", "interpreter"), since=date(2013, 4, 8))
def consent_is_given_with_an_interpreter(command: GiveConsent, _conference: Conference, context: Context) -> bool:
    """This person needs an interpreter by their details, and none took part: say why they understood without one.

    Source: YCC Code of Practice 16.3; PACE 1984 Code C 13
    """
    return command.interpreter is True or not needs_interpreter(command.person_id, context)


@rules.warns("IN1", ScheduleConference, lifted_by=(AddParticipant,), since=date(2013, 4, 8))
def an_interpreter_is_invited(conference: Conference, context: Context) -> bool:
    """Somebody who takes part needs an interpreter by their details, and none is invited: invite one, or say why not.

    Source: YCC Code of Practice 16.3; PACE 1984 Code C 13
    """
    invited = any(person.role is ParticipantRole.INTERPRETER for person in conference.participants.values())
    return invited or not any(needs_interpreter(person, context) for person in conference.everyone)


@rules.allowed_in(AddParticipant, looks_at=("person_id", "under_16"))
def age_is_known(command: AddParticipant, conference: Conference, context: Context) -> bool:
    """The case holds no date of birth of this person: say whether they are under sixteen.

    Source: RJC Best Practice Guidance (voluntarism); age 16 by local policy
    """
    return is_under_age(conference, command.person_id, context.day, context) is not None or command.under_16 is not None
