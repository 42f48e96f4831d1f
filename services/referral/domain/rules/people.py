"""Who is linked, and what may be attached: B5 and B8."""

from __future__ import annotations

from typing import Final

from services.referral.domain.ages import born_on
from services.referral.domain.commands import AttachDocument, LinkPerson
from services.referral.domain.rules.book import rules
from services.referral.domain.state import Referral
from services.vocabulary import Category, PersonRole
from shared.rules import Occasion
from shared.working_days import age_on

OF_AN_OFFENDER: Final = frozenset({Category.SUSPECT, Category.CONVICTED, Category.DISPOSED_OOC})
"""Categories that a child under ten can never have."""


@rules.forbids("B5", AttachDocument)
def nothing_attached_to_nudes(_command: AttachDocument, state: Referral, _occasion: Occasion) -> bool:
    """Nothing may be attached where a nude image of a child is involved. Do not view, copy, share or store the image.

    Source: UKCIS, Sharing nudes and semi-nudes (2024); College of Policing briefing note
    """
    return not state.nude_imagery


@rules.forbids("B8", LinkPerson)
def child_under_ten_is_no_suspect(command: LinkPerson, state: Referral, occasion: Occasion) -> bool:
    """A child who was under ten cannot commit a crime: link the child who did it as CHILD_UNDER_10, and nobody older.

    Source: CYPA 1933 s50
    """
    age = age_at_incident(command, state)
    if age is None or age >= occasion.policy.number("age_of_criminal_responsibility"):
        return command.category is not Category.CHILD_UNDER_10
    if command.role is PersonRole.HARMER:
        return command.category is Category.CHILD_UNDER_10
    return command.category not in OF_AN_OFFENDER


@rules.allows(LinkPerson)
def born_before_the_incident(command: LinkPerson, state: Referral, _occasion: Occasion) -> bool:
    """The date of birth lies after the incident: check it.

    Source: DPA 2018 s38 (accuracy)
    """
    age = age_at_incident(command, state)
    return age is not None and age >= 0


def age_at_incident(command: LinkPerson, state: Referral) -> int | None:
    """The person's age in whole years on the day of the incident; negative where born later."""
    born = born_on(command.details.date_of_birth)
    return None if born is None else age_on(born, state.happened_on)
