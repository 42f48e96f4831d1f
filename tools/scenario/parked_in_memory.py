"""Parked reactions in memory, for the production `ReactionRunner`."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from shared.event_store import EventStore
from shared.messaging.parking import LockedReaction, ReactionToPark, Rejection


@dataclass(frozen=True, slots=True)
class _Parked:
    rejected: ReactionToPark
    why: Rejection
    tried_version: int


class MemoryParkedReactions:
    """The parked reactions of one service, oldest first."""

    def __init__(self, event_store: EventStore) -> None:
        self._event_store = event_store
        self._parked: dict[UUID, _Parked] = {}

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((parked.rejected.reaction, parked.why.reason) for parked in self._parked.values())

    async def due_for_retry(self) -> Sequence[UUID]:
        """Return the command ids of the reactions whose target has moved since the last attempt."""
        return [
            command_id
            for command_id, parked in self._parked.items()
            if await self.version(parked.rejected.target_stream) > parked.tried_version
        ]

    async def closed(self, command_ids: Collection[UUID]) -> frozenset[UUID]:  # noqa: ARG002
        return frozenset()

    async def version(self, stream: str) -> int:
        return len((await self._event_store.load(stream)).records)

    async def park(self, parked: ReactionToPark, why: Rejection, tried_version: int) -> None:
        self._parked[parked.command_id] = _Parked(parked, why, tried_version)

    async def lock(self, command_id: UUID) -> LockedReaction | None:
        parked = self._parked.get(command_id)
        if parked is None:
            return None
        assert parked.rejected.fact.body is not None
        return LockedReaction(parked.rejected.reaction, parked.rejected.target_stream, parked.rejected.fact.body)

    async def keep(self, command_id: UUID, why: Rejection, tried_version: int) -> None:
        self._parked[command_id] = replace(self._parked[command_id], why=why, tried_version=tried_version)

    async def keep_nothing_to_do(self, command_id: UUID, stream: str) -> None:
        """Do nothing; see `ParkedReactions.keep_nothing_to_do`. A simulation needs no such record."""

    async def remove(self, command_ids: Iterable[UUID]) -> None:
        for command_id in command_ids:
            self._parked.pop(command_id, None)
