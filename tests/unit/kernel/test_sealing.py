"""Personal fields: plain in memory, a token everywhere else, and forgotten for ever once their key is destroyed."""

import json
import os
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shared.domain.envelope import UnknownEvent
from shared.domain.messages import Event
from shared.domain.sealing import (
    DataKey,
    Forgotten,
    NotOpened,
    NotSealed,
    Sealed,
    SealedToken,
    TamperedToken,
    key_ids_in,
    map_sealed,
    seal,
    sealed_fields,
    unseal,
)
from tests.unit.kernel.lamps import HOME, OWNER, STREAM, HangLamp, LampHung, Maker, fact, keys_for, read, sealed_bytes

KEY = DataKey("person/a", 1, bytes(range(32)))
EVENT = UUID("44444444-4444-4444-8444-444444444444")
WHOLE = LampHung(
    room="hall",
    owner=OWNER,
    note=Sealed("His grandmother's, he says"),
    maker=Maker(name=Sealed("Ahmed & Söhne"), year=1931),
    tags=(Sealed("brass"), Sealed("old")),
    price=Sealed("£40"),
)
HIS, HOMES = f"person/{OWNER}", f"home/{HOME}"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
paths = st.from_regex(r"[a-z_]{1,12}(\.[a-z0-9_]{1,8}){0,2}", fullmatch=True)


@given(json_values, paths)
def test_what_is_sealed_opens(value: Any, path: str) -> None:
    """Given any value, when it is sealed and its token written and read, then it opens as it was."""
    token = SealedToken.parse(seal(value, KEY, EVENT, path))
    assert (token.subject, token.generation, token.path) == ("person/a", 1, path)
    assert unseal(token, KEY, EVENT) == value


@given(st.text(), paths)
def test_token_moved_to_another_event_does_not_open(value: str, path: str) -> None:
    """Given a token, when it is put into another event, then it does not open."""
    token = SealedToken.parse(seal(value, KEY, EVENT, path))
    with pytest.raises(TamperedToken):
        unseal(token, KEY, uuid4())


@given(st.text(), paths, paths)
def test_token_renamed_to_another_field_does_not_open(value: str, path: str, other: str) -> None:
    """Given a token, when it claims to be of another field, then it does not open."""
    token = SealedToken.parse(seal(value, KEY, EVENT, path))
    moved = SealedToken(token.subject, token.generation, other, token.nonce, token.ciphertext)
    if other == path:
        assert unseal(moved, KEY, EVENT) == value
    else:
        with pytest.raises(TamperedToken):
            unseal(moved, KEY, EVENT)


