"""What a case takes from the referral: at its opening the details, the flags and the victims; later, whose parent somebody is."""

from uuid import UUID

from services.disposal.domain.commands import OpenDisposalCase
from services.disposal.domain.state import DisposalState
from services.referral.events import EVENTS
from services.trade.people import (
    birth_date_of,
    flags_of_the_incident,
    linked_people,
    links_by_person,
    told_in_place_of,
    versions_of_link,
)
from services.trade.vocabulary import Personal, PersonDetails
from shared.domain.rules import Context


def known_details(command: OpenDisposalCase, context: Context) -> PersonDetails | None:
    """Return what the case holds of the child, if it can still be read; an organisation is no child.

    How somebody who was harmed is reached stays in the referral, also if a correction has made them a suspect: here it
    would be the contact of a child, for more roles.
    """
    versions = versions_of_link(command.person_id, context.kept)
    if not versions or (born := versions[-1].details.date_of_birth) is None or born.is_forgotten:
        return None
    details = versions[-1].details
    return PersonDetails(
        **{
            name: getattr(details, name)
            for name in PersonDetails.model_fields
            if all(EVENTS.class_of(linked, f"details.{name}") is not Personal.VICTIM_CONTACT for linked in versions)
        }
    )


def victims_under_age(command: OpenDisposalCase, context: Context) -> tuple[UUID, ...] | None:
    """Return the victims who by the referral were under age on the day of the report; None if there are none."""
    linked = context.of_kept(linked_people)
    found = (victim for victim in dict.fromkeys(command.victims or ()) if victim in linked)
    return tuple(victim for victim in found if linked[victim].child_at_report) or None


def harmed_in_the_referral(command: OpenDisposalCase, context: Context) -> tuple[UUID, ...]:
    """Return those who are linked as harmed in the referral of the case, or else in the one that links the child."""
    links = context.of_kept(links_by_person)
    child = links.get(command.person_id)
    stream = command.referral_id or (None if child is None else child.stream_id)
    return tuple(person for person, fact in links.items() if fact.stream_id == stream and fact.event.is_harmed)


def told_for(person: UUID, state: DisposalState, context: Context) -> tuple[UUID, ...] | None:
    """Return the victims in whose place a parent is told: those too young to be told themselves; None of nobody's parent."""
    linked = context.of_kept(linked_people).get(person)
    if linked is None or person in state.everyone_harmed:
        return None
    children = (victim for victim in linked.parent_of or () if victim in state.everyone_harmed)
    return told_in_place_of({victim: birth_date_of(victim, context) for victim in children}, context)


def completed(command: OpenDisposalCase, context: Context) -> OpenDisposalCase:
    """Return the command with what it leaves to the referral: the child's details, what makes the offence graver, and who was harmed.

    Of those, who was under age on the day of the report has enhanced rights.
    """
    details = known_details(command, context) if command.details is None else command.details
    flags = flags_of_the_incident(command.person_id, context.kept) if command.flags is None else command.flags
    whole = command.model_copy(update={"details": details, "flags": flags or command.flags})
    if command.victims is not None or not (harmed := harmed_in_the_referral(command, context)):
        return whole
    whole = whole.model_copy(update={"victims": harmed})
    enhanced = {*(command.victims_with_enhanced_rights or ()), *(victims_under_age(whole, context) or ())}
    return whole.model_copy(update={"victims_with_enhanced_rights": tuple(sorted(enhanced)) or None})
