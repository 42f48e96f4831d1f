"""Comparing what a scenario expects with what was found."""

from decimal import Decimal
from typing import Any

import pytest

from tools.scenario.backend import Response
from tools.scenario.comparison import (
    answer_differs,
    duties_differ,
    equal,
    number_at,
    state_differs,
    sums_differ,
    types_differ,
)
from tools.scenario.story import Expected, Result


def ids(name: str) -> str:
    return f"id-of-{name}"


@pytest.mark.parametrize(
    ("expected", "got", "agrees"),
    [
        ({"c1": "ACTIVE"}, {"id-of-c1": "ACTIVE"}, True),
        ({"c1": "ACTIVE"}, {"id-of-c1": "ACTIVE", "id-of-c2": "ACTIVE"}, False),
        ({}, {"id-of-c1": "ACTIVE"}, False),
        ({}, {}, True),
        (2, 2.0, True),
        (1.5, Decimal("1.50"), True),
        (1, True, False),
        (False, 0, False),
        (None, None, True),
        (None, 0, False),
        (0, None, False),
        ("2025-11-27", "2025-11-27", True),
        (8, "8", True),
        ("leo", "id-of-leo", True),
        (["a", 1], ["a", 1], True),
        (["a"], ["a", "b"], False),
        ({"a": 1}, None, False),
    ],
)
def test_values_agree_as_people_mean_them(expected: Any, got: Any, agrees: bool) -> None:
    """Given two values, when they are compared, then names are ids, numbers are numbers and maps are complete."""
    assert equal(expected, got, ids) is agrees


def test_only_the_fields_given_count() -> None:
    """Given a state with more fields, when those given agree, then nothing differs; a missing one does."""
    assert not list(state_differs({"state": "ACTIVE"}, {"state": "ACTIVE", "more": 1}, ids))
    assert [d.where for d in state_differs({"colour": None}, {"state": "ACTIVE"}, ids)] == ["colour"]
    assert list(state_differs({"state": "ACTIVE"}, None, ids))


def test_duties_must_be_found_or_lacking() -> None:
    """Given the duties of a day, when some must be found and others not, then each miss is said."""
    got = [{"duty": "CONDITION", "due": "2026-06-25", "met_on": None, "overdue": False}]
    assert not list(duties_differ([{"duty": "CONDITION", "due": "2026-06-25"}], [{"duty": "TERM"}], got, ids))
    assert list(duties_differ([{"duty": "CONDITION", "due": "2026-06-26"}], [], got, ids))
    assert list(duties_differ([], [{"duty": "CONDITION", "overdue": False}], got, ids))
    assert not list(duties_differ([], [{"duty": "CONDITION", "overdue": True}], got, ids))


def test_history_is_complete_and_in_order() -> None:
    """Given event types, when one is missing, extra or elsewhere, then the first place that differs is said."""
    assert not list(types_differ(("A", "B"), ("A", "B")))
    for got in (("A",), ("A", "B", "C"), ("B", "A")):
        assert list(types_differ(("A", "B"), got))


def test_what_is_added_is_the_value_now_less_the_value_before() -> None:
    """Given a measure before and after, when keys are missing or withheld, then they count as 0."""
    before = {"columns": {"yc": {"ended": 2}}, "by_age": {}}
    now = {"columns": {"yc": {"ended": 3}, "ycc": {"ended": 1}}, "by_age": {"10-15": 1}, "groups": {"X": None}}
    added = {"columns.yc.ended": 1, "columns.ycc.ended": 1, "by_age.10-15": 1, "groups.X": 0, "nothing.there": 0}
    assert not list(sums_differ(added, before, now))
    assert [d.where for d in sums_differ({"columns.yc.ended": 2}, before, now)] == ["columns.yc.ended"]


def test_a_key_with_a_dot_is_found() -> None:
    """Given a key that holds a dot, when a path leads through it, then the longest key that is there is taken."""
    assert number_at({"a.b": {"c": "1.5"}, "a": {"b": {"c": 2}}}, "a.b.c") == Decimal("1.5")


@pytest.mark.parametrize(
    ("expected", "got", "agrees"),
    [
        (Expected(), Response(Result.ACCEPTED, events=("A",)), True),
        (Expected(events=("A",)), Response(Result.ACCEPTED, events=("A", "B")), False),
        (Expected(events=()), Response(Result.ACCEPTED, events=("A",)), False),
        (Expected(Result.REFUSED, rules=frozenset({"R1", "R2"})), Response(Result.REFUSED, rules=("R2", "R1")), True),
        (Expected(Result.REFUSED, rules=frozenset({"R1"})), Response(Result.REFUSED, rules=("R2", "R1")), False),
        (Expected(Result.REFUSED, rules=frozenset({"R1"})), Response(Result.NEEDS_RATIONALE, rules=("R1",)), False),
        (Expected(), Response(Result.REPEATED), False),
        (Expected(), Response(Result.REPEATED, attempts=2), True),
        (Expected(Result.FORBIDDEN), Response(Result.FORBIDDEN), True),
        (Expected(Result.CONFLICT), Response(Result.UNKNOWN), False),
    ],
)
def test_answers_agree_exactly(expected: Expected, got: Response, agrees: bool) -> None:
    """Given an answer, when it is compared, then word, events in order and the set of rules must agree."""
    assert (not list(answer_differs(expected, got, None))) is agrees


def test_a_repetition_must_bring_the_first_receipt() -> None:
    """Given the receipt of the first answer, when a repetition brings another, then that differs."""
    again = Response(Result.REPEATED, receipt={"position": 1})
    assert not list(answer_differs(Expected(Result.REPEATED), again, {"position": 1}))
    assert list(answer_differs(Expected(Result.REPEATED), again, {"position": 2}))
