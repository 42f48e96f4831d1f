"""The fold: histories through a decider, cut by both times, with corrections in place."""

from datetime import date, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.decider import BrokenHistory, check_gapless, history_at, with_value_at
from shared.domain.decisions import Refused
from shared.domain.envelope import Fact
from shared.domain.messages import DerivedCorrection, Event
from shared.domain.sealing import Sealed
from tests.counted import Counted
from tests.unit.kernel.lamps import (
    NOON,
    HangLamp,
    Lamp,
    LampHung,
    LampLit,
    LampOut,
    LightLamp,
    Maker,
    context,
    correction,
    decider,
    fact,
    history,
)

HUNG = LampHung(room="hall")
LAMPS = decider()
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def test_history_folds_to_a_state() -> None:
    """Given a lamp hung, lit, out and lit, then it is lit and was lit twice; before the first event there is none."""
    facts = history(HUNG, LampLit(), LampOut(), LampLit())
    assert LAMPS.fold(facts) == Lamp("hall", bright=False, lit=True, times_lit=2)
    assert LAMPS.fold([]) is None
    assert LAMPS.fold(facts[2:], LAMPS.fold(facts[:2])) == LAMPS.fold(facts)


@pytest.mark.parametrize(
    "events",
    [(LampLit(),), (HUNG, HUNG), (HUNG, LampOut()), (HUNG, LampLit(), LampLit())],
    ids=["lit before hung", "hung twice", "out before lit", "lit twice"],
)
def test_impossible_history_is_said_aloud(events: tuple[Event, ...]) -> None:
    """Given events that no rule would have let through, then the fold breaks and names stream and version."""
    with pytest.raises(BrokenHistory, match=f"lamps/.* version {len(events)} "):
        LAMPS.fold(history(*events))


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_lost_event_is_noticed(lost: int) -> None:
    """Given a history that lacks an event, then it is broken, whichever one is lost but the last."""
    facts = history(HUNG, LampLit(), LampOut(), LampLit())
    with pytest.raises(BrokenHistory, match=f"version {lost + 1} is missing"):
        check_gapless([one for n, one in enumerate(facts) if n != lost])
    with pytest.raises(BrokenHistory):
        history_at([facts[1], facts[0], *facts[2:]])


def test_decided_only_when_nothing_refuses() -> None:
    """Given a command, then it is decided where no rule refuses it, and only judged otherwise."""
    answer = LAMPS.evaluate_and_decide(LightLamp(), Lamp("hall", bright=False), context())
    assert isinstance(answer, tuple)
    assert answer[0] == (LampLit(),)
    assert answer[1].rules == ("T1",)
    future = LAMPS.evaluate_and_decide(HangLamp(room="hall"), None, context(NOON + HOUR, received_at=NOON))
    assert isinstance(future, Refused)


def test_as_of_counts_what_had_occurred() -> None:
    """Given facts of noon, one and two, then as of half past one the lamp is lit; at the very moment it counts."""
    facts = history(HUNG, LampLit(), LampOut())
    half_past = LAMPS.state_at(facts, as_of=NOON + 1.5 * HOUR)
    assert half_past is not None
    assert half_past.lit
    at_two = LAMPS.state_at(facts, as_of=NOON + 2 * HOUR)
    assert at_two is not None
    assert not at_two.lit
    assert LAMPS.state_at(facts, as_of=NOON - HOUR) is None


def test_known_at_counts_what_had_been_recorded() -> None:
    """Given a lamp that went out at one, which was recorded a day later, then it was not known before."""
    facts = [fact(HUNG, 1), fact(LampLit(), 2), fact(LampOut(), 3, NOON + HOUR, recorded_at=NOON + DAY)]
    unknowing = LAMPS.state_at(facts, as_of=NOON + 2 * HOUR, known_at=NOON + 2 * HOUR)
    assert unknowing is not None
    assert unknowing.lit
    knowing = LAMPS.state_at(facts, as_of=NOON + 2 * HOUR, known_at=NOON + DAY)
    assert knowing is not None
    assert not knowing.lit


