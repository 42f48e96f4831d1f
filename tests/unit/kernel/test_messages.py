"""Commands, events and their bytes: exact, stable, and without anything that was not said."""

import hashlib
import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from shared.domain.decisions import BrokenRule, NeedsRationale, Refused
from shared.domain.envelope import GENESIS, Envelope, EventRegistry, UnknownEvent, encode_event, next_hash
from shared.domain.ids import derived_uuid, event_id
from shared.domain.messages import Command, Hours, Pence, ShortText, Timestamp, model_from, unique
from shared.domain.sealing import PREFIX, Sealed
from shared.domain.texts import Code, CommandContext
from tests.unit.kernel.lamps import (
    EVENTS,
    HOME,
    NOON,
    OWNER,
    STREAM,
    HangLamp,
    LampHung,
    LampLit,
    fact,
    keys_for,
    read,
    sealed_bytes,
)


class ClearFields(BaseModel):
    """One of each clear kind."""

    model_config = ConfigDict(strict=True)
    time: Timestamp = NOON
    text: ShortText = "x"
    hours: Hours = Decimal(0)
    pence: Pence = 0


@pytest.mark.parametrize(
    "body",
    [
        {"time": "2026-03-02T12:00:00"},
        {"time": "2026-02-30T12:00:00Z"},
        {"text": ""},
        {"text": "two\nlines"},
        {"text": "nul\x00"},
        {"text": "x" * 201},
        {"text": 5},
        {"hours": -1},
        {"hours": 1.234},
        {"hours": 1001},
        {"pence": -1},
        {"pence": 1.5},
        {"pence": "5"},
        {"pence": True},
        {"pence": 10_000_001},
    ],
    ids=str,
)
def test_wrong_values_are_refused(body: dict[str, Any]) -> None:
    """Given a time without zone, a text of two lines, too many hours or half a penny, then it is refused."""
    with pytest.raises(ValidationError):
        ClearFields.model_validate_json(json.dumps(body))


def test_times_are_kept_in_utc() -> None:
    """Given a time in British Summer Time, then it is kept as the same moment in UTC."""
    model = ClearFields.model_validate_json('{"time": "2026-07-01T09:30:00+01:00"}')
    assert model.time == datetime(2026, 7, 1, 8, 30, tzinfo=UTC)
    assert model.time.utcoffset() == timedelta(0)


@given(
    st.datetimes(
        datetime(1900, 1, 1),  # noqa: DTZ001 - the strategy gives the zone
        datetime(2199, 12, 31),  # noqa: DTZ001
        timezones=st.integers(-12, 12).map(lambda h: timezone(timedelta(hours=h))),
    )
)
def test_time_is_the_same_moment(moment: datetime) -> None:
    """Given a moment in any zone, then what is kept is that moment."""
    assert TypeAdapter(Timestamp).validate_python(moment) == moment.astimezone(UTC)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "1899-12-31T00:00:00Z"])
def test_times_beyond_every_calendar_are_malformed(text: str) -> None:
    """Given a year in which no zone can be reckoned with, then it is malformed and breaks nothing."""
    with pytest.raises(ValidationError):
        TypeAdapter(Timestamp).validate_json(f'"{text}"')


@pytest.mark.parametrize(
    "body",
    [
        {"type": "HangLamp", "room": "hall", "colour": "red"},
        {"type": "PutOut", "room": "hall"},
        {"type": "HangLamp"},
        {"type": "HangLamp", "room": "hall", "expected_version": -1},
        {"type": "HangLamp", "room": "hall", "occurred_at": "2026-03-02"},
        {"type": "HangLamp", "room": "hall", "occurred_at": "1796181464"},
        {"type": "HangLamp", "room": "hall", "occurred_at": "1796181464.5"},
        {"type": "HangLamp", "room": "hall", "occurred_at": 1796181464},
        {"type": "HangLamp", "room": "hall", "rationale": {"W1": ""}},
    ],
    ids=str,
)
def test_malformed_command_is_refused(body: dict[str, Any]) -> None:
    """Given unknown or missing fields, another type, or a wrong envelope, then the command is refused."""
    with pytest.raises(ValidationError):
        HangLamp.model_validate_json(json.dumps(body))


@pytest.mark.parametrize(
    "body",
    [
        {"type": "HangLamp", "room": "s1:person/x:1:"},
        {"type": "HangLamp", "room": "hall", "rationale": {"s1:person/x:1:": "because"}},
    ],
    ids=["a text", "the name of an entry"],
)
def test_clear_text_that_looks_sealed_is_refused(body: dict[str, Any]) -> None:
    """Given a clear text that looks like a token, then it is refused: no key could ever open its stream."""
    with pytest.raises(ValidationError, match=r"marks sealed values|should match pattern"):
        HangLamp.model_validate_json(json.dumps(body))


