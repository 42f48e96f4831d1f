"""The commands that `make bench` sends over HTTP."""

from __future__ import annotations

import asyncio
import os

from services.disposal.service import service
from shared.command_handler import Accepted, CommandHandler
from shared.event_store.memory import MemoryEventStore
from shared.privacy.keyring import MemoryKeyring
from tests.bench.corpus import STORIES, Corpus
from tests.bench.http import sent_alone


def test_disposal_alone_accepts_every_command() -> None:
    """Given no other service, when each scenario's commands are sent to disposal, then it accepts them all."""

    async def send_all() -> int:
        handler = CommandHandler(service, MemoryEventStore(), MemoryKeyring(), os.urandom(32))
        results = [await handler.handle(sent.request) for story in stories for sent in sent_alone(story)]
        assert [result for result in results if not isinstance(result, Accepted)] == []
        return len(results)

    corpus = Corpus()
    stories = [corpus.case() for _ in STORIES.glob("*.yaml")]
    assert asyncio.run(send_all()) > len(stories)
