"""What a process remembers of a stream, with what is new folded onto it, is what its whole history makes."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from services.reporting.fold import FoldedHistory
from services.reporting.projection import is_of_kernel, stream_of
from services.reporting.recent_streams import RecentStreams
from shared.domain.decider import BrokenHistory
from shared.domain.envelope import Fact
from shared.domain.messages import Correction
from tests.integration.reporting.recorded_scenarios import play

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def histories() -> list[list[Fact]]:
    scenarios = play()
    scenarios.play("31", "82")
    return [history for history in scenarios.histories if not is_of_kernel(history[0].envelope.type)]


def test_what_is_folded_forward_is_what_the_whole_history_makes(histories: Sequence[Sequence[Fact]]) -> None:
    """Given streams of scenarios, however they are cut in two or come one by one, nothing differs."""
    chance = random.Random(10)
    corrected = 0
    for history in histories:
        whole = FoldedHistory.of(history)
        one_by_one = FoldedHistory.of(history[:1])
        for fact in history[1:]:
            one_by_one = one_by_one.extend([fact])
        assert one_by_one == whole, history[0].envelope.stream
        cut = chance.randint(1, len(history))
        if cut < len(history):
            assert FoldedHistory.of(history[:cut]).extend(history[cut:]) == whole
        corrected += any(isinstance(fact.event, Correction) for fact in history)
    assert corrected > 2


def test_a_missing_version_is_a_broken_history(histories: Sequence[Sequence[Fact]]) -> None:
    """Given a stream that is remembered to version 1, when version 3 comes, then it is not folded onto it."""
    history = next(history for history in histories if len(history) > 2)
    with pytest.raises(BrokenHistory, match="version 2 is missing"):
        FoldedHistory.of(history[:1]).extend(history[2:3])


def test_a_stream_counts_at_its_version_and_hash_alone(histories: Sequence[Sequence[Fact]]) -> None:
    """Given a remembered stream, when its row is at another version or hash, then nothing is remembered of it."""
    recent = RecentStreams()
    history = FoldedHistory.of(histories[0])
    stream, last = stream_of(history.last), history.last
    assert last.hash is not None
    recent.remember(stream, history)
    assert recent.at(stream, last.version, last.hash) is history
    assert recent.at(stream, last.version + 1, last.hash) is None
    assert recent.at(stream, last.version, bytes(32)) is None


def test_no_more_is_remembered_than_the_limit(histories: Sequence[Sequence[Fact]]) -> None:
    """Given streams of more facts than are remembered, then those that rested longest are forgotten, one that moved is not."""
    folded = [FoldedHistory.of(history) for history in histories[:30]]
    first, *others = folded
    longest = max(len(one.facts) for one in others)
    recent = RecentStreams(len(first.facts) + longest)

    def is_remembered(one: FoldedHistory) -> bool:
        assert one.last.hash is not None
        return recent.at(stream_of(one.last), one.last.version, one.last.hash) is one

    for one in folded:
        recent.remember(stream_of(one.last), one)
        recent.remember(stream_of(first.last), first)
    assert is_remembered(first)
    assert sum(len(one.facts) for one in folded if is_remembered(one)) <= len(first.facts) + longest
    assert not is_remembered(others[0])