@given(st.text(), st.data())
def test_altered_token_does_not_open(value: str, data: st.DataObject) -> None:
    """Given a token, when any bit of nonce or ciphertext is flipped, or the key is another, then it does not open."""
    token = SealedToken.parse(seal(value, KEY, EVENT, "note"))
    token_bytes = bytearray(token.nonce + token.ciphertext)
    at = data.draw(st.integers(0, len(token_bytes) * 8 - 1))
    token_bytes[at // 8] ^= 1 << at % 8
    altered = SealedToken(token.subject, token.generation, token.path, bytes(token_bytes[:12]), bytes(token_bytes[12:]))
    for wrong, key in ((altered, KEY), (token, DataKey("person/a", 1, bytes(32)))):
        with pytest.raises(TamperedToken):
            unseal(wrong, key, EVENT)


@given(st.text(alphabet="abcdef éü'", max_size=40), st.text(alphabet="abcdef éü'", max_size=40))
def test_padding_hides_length(one: str, other: str) -> None:
    """Given two short texts, when they are sealed, then their tokens are of one length."""
    if max(len(json.dumps(text, ensure_ascii=False).encode()) for text in (one, other)) <= 64:
        assert len(seal(one, KEY, EVENT, "note")) == len(seal(other, KEY, EVENT, "note"))


@given(st.text(max_size=300))
def test_length_tells_blocks_only(text: str) -> None:
    """Given any text, then its ciphertext is whole blocks of 64 bytes and the cipher's tag of 16."""
    token = SealedToken.parse(seal(text, KEY, EVENT, "note"))
    assert (len(token.ciphertext) - 16) % 64 == 0


def test_sealing_twice_gives_two_tokens() -> None:
    """Given one text sealed twice, then the tokens differ, so that equal texts cannot be told."""
    assert seal("yes", KEY, EVENT, "note") != seal("yes", KEY, EVENT, "note")


@pytest.mark.parametrize(
    "text", ["", "hello", "s1:", "s2:a:1:p:AAAA:AAAA", "s1:a:x:p:AAAA:AAAA", "s1:a:1:p:AAAA", "s1:a:1:p:A:AAAA"]
)
def test_malformed_token_is_refused(text: str) -> None:
    """Given a text that is no token, then reading it is an error."""
    with pytest.raises(TamperedToken):
        SealedToken.parse(text)


def test_plain_value_cannot_be_written() -> None:
    """Given a plain personal value, when its event is written, then that is an error: nothing leaks by accident."""
    with pytest.raises(Exception, match="is not encrypted") as error:
        WHOLE.model_dump_json()
    assert isinstance(error.value, NotSealed) or "NotSealed" in str(error.value)


def test_plain_value_shows_itself_nowhere() -> None:
    """Given a plain, a closed and a forgotten value, then none prints what it holds."""
    plain = Sealed("secret")
    for one in (plain, Sealed.of_token("s1:a:1:p:AAAA:AAAA"), Sealed.of_token("s1:x").as_forgotten()):
        assert "secret" not in f"{one!r} {one}"
    assert "secret" not in repr(HangLamp(room="hall", note=plain))


def test_three_things_a_field_may_hold() -> None:
    """Given a plain, a closed and a forgotten value, then only the first tells its value."""
    plain: Sealed[str] = Sealed("secret")
    closed: Sealed[str] = Sealed.of_token("s1:a:1:p:AAAA:AAAA")
    forgotten = closed.as_forgotten()
    assert (plain.value, plain.has_token, plain.is_forgotten) == ("secret", False, False)
    assert (closed.has_token, closed.is_forgotten) == (True, False)
    with pytest.raises(NotOpened):
        _ = closed.value
    with pytest.raises(Forgotten):
        _ = forgotten.value
    with pytest.raises(NotSealed):
        _ = plain.token
    assert [one.or_else("?") for one in (plain, closed, forgotten)] == ["secret", "?", "?"]
    assert forgotten.is_forgotten
    assert forgotten.token == closed.token


def test_equal_by_token_else_by_value() -> None:
    """Given values, then two tokens are compared as tokens, else what they hold; other things are never equal."""
    token: Sealed[str] = Sealed.of_token("s1:a:1:p:AAAA:AAAA")
    assert Sealed("a") == Sealed("a")
    assert Sealed("a") != Sealed("b")
    assert token.with_value("a") == Sealed("a")
    assert token.with_value("a") == token
    assert Sealed("a") != "a"
    assert len({Sealed("a"), Sealed("a")}) == 1


def test_every_field_has_its_owner() -> None:
    """Given fields of a person, in a shape of that person's, and of none, then each is sealed under its owner's key."""
    owners = {path: owner for path, owner, _ in sealed_fields(WHOLE, HOME)}
    assert owners == {"note": HIS, "maker.name": HIS, "tags.0": HOMES, "tags.1": HOMES, "price": HOMES}


def test_without_owner_the_home_keeps_it() -> None:
    """Given no owner, then the home's key seals what the owner's would have."""
    nobodys = WHOLE.model_copy(update={"owner": None})
    assert {owner for _, owner, _ in sealed_fields(nobodys, HOME)} == {HOMES}


def test_untouched_model_is_the_same_object() -> None:
    """Given a change that changes nothing, then the model is not copied."""
    assert map_sealed(WHOLE, HOME, lambda _path, _owner, sealed: sealed) is WHOLE


def test_event_survives_its_bytes() -> None:
    """Given an event with personal fields, when it is sealed, written and read with its keys, then it is the same."""
    one = fact(WHOLE, 1)
    keys = keys_for(one)
    body = sealed_bytes(one, keys)
    assert read(body, keys).event == WHOLE
    opened = read(body, keys).event
    assert isinstance(opened, LampHung)
    assert opened.maker is not None
    assert opened.maker.name.value == "Ahmed & Söhne"


def test_nothing_personal_stands_in_the_bytes() -> None:
    """Given an event with personal fields, then its bytes hold the clear ones and none of the others."""
    one = fact(WHOLE, 1)
    body = sealed_bytes(one, keys_for(one)).decode()
    assert '"room":"hall"' in body
    assert '"year":1931' in body
    assert not [word for word in ("grandmother", "Ahmed", "brass", "£40") if word in body]


def test_subjects_are_told_by_the_bytes() -> None:
    """Given an event's bytes, then they tell which keys open them, all at once."""
    one = fact(WHOLE, 1)
    assert key_ids_in(sealed_bytes(one, keys_for(one))) == {(HIS, 1), (HOMES, 1)}
    assert key_ids_in(b'{"room":"hall"}') == set()


def test_quoted_token_in_a_clear_text_names_no_key() -> None:
    """Given a clear text that quotes a token, then it is no token, and nobody asks for its key."""
    one = fact(LampHung(room='see "s1:person/x:1:note', price=Sealed("£40")), 1)
    keys = keys_for(one)
    assert key_ids_in(sealed_bytes(one, keys)) == {(HOMES, 1)}


def test_forgotten_person_leaves_the_rest() -> None:
    """Given a destroyed key of a person, then that person's fields are forgotten and the case's still open."""
    one = fact(WHOLE, 1)
    keys = keys_for(one)
    event = read(sealed_bytes(one, keys), {**keys, HIS: None}).event
    assert isinstance(event, LampHung)
    assert event.note is not None
    assert event.note.is_forgotten
    assert event.price is not None
    assert event.price.value == "£40"
    assert event.room == "hall"


def test_closed_event_is_read_without_keys() -> None:
    """Given an event's bytes and no keys, then its clear fields are read and its tokens stay as they are."""
    one = fact(WHOLE, 1)
    body = sealed_bytes(one, keys_for(one))
    closed = read(body, None)
    assert isinstance(closed.event, LampHung)
    assert closed.event.note is not None
    with pytest.raises(NotOpened):
        _ = closed.event.note.value
    assert sealed_bytes(closed, {}) == body


def test_missing_key_is_an_error_and_never_forgotten() -> None:
    """Given keys that lack one, then reading fails: a key that is not there was not destroyed."""
    one = fact(WHOLE, 1)
    keys = keys_for(one)
    with pytest.raises(UnknownEvent):
        read(sealed_bytes(one, keys), {HOMES: keys[HOMES]})


def test_plain_value_in_bytes_is_refused() -> None:
    """Given bytes in which a personal field is plain, then they are refused: somebody wrote past the seal."""
    one = fact(WHOLE, 1)
    keys = keys_for(one)
    raw = json.loads(sealed_bytes(one, keys))
    raw["data"]["note"] = "in clear"
    with pytest.raises(UnknownEvent):
        read(json.dumps(raw).encode(), keys)


def test_token_of_another_event_in_bytes_is_refused() -> None:
    """Given bytes into which another event's token was copied, then they are refused."""
    first, second = fact(WHOLE, 1), fact(WHOLE, 2)
    keys = keys_for(first)
    raw, other = (json.loads(sealed_bytes(one, keys)) for one in (first, second))
    raw["data"]["note"] = other["data"]["note"]
    with pytest.raises(UnknownEvent):
        read(json.dumps(raw).encode(), keys)


@given(st.dates(), st.lists(st.text(max_size=20), max_size=3).map(tuple))
def test_types_survive(day: date, words: tuple[str, ...]) -> None:
    """Given dates and lists, when they are sealed and opened in a field of their type, then they are of that type."""
    for kind, value in ((Sealed[date], day), (Sealed[tuple[str, ...]], words)):
        adapter: TypeAdapter[Sealed[Any]] = TypeAdapter(kind)
        plain = adapter.validate_python(value)
        token = SealedToken.parse(seal(plain.value, KEY, EVENT, "note"))
        assert adapter.validate_json(json.dumps(unseal(token, KEY, EVENT))).value == value


def test_command_brings_a_plain_value() -> None:
    """Given a command's JSON, then its personal field is a plain value of its type, and anything else is refused."""
    command = HangLamp.model_validate_json('{"type": "HangLamp", "room": "hall", "note": "s1:looks like a token"}')
    assert command.note is not None
    assert command.note.value == "s1:looks like a token"
    for wrong in ("5", '""', "[]"):
        with pytest.raises(ValueError, match="note"):
            HangLamp.model_validate_json(f'{{"type": "HangLamp", "room": "hall", "note": {wrong}}}')


def test_published_schema_shows_a_token() -> None:
    """Given an event's published schema, then a personal field is a token, whatever its type in a command."""
    published = json.dumps(LampHung.model_json_schema(mode="serialization")["properties"]["note"])
    assert "^s1:" in published
    schema_text = json.dumps(HangLamp.model_json_schema(mode="validation")["properties"]["note"])
    assert "^s1:" not in schema_text


def test_keys_differ_between_owners() -> None:
    """Given two owners, then a token of one does not open with the key of the other."""
    token = SealedToken.parse(seal("secret", KEY, STREAM, "note"))
    with pytest.raises(TamperedToken):
        unseal(token, DataKey("person/b", 1, os.urandom(32)), STREAM)


class LampLent(Event):
    """The lamp was lent to another house, with what was said of it there."""

    sealed_under = "house"

    house: UUID | None
    said: Sealed[str]


@pytest.mark.parametrize(("house", "subject"), [(OWNER, f"home/{OWNER}"), (None, HOMES)])
def test_an_event_may_be_sealed_under_another_home(house: UUID | None, subject: str) -> None:
    """Given an event about another home than its stream's, then that home's key seals it; its own key where it names none."""
    lent = fact(LampLent(house=house, said=Sealed("Handle with care")), 1)
    assert lent.envelope.home == HOME
    assert [owner for _, owner, _ in sealed_fields(lent.event, lent.sealing_home)] == [subject]
