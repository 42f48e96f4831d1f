"""What the benches write and read: the scenarios' own commands and events, as often as they are wanted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any, Final

from services.system.registry import deciding_services
from shared.domain.envelope import GENESIS
from shared.domain.envelope import next_hash as chained
from shared.domain.service import Service
from shared.event_store import AppendRequest, EventToAppend, RecordedEvent
from shared.handling.command_handler import Accepted
from tests.bench.synthetic_cases import AcceptedCommand, SyntheticCase, SyntheticCases
from tools.scenario.in_memory import Memory

SERVICES: Final = {service.name: service for service in deciding_services()}
STORIES: Final = Path(__file__).parents[1] / "scenarios"
AT_ONCE: Final = 300
"""How many cases are under way at once where events of many are mixed, as they would be in an event store."""


class Unlinked(Memory):
    """Services in memory that keep nothing of each other's."""

    async def _deliver(self, source: Any, event: RecordedEvent) -> None:
        """Deliver nothing."""

    def accept(self, case: SyntheticCase) -> bool:
        """Return whether they accept every command of a case: which do follows from the rules, and from no list."""
        asked = ((self._services[sent.service].handler, sent.request) for sent in case.sent)
        return all(isinstance(self._run(handler.handle(request)), Accepted) for handler, request in asked)


class Corpus:
    """Synthetic cases of scenarios, by default of all, as many as are asked for. None is given out twice."""

    @classmethod
    def unlinked(cls) -> Corpus:
        """Return the cases that services accept which keep nothing of each other's."""
        return cls(lambda case: Unlinked(SERVICES.values()).accept(case))

    def __init__(
        self,
        wanted: Callable[[SyntheticCase], bool] = lambda _: True,
        files: str = "*.yaml",
        services: Iterable[Service[Any]] = SERVICES.values(),
    ) -> None:
        self._synthetic = SyntheticCases(services, sorted(STORIES.glob(files)))
        self._synthetic.stories = [story for story in self._synthetic.stories if wanted(story)]

    @property
    def upcoming(self) -> SyntheticCase:
        """The story of which the next case is another."""
        return self._synthetic.upcoming

    def case(self, days: int = 0) -> SyntheticCase:
        """Return a further case, its days moved back by so many."""
        return self._synthetic.next(days)

    def cases(self, events: int) -> list[SyntheticCase]:
        """Further cases with at least so many events together."""
        found: list[SyntheticCase] = []
        while events > 0:
            found.append(self.case())
            events -= found[-1].size
        return found

    def body(self) -> bytes:
        """Return an event's bytes of median length."""
        bodies = sorted(
            (text for case in self._synthetic.stories for accepted in case.accepted for *_, text in accepted.events),
            key=len,
        )
        return bodies[len(bodies) // 2].encode()


def mixed(synthetic_cases: Sequence[SyntheticCase]) -> Iterator[AcceptedCommand]:
    """Yield the events of the cases in the order of an event store: `AT_ONCE` at a time, in turns."""
    waiting = iter(synthetic_cases)
    while several := list(islice(waiting, AT_ONCE)):
        yield from (
            accepted for accepted in chain(*zip_longest(*(case.accepted for case in several))) if accepted is not None
        )


def appends(accepted: Iterator[AcceptedCommand]) -> Iterator[AppendRequest]:
    """Yield the appends that record what is told, chained as their writer would."""
    hashes: dict[str, bytes] = defaultdict(lambda: GENESIS)
    for one in accepted:
        previous = hash_ = hashes[one.stream]
        events: list[EventToAppend] = []
        for event_id, type_, text in one.events:
            body = text.encode()
            hash_ = chained(hash_, body)
            events.append(EventToAppend(event_id, type_, one.home, body, hash_))
        hashes[one.stream] = hash_
        yield AppendRequest(one.command_id, bytes(32), one.stream, one.version, previous, tuple(events))
