"""Access control as data: the table of read permissions of each role, and the boundaries of every access.

A service declares one table, role -> `Permission`. A permission can be limited to records with certain marks. Marks are
short texts computed from the events of a record (`EventRegistry.marks`), such as `ONLINE` or `KEEPER:<id>`. A mark of a
record of another service with the same home and labels has the name of that service before it (`counter.ONLINE`).

Three boundaries apply to commands and reads alike:
- labels: a record with another label than the token answers as one that does not exist, unless its events say that those
  with the token's label hold it too (`Hold`);
- organisation, if the table has the boundary: likewise;
- declared conflicts of interest: a record that mentions one of their ids is forbidden.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol
from uuid import UUID

from pydantic_core import from_json

from shared.domain.envelope import EventRegistry, Fact
from shared.domain.messages import Actor, Command, Correction, CorrectionCommand, ids_by_name
from shared.domain.sealing import FieldClass

SYSTEM: Final = "SYSTEM"
"""The role of reactions. No token can carry it, and no table contains it."""

EVERY: Final = "*"
"""The label value in a token that stands for every value."""

CONFLICT: Final = "a conflict of interest is declared for this record: a colleague without one must take it"

ABOUT_ANOTHER: Final = (
    "this record is about another person or case than what should reach it: correct where that is recorded"
)

STATE: Final = frozenset({"state"})
STATE_AND_DUTIES: Final = frozenset({"state", "duties"})
EVERYTHING: Final = frozenset({"state", "history", "duties"})
AUDIT: Final = frozenset({"access_log"})
"""The lines of the access log about a record."""
DATA_RIGHTS: Final = frozenset({"data_rights"})
"""Holds, restriction and erasure of a person's data, and reading what is restricted."""
OPERATIONS: Final = frozenset({"operations"})
"""What waits, is quarantined or raises an alarm."""
DECISIONS: Final = OPERATIONS | {"operations_decide"}
"""The same, and the decisions of operators about it."""


