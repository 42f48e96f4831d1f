"""What counts as earlier in a case, and the cases of the same child: what other records say of the person (rules.md K1).

Earlier are the disposals given to the same person here, what people.RecordHistory says was given elsewhere, and `prior` of
the opening for the rest.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final
from uuid import UUID

from services.disposal import events
from services.people.events import OF_PERSONS, HistoryRecorded
from services.trade.relations import KEPT_OF_RELATIONS
from services.trade.vocabulary import Recommendation
from shared.domain.dates import local_day
from shared.domain.decider import versions_of
from shared.domain.envelope import Envelope, Fact
from shared.domain.messages import Event
from shared.domain.persons import Known

KEPT_OF_CHILDREN: Final[Mapping[type[Event], tuple[str, ...]]] = {
    events.DisposalCaseOpened: ("person_id",),
    events.DisposalDecided: ("person_id",),
    events.DisposalIssued: ("person_id",),
    events.DisposalAnnulled: ("person_id",),
    events.CaseWithdrawn: ("person_id",),
    events.OffenceReclassified: ("person_id",),
    events.DiversionEnded: ("person_id",),
    HistoryRecorded: OF_PERSONS[HistoryRecorded],
    **KEPT_OF_RELATIONS,
}
"""The events by which a case knows what else is recorded of its child (`Service.keeps_of_people`)."""

_COUNTED: Final = {"YRD": "yrd", "YC": "yc", "YCC": "ycc", "CONVICTION": "convictions"}
"""What was given -> where it is counted in a `PriorRecord`."""

CLOSING: Final = (Recommendation.OUTCOME_21, Recommendation.NO_FURTHER_ACTION, Recommendation.ADULT_PROCESS)
"""The decisions that close a case."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What was given to the child before: here, in the case `disposal_id`, or elsewhere, by somebody."""

    kind: str
    on: date
    disposal_id: UUID | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Later:
    """A case of the same child for a later offence: when it was opened, and whether it is open."""

    opened_at: datetime
    is_open: bool


def earlier_of(child: UUID, own: UUID, issue: tuple[datetime, UUID] | None, known: Known) -> tuple[Earlier, ...]:
    """Return what was given to a child before the case `own` gave its disposal, or until now, by the day.

    `issue` is when that was, and the id of the case, which tells two of one moment apart.
    """
    same, gone = known.same_as(child), _taken_back(known)
    found = (
        earlier
        for fact in _corrected(known)
        if fact.stream_id not in gone and (earlier := _earlier(fact, same, own, issue)) is not None
    )
    return tuple(sorted(found, key=lambda earlier: (earlier.on, earlier.kind)))


def _earlier(fact: Fact, same: frozenset[UUID], own: UUID, issue: tuple[datetime, UUID] | None) -> Earlier | None:
    match fact.event:
        case events.DisposalIssued(person_id=person) as issued if person in same and fact.stream_id != own:
            before = issue is None or (fact.occurred_at, fact.stream_id) < issue
            return Earlier(issued.disposal.value, issued.issued_on, fact.stream_id) if before else None
        case HistoryRecorded(person_id=person) as entry if person in same:
            before = issue is None or entry.on < local_day(issue[0])
            return Earlier(entry.kind.value, entry.on, by=entry.by) if before else None
        case _:
            return None


def counted(prior: events.PriorRecord | None, earlier: tuple[Earlier, ...]) -> events.PriorRecord | None:
    """Return what is recorded against the child before, as it is counted; None if nobody has said and nothing is known."""
    counts = Counter(_COUNTED[given.kind] for given in earlier if given.kind in _COUNTED)
    if prior is None and not counts:
        return None
    said = {} if prior is None else prior.model_dump()
    return events.PriorRecord(**{name: said.get(name, 0) + counts[name] for name in events.PriorRecord.model_fields})


def live_cases(child: UUID, offence: events.Offence, known: Known) -> Iterator[UUID]:
    """Yield the cases that stand for an offence of a child, and no claim of its area bars (R28): under other ids, or old ones."""
    for stream, case in _cases(known.same_as(child), known).items():
        same = (case.offence.code, case.offence.date) == (offence.code, offence.date)
        if same and case.is_open and (case.child != child or not case.claims_its_area):
            yield stream


def claims_its_area(opening: Envelope) -> bool:
    """Whether a case claims its child and offence within its area (R28): the first release claimed them for all areas, by no rule."""
    return "R28" in opening.rules


def later_cases(child: UUID, day: date, known: Known) -> tuple[Later, ...]:
    """Return the cases of a child for offences after a day, under any id of the child, in the order of opening."""
    cases = (case for case in _cases(known.same_as(child), known).values() if case.offence.date > day)
    return tuple(Later(case.opened_at, case.is_open) for case in sorted(cases, key=lambda case: case.opened_at))


@dataclass(frozen=True, slots=True)
class _Case:
    offence: events.Offence
    opened_at: datetime
    child: UUID
    claims_its_area: bool
    is_open: bool = True


def _cases(children: frozenset[UUID], known: Known) -> Mapping[UUID, _Case]:
    """Return the cases of these ids of a child that are not taken back."""
    cases: dict[UUID, _Case] = {}
    gone = _taken_back(known)
    for fact in _corrected(known):
        stream = fact.stream_id
        match fact.event:
            case events.DisposalCaseOpened(person_id=person, offence=of) if person in children and stream not in gone:
                cases[stream] = _Case(of, fact.occurred_at, person, claims_its_area(fact.envelope))
            case events.OffenceReclassified(offence=of) if stream in cases:
                cases[stream] = replace(cases[stream], offence=of)
            case events.DisposalDecided(decision=decision) if stream in cases:
                cases[stream] = replace(cases[stream], is_open=decision not in CLOSING)
            case events.DiversionEnded(then=then) if stream in cases:
                ends = then is events.AfterDiversion.NO_FURTHER_ACTION
                cases[stream] = replace(cases[stream], is_open=not ends)
            case _:
                pass
    return cases


def _taken_back(known: Known) -> frozenset[UUID]:
    """Return the cases that were withdrawn, or whose disposal was annulled."""
    return frozenset(
        fact.stream_id for fact in known.facts if isinstance(fact.event, events.DisposalAnnulled | events.CaseWithdrawn)
    )


def _corrected(known: Known) -> Iterator[Fact]:
    return (versions[-1] for versions in versions_of(known.facts).values())
