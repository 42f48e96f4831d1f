"""What the property tests of the services share: playing commands and corrections in any order, and reading bytes back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from shared.domain.decisions import NeedsRationale, Refused
from shared.domain.envelope import EventRegistry, Fact, encode_event
from shared.domain.messages import Command
from shared.domain.sealing import DataKey, key_ids_in, seal_model, sealed_fields
from tests.command_spec import CommandSpec

Correction = tuple[str, str, Any]
"""Name of an event, path of its field, and the value that it should have had."""

Step = Command | Correction
"""A command as it stands, or what to correct of the latest event of a name."""

Played = TypeVar("Played", bound=CommandSpec)


def play_with_corrections(
    story: Played,
    steps: Iterable[tuple[Step, str, timedelta]],
    command_of: Callable[[Step], Command | None],
    *,
    start: datetime | None = None,
    received_at: datetime | None = None,
) -> Played:
    """Return the story after some steps; asserts that a refused command records nothing, and names a rule.

    Args:
        story: the story so far.
        steps: each with the role that asks, and the time since the step before; less than none where recorded late.
        command_of: the command of a step; None skips it.
        start: the time before the first step; by default that of the story's latest event.
        received_at: when the service receives the commands; by default now.

    """
    now = start or story.facts[-1].occurred_at
    for step, role, later in steps:
        now += later
        command = command_of(step)
        if command is None:
            continue
        before = list(story.facts)
        result = story.answer(command, by=role, at=now, received_at=received_at)
        if isinstance(result, Refused | NeedsRationale):
            assert story.facts == before
            assert result.rules
    return story


def sealed_bytes(fact: Fact, keys: dict[str, DataKey]) -> bytes:
    """Return a fact as it is stored, each personal value under its owner's key; adds the keys that are missing."""
    home = fact.sealing_home
    for model in (fact.event, fact.envelope):
        for _, subject, _ in sealed_fields(model, home):
            keys.setdefault(subject, DataKey(subject, 1, os.urandom(32)))
    event = seal_model(fact.event, home, fact.event_id, keys)
    envelope = seal_model(fact.envelope, home, fact.event_id, keys)
    return encode_event(envelope, event)


def read_back(events: EventRegistry, body: bytes, keys: Mapping[str, DataKey] | None) -> Fact:
    """Return the fact in some bytes: opened by the keys there are, forgotten without them, closed where None is given."""
    if keys is None:
        return events.read(body)
    return events.read(body, keys={wanted: keys.get(wanted[0]) for wanted in key_ids_in(body)})
