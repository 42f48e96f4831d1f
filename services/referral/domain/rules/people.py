"""Who is linked, who is a victim, and what may be attached: B5, B8 and V1."""

from typing import get_args
from uuid import UUID

from services.referral.domain.commands import (
    AttachDocument,
    ComparePerson,
    CorrectReferral,
    InformVictimOfRestorativeJustice,
    LinkPerson,
    RecordVictimDetails,
    ReferVictimToSupport,
    TellVictim,
    WriteToPerson,
)
from services.referral.domain.corrections import CORRECTIONS
from services.referral.domain.rules.rulebook import rules
from services.referral.domain.state import Referral, born_on, fits_its_kind
from services.referral.events import OF_AN_OFFENDER, PersonLinked
from services.trade.people import told_in_place_of
from services.trade.relations import is_barred_from_any
from services.trade.vocabulary import Category, PersonRole, Role
from shared.domain.corrections import OF_A_CORRECTION, Uncorrectable
from shared.domain.dates import age_on
from shared.domain.decider import with_value_at
from shared.domain.rules import Context


@rules.forbids("B5", AttachDocument)
def nothing_attached_to_nudes(state: Referral, _context: Context) -> bool:
    """Nothing may be attached where a nude image of a child is involved. Do not view, copy, share or store the image.

    Source: UKCIS, Sharing nudes and semi-nudes (2024); College of Policing briefing note
    """
    return not state.nude_imagery


AboutVictim = RecordVictimDetails | InformVictimOfRestorativeJustice | ReferVictimToSupport | TellVictim


@rules.forbids("V1", *get_args(AboutVictim), looks_at=("person_id",))
def victim_did_no_harm(command: AboutVictim, state: Referral, _context: Context) -> bool:
    """This person is linked as having done harm: choose a person who was harmed.

    Source: Victims' Code: a victim is a person who has suffered harm
    """
    linked = state.people.get(command.person_id)
    return linked is None or not linked.did_harm


@rules.forbids("V1", *get_args(AboutVictim), WriteToPerson, looks_at=("person_id",))
def an_officer_says_who_was_harmed(command: AboutVictim | WriteToPerson, state: Referral, context: Context) -> bool:
    """This person is linked, and not as harmed: ask the officer of the referral to link them so.

    Source: DPA 2018 s40 (security): anyone who works for victims reads the notes on them, and makes nobody a victim to that end
    """
    linked = state.people.get(command.person_id)
    if (
        isinstance(command, InformVictimOfRestorativeJustice | TellVictim)
        and told_for(command.person_id, state, context) is not None
    ):
        return True
    return linked is None or linked.is_harmed or context.actor.role != Role.VICTIM_WORKER


@rules.forbids("W1", WriteToPerson, looks_at=("person_id",))
def wants_to_be_written_to(command: WriteToPerson, state: Referral, _context: Context) -> bool:
    """This person may not be written to: they said no, or were harmed and named no safe contact. Ring, if that is safe.

    Source: Victims' Code, right 4; DPA 2018 s38 (accuracy)
    """
    person = command.person_id
    said, details = state.preferences.get(person), state.victim_details.get(person)
    safe = details is not None and details.contact_is_safe and details.wants_updates
    return person in state.people and (said is None or said.messages_wanted) and (safe or not state.is_victim(person))


@rules.forbids("PR1", WriteToPerson, looks_at=("person_id",))
def may_be_in_contact(command: WriteToPerson, state: Referral, context: Context) -> bool:
    """This adult may have no contact with a child of this case: nothing about the child goes to them.

    Source: Children Act 1989 ss2, 3, 8
    """
    return not is_barred_from_any(command.person_id, state.people, context.known, context.day)


@rules.forbids("B8", LinkPerson, looks_at=("role", "category", "details"))
def child_under_ten_is_no_suspect(command: LinkPerson, state: Referral, context: Context) -> bool:
    """A child who was under ten cannot commit a crime: link the child who did it as CHILD_UNDER_10, and nobody older.

    Source: CYPA 1933 s50
    """
    return _fits_the_age(age_at_incident(command, state), command.role, command.category, context)


def known_already(command: LinkPerson, _state: Referral, context: Context) -> tuple[UUID, ...]:
    """Return who is known under the same name and date of birth, of those whom the sender finds by a search."""
    return context.known.others(command.person_id, context.alike.found)


