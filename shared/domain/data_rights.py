"""Data rights: the kernel's own events about a person in a service's records, in a stream of their own for each person.

Holds, restriction and erasure are recorded in each event store that knows the person, and published as all events, so
that all who received the person's data from that service's topic learn of them. Nothing in them is personal: an
event says who is forgotten by an opaque id, and never what. Source: Data Protection Act 2018, ss46-48.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final, Literal, TypeAlias, get_args
from uuid import UUID

from shared.domain.decider import BrokenHistory, Decider, history_at
from shared.domain.decisions import NewEvents
from shared.domain.envelope import EventRegistry, Fact
from shared.domain.ids import derived_uuid, reserved_id
from shared.domain.messages import Command, Event, event_that_it_records
from shared.domain.permissions import people_mentioned
from shared.domain.rules import Context, RuleBook
from shared.domain.sealing import key_ids_in
from shared.domain.service import ReadModel, Service

HoldKind = Literal["APPEAL", "COMPLAINT", "EVIDENCE", "LEGAL"]
"""Why a person's records must be kept: an appeal, a complaint, evidence in proceedings, or a legal claim or inquiry."""

Basis = Literal["COURT_ORDER", "LEGAL_OBLIGATION", "PRINCIPLE_INFRINGED", "RETENTION_ENDED"]
"""Why data are erased or restricted (Data Protection Act 2018, s47)."""


class HoldPlaced(Event):
    """The person's records must be kept until this hold is released.

    While it stands, the person cannot be forgotten (rules DR2 and DR3).
    """

    person_id: UUID
    kind: HoldKind


class HoldReleased(Event):
    """A hold of this kind no longer stands. Once none is left, the person may be forgotten (rules DR2 and DR3)."""

    person_id: UUID
    kind: HoldKind


class ProcessingRestricted(Event):
    """The person's data are kept and not used (Data Protection Act 2018, s47).

    Fields sealed by their key are shown to data protection alone.
    """

    person_id: UUID
    basis: Basis


class RestrictionLifted(Event):
    """The restriction of processing has ended: the person's data may be used again."""

    person_id: UUID


class RetentionReviewed(Event):
    """Somebody reviewed the retention of the person's records, and decided to keep them until the next review.

    That is on `review_on` (Data Protection Act 2018, s39(2)).
    """

    person_id: UUID
    review_on: date


class PersonForgotten(Event):
    """The person's data are erased (Data Protection Act 2018, s47); recipients erase them too.

    The data key is destroyed once every service agrees (crypto-shredding). `backups_until` is the day by which no
    backup and no write-ahead log holds a key to the data any more.
    """

    person_id: UUID
    basis: Basis
    backups_until: date | None = None


DataRightsEvent: TypeAlias = (
    HoldPlaced | HoldReleased | ProcessingRestricted | RestrictionLifted | RetentionReviewed | PersonForgotten
)

DATA_RIGHTS_TYPES: Final[tuple[type[Event], ...]] = get_args(DataRightsEvent)

_NAMES: Final = frozenset(cls.__name__ for cls in DATA_RIGHTS_TYPES)


class DataRightsCommand(Command):
    """A command about a person's data; the API of data rights sends it, and nobody else."""

    roles = frozenset[str]()
    opens = True
    person_id: UUID


class PlaceHold(DataRightsCommand):
    """Keep the person's records, and forbid to forget the person, until the hold is released."""

    records = HoldPlaced
    kind: HoldKind


class ReleaseHold(DataRightsCommand):
    """End a hold of this kind. Nothing is recorded if none stands."""

    records = HoldReleased
    kind: HoldKind


class RestrictProcessing(DataRightsCommand):
    """Keep the person's data, and let nobody use them, until the restriction is lifted."""

    records = ProcessingRestricted
    basis: Basis


class LiftRestriction(DataRightsCommand):
    """Let the person's data be used again. Nothing is recorded if no restriction stands."""

    records = RestrictionLifted


class KeepRecords(DataRightsCommand):
    """Keep the person's records until the next review of their retention."""

    records = RetentionReviewed
    review_on: date


