"""A test of many cases says which of them fail."""

from __future__ import annotations

import pytest

from tests.as_one_test import as_one_test


def test_every_case_is_run_and_each_that_fails_is_named() -> None:
    """Given cases of which some fail, then the others are run, what failed is raised together, and each says its case."""
    ran: list[tuple[int, str]] = []

    @as_one_test
    @pytest.mark.parametrize("letter", ["a", pytest.param("b", id="the second")])
    @pytest.mark.parametrize("number", [1, 2, 3])
    def test(number: int, letter: str) -> None:
        ran.append((number, letter))
        assert number != 2
        if (number, letter) == (3, "b"):
            pytest.fail("three b")

    with pytest.raises(BaseExceptionGroup, match="3 of 6 cases") as raised:
        test()
    assert sorted(ran) == [(1, "a"), (1, "b"), (2, "a"), (2, "b"), (3, "a"), (3, "b")]
    notes = {note for error in raised.value.exceptions for note in error.__notes__}
    assert notes == {"Case: 2-a", "Case: 2-the second", "Case: 3-the second"}
