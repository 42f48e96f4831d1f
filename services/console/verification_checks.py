"""The checks of `ooc verify` whose work grows with the history: what each costs, how far it has come, and how it is run.

The streams of a service are checked in its event store and in reporting by one walk, which parses and folds each event once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from services.console.service_verification import positions_of, streams_of
from services.reporting.snapshot import Pool
from services.reporting.verify import comparing
from shared.kafka import Kafka
from shared.runtime.service import Service
from shared.runtime.verification.log import LogEnd
from shared.runtime.verification.problems import Passed, Problems, to_the_end
from shared.runtime.verification.streams import History, StreamChecks

Check = Callable[..., Awaitable[Any]]

Heard = Callable[[float, int], None]
"""Hears how many events have been verified, of how many. An event counts in parts, as the checks pass it."""

COSTS: Final[Mapping[Check, int]] = {positions_of: 23, streams_of: 67}
"""Microseconds of processor time that a check takes for an event, as measured (docs/explanation/performance.md)."""


class Progress:
    """How much of the whole work the checks have done: each has its part of every event, by its cost."""

    def __init__(self, heard: Heard, events: int) -> None:
        self.events = events
        self._heard = heard
        self._done = 0.0
        heard(0, events)

    def of(self, check: Check) -> Passed:
        """Return what hears how many events a check has passed."""
        part = COSTS.get(check, 0) / sum(COSTS.values())

        def passed(events: int) -> None:
            self._done += events * part
            # A topic may hold more records than there are events.
            self._heard(min(self._done, self.events), self.events)

        return passed

    def finish(self) -> None:
        """Say that no check is left."""
        self._heard(self.events, self.events)


class OneProcess:
    """Runs the checks in this process, one after another."""

    def __init__(self, reporting: Pool, progress: Progress) -> None:
        self.differences: dict[str, list[str]] = {}
        """By service: what differs between reporting's tables and a fresh fold of its facts."""
        self._reporting = reporting
        self._progress = progress

    async def run(self, checks: Sequence[Check], service: Service[Any], *sources: Any) -> AsyncIterator[Any]:
        """Run each check of a service when its result is asked for."""
        for check in checks:
            passed = self._progress.of(check)
            if check is streams_of:
                found = await streams_and_projection(*(service, *sources, passed, self._reporting))
                streams, self.differences[service.name] = found
                yield streams
            else:
                yield await check(service, *sources, passed)


async def streams_and_projection(
    service: Service[Any], database: Pool, keyring: Pool, kafka: Kafka, end: LogEnd, passed: Passed, reporting: Pool
) -> tuple[StreamChecks, list[str]]:
    """Check the streams of a service, and compare reporting's with a fresh fold; returns their breaks and the differences.

    A failure of reporting ends the comparison alone, and is the last of the differences.
    """
    sources = (service, database, keyring, kafka, end, passed)
    streams: StreamChecks | None = None
    differences, failed = list[str](), Problems()

    async def compare() -> None:
        nonlocal streams
        async with comparing(reporting, service.name) as comparison:

            async def follow(histories: Sequence[History]) -> None:
                if not failed.count:
                    await to_the_end(comparison.follow(histories), failed)

            streams = await streams_of(*sources, follow)
            if not failed.count:
                differences.extend(await comparison.finish())

    await to_the_end(compare(), failed)
    if streams is None:
        streams = await streams_of(*sources)
    return streams, [*differences, *failed.lines]