def test_unrecorded_fact_is_not_known() -> None:
    """Given a fact that has no time of recording yet, then it was known at no time, and counts where none is asked."""
    facts = [fact(HUNG, 1), Fact(fact(LampLit(), 2).envelope, LampLit())]
    assert len(history_at(facts)) == 2
    assert len(history_at(facts, known_at=NOON + DAY)) == 1


def corrected_lamp() -> list[Fact]:
    """Return a lamp hung in the hall at noon and lit at one; at three it is recorded that it was the cellar."""
    facts = history(HUNG, LampLit())
    return [*facts, fact(correction(facts[0], "room", "cellar"), 3, NOON + 3 * HOUR)]


def test_correction_applies_from_the_fact_that_it_corrects() -> None:
    """Given a correction of three o'clock, then the lamp hung in the cellar from noon on, and the original stays."""
    facts = corrected_lamp()
    for moment in (NOON, NOON + 2 * HOUR, NOON + 4 * HOUR):
        lamp = LAMPS.state_at(facts, as_of=moment)
        assert lamp is not None
        assert lamp.room == "cellar"
    assert facts[0].event == HUNG
    assert history_at(facts)[0].corrected_by == (facts[2].event_id,)


def test_correction_is_known_from_its_recording() -> None:
    """Given a correction recorded at three, then as known at two the lamp hung in the hall."""
    lamp = LAMPS.state_at(corrected_lamp(), known_at=NOON + 2 * HOUR)
    assert lamp is not None
    assert lamp.room == "hall"
    assert LAMPS.state_at(corrected_lamp(), as_of=NOON - HOUR) is None


def test_later_correction_wins() -> None:
    """Given two corrections of one field, then the later recorded holds, and both are told."""
    facts = corrected_lamp()
    facts.append(fact(correction(facts[0], "room", "attic"), 4, NOON + 4 * HOUR))
    first = history_at(facts)[0]
    assert isinstance(first.event, LampHung)
    assert first.event.room == "attic"
    assert first.corrected_by == (facts[2].event_id, facts[3].event_id)


def test_corrections_of_several_fields_add_up() -> None:
    """Given corrections of two fields, then both stand, each in its field's own type."""
    facts = corrected_lamp()
    facts.append(fact(correction(facts[0], "bought_on", "2025-01-31"), 4, NOON + 4 * HOUR))
    lamp = LAMPS.state_at(facts)
    assert lamp is not None
    assert (lamp.room, lamp.bought_on) == ("cellar", date(2025, 1, 31))


def test_what_a_correction_changes_beside_is_read_once() -> None:
    """Given a correction of as many facts as it may change, then what it changes is read once, and not for each of them."""
    facts = history(HUNG)
    facts += [fact(HUNG, version) for version in range(2, 50)]
    also = Counted(DerivedCorrection(corrects=one.event_id, field="room", value="attic") for one in facts[1:])
    correcting = correction(facts[0], "room", "attic").model_copy(update={"also": also})
    before = Counted.read
    corrected = history_at([*facts, fact(correcting, 50)])
    assert {one.event.room for one in corrected if isinstance(one.event, LampHung)} == {"attic"}
    assert Counted.read == before + 1