class ForgetPerson(DataRightsCommand):
    """Erase the person's data. `open_records` are those of the service in which somebody works with them (`is_worked_with`)."""

    records = PersonForgotten
    unrecorded = frozenset({"open_records"})
    basis: Basis
    open_records: tuple[str, ...] = ()
    backups_until: date | None = None


@dataclass(frozen=True)
class DataRights:
    """A person's data rights in one service: the holds that stand, restriction, erasure, and the next review."""

    holds: frozenset[HoldKind] = frozenset()
    restricted: bool = False
    forgotten: bool = False
    review_on: date | None = None


NOTHING: Final = DataRights()


def both(first: DataRights, second: DataRights) -> DataRights:
    """Return what stands of a person's data rights that two streams have."""
    return DataRights(
        first.holds | second.holds,
        first.restricted or second.restricted,
        first.forgotten or second.forgotten,
        max(filter(None, (first.review_on, second.review_on)), default=None),
    )


rules: Final[RuleBook[DataRights]] = RuleBook("data_rights")


@rules.forbids("DR1", ForgetPerson, looks_at=("open_records",))
def no_record_is_open(command: ForgetPerson, _state: DataRights | None, _context: Context) -> bool:
    """Close the records that name this person first, or restrict the processing: somebody still works with them.

    Source: Data Protection Act 2018, s47(1); retention follows the end of the work
    """
    return not command.open_records


@rules.forbids("DR2", ForgetPerson)
def no_appeal_or_hold_stands(state: DataRights | None, _context: Context) -> bool:
    """Release the appeal, the complaint or the legal hold when it has ended: it still stands.

    Source: Data Protection Act 2018, s47(2); Criminal Procedure and Investigations Act 1996, s23 code of practice
    """
    return not (state or NOTHING).holds - {"EVIDENCE"}


@rules.forbids("DR3", ForgetPerson)
def not_evidence(state: DataRights | None, _context: Context) -> bool:
    """Restrict the processing instead: the data must be kept as evidence.

    Source: Data Protection Act 2018, s47(2)(a) and (3)
    """
    return "EVIDENCE" not in (state or NOTHING).holds


def decide(command: Command, state: DataRights | None, _context: Context) -> NewEvents:
    """Decide a command; nothing is recorded twice, and nothing after the person is forgotten."""
    rights = state or NOTHING
    new = True
    match command:
        case PlaceHold(kind=kind):
            new = kind not in rights.holds
        case ReleaseHold(kind=kind):
            new = kind in rights.holds
        case RestrictProcessing():
            new = not rights.restricted
        case LiftRestriction():
            new = rights.restricted
        case KeepRecords(review_on=day):
            new = day != rights.review_on
    return (event_that_it_records(command),) if new and not rights.forgotten else ()


def evolve(state: DataRights | None, fact: Fact) -> DataRights:
    """Return the state after one more event. Raises `BrokenHistory` for an event after the person was forgotten."""
    rights = state or NOTHING
    if rights.forgotten:
        raise BrokenHistory(fact, "nothing follows once a person is forgotten")
    match fact.event:
        case HoldPlaced(kind=kind):
            return replace(rights, holds=rights.holds | {kind})
        case HoldReleased(kind=kind):
            return replace(rights, holds=rights.holds - {kind})
        case ProcessingRestricted():
            return replace(rights, restricted=True)
        case RestrictionLifted():
            return replace(rights, restricted=False)
        case RetentionReviewed(review_on=day):
            return replace(rights, review_on=day)
        case PersonForgotten():
            return replace(rights, forgotten=True)
    raise BrokenHistory(fact, "this is no event of data rights")


DECIDER: Final = Decider(rules, decide, evolve)


def is_data_right(type_name: str) -> bool:
    """Tell whether an event of this type is one of a person's data rights."""
    return type_name.rpartition(".v")[0].rpartition(".")[2] in _NAMES


