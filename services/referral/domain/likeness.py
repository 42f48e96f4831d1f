"""What tells that two persons may be one: the same name, as it is compared, and the same date of birth (rule N2)."""

from collections.abc import Iterable, Iterator
from uuid import UUID

from services.referral.domain.commands import LinkPerson
from services.referral.events import PersonLinked
from services.trade.names import forms_of
from shared.domain.messages import Command, Event


def likeness(message: Event | Command) -> Iterable[tuple[UUID, str]]:
    """Yield the person whom a message links, with each form of name and birth date; nothing if these are forgotten."""
    return _forms(message) if isinstance(message, PersonLinked | LinkPerson) else ()


def _forms(message: PersonLinked | LinkPerson) -> Iterator[tuple[UUID, str]]:
    details = message.details
    name = details.name.or_else(None)
    born = None if details.date_of_birth is None else details.date_of_birth.or_else(None)
    if name is not None and born is not None:
        yield from ((message.person_id, f"{form} {born.isoformat()}") for form in forms_of(name))
