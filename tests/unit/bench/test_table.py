"""The table of `make bench`, and its targets."""

from __future__ import annotations

import json

import pytest

from tests.bench.figures import Samples
from tests.bench.table import Part, amount, as_json, lines, part, verdict
from tests.bench.targets import TARGETS, target_of


def bench_result(ours: float, limit: float) -> Part:
    """Return a possible result of the bench `append-64`."""
    return part(
        "append-64",
        "Append",
        {"ours": "64 callers", "limit": "32 connections"},
        {
            "ours": {"events/s": Samples((ours, ours)), "p99 ms": Samples((5.0, 5.0))},
            "limit": {
                "events/s": Samples((limit, limit)),
                "p99 ms": Samples((4.0, 4.0)),
                "pages/s": Samples((1.0, 1.0)),
            },
        },
    )


def visible(latency: float) -> Part:
    """Return a possible result of the bench `visible-20`."""
    return part("visible-20", "Visible", {"ours": "20/s"}, {"ours": {"p50 ms": Samples((latency, latency + 1))}})


def test_no_figure_has_two_targets() -> None:
    """Given the targets, each figure against each side has one."""
    assert len({(target.bench, target.figure, target.side) for target in TARGETS}) == len(TARGETS)


@pytest.mark.parametrize(("value", "meets_target"), [(59.9, True), (60.0, True), (60.1, False)])
def test_a_target_of_time_is_the_most_that_is_enough(value: float, meets_target: bool) -> None:
    """Given a latency that must be at most 60 milliseconds, 60 are enough and more are not."""
    target = target_of("visible-20", "p99 ms", "ours")
    assert target is not None
    assert target.reached_by(value) is meets_target
    assert str(target) == "≤ 60"


def test_ours_is_held_against_each_other_side() -> None:
    """Given half of the limit, of which 0.6 is wanted, the row says so, and what only one side has is left out."""
    rows = {(row.side, row.figure): row for row in bench_result(500, 1_000).rows}
    assert set(rows) == {("ours", "events/s"), ("limit", "events/s"), ("ours", "p99 ms"), ("limit", "p99 ms")}
    assert rows["limit", "events/s"].ratio == Samples((0.5, 0.5))
    assert rows["limit", "events/s"].meets_target is False
    assert rows["ours", "events/s"].meets_target is None
    assert rows["ours", "p99 ms"].meets_target is None
    assert rows["limit", "p99 ms"].meets_target is None


def test_what_is_not_reached_is_said_plainly() -> None:
    """Given one ratio too low and one latency too high, both are named with what was found and what must be."""
    assert bench_result(500, 1_000).missed == ["Append: events/s 0.50 x 32 connections; it must be ≥ 0.6 x"]
    assert visible(17.0).missed == ["Visible: p50 ms 17.5; it must be ≤ 15"]
    assert next(iter(verdict([bench_result(500, 1_000), visible(17.0)]))) == "Not reached, 2 of 2:"


def test_what_was_not_judged_is_not_called_reached() -> None:
    """Given targets that are all reached, their number is told; given none, nothing is claimed."""
    assert list(verdict([bench_result(1_000, 1_000), visible(9.0)])) == ["Reached: all 2 targets judged."]
    assert list(verdict([])) == ["None of these figures has a target."]


def test_the_table_names_every_side_and_every_verdict() -> None:
    """Given a bench, its title, its sides in words and a line for each figure are printed."""
    printed = "\n".join(lines([bench_result(500, 1_000), visible(9.0)]))
    assert "Append\n  ours: 64 callers\n  limit: 32 connections\n" in printed
    assert [line.split()[-2:] for line in printed.splitlines() if "REACHED" in line.upper()] == [
        ["NOT", "REACHED"],
        ["15", "reached"],
    ]


@pytest.mark.parametrize(("value", "text"), [(12_345.6, "12,346"), (99.94, "99.9"), (0.4567, "0.457")])
def test_a_figure_keeps_three_digits(value: float, text: str) -> None:
    """Given a figure of any size, it is written with the digits that count."""
    assert amount(value) == text


def test_machines_get_every_value() -> None:
    """Given a bench, its JSON holds each round's value and ratio, and whether the target was reached."""
    (document,) = json.loads(json.dumps(as_json([bench_result(500, 1_000)])))
    limit = next(row for row in document["rows"] if row["side"] == "limit")
    assert (limit["values"], limit["ratios"], limit["target"], limit["reached"]) == (
        [1_000, 1_000],
        [0.5, 0.5],
        0.6,
        False,
    )