@dataclass(frozen=True, slots=True)
class Permission:
    """The read permission of one role for one kind of record."""

    parts: frozenset[str]
    """Readable parts: state, history, duties, access_log, data_rights, operations, operations_decide, or the lists of a service of read models."""
    where: tuple[str, ...] = ()
    """Marks, of which the record must have at least one; `{id}` stands for the id of the actor. Empty: every record."""
    until: tuple[tuple[str, str], ...] = ()
    """Pairs of a mark of `where` and the mark that ends it, which may have `{id}` too: the first opens no record that has both."""
    fields: frozenset[str] | None = None
    """Visible members of the state. None: all."""
    duties: frozenset[str] | None = None
    """Visible duties. None: all."""
    hides: frozenset[str] = frozenset()
    """Fields of events that the role reads nowhere, whatever their class."""
    own_organisation: bool = False
    """Whether records that another organisation opened answer as unknown, to commands too."""
    needs_reason: bool = False
    acts_on_unread: bool = False
    """Whether commands reach records without the marks of `where` as well, such as those of a colleague for whom one stands in."""
    opens: frozenset[FieldClass] = frozenset()
    """The classes of sealed fields that the role may read."""
    opens_with_reason: frozenset[FieldClass] = frozenset()

    def marks(self, actor: Actor) -> frozenset[str]:
        """Return the marks of `where`, with the id of the actor filled in."""
        return frozenset(mark.format(id=actor.id) for mark in self.where)

    def ends(self, actor: Actor) -> tuple[tuple[str, str], ...]:
        """Return the pairs of `until`, with the id of the actor filled in."""
        return tuple((mark.format(id=actor.id), end.format(id=actor.id)) for mark, end in self.until)

    def is_opened_by(self, marks: frozenset[str], actor: Actor) -> bool:
        """Tell whether a record with these marks has one of those that the actor needs, and none that ends it."""
        ended = {mark for mark, end in self.ends(actor) if end in marks}
        return not self.where or not self.marks(actor).isdisjoint(marks - ended)

    @property
    def linked(self) -> frozenset[str]:
        """The other services whose marks `where` contains."""
        return frozenset(mark.partition(".")[0] for mark in self.where if "." in mark)

    def classes(self, reason: str | None) -> frozenset[FieldClass]:
        """Return the classes of sealed fields that the role may read, with or without a reason."""
        return self.opens | self.opens_with_reason if reason else self.opens

    def shows(self, member: str) -> bool:
        """Tell whether the role may read a member of the state."""
        return self.fields is None or member in self.fields

    def shows_duty(self, duty: str) -> bool:
        return self.duties is None or duty in self.duties

    def visible_data(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Select the fields of an event that the role may read."""
        return {name: value for name, value in data.items() if name not in self.hides}

    def visible_members(self, view: Mapping[str, Any]) -> Mapping[str, Any]:
        """Select the members of a state that the role may read."""
        return {name: value for name, value in view.items() if self.shows(name)}


NOTHING: Final = Permission(frozenset())


def combined(permissions: Sequence[Permission], *, every: bool = False) -> Permission:
    """Return what any of some permissions shows of a record that all of them open; `every`: what each of them shows."""
    if len(permissions) < 2:
        return next(iter(permissions), NOTHING)
    join = frozenset[Any].intersection if every else frozenset[Any].union
    but = frozenset[Any].union if every else frozenset[Any].intersection

    def members(selections: Sequence[frozenset[str] | None]) -> frozenset[str] | None:
        limited = [selection for selection in selections if selection is not None]
        is_whole = not limited if every else len(limited) < len(selections)
        return None if is_whole else join(*limited)

    return Permission(
        join(*(permission.parts for permission in permissions)),
        fields=members([permission.fields for permission in permissions]),
        duties=members([permission.duties for permission in permissions]),
        hides=but(*(permission.hides for permission in permissions)),
        needs_reason=any(permission.needs_reason for permission in permissions),
        opens=join(*(permission.opens for permission in permissions)),
        opens_with_reason=join(*(permission.opens | permission.opens_with_reason for permission in permissions)),
    )


Permissions = Mapping[str, Permission]
"""Role -> read permission. A role without an entry may read nothing."""

_HELD: Final = re.compile(r"(?:\w+\.)?HELD:([^:]+):(LEADS|CARES):(.+)")


@dataclass(frozen=True, slots=True)
class Hold:
    """Those with another label hold a record, and so all records of its home, beside those of the label that it has.

    Either of them leads. The other reads, and sends commands that are `by_any_holder`.
    """

    label: str
    leads: bool

    @staticmethod
    def marks(id_: UUID | None, label: str, *, leads: bool, ends: UUID | None) -> Iterable[str]:
        """Yield the marks of an event by which a hold with this id begins, if it has one, and another ends."""
        if ends is not None:
            yield f"HELD_NO_MORE:{ends}"
        if id_ is not None:
            yield f"HELD:{id_}:{'LEADS' if leads else 'CARES'}:{label}"

    @classmethod
    def standing(cls, marks: frozenset[str]) -> Sequence[Hold]:
        """Return the holds that these marks began, and none of them ended."""
        found = ((mark, match) for mark in sorted(marks) if (match := _HELD.fullmatch(mark)))
        return [
            cls(match[3], match[2] == "LEADS")
            for mark, match in found
            if f"{mark.partition('HELD:')[0]}HELD_NO_MORE:{match[1]}" not in marks
        ]


def permission_of(permissions: Permissions, roles: Iterable[str]) -> Permission:
    """Return what some roles together may read of a record that each of them may read; nothing without an entry."""
    return combined([permissions[role] for role in roles if role in permissions])


@dataclass(frozen=True, slots=True)
class Denial:
    """A denied access and its reason. `hidden`: the record must answer as one that does not exist."""

    why: str
    hidden: bool = False


class _Record(Protocol):
    """An event as it is stored: its type name, and its bytes."""

    @property
    def type(self) -> str: ...
    @property
    def body(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class AccessFacts:
    """The facts of a record that decide access: labels, organisation and home of its first event, mentioned ids, marks."""

    labels: Mapping[str, str]
    organisation: str
    home: UUID
    mentions: frozenset[UUID]
    marks: frozenset[str] = frozenset()

    @classmethod
    def of_opening(cls, body: bytes) -> AccessFacts:
        """Extract the access facts from the first event of a stream: it mentions its stream and home, and has no marks."""
        raw = from_json(body)
        stream = UUID(raw["stream"].rpartition("/")[2])
        home = UUID(raw["home"])
        return cls(raw["labels"], raw["actor"]["organisation"], home, frozenset({stream, home}))

    @classmethod
    def of_records(cls, book: EventRegistry, records: Sequence[_Record], *, whole: bool) -> AccessFacts:
        """Extract the access facts from a stream: `whole` those of all events, else of its first and of who holds it."""
        opening = cls.of_opening(records[0].body)
        wanted = [record for record in records if whole or record.type in book.holding_types]
        return opening.joined(book, [book.read(record.body) for record in wanted])

    @classmethod
    def of_history(cls, book: EventRegistry, history: Sequence[Fact]) -> AccessFacts:
        """Extract the access facts from all events of a stream, as recorded. A correction adds marks and removes none."""
        first = history[0].envelope
        mentions = frozenset({history[0].stream_id, first.home})
        opening = cls(first.labels, first.actor.organisation, first.home, mentions)
        return opening.joined(book, history)

    def joined(self, book: EventRegistry, facts: Sequence[Fact]) -> AccessFacts:
        """Add what further events of the stream mention, and their marks."""
        return replace(
            self,
            mentions=self.mentions.union(ids_mentioned(book, facts)),
            marks=self.marks.union(mark for fact in facts for mark in marks_of(book, fact)),
        )


def marks_of(book: EventRegistry, fact: Fact) -> Iterable[str]:
    """Compute the marks of one event, on which read permissions depend. Most events have none."""
    mark = book.marks.get(type(fact.event))
    return () if mark is None else mark(fact)


def labelled(mark: str, labels: Mapping[str, str], names: Iterable[str]) -> str:
    """Return a mark of another service's record with those of its labels that have these names."""
    return f"{mark}@{','.join(labels.get(name, '') for name in sorted(names))}"


def marks_within(marks: Iterable[str], labels: Mapping[str, str], names: Iterable[str]) -> frozenset[str]:
    """Return the marks of records with the same labels, and those without any, as an older release kept them."""
    own = labelled("", labels, names)
    return frozenset(mark.removesuffix(own) for mark in marks if "@" not in mark or mark.endswith(own))


def ids_mentioned(book: EventRegistry, history: Iterable[Fact]) -> Iterable[UUID]:
    """Yield the ids of persons and other records in the event fields that `EventRegistry.mentions` lists.

    A correction mentions the right id; the event that it corrects still mentions the wrong one.
    """
    return _ids_in(book, book.mentions, history)


def ids_named(book: EventRegistry, command: Command) -> Iterable[UUID]:
    """Yield the ids in the same fields of a command; a correction names the right id."""
    named = ids_by_name((command,))
    yield from (id_ for name in book.mentions for id_ in named.get(name, ()))
    if isinstance(command, CorrectionCommand) and command.field.rpartition(".")[2] in book.mentions:
        with suppress(ValueError):
            yield UUID(str(command.value))


def people_mentioned(book: EventRegistry, history: Iterable[Fact]) -> Iterable[UUID]:
    """Yield the ids of persons in the same fields."""
    return _ids_in(book, [name for name in book.mentions if name not in book.of_records], history)


def are_named(book: EventRegistry, history: Sequence[Fact], about: Mapping[str, UUID]) -> bool:
    """Tell whether a record names each of these ids, by field: whether it is about that person and case."""
    return all(id_ in _ids_in(book, [name], history) for name, id_ in about.items())


def _ids_in(book: EventRegistry, names: Collection[str], history: Iterable[Fact]) -> Iterable[UUID]:
    for fact in history:
        if isinstance(fact.event, Correction):
            yield from _ids_corrected(names, fact.event)
        for name in book.mentioning[type(fact.event)]:
            value = getattr(fact.event, name) if name in names else None
            if isinstance(value, UUID):
                yield value
            elif value is not None:
                yield from value


def _ids_corrected(names: Collection[str], correction: Correction) -> Iterable[UUID]:
    for field, value in (
        (correction.field, correction.value),
        *((derived.field, derived.value) for derived in correction.also),
    ):
        if field.rpartition(".")[2] in names and value is not None:
            yield from (UUID(str(id_)) for id_ in (value if isinstance(value, list | tuple) else [value]))


def is_foreign(actor: Actor, facts: AccessFacts, labels: Iterable[str]) -> bool:
    """Tell whether a record has another label than the actor, of the names that must match."""
    return any(name in facts.labels and actor.labels.get(name) not in {EVERY, facts.labels[name]} for name in labels)


def boundary(
    actor: Actor,
    permission: Permission | None,
    facts: AccessFacts,
    labels: Collection[str],
    command: type[Command] | None = None,
) -> Denial | None:
    """Check the boundaries of an actor for a command, or for a read. Returns None if nothing denies access.

    `labels` are the names of the labels that must match.
    """
    own = {actor.labels.get(name) for name in labels}
    holds = Hold.standing(facts.marks)
    foreign = is_foreign(actor, facts, labels)
    if foreign and own.isdisjoint(hold.label for hold in holds):
        return Denial(f"this record belongs to another {' and '.join(labels)}: ask a colleague there", hidden=True)
    if command is not None and not command.by_any_holder and actor.role != SYSTEM and EVERY not in own:
        leading = any(hold.leads for hold in holds if not foreign or hold.label in own)
        if leading != foreign:
            return Denial(f"another {' and '.join(labels)} leads here now, and yours reads: ask a colleague there")
    if permission is not None and permission.own_organisation and facts.organisation != actor.organisation:
        return Denial(
            f"the role {actor.role} may reach only records that its own organisation opened: ask that organisation",
            hidden=True,
        )
    if facts.mentions & actor.conflicts:
        return Denial(CONFLICT)
    return None


def read_denial(
    actor: Actor, permission: Permission, facts: AccessFacts, labels: Collection[str], linked: Iterable[str] = ()
) -> Denial | None:
    """Check the boundaries and the permission for a read. Returns None if nothing denies it.

    `linked` are the marks of records of other services with the same home.
    """
    facts = replace(facts, marks=facts.marks.union(linked))
    denial = boundary(actor, permission, facts, labels)
    if denial is None and not permission.is_opened_by(facts.marks, actor):
        return Denial(
            f"the role {actor.role} may read only records marked {' or '.join(permission.where)}: ask a colleague"
        )
    return denial
