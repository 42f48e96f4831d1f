"""What the property tests of the services share: playing commands and corrections in any order, and reading bytes back."""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from hypothesis import strategies as st

from shared.domain.decisions import NeedsRationale, Refused
from shared.domain.duties_by_day import duties_on
from shared.domain.envelope import EventRegistry, Fact, encode_event
from shared.domain.messages import Command, Event
from shared.domain.sealing import DataKey, key_ids_in, seal_model, sealed_fields, to_json
from tests.command_spec import CommandSpec

Correction = tuple[str, str, Any]
"""Name of an event, path of its field, and the value that it should have had."""

Step = Command | Correction
"""A command as it stands, or what to correct of the latest event of a name."""

Steps = list[tuple[Step, str, timedelta]]
"""Each with the role that asks, and the time since the step before; less than none where recorded late."""

Played = TypeVar("Played", bound=CommandSpec)


def sequences(
    commands: Sequence[Command],
    corrections: Sequence[Correction],
    roles: Sequence[str],
    *,
    apart: tuple[int, int],
    unit: timedelta = timedelta(hours=1),
) -> st.SearchStrategy[Steps]:
    """Draw commands and corrections in any order, so many units of time apart."""
    step: st.SearchStrategy[Step] = st.sampled_from(commands) | st.sampled_from(corrections)
    later = st.integers(*apart).map(lambda units: units * unit)
    return st.lists(st.tuples(step, st.sampled_from(roles), later), max_size=25)


def play(
    story: Played,
    steps: Steps,
    *,
    start: str | None = None,
    received_at: datetime | None = None,
    rationale: Mapping[str, str] | None = None,
) -> Played:
    """Return the story after some steps; asserts that a refused command records nothing, and names a rule.

    Args:
        story: the story so far.
        steps: what is asked; a correction is of the latest event of its name, or of none.
        start: the time before the first step; by default that of the story's latest event.
        received_at: when the service receives the commands; by default now.
        rationale: the reasons that each command has.

    """
    now = story.facts[-1].occurred_at if start is None else datetime.fromisoformat(start)
    for step, role, later in steps:
        now += later
        if isinstance(step, Command):
            command = step if rationale is None else step.model_copy(update={"rationale": rationale})
        else:
            is_there = step[0] in {fact.name for fact in story.facts}
            command = story.corrects(*step, of=None if is_there else story.stream)
        before = list(story.facts)
        result = story.answer(command, by=role, at=now, received_at=received_at)
        if isinstance(result, Refused | NeedsRationale):
            assert story.facts == before
            assert result.rules
    return story


def folds_at_any_time(story: CommandSpec) -> None:
    """Assert that a history folds up to each event and as of each of its times, is shown, and has its duties told."""
    model = story.service.read_model
    for fact in story.facts:
        model.view_of(story.facts, as_of=fact.occurred_at)
        duties_on(model, story.facts, fact.day)
    for length in range(1, len(story.facts) + 1):
        state = story.service.decider.state_at(story.facts[:length])
        assert state is not None
        assert set(model.view(state)) == set(story.view)


def survives_its_bytes(story: CommandSpec) -> tuple[list[bytes], dict[str, DataKey]]:
    """Assert that a history is the same read back, and shows the same opened, forgotten and closed; return bytes and keys."""
    events, keys = story.service.events, dict[str, DataKey]()
    bodies = [sealed_bytes(fact, keys) for fact in story.facts]
    closed = [events.read(body) for body in bodies]
    assert [encode_event(fact.envelope, fact.event) for fact in closed] == bodies
    opened = [read_back(events, body, keys) for body in bodies]
    assert [_plain(fact.event) for fact in opened] == [_plain(fact.event) for fact in story.facts]
    for history in (opened, [read_back(events, body, {}) for body in bodies], closed):
        state = story.service.decider.state_at(history)
        assert state is not None
        assert story.service.read_model.view(state) == story.view
    return bodies, keys


def _plain(event: Event) -> Any:
    return to_json(event, lambda sealed: sealed.value)


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