def test_sealed_field_is_corrected_sealed() -> None:
    """Given a correction of a personal field, then the sealed value stands in its place, also inside a shape."""
    hung = LampHung(room="hall", note=Sealed("old"), maker=Maker(name=Sealed("Braun"), year=1931))
    facts = history(hung)
    facts.append(fact(correction(facts[0], "note", sealed=Sealed("new")), 2))
    facts.append(fact(correction(facts[0], "maker.name", sealed=Sealed("Brown")), 3))
    facts.append(fact(correction(facts[0], "maker.year", 1932), 4))
    event = history_at(facts)[0].event
    assert isinstance(event, LampHung)
    assert event.note == Sealed("new")
    assert event.maker == Maker(name=Sealed("Brown"), year=1932)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("colour", "red"),
        ("room.size", 3),
        ("maker.year", 3),
        ("maker.colour", "red"),
        ("bought_on", "yesterday"),
        ("bright", "perhaps"),
        ("room", ""),
        ("room", "two\nlines"),
    ],
)
def test_correction_that_fits_no_field_is_broken(field: str, value: object) -> None:
    """Given a correction of a field that is not there, or with a value that does not fit it, then the history is broken."""
    facts = history(HUNG)
    facts.append(fact(correction(facts[0], field, value), 2))
    with pytest.raises(BrokenHistory, match="cannot be corrected"):
        history_at(facts)


def test_correction_of_another_streams_event_is_broken() -> None:
    """Given a correction that points nowhere in its stream, then the history is broken."""
    facts = history(HUNG)
    elsewhere = correction(facts[0], "room", "attic").model_copy(update={"corrects": uuid4()})
    with pytest.raises(BrokenHistory, match="not in this stream"):
        history_at([*facts, fact(elsewhere, 2)])


def test_put_leaves_the_original() -> None:
    """Given a model, when a value is put at a path, then the copy has it and the original does not."""
    hung = LampHung(room="hall", maker=Maker(name=Sealed("Braun"), year=1931))
    changed = with_value_at(hung, "maker.year", 1932)
    assert changed.maker is not None
    assert changed.maker.year == 1932
    assert hung.maker is not None
    assert hung.maker.year == 1931


moments = st.integers(min_value=0, max_value=72).map(lambda hours: NOON + hours * HOUR)


@st.composite
def histories(draw: st.DrawFn) -> list[Fact]:
    """Return a lamp that is lit and put out in turn, each after the last, recorded then or later, with corrections between."""
    hung = fact(HUNG, 1)
    facts = [hung]
    occurred = recorded = NOON
    lit = False
    for _ in range(draw(st.integers(0, 8))):
        recorded += draw(st.integers(0, 10)) * HOUR
        if draw(st.booleans()):
            room = draw(st.sampled_from(("attic", "cellar")))
            event: Event = correction(hung, "room", room)
            at = recorded
        else:
            event = LampOut() if lit else LampLit()
            lit = not lit
            occurred = min(recorded, occurred + draw(st.integers(0, 6)) * HOUR)
            at = occurred
        facts.append(fact(event, len(facts) + 1, at, recorded))
    return facts


@given(histories(), st.none() | moments, st.none() | moments)
def test_cut_never_breaks(facts: list[Fact], as_of: datetime | None, known_at: datetime | None) -> None:
    """Given any history that was once accepted, then any cut of it folds, and keeps the order of versions."""
    left = history_at(facts, as_of=as_of, known_at=known_at)
    LAMPS.fold(left)
    versions = [one.version for one in left]
    assert versions == sorted(set(versions))
    assert all(known_at is None or one.recorded_at is None or one.recorded_at <= known_at for one in left)


@given(histories(), moments, moments)
def test_later_cut_holds_more(facts: list[Fact], one: datetime, other: datetime) -> None:
    """Given two moments, then the later knows and sees all that the earlier does."""
    early, late = sorted((one, other))
    ids = [{each.event_id for each in history_at(facts, as_of=moment)} for moment in (early, late)]
    assert ids[0] <= ids[1]
    known_ids = [{each.event_id for each in history_at(facts, known_at=moment)} for moment in (early, late)]
    assert known_ids[0] <= known_ids[1]


@given(histories())
def test_cut_at_the_end_is_everything(facts: list[Fact]) -> None:
    """Given a history, then a cut after everything, or none, leaves all of it, each fact once."""
    end = NOON + 100 * DAY
    assert history_at(facts, as_of=end, known_at=end) == history_at(facts)
    assert [one.event_id for one in history_at(facts)] == [one.event_id for one in facts]
