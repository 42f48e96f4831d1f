"""Made-up history for the benches: the scenarios' own commands, again and again."""

import os
import random
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from services.system.registry import deciding_services
from shared.domain.consequences import following_commands
from shared.event_store.memory import MemoryEventStore
from shared.handling.command_handler import CommandHandler
from shared.privacy.keyring import MemoryKeyring
from tests.bench.seed import seed, some_cases
from tests.bench.synthetic_cases import SyntheticCase, SyntheticCases

STORIES = Path(__file__).parents[1] / "scenarios"
NAMES = ("01-shoplifting-ycc", "13-workshop-register", "31-corrections", "82-corrected-where-it-was-told")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def synthetic_cases() -> SyntheticCases:
    return SyntheticCases(deciding_services(), [STORIES / f"{name}.yaml" for name in NAMES])


def handlers_of_empty_stores() -> dict[str, CommandHandler]:
    keyring = MemoryKeyring()
    return {s.name: CommandHandler(s, MemoryEventStore(), keyring, os.urandom(32)) for s in deciding_services()}


async def recorded(handlers: dict[str, CommandHandler]) -> list[tuple[str, int, str]]:
    """Return stream, version and id of every event."""
    found: list[tuple[str, int, str]] = []
    for handler in handlers.values():
        events = await handler.event_store.read(0, 10_000)
        found += [(event.stream, event.version, str(event.event_id)) for event in events]
    return sorted(found)


def events_of(case: SyntheticCase) -> list[tuple[str, int, str]]:
    return [
        (accepted.stream, accepted.version + n, str(event_id))
        for accepted in case.accepted
        for n, (event_id, *_) in enumerate(accepted.events, start=1)
    ]


async def test_further_cases_are_accepted_and_make_the_events_that_they_tell(synthetic_cases: SyntheticCases) -> None:
    """Given each story twice more, when its commands are sent to empty stores, then they record those events and no other."""
    handlers = handlers_of_empty_stores()
    further = [synthetic_cases.next() for _ in range(2 * len(NAMES))]
    found = await seed(handlers, iter(further))
    assert (found.cases, sum(found.refused.values())) == (len(further), 0)
    assert found.commands == sum(len(case.sent) for case in further)
    assert found.events == sum(case.size for case in further)
    assert await recorded(handlers) == sorted(line for case in further for line in events_of(case))


async def test_reactions_are_done_as_a_worker_does_them(synthetic_cases: SyntheticCases) -> None:
    """Given seeded stores, when the reactions are derived from the events again, then each that was made is found done, with the same command."""
    handlers = handlers_of_empty_stores()
    further = [synthetic_cases.next() for _ in NAMES]
    await seed(handlers, iter(further))
    made = {
        sent.request.command_id: sent.request for case in further for sent in case.sent if sent.request.causation_id
    }
    derived: set[UUID] = set()
    services = [handler.service for handler in handlers.values()]
    for handler in handlers.values():
        events = await handler.event_store.read(0, 10_000)
        facts = [handler.service.events.read(event.body) for event in events]
        for following in following_commands(handler.service, services, facts):
            store = handlers[following.service.name].event_store
            if (await store.load(following.stream, following.command_id)).receipt is not None:
                derived.add(following.command_id)
                assert following.effect.command == made[following.command_id].command
    assert made
    assert derived == made.keys()


async def test_days_are_moved_back_by_whole_weeks(synthetic_cases: SyntheticCases) -> None:
    """Given cases spread over a year, then each begins whole weeks before its story, and most are recorded to their end."""
    began = {case.sent[0].request.occurred_at for case in synthetic_cases.stories}
    cases = list(some_cases(synthetic_cases, 12, 52, random.Random(5)))
    days = [min((day - case.sent[0].request.occurred_at) % timedelta(days=7) for day in began) for case in cases]
    assert set(days) == {timedelta()}
    found = await seed(handlers_of_empty_stores(), iter(cases))
    assert found.cases + sum(found.refused.values()) == 12
    assert found.cases >= 6, found.refused
