"""The steps of an event's way to reporting's tables."""

from __future__ import annotations

import queue

import pytest

from tests.bench.timeline import Moment, Timed, Timeline


async def test_each_step_is_the_time_since_the_one_before() -> None:
    """Given notes of a relay that took three events at once and a projection that took them singly, then each step is timed."""
    notes: queue.Queue[Moment] = queue.Queue()
    for moment in (
        Moment("relay wakes", "referral", range(1, 4), 100.010),
        Moment("transaction", "referral", range(1, 4), 100.030),
        Moment("fetch", "referral", [3], 100.060),
        Moment("projection", "referral", [3], 100.065),
        Moment("fetch", "referral", [3], 200.0),
        Moment("commit", "referral", [1, 3], 100.070),
    ):
        notes.put(moment)
    figures = await Timeline(notes).figures([Timed("referral", 3, 100.0, 100.001)])
    assert figures == pytest.approx(
        {
            "p50 ms": 69,
            "p99 ms": 69,
            "relay wakes p50 ms": 10,
            "transaction p50 ms": 20,
            "fetch p50 ms": 30,
            "projection p50 ms": 5,
            "commit p50 ms": 5,
        }
    )


async def test_a_note_that_is_still_on_its_way_is_waited_for() -> None:
    """Given an event without the note of its projection, when the note comes later, then it is timed."""
    notes: queue.Queue[Moment] = queue.Queue()
    timeline = Timeline(notes)
    for step, at in (("relay wakes", 1.0), ("transaction", 2.0), ("fetch", 3.0), ("commit", 5.0)):
        timeline.add(Moment(step, "disposal", [1], at))
    notes.put(Moment("projection", "disposal", [1], 4.0))
    assert (await timeline.figures([Timed("disposal", 1, 0.0, 0.1)]))["commit p50 ms"] == pytest.approx(1000)