@rules.warns("N2", LinkPerson, looks_at=("person_id", "details"), names=known_already)
def nobody_of_this_name_and_birth_date(command: LinkPerson, state: Referral, context: Context) -> bool:
    """Somebody of this name and date of birth is known already: link that person, or say why this is another.

    Source: DPA 2018 s38 (accuracy)
    """
    return command.details.date_of_birth is None or not known_already(command, state, context)


@rules.allowed_in(ComparePerson, looks_at=("person_id", "another_than"))
def compares_somebody_linked(command: ComparePerson, state: Referral, _context: Context) -> bool:
    """Name a person who is linked here, and another one with whom they are compared.

    Source: DPA 2018 s38 (accuracy)
    """
    return command.person_id in state.people and command.person_id != command.another_than


@rules.forbids("B8", CorrectReferral, looks_at=OF_A_CORRECTION)
def child_under_ten_becomes_no_suspect(command: CorrectReferral, state: Referral, context: Context) -> bool:
    """A child who was under ten cannot commit a crime, nor be made a suspect by a correction; nobody older was under ten.

    Source: CYPA 1933 s50
    """
    if command.field not in {"role", "category"}:
        return True
    try:
        correction = CORRECTIONS.correction(command, state)
    except Uncorrectable:
        return True  # S1 refuses it
    linked = CORRECTIONS.target(command, state).event
    if not isinstance(linked, PersonLinked):
        return True
    after = with_value_at(linked, correction.field, correction.value)
    return _fits_the_age(after.age_at_incident, after.role, after.category, context)


@rules.forbids("COR1", CorrectReferral, looks_at=("field",))
def an_age_follows_from_its_source(command: CorrectReferral, _state: Referral, _context: Context) -> bool:
    """Correct the date of birth, or the day of the incident or the report: the age follows from these.

    Source: DPA 2018 s38 (accuracy)
    """
    return command.field not in {"age_at_incident", "child_at_report"}


@rules.allowed_in(LinkPerson, looks_at=("details",))
def born_before_the_incident(command: LinkPerson, state: Referral, _context: Context) -> bool:
    """The date of birth lies after the incident: check it.

    Source: DPA 2018 s38 (accuracy)
    """
    age = age_at_incident(command, state)
    return command.details.is_organisation or (age is not None and age >= 0)


@rules.allowed_in(LinkPerson, looks_at=("role", "category", "details"))
def an_organisation_does_no_harm(command: LinkPerson, _state: Referral, _context: Context) -> bool:
    """An organisation is no suspect and no child: link the person who did harm.

    Source: DPA 2018 s38(3)
    """
    return fits_its_kind(command)


def age_at_incident(command: LinkPerson, state: Referral) -> int | None:
    """Return the person's age in whole years on the day of the incident; negative if born later."""
    born = born_on(command.details.date_of_birth)
    return None if born is None else age_on(born, state.happened_on)


def told_for(person: UUID, state: Referral, context: Context) -> tuple[UUID, ...] | None:
    """Return the victims in whose place a parent is told: those too young to be told themselves; None of nobody's parent."""
    linked = state.people.get(person)
    if linked is None or linked.is_harmed:
        return None
    children = (victim for victim in linked.parent_of or () if state.is_victim(victim))
    parts = {victim: state.people.get(victim) for victim in children}
    births = {victim: None if part is None else born_on(part.date_of_birth) for victim, part in parts.items()}
    return told_in_place_of(births, context)


def of_age(command: LinkPerson, state: Referral, context: Context) -> dict[str, int | bool | None]:
    """Return the age at the incident, and whether the person was under age on the day of the report."""
    born = born_on(command.details.date_of_birth)
    child = None if born is None else age_on(born, state.reported_on) < context.policy.number("adult_age")
    return {"age_at_incident": age_at_incident(command, state), "child_at_report": child}


def _fits_the_age(age: int | None, role: PersonRole, category: Category, context: Context) -> bool:
    if age is None or age >= context.policy.number("age_of_criminal_responsibility"):
        return category is not Category.CHILD_UNDER_10
    return category is Category.CHILD_UNDER_10 if role is PersonRole.HARMER else category not in OF_AN_OFFENDER
