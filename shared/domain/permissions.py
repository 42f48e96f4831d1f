"""Who may read what, as data: the one description that every entrance asks.

A service declares one table, role -> `Permission`. Which records a permission reaches depends on their marks: short
texts that follow from a record's events (`EventRegistry.marks`), such as `ONLINE` or `OFFICER:<id>`. A mark of another
service's record of the same home is written with that service's name before it (`counter.ONLINE`).

Beside the table three boundaries hold for commands and reads alike: the labels of the actor's token (another area's
record answers as an unknown one), the own organisation where the table says so (likewise), and declared conflicts of
interest, which bar every record that mentions one of their ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from shared.domain.messages import Actor, EventRegistry, Fact

SYSTEM: Final = "SYSTEM"
"""The role of reactions: it comes from no token, and no table names it."""

EVERY: Final = "*"
"""The value of a label that stands for all of them, in a token."""

CONFLICT: Final = "a conflict of interest is declared for this record: a colleague without one must take it"

STATE: Final = frozenset({"state"})
STATE_AND_DUTIES: Final = frozenset({"state", "duties"})
EVERYTHING: Final = frozenset({"state", "history", "duties"})
OPERATIONS: Final = frozenset({"operations"})
"""What waits, is quarantined or raises an alarm."""
DECISIONS: Final = OPERATIONS | {"operations_decide"}
"""The same, and the decisions of operators about it."""


@dataclass(frozen=True, slots=True)
class Permission:
    """What a role may read of one kind of record."""

    parts: frozenset[str]
    """Any of state, history, duties, operations, operations_decide; of reporting, its own lists."""
    where: tuple[str, ...] = ()
    """Marks, one of which a record must have; `{id}` stands for the actor's. Empty: every record."""
    fields: frozenset[str] | None = None
    """The members of the state that are shown; None: all."""
    own_organisation: bool = False
    """Whether all that another organisation opened answers as unknown, to commands too."""
    needs_reason: bool = False
    """Whether a read must give a reason."""

    def marks(self, actor: Actor) -> frozenset[str]:
        """The marks of `where`, with the actor's id in its place."""
        return frozenset(mark.format(id=actor.id) for mark in self.where)

    @property
    def linked(self) -> frozenset[str]:
        """The services whose marks `where` asks for."""
        return frozenset(mark.partition(".")[0] for mark in self.where if "." in mark)

    def shown(self, view: Mapping[str, Any]) -> Mapping[str, Any]:
        """The part of a state that the role may see."""
        return view if self.fields is None else {name: value for name, value in view.items() if name in self.fields}


Permissions = Mapping[str, Permission]
"""Role -> what it may read. A role that is not there reads nothing."""


@dataclass(frozen=True, slots=True)
class Denial:
    """Why an actor may not touch a record. `hidden`: the record must answer as one that does not exist."""

    why: str
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class AccessFacts:
    """What access to a record depends on: the labels and organisation of its opening, whom it mentions, its marks."""

    labels: Mapping[str, str]
    organisation: str
    mentions: frozenset[UUID]
    marks: frozenset[str] = frozenset()

    @classmethod
    def of_opening(cls, body: bytes) -> AccessFacts:
        """From a stream's first event alone: it mentions itself and its home, and has no marks."""
        raw = json.loads(body)
        stream = UUID(raw["stream"].rpartition("/")[2])
        return cls(raw["labels"], raw["actor"]["organisation"], frozenset({stream, UUID(raw["home"])}))

    @classmethod
    def of_history(cls, book: EventRegistry, history: Sequence[Fact]) -> AccessFacts:
        """From every event of a stream, as recorded: a correction adds marks and takes none away."""
        first = history[0].envelope
        return cls(
            first.labels,
            first.actor.organisation,
            frozenset({history[0].stream_id, first.home, *mentioned(book, history)}),
            frozenset(mark for fact in history for mark in marks_of(book, fact)),
        )


def marks_of(book: EventRegistry, fact: Fact) -> Iterable[str]:
    """The marks that one event gives its record."""
    mark = book.marks.get(type(fact.event))
    return () if mark is None else mark(fact)


def mentioned(book: EventRegistry, history: Iterable[Fact]) -> Iterable[UUID]:
    """The ids of persons and other records that events name in the fields that `EventRegistry.mentions` lists."""
    for fact in history:
        for name in book.mentioning[type(fact.event)]:
            value = getattr(fact.event, name)
            if isinstance(value, UUID):
                yield value
            elif value is not None:
                yield from value


def boundary(actor: Actor, permission: Permission | None, facts: AccessFacts, labels: Iterable[str]) -> Denial | None:
    """What bars an actor from a record for commands and reads alike; None where nothing does. `labels` bound."""
    for label in labels:
        if label in facts.labels and actor.labels.get(label) not in {EVERY, facts.labels[label]}:
            return Denial(f"this belongs to another {label}", hidden=True)
    if permission is not None and permission.own_organisation and facts.organisation != actor.organisation:
        return Denial(f"the role {actor.role} may reach only what its own organisation opened", hidden=True)
    if facts.mentions & actor.conflicts:
        return Denial(CONFLICT)
    return None


def read_denial(
    actor: Actor, permission: Permission, facts: AccessFacts, labels: Iterable[str], linked: Iterable[str] = ()
) -> Denial | None:
    """What bars an actor from reading a record; None where nothing does. `linked` are marks of other records."""
    denial = boundary(actor, permission, facts, labels)
    if denial is None and permission.where and not permission.marks(actor) & facts.marks.union(linked):
        return Denial(
            f"the role {actor.role} may read only records marked {' or '.join(permission.where)}: ask a colleague"
        )
    return denial
