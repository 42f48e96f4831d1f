"""The people of a case, as referral links them, for the rules of other services (`Context.kept`).

Each of these services keeps referral's events `KEPT`. Of a person whom nobody has linked they know nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Final
from uuid import UUID

from services.referral.events import NrmDecisionRecorded, PersonLinked, ReferralCorrected, ReferralReceived
from services.trade.vocabulary import Flags, PartyDetails, PersonRole
from shared.domain.dates import age_on
from shared.domain.decider import versions_of
from shared.domain.envelope import Fact, has_event
from shared.domain.messages import Event
from shared.domain.persons import Known
from shared.domain.rules import Context

KEPT: Final = (ReferralReceived, PersonLinked, NrmDecisionRecorded, ReferralCorrected)

DETAILS_OF_PERSONS: Final[Mapping[type[Event], tuple[str, ...]]] = {
    PersonLinked: ("person_id",),
    ReferralCorrected: ("person_id",),
}
"""The events that say who a person is, kept of every case (`Service.keeps_of_people`)."""

_WITH_A_PART: Final = frozenset({PersonRole.HARMER, PersonRole.HARMED, PersonRole.WITNESS})
"""The parts of those who took part in what happened, or saw it."""


def did_harm(person: UUID, context: Context) -> bool:
    linked = context.of_kept(linked_people).get(person)
    return linked is not None and linked.did_harm


def had_a_part(person: UUID, context: Context) -> bool:
    """Tell whether a person is linked as having done harm, been harmed, or seen what happened."""
    linked = context.of_kept(linked_people).get(person)
    return linked is not None and (linked.did_harm or linked.is_harmed or linked.role in _WITH_A_PART)


def linked_people(kept: Sequence[Fact]) -> Mapping[UUID, PersonLinked]:
    return {person: fact.event for person, fact in links_by_person(kept).items()}


def links_by_person(kept: Sequence[Fact]) -> Mapping[UUID, Fact[PersonLinked]]:
    return {fact.event.person_id: fact for fact in _corrected(kept) if has_event(fact, PersonLinked)}


def organisations(facts: Sequence[Fact]) -> Iterable[UUID]:
    """Return who was linked as an organisation, such as a shop: it has no data of its own to forget."""
    return (person for person, linked in linked_people(facts).items() if linked.details.is_organisation)


def versions_of_link(person: UUID, kept: Sequence[Fact]) -> Sequence[PersonLinked]:
    """Return the newest link of a person as it was recorded, and as each correction left it; none if nobody linked them."""
    links = ([fact.event for fact in facts if has_event(fact, PersonLinked)] for facts in versions_of(kept).values())
    of_person = [versions for versions in links if versions and versions[0].person_id == person]
    return of_person[-1] if of_person else []


def birth_date_of(person: UUID, context: Context) -> date | None:
    """Return the date of birth of somebody linked; None for an organisation, and if it is forgotten or nobody linked them."""
    linked = context.of_kept(linked_people).get(person)
    born = None if linked is None else linked.details.date_of_birth
    return None if born is None else born.or_else(None)


def told_in_place_of(births: Mapping[UUID, date | None], context: Context) -> tuple[UUID, ...] | None:
    """Return of the victims whose parent is told those too young to be told themselves; None if there is no victim.

    `births` are the victims who are children of that parent, each with the date of birth if it is known.
    """
    young = context.policy.number("victim_told_themselves_age")
    told = (victim for victim, born in births.items() if born and age_on(born, context.day) < young)
    return tuple(told) if births else None


def needs_interpreter(person: UUID, context: Context, also: PartyDetails | None = None) -> bool:
    """Tell whether the details of a person, as linked or as another record has them, name a language for an interpreter."""
    linked = context.of_kept(linked_people).get(person)
    records = (also, None if linked is None else linked.details)
    return any(of and of.interpreter and of.interpreter.or_else("") for of in records)


def flags_of_the_incident(person: UUID, kept: Sequence[Fact]) -> Flags | None:
    """Return the flags of the referral that linked a person last, as they were corrected; None without one.

    Other referrals of the case do not count: a reporter chooses the case, and no officer has read a school's report.
    """
    corrected = _corrected(kept)
    links = [fact for fact in corrected if has_event(fact, PersonLinked) and fact.event.person_id == person]
    received = [fact for fact in corrected if has_event(fact, ReferralReceived)]
    flags = {fact.envelope.stream: fact.event.flags for fact in received}
    return flags.get(links[-1].envelope.stream) if links else None


def nrm_decision(kept: Sequence[Fact]) -> bool | None:
    """Return whether the competent authority last found a victim of modern slavery; None if it has not decided."""
    decided = [fact for fact in _corrected(kept) if has_event(fact, NrmDecisionRecorded)]
    return max(decided, key=lambda fact: fact.occurred_at).event.positive if decided else None


def differing(given: PartyDetails, known: PartyDetails) -> tuple[str, ...]:
    """Name what two records of a person say differently: name, date of birth or ethnicity, if both can be read."""
    return tuple(name for name in ("name", "date_of_birth", "ethnicity") if _differ(given, known, name))


def _differ(given: PartyDetails, known: PartyDetails, name: str) -> bool:
    values = [sealed and sealed.or_else(None) for sealed in (getattr(given, name), getattr(known, name))]
    first, second = (" ".join(value.split()).casefold() if isinstance(value, str) else value for value in values)
    return first is not None and second is not None and first != second


def _corrected(kept: Iterable[Fact]) -> Sequence[Fact]:
    """Return the facts as corrected; a correction may be of an event that is not kept."""
    return [of_fact[-1] for of_fact in versions_of(kept).values() if not has_event(of_fact[0], ReferralCorrected)]


def details_known(persons: Iterable[UUID], known: Known) -> Iterator[tuple[str, PartyDetails]]:
    """Yield the details of persons that records hold, as they were corrected, each with its record."""
    wanted = frozenset(persons)
    for fact in _corrected(known.facts):
        if has_event(fact, PersonLinked) and fact.event.person_id in wanted:
            yield fact.envelope.stream, fact.event.details


def birth_dates(persons: Iterable[UUID], known: Known) -> frozenset[date]:
    born = (details.date_of_birth for _, details in details_known(persons, known))
    return frozenset(day for sealed in born if sealed is not None and (day := sealed.or_else(None)) is not None)


def is_forgotten(person: UUID, known: Known) -> bool:
    """Tell whether the key of a person is destroyed, by what is sealed under it."""
    return any(details.name.is_forgotten for _, details in details_known([person], known))


def linked_together(one: Iterable[UUID], other: Iterable[UUID], known: Known) -> bool:
    records = ({record for record, _ in details_known(ids, known)} for ids in (one, other))
    return not set.isdisjoint(*records)
