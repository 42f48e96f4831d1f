"""The commands that `make bench` sends to services which keep nothing of each other's."""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest

from shared.event_store.memory import MemoryEventStore
from shared.handling.command_handler import Accepted, CommandHandler
from shared.privacy.keyring import MemoryKeyring
from tests.bench.corpus import SERVICES, STORIES, Corpus
from tests.bench.http import sent_alone
from tools.scenario.synthetic_cases import SentCommand


@pytest.fixture(scope="module")
def scenarios() -> int:
    return len(list(STORIES.glob("*.yaml")))


async def test_disposal_alone_accepts_what_is_sent_over_http(scenarios: int) -> None:
    """Given no other service, when each scenario's commands to disposal are sent, then it accepts them all."""
    corpus = Corpus()
    assert await accepted(sent for _ in range(scenarios) for sent in sent_alone(corpus.case())) > scenarios


async def test_services_that_keep_nothing_accept_unlinked_cases(scenarios: int) -> None:
    """Given services without each other's events, when cases that need none are sent, then they accept every command."""
    corpus = Corpus.unlinked()
    assert await accepted(sent for _ in range(scenarios) for sent in corpus.case().sent) > scenarios


async def accepted(commands: Iterable[SentCommand]) -> int:
    """Send commands; return how many there were. Each must be accepted."""
    keyring = MemoryKeyring()
    handlers = {
        name: CommandHandler(service, MemoryEventStore(), keyring, os.urandom(32)) for name, service in SERVICES.items()
    }
    results = [await handlers[sent.service].handle(sent.request) for sent in commands]
    assert [result for result in results if not isinstance(result, Accepted)] == []
    return len(results)
