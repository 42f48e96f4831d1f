"""Sentences of events, from the templates beside their classes."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import uuid4

import pytest

from shared.domain.messages import Event, ValueObject
from shared.domain.sealing import Sealed
from shared.domain.sentences import sealed_notes, sentence_of
from tests.unit.kernel.lamps import LampHung, LampLit, fact


class Wick(ValueObject):
    """The wick of a candle."""

    length: int


class CandleSold(Event):
    """A candle was sold."""

    template: ClassVar[str] = ""
    colour: str = "RED"
    size: str = "EXTRA_LARGE"
    part: str = "wick.burn_time"
    code: str = "2A"
    scented: bool | None = None
    count: int = 1
    hours: Decimal = Decimal("1.50")
    tags: tuple[str, ...] = ()
    sold_on: date = date(2026, 6, 9)
    lit_at: datetime = datetime(2026, 6, 9, 22, 30, tzinfo=UTC)
    wick: Wick | None = None


def render(template: str, **fields: Any) -> str:
    class Candle(CandleSold):
        sentence = template

    return sentence_of(Candle(**fields), {"RED": "crimson"})


@pytest.mark.parametrize(
    ("template", "fields", "expected"),
    [
        ("{colour}, {size}, {part}, {code}", {}, "crimson, extra large, burn time, 2A"),
        ("Sold on {sold_on}, lit on {lit_at}", {}, "Sold on 9 June 2026, lit on 9 June 2026 at 23:30"),
        ("{count#candle|candles}, {hours#hour|hours}", {}, "1 candle, 1.5 hours"),
        ("{count#candle|candles}", {"count": 2}, "2 candles"),
        ("{scented?with|without} scent", {"scented": True}, "with scent"),
        ("Sold[, {scented?with|without} scent]", {"scented": False}, "Sold, without scent"),
        ("Sold[, {scented?with|without} scent]", {}, "Sold"),
        ("Sold[: {tags}][, {tags#tag|tags}]", {"tags": ("RED", "OLD")}, "Sold: crimson, old, 2 tags"),
        ("Sold[: {tags}]", {}, "Sold"),
        ("Sold[, {wick.length} cm]", {"wick": Wick(length=0)}, "Sold, 0 cm"),
        ("Sold[, {wick.length} cm]", {}, "Sold"),
    ],
)
def test_a_template_is_filled_in_plain_english(template: str, fields: dict[str, Any], expected: str) -> None:
    """Given a template, when an event is told, then codes, days, numbers and choices stand in words."""
    assert render(template, **fields) == expected


def test_an_event_without_a_template_is_told_by_its_name() -> None:
    """Given no template, when an event is told, then the words of its class's name are the sentence."""
    assert sentence_of(LampLit(), {}) == "Lamp lit"


@pytest.mark.parametrize("template", ["{scented}", "{wick}"])
def test_a_value_that_has_no_words_is_refused(template: str) -> None:
    """Given a template with a bare choice or a group, when it is filled, then an error names the type."""
    with pytest.raises(ValueError, match="has no words"):
        render(template, scented=True, wick=Wick(length=3))


def test_a_sealed_field_is_said_to_be_there_and_not_what_it_says() -> None:
    """Given an event with a note, when its sealed fields are listed, then their texts are not."""
    hung = fact(LampHung(room="hall", owner=uuid4(), note=Sealed("for the cat"), price=Sealed("dear")), 1)
    assert {note.path: note.note for note in sealed_notes(hung, {"price": "secret price"})} == {
        "note": "a note is recorded",
        "price": "a secret price is recorded",
    }
