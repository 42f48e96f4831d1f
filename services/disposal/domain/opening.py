"""What the opening of a case takes over from the referral: the details of its linked person, and the flags."""

from uuid import UUID

from services.disposal.domain.commands import OpenDisposalCase
from services.referral.events import EVENTS
from services.trade.people import flags_of_the_incident, linked_people, versions_of_link
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


def completed(command: OpenDisposalCase, context: Context) -> OpenDisposalCase:
    """Return the command with what it leaves to the referral: the child's details, and what makes the offence graver."""
    details = known_details(command, context) if command.details is None else command.details
    flags = flags_of_the_incident(command.person_id, context.kept) if command.flags is None else command.flags
    return command.model_copy(update={"details": details, "flags": flags or command.flags})
