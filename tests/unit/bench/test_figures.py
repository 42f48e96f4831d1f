"""The statistics of `make bench`."""

from __future__ import annotations

import pytest

from tests.bench.figures import Samples, milliseconds, percentile


def test_samples_tell_their_middle_and_their_ends() -> None:
    """Given rounds in any order, the median is the middle one, or the mean of two, and one bad round moves it little."""
    assert (Samples((3.0, 1.0, 900.0)).median, Samples((1.0, 2.0)).median) == (3.0, 1.5)
    assert (Samples((3.0, 1.0, 900.0)).least, Samples((3.0, 1.0, 900.0)).most) == (1.0, 900.0)


def test_a_ratio_is_taken_round_by_round() -> None:
    """Given a machine that was slow for both in one round, the ratio of that round is like the others."""
    assert Samples((100.0, 10.0)).over(Samples((50.0, 5.0))) == Samples((2.0, 2.0))
    with pytest.raises(ValueError, match="zip"):
        Samples((1.0,)).over(Samples((1.0, 2.0)))


@pytest.mark.parametrize(("percent", "expected"), [(1, 1), (50, 50), (99, 99), (100, 100)])
def test_a_percentile_is_one_of_the_values(percent: float, expected: float) -> None:
    """Given 1 to 100 in any order, the n-th percentile is n (nearest rank)."""
    assert percentile([float(n) for n in range(100, 0, -1)], percent) == expected


def test_latencies_are_told_in_milliseconds() -> None:
    """Given latencies in seconds, the median and the 99th percentile come in milliseconds."""
    assert milliseconds([0.002]) == {"p50 ms": 2.0, "p99 ms": 2.0}