class LabelLamp(Command):
    """A command with a code, which is brought into a normal form in lower case."""

    type: Literal["LabelLamp"] = "LabelLamp"
    label: Annotated[str, Code(r".*", "any label will do", case="lower")]


@given(st.text(st.sampled_from('s1:S x"\\\uff53\uff11\uff1a\u017f'), max_size=8), st.booleans(), st.booleans())
def test_no_spelling_hides_a_text_that_looks_sealed(text: str, escaped: bool, by_bytes: bool) -> None:
    """Given a text in any spelling of JSON, then sparing the walk where it can find nothing refuses the same commands."""
    body = json.dumps({"type": "LabelLamp", "label": text}, ensure_ascii=escaped)
    spared = CommandContext.of(body.encode() if by_bytes else body, NOON.date(), PREFIX)

    def refused(context: CommandContext) -> bool:
        try:
            LabelLamp.model_validate_json(body, context=context)
        except ValidationError:
            return True
        return False

    assert refused(spared) == refused(CommandContext(NOON.date()))


@pytest.mark.parametrize("letter", ["s", "S", r"\u0073", "\uff53", "\u017f"])
def test_each_spelling_of_the_prefix_is_looked_at(letter: str) -> None:
    """Given the prefix in JSON, by an escape or a letter whose normal form it has, then it is refused; a text without is spared."""
    body = f'{{"type": "LabelLamp", "label": "{letter}1:person/x"}}'
    context = CommandContext.of(body, NOON.date(), PREFIX)
    assert context.may_hold_prefix
    with pytest.raises(ValidationError, match="marks sealed values"):
        LabelLamp.model_validate_json(body, context=context)
    assert not CommandContext.of('{"type": "LabelLamp", "label": "hall 1"}', NOON.date(), PREFIX).may_hold_prefix
    assert CommandContext.of(b'{"label": "\xff"}', NOON.date(), PREFIX).may_hold_prefix


def test_messages_never_change() -> None:
    """Given a message, when one of its fields is set, then that is an error."""
    with pytest.raises(ValidationError):
        setattr(LampHung(room="hall"), "room", "attic")  # noqa: B010 - the type checker knows already


def test_event_takes_the_commands_fields() -> None:
    """Given a command, then its event has the fields of the same names, and what is given besides, which wins."""
    command = HangLamp(room="hall", note=Sealed("old"), occurred_at=NOON, rationale={"W1": "because"})
    assert model_from(LampHung, command) == LampHung(room="hall", note=Sealed("old"))
    assert model_from(LampHung, command, room="attic", bright=True) == LampHung(
        room="attic", bright=True, note=Sealed("old")
    )


hung = st.builds(
    LampHung,
    room=st.from_regex(r"[^\x00-\x1f\x7f]{1,200}", fullmatch=True).filter(lambda text: not text.startswith("s1:")),
    bright=st.booleans(),
    hours=st.none() | st.decimals(0, 1000, places=2),
    bought_on=st.none() | st.dates(),
    owner=st.none() | st.just(OWNER),
    note=st.none() | st.text(min_size=1, max_size=200).map(Sealed),
    maker=st.none(),
    tags=st.lists(st.text(min_size=1, max_size=9).map(Sealed), max_size=3).map(tuple),
    price=st.none() | st.text(min_size=1, max_size=9).map(Sealed),
)


@given(hung)
def test_event_survives_its_bytes(event: LampHung) -> None:
    """Given any event, when it is sealed, written and read, then event and envelope are the same."""
    one = fact(event, 7)
    keys = keys_for(one)
    body = sealed_bytes(one, keys)
    again = read(body, keys)
    assert again.event == event
    without_labels: dict[str, Any] = {"labels": {}, "conflicts": frozenset()}
    assert again.envelope == one.envelope.model_copy(update={"actor": one.actor.model_copy(update=without_labels)})
    assert again.body == body


def test_bytes_are_compact_and_in_order() -> None:
    """Given an event, then its bytes are compact JSON in UTF-8: the envelope's fields in their order, then the data."""
    body = encode_event(fact(LampHung(room="Küche"), 1).envelope, LampHung(room="Küche"))
    assert list(json.loads(body)) == [*Envelope.model_fields, "data"]
    assert "Küche".encode() in body
    assert b": " not in body
    assert json.loads(body)["occurred_at"] == "2026-03-02T12:00:00Z"


def test_labels_of_the_actor_stay_outside() -> None:
    """Given an actor with an area and declared conflicts, then the bytes name the actor and neither of these."""
    actor = json.loads(encode_event(fact(LampLit(), 1).envelope, LampLit()))["actor"]
    assert actor == {"id": str(OWNER), "role": "KEEPER", "organisation": "HOUSE"}


