"""The victim's side of a record: the log of each victim, and the duties to tell them. Referral and disposal share it. Pure."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from typing_extensions import TypedDict

from shared.domain.dates import add_working_days, local_day
from shared.domain.duties import Duty
from shared.domain.envelope import Fact
from shared.domain.members import described, shown
from shared.domain.policy import Policy, PolicyOn

OF_VICTIMS: Final = frozenset({"VICTIM_RJ_INFORMATION", "VICTIM_SUPPORT_REFERRAL", "VICTIM_TOLD"})
"""The duties that a victim worker sees: no other, since an assessment or a time limit describes the child."""
INFORMED: Final = "VictimInformedOfRestorativeJustice"
REFERRED: Final = "VictimReferredToSupport"
TOLD: Final = "VictimTold"
CONTACTED: Final = "ContactRecorded"
LOGGED: Final = frozenset(
    {
        INFORMED,
        REFERRED,
        TOLD,
        "VictimDetailsRecorded",
        "VictimPreferenceRecorded",
        "VictimViewSought",
        CONTACTED,
        "MessageSent",
        "MessageFailed",
        "MessageDelivered",
    }
)
"""The events that stand in the log of the person whom they name."""


class Progress(StrEnum):
    """How far a record is, as a victim may know it: it tells nothing of admission, assessment or safeguarding."""

    BEING_CONSIDERED = "BEING_CONSIDERED"
    LEFT_TO_THE_SCHOOL = "LEFT_TO_THE_SCHOOL"
    WITH_THE_POLICE = "WITH_THE_POLICE"
    DECIDED = "DECIDED"
    UNDER_WAY = "UNDER_WAY"
    CHARGED = "CHARGED"
    ENDED = "ENDED"


def told_persons(event: Any) -> tuple[UUID, ...]:
    """Return who is told by an event: those in whose place a parent was, else the person whom it names."""
    in_place_of = getattr(event, "in_place_of", None)
    return (event.person_id,) if in_place_of is None else tuple(in_place_of)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a person's log: the event, its version in the record, and how the person was reached, if recorded.

    `interpreted`: they were reached, and somebody interpreted.
    """

    event: str
    version: int
    at: datetime
    means: str | None = None
    reached: bool | None = None
    interpreted: bool = False


Log = Mapping[UUID, tuple[Entry, ...]]
"""The log of each person, in the order of recording."""
Elsewhere = Mapping[str, dict[UUID, list[datetime]]]
"""The times at which each victim was told, in any record of the case, by what they were told of: `INFORMED` or `TOLD`."""


def nobody_told() -> Elsewhere:
    return {INFORMED: {}, TOLD: {}}


def log_after(log: Log, fact: Fact[Any]) -> Log:
    if fact.name not in LOGGED:
        return log
    event = fact.event
    means = getattr(event, "means", None) or getattr(event, "channel", None)
    reached = getattr(event, "reached", None)
    interpreted = bool(reached and getattr(event, "interpreter", None))
    entry = Entry(fact.name, fact.version, fact.occurred_at, means, reached, interpreted)
    return {**log, **{person: (*log.get(person, ()), entry) for person in told_persons(event)}}


def first_day(log: Log, person: UUID, event: str, since: datetime | None = None) -> date | None:
    """Return the first Europe/London day of an event in a person's log, at or after a time; None if there is none."""
    times = (entry.at for entry in log.get(person, ()) if entry.event == event and (since is None or entry.at >= since))
    return min(map(local_day, times), default=None)


def interpreted_on(log: Log, person: UUID) -> date | None:
    """Return the first Europe/London day on which somebody was reached with an interpreter; None if they were not."""
    return min((local_day(entry.at) for entry in log.get(person, ()) if entry.interpreted), default=None)


def days_since(
    log: Log, event: str, elsewhere: Elsewhere = MappingProxyType({})
) -> Callable[[UUID, datetime], date | None]:
    """Return `first_day` of an event, for many people and times."""
    times = {person: list(of_case) for person, of_case in elsewhere.get(event, {}).items()}
    for person, entries in log.items():
        times[person] = sorted([*times.get(person, ()), *(entry.at for entry in entries if entry.event == event)])

    def day(person: UUID, since: datetime) -> date | None:
        of_person = times.get(person, [])
        first = bisect_left(of_person, since)
        return local_day(of_person[first]) if first < len(of_person) else None

    return day


@described
class VictimLogLine(TypedDict):
    """Something that was done for a victim."""

    event: str
    version: int
    """The version of the record with this event."""
    at: str
    means: str | None
    """How they were reached."""
    reached: bool | None


def log_view(log: Log, person: UUID) -> list[VictimLogLine]:
    return [shown(VictimLogLine, entry) for entry in log.get(person, ())]


def information_due(reported_on: date, policy: Policy, *, enhanced: bool) -> date | None:
    """Return the day by which a victim is told of restorative justice; None before a Victims' Code gave that right."""
    term = "victim_information_enhanced_days" if enhanced else "victim_information_days"
    return None if term in policy.not_yet_in_force else add_working_days(reported_on, policy.number(term))


def telling_duties(
    decisions: Iterable[datetime],
    victims: Iterable[UUID],
    log: Log,
    elsewhere: Elsewhere,
    has_enhanced_rights: Callable[[UUID], bool],
    policy_on: PolicyOn,
) -> Iterator[Duty]:
    """Yield VICTIM_TOLD for each decision and victim. The first of a victim has the victim as its item.

    Telling a victim, in any record of the case, meets the duty of every decision before it. No end of the record ends it.
    """
    moments = sorted(set(decisions))
    told_on = days_since(log, TOLD, elsewhere)
    for victim in victims:
        for number, decided_at in enumerate(moments, start=1):
            decided_on = local_day(decided_at)
            policy = policy_on(decided_on)
            term = "victim_told_enhanced_days" if has_enhanced_rights(victim) else "victim_told_days"
            if term in policy.not_yet_in_force:
                continue
            yield Duty(
                "VICTIM_TOLD",
                decided_on,
                add_working_days(decided_on, policy.number(term)),
                met_on=told_on(victim, decided_at),
                item=str(victim) if number == 1 else f"{victim} {number}",
            )


def told_victim(_state: object, item: str) -> dict[str, UUID]:
    """Return the victim of one of `telling_duties`, as the command that meets it names them."""
    return {"person_id": UUID(item.split(maxsplit=1)[0])}
