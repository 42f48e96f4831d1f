"""Consequences of new facts: duties that change, documents that can be printed, commands that other services follow with.

A dry run shows them before the facts are recorded. They are computed by the functions that also compute the real ones.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from shared.domain.decider import history_at
from shared.domain.documents import DocumentData, facts_by_item
from shared.domain.duties import Duty
from shared.domain.duties_by_day import all_duties
from shared.domain.envelope import Fact
from shared.domain.messages import ids_by_name
from shared.domain.service import CommandFor, Reaction, Service


class DutyChange(StrEnum):
    """The changes that new facts make to a duty."""

    OPENED = "opened"
    MET = "met"
    LAPSED = "lapsed"
    CLOSED = "closed"
    REOPENED = "reopened"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class FollowingCommand:
    """A command that a reaction of another service sends when it receives the event of a fact."""

    service: Service[Any]
    reaction: Reaction
    fact: Fact
    effect: CommandFor

    @property
    def command_id(self) -> UUID:
        return self.reaction.command_id(self.fact, self.effect)

    @property
    def stream(self) -> str:
        """The stream that the command is for, as `service/uuid`."""
        return self.service.stream_name(self.effect.stream)


def duty_changes(
    service: Service[Any], history: Sequence[Fact], facts: Sequence[Fact]
) -> Iterator[tuple[DutyChange, Duty]]:
    """Yield each duty that new facts change, as it stands after them, by due date; a duty that falls away, as it was."""
    before, after = (
        {(duty.duty, duty.item, duty.opened_on): duty for duty in all_duties(service.read_model, facts_so_far)}
        for facts_so_far in (history, [*history, *facts])
    )
    for key in sorted(before | after, key=lambda key: ((after.get(key) or before[key]).due, *key)):
        change = _change(before.get(key), after.get(key))
        if change is not None:
            yield change, after.get(key) or before[key]


def _change(before: Duty | None, after: Duty | None) -> DutyChange | None:
    if before is None or after is None:
        return DutyChange.CLOSED if after is None else DutyChange.OPENED if after.is_shown(after.opened_on) else None
    for day_before, day_after, change in (
        (before.met_on, after.met_on, DutyChange.MET),
        (before.lapsed_on, after.lapsed_on, DutyChange.LAPSED),
        (before.closed_on, after.closed_on, DutyChange.CLOSED),
    ):
        if day_before != day_after:
            return DutyChange.REOPENED if day_after is None else change
    return DutyChange.MOVED if before.due != after.due else None


def new_documents(service: Service[Any], history: Sequence[Fact], facts: Sequence[Fact]) -> list[str]:
    """List the documents that can be printed after new facts and could not before; the facts are decrypted."""
    named = {id_ for ids in ids_by_name(fact.event for fact in facts).values() for id_ in ids}
    before, after = (set(_printable(service, facts_so_far, named)) for facts_so_far in (history, [*history, *facts]))
    return sorted({name for name, _ in after - before})


def _printable(
    service: Service[Any], history: Sequence[Fact], named: Collection[UUID]
) -> Iterator[tuple[str, UUID | None]]:
    """Yield the name of each document that can be printed, with the item that it is about; those first that are named."""
    facts = history_at(history)
    state = service.decider.fold(facts)
    for name, document in service.documents.items() if facts else ():
        for item, chosen in facts_by_item(document, state, facts, named):
            if isinstance(document.fill(service.decider.fold(chosen), chosen), DocumentData):
                yield name, item


def following_commands(
    source: Service[Any], followers: Iterable[Service[Any]], facts: Sequence[Fact]
) -> Iterator[FollowingCommand]:
    """Yield the commands that the reactions of other services send on facts of one service, in the order of the facts.

    Whether a command is then accepted is for the other service, which alone knows its stream.
    """
    reactions = [
        (service, reaction)
        for service in followers
        for reaction in service.reactions
        if reaction.service == source.name
    ]
    for fact in facts:
        for service, reaction in reactions:
            if type(fact.event) is reaction.event:
                for effect in reaction.react(fact):
                    yield FollowingCommand(service, reaction, fact, effect)