def test_fact_knows_its_place() -> None:
    """Given a fact, then it tells its stream, name, version and day in London."""
    late = fact(LampLit(), 3, datetime(2026, 7, 1, 23, 30, tzinfo=UTC))
    assert (late.stream_id, late.name, late.version) == (STREAM, "LampLit", 3)
    assert late.day == date(2026, 7, 2)
    assert late.envelope.home == HOME


@pytest.mark.parametrize(
    "change",
    [
        {"type": "ooc.lamps.LampSold.v1"},
        {"type": "ooc.lamps.LampHung.v9"},
        {"type": 5},
        {"event_id": "no id"},
        {"data": {"room": "hall", "colour": "red"}},
        {"data": {}},
        {"data": []},
    ],
    ids=str,
)
def test_unreadable_bytes_are_said_aloud(change: dict[str, Any]) -> None:
    """Given an unknown type, an unknown shape or a broken envelope, then reading is an error, never a guess."""
    event = LampHung(room="hall")
    raw = {**json.loads(encode_event(fact(event, 1).envelope, event)), **change}
    with pytest.raises(UnknownEvent):
        EVENTS.read(json.dumps(raw).encode())


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b"{}", b"null", b'"text"', b"\xff\xfe"])
def test_garbage_is_said_aloud(body: bytes) -> None:
    """Given bytes that are no event at all, then reading is an error of one kind."""
    with pytest.raises(UnknownEvent):
        EVENTS.read(body)


def test_old_shapes_are_lifted_step_by_step() -> None:
    """Given upcasters from the first shape to the second and on to the third, then an old event is read as the newest."""

    class LampHungNow(LampHung):
        version = 3

    LampHungNow.__name__ = "LampHung"
    book = EventRegistry(
        "lamps",
        (LampHungNow,),
        upcasters={
            "ooc.lamps.LampHung.v1": lambda data: {"room": data["place"]},
            "ooc.lamps.LampHung.v2": lambda data: {**data, "bright": True},
        },
    )
    raw = json.loads(encode_event(fact(LampHung(room="x"), 1).envelope, LampHung(room="x")))
    raw["data"] = {"place": "hall"}
    read_event = book.read(json.dumps(raw).encode()).event
    assert isinstance(read_event, LampHungNow)
    assert (read_event.room, read_event.bright) == ("hall", True)
    raw["type"] = "ooc.lamps.LampHung.v2"
    raw["data"] = {"room": "attic"}
    second = book.read(json.dumps(raw).encode()).event
    assert isinstance(second, LampHungNow)
    assert second.room == "attic"


def test_names_are_stable() -> None:
    """Given an event class, then its stored name has namespace, service, name and version, whatever its module."""
    assert EVENTS.type_name(LampHung) == "ooc.lamps.LampHung.v1"
    assert EVENTS.by_name["LampLit"] is LampLit
    assert EVENTS.by_type["ooc.lamps.LampLit.v1"] is LampLit


@given(st.binary(min_size=32, max_size=32), st.binary())
def test_chain_is_sha_256(previous: bytes, body: bytes) -> None:
    """Given bytes and the hash before them, then the hash is SHA-256 over both, so that an auditor can reckon it."""
    assert next_hash(previous, body) == hashlib.sha256(previous + body).digest()
    assert next_hash(GENESIS, body) == hashlib.sha256(bytes(32) + body).digest()


def test_ids_are_derived_and_told_apart() -> None:
    """Given parts, then the same parts give the same id (version 5), and others another; so do a command's events."""
    assert derived_uuid("a", 1) == derived_uuid("a", 1)
    assert derived_uuid("a", 1) != derived_uuid("a", 2)
    assert derived_uuid("a").version == 5
    command = UUID("55555555-5555-4555-8555-555555555555")
    assert event_id(command, 0) == event_id(command, 0)
    assert len({event_id(command, n) for n in range(50)}) == 50


@given(st.lists(st.sampled_from("abc")))
def test_one_of_each_keeps_the_first(items: list[str]) -> None:
    """Given items, then each stands once, in the order of its first appearance."""
    found = unique(items)
    assert set(found) == set(items)
    assert [items.index(item) for item in found] == sorted(items.index(item) for item in found)


def test_answers_name_their_rules() -> None:
    """Given a refusal and a wish for reasons, then both name their rules in order."""
    rules = (BrokenRule("R6", "text", "source"), BrokenRule("R1", "text", "source"))
    assert Refused(rules).ids == ("R6", "R1")
    assert NeedsRationale(rules).ids == ("R6", "R1")
