"""The people of a case, as referral links them, for the rules of other services (`Context.kept`).

Each of these services keeps referral's events `KEPT`. Of a person whom nobody has linked they know nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from services.referral.events import PersonLinked, ReferralCorrected, ReferralReceived
from services.vocabulary import Flags, PartyDetails, PersonRole
from shared.domain.decider import apply_correction
from shared.domain.envelope import Fact, has_event

KEPT: Final = (ReferralReceived, PersonLinked, ReferralCorrected)

HARMER: Final = frozenset({PersonRole.HARMER})
WITH_A_PART: Final = frozenset({PersonRole.HARMER, PersonRole.HARMED, PersonRole.WITNESS})
"""The parts of those who took part in what happened, or saw it."""


def is_linked_as(person: UUID, roles: frozenset[PersonRole], kept: Sequence[Fact]) -> bool:
    """Tell whether a person is linked in one of these roles."""
    linked = linked_people(kept).get(person)
    return linked is not None and linked.role in roles


def linked_people(kept: Sequence[Fact]) -> Mapping[UUID, PersonLinked]:
    """Return the newest link of each person, as it was corrected."""
    return {fact.event.person_id: fact.event for fact in _corrected(kept) if has_event(fact, PersonLinked)}


def flags_of_the_incident(kept: Sequence[Fact]) -> Flags | None:
    """Return the flags of the newest referral, as they were corrected; None without one."""
    return next((fact.event.flags for fact in reversed(_corrected(kept)) if has_event(fact, ReferralReceived)), None)


def differing(given: PartyDetails, known: PartyDetails) -> tuple[str, ...]:
    """Name what two records of a person say differently: name, date of birth or ethnicity, where both can be read."""
    return tuple(name for name in ("name", "date_of_birth", "ethnicity") if _differ(given, known, name))


def _differ(given: PartyDetails, known: PartyDetails, name: str) -> bool:
    values = [sealed and sealed.or_else(None) for sealed in (getattr(given, name), getattr(known, name))]
    one, other = (" ".join(value.split()).casefold() if isinstance(value, str) else value for value in values)
    return one is not None and other is not None and one != other


def _corrected(kept: Iterable[Fact]) -> Sequence[Fact]:
    facts: dict[UUID, Fact] = {}
    for fact in kept:
        if has_event(fact, ReferralCorrected):
            for target in fact.event.targets:
                if target in facts:  # a correction may be of an event that is not kept
                    facts[target] = apply_correction(facts[target], fact)
        else:
            facts[fact.event_id] = fact
    return list(facts.values())