def data_rights_id(service: str, person: UUID) -> UUID:
    """Return the id under which the stream of a person's data rights begins in a service's event store.

    It is the kernel's: an attempt to begin a record under it does not show whether the stream exists.
    """
    return data_rights_ids(service, person)[0]


def data_rights_ids(service: str, person: UUID) -> tuple[UUID, UUID]:
    """Return that id, and the one under which an older release began the stream."""
    id_ = derived_uuid("data-rights", service, person)
    return reserved_id(id_), id_


def restricted_in(types_by_stream: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the streams that end restricted, of pairs of stream and event type in order of version."""
    last = {stream: type_name for stream, type_name in types_by_stream if "Restrict" in type_name}
    return frozenset(stream for stream, type_name in last.items() if f".{ProcessingRestricted.__name__}." in type_name)


def data_rights_events(service: str, namespace: str = "ooc") -> EventRegistry:
    return EventRegistry(service, DATA_RIGHTS_TYPES, namespace=namespace)


def data_rights_service(service: Service[Any]) -> Service[DataRights]:
    """Return the declaration of the data rights in a service's event store, for its command handler and checks."""
    read_model: ReadModel[DataRights] = ReadModel(
        "people",
        data_rights_events(service.name, service.events.namespace),
        DECIDER,
        view=lambda state: {
            "holds": sorted(state.holds),
            "restricted": state.restricted,
            "forgotten": state.forgotten,
            "review_on": state.review_on and state.review_on.isoformat(),
        },
    )
    return Service(
        commands=(PlaceHold, ReleaseHold, RestrictProcessing, LiftRestriction, KeepRecords, ForgetPerson),
        default_roles=frozenset(),
        read_model=read_model,
        inherited_labels=frozenset(),
    )


def is_worked_with(service: Service[Any], facts: Sequence[Fact], person: UUID, forgotten_at: datetime | None) -> bool:
    """Tell whether a record that names a person is open.

    If they were forgotten once, and their key still stands or is back, it must have been open then, or have sealed
    something by their key since: what was opened again later holds nothing new of theirs.
    """

    def is_open(known_at: datetime | None) -> bool:
        state = service.decider.fold(history_at(facts, known_at=known_at))
        return state is not None and service.read_model.is_open(service.read_model.view(state))

    if not is_open(None) or forgotten_at is None:
        return is_open(None)
    since = (fact for fact in facts if fact.recorded_at is not None and fact.recorded_at > forgotten_at)
    sealed_by = {owner for fact in since for owner, _ in key_ids_in(fact.body or b"")}
    return f"person/{person}" in sealed_by or is_open(forgotten_at)


@dataclass(frozen=True, slots=True)
class HomeContents:
    """What decides whether the key of a home is destroyed with somebody: the keys in its events of a service, and whom each record names.

    What is no person (`Service.nobody`) does not count.
    """

    key_ids: frozenset[tuple[str, int]]
    named: tuple[frozenset[UUID], ...]

    def is_about(self, people: Collection[UUID]) -> bool:
        """Whether a record names one of these people, if there is any, and no record names others alone."""
        others = [names.isdisjoint(people) for names in self.named if names]
        return not self.named or (bool(others) and not any(others))


def contents_of_home(
    service: Service[Any], events: Iterable[tuple[str, str, bytes]], kept: Sequence[Fact] = ()
) -> HomeContents:
    """Read the events of a home in a service, each with its stream, type and body, and those of other services that it keeps."""
    key_ids: set[tuple[str, int]] = set()
    records: dict[str, list[Fact]] = defaultdict(list)
    for stream, type_name, body in events:
        key_ids |= set(key_ids_in(body))
        if service.is_own(type_name):
            records[stream].append(service.events.read(body))
    nobody = frozenset(service.nobody([*kept, *(fact for facts in records.values() for fact in facts)]))
    named = (frozenset(people_mentioned(service.events, facts)) - nobody for facts in records.values())
    theirs = {f"person/{id_}" for id_ in nobody}
    return HomeContents(frozenset(key for key in key_ids if key[0] not in theirs), tuple(named))
