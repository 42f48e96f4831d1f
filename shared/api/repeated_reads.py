"""Repeated reads of an unchanged record of one's own: the first has its line, the others of an hour one with their count.

A portal may ask every minute, and somebody who means harm a hundred times a second: a line each, for ever, would
bury the reads of others. The count is lost if the process is killed within the hour; the first line never is.
"""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import UUID

from shared.api.access_log import AccessLog, LogUnavailable
from shared.domain.messages import Actor

WINDOW: Final = 3600.0
"""For how many seconds a line stands for the reads that repeat it."""


class _Read(NamedTuple):
    """A read that may be repeated: by whom, in which role, of what, and why."""

    actor: UUID
    role: str
    organisation: str
    action: str
    target: str
    reason: str | None


@dataclass(slots=True)
class _Run:
    actor: Actor
    version: int
    ends: float
    count: int = 0
    last: datetime = field(default_factory=lambda: datetime.now(UTC))


class RepeatedReads:
    """The reads of one process whose repetition is counted, oldest first."""

    def __init__(self, log: AccessLog) -> None:
        self._log = log
        self._runs: dict[_Read, _Run] = {}

    async def record(self, actor: Actor, action: str, target: str, reason: str | None, version: int) -> None:
        """Write the line of a read that is given, or count it if a line stands for it. Raises `LogUnavailable`.

        `version` is that of the record as it is shown: a change begins another line.
        """
        now = time.monotonic()
        read = _Read(actor.id, actor.role, actor.organisation, action, target, reason)
        run = self._runs.get(read)
        if run is not None and run.version == version and now < run.ends:
            run.count, run.last = run.count + 1, datetime.now(UTC)
            return
        await self._end([other for other, its in self._runs.items() if its.ends <= now or other == read])
        await self._log.record(actor, action, target, outcome="GIVEN", reason=reason)
        self._runs[read] = _Run(actor, version, now + WINDOW)

    async def close(self) -> None:
        """Write the counts of all, before the process ends. Raises `LogUnavailable`."""
        await self._end(list(self._runs))

    async def _end(self, ended: list[_Read]) -> None:
        for read in ended:
            run = self._runs.pop(read, None)
            if run is None or not run.count:
                continue
            again = f"{read.target}/again/{run.count}/{run.last:%Y-%m-%dT%H:%M:%SZ}"
            try:
                await self._log.record(run.actor, read.action, again, outcome="GIVEN", reason=read.reason)
            except LogUnavailable:
                self._runs.setdefault(read, run)
                raise
