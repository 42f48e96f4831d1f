"""The frozen format: bytes and hashes written once, which no later version of the kernel may write or read otherwise.

A test that fails here has found a change of format. Never renew a sample; make a new version of the event instead.
"""

import base64
import json
import os
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.domain.envelope import GENESIS, Envelope, EventRegistry, Origin, PolicyStamp, encode_event, next_hash
from shared.domain.ids import derived_uuid, event_id
from shared.domain.messages import Actor, Event, FreeText, Hours, Pence, ShortText, Timestamp, ValueObject
from shared.domain.sealing import DataKey, OwnedBy, Sealed, seal_model

GOLDEN = Path(__file__).parent / "golden"
HASHES = {
    "parcel-sent.v1.json": "48554c53cdbedf39f0fa79033995348546399bf1058fc68f649e1d0b0f06cd10",
    "parcel-kept.v1.json": "1eb137aa0a7e5bea52712b1f1eb9643d46de523fd79f25ab717e1d113000f709",
}
"""Each sample with its hash in the stream, in order of version."""


class Size(StrEnum):
    """A code."""

    SMALL = "SMALL"
    LARGE = "LARGE"


class Receiver(ValueObject):
    """A group of fields whose sealed ones belong to the person named beside it."""

    name: Sealed[FreeText]
    born: Sealed[date]
    age: int


class ParcelSent(Event):
    """One field of each kind."""

    receiver_id: UUID
    receiver: Annotated[Receiver, OwnedBy("receiver_id")]
    size: Size
    title: ShortText
    sent_on: date
    due_at: Timestamp
    hours: Hours
    price: Pence
    fragile: bool
    counts: tuple[int, ...]
    notes: tuple[Sealed[FreeText], ...]
    missing: ShortText | None = None
    unsaid: Sealed[FreeText] | None = None


class ParcelKept(Event):
    """One without fields."""


EVENTS = EventRegistry("parcels", (ParcelSent, ParcelKept))
STREAM = UUID("22222222-2222-4222-8222-222222222222")
HOME = UUID("11111111-1111-4111-8111-111111111111")
PERSON = UUID("33333333-3333-4333-8333-333333333333")
COMMAND = UUID("44444444-4444-5444-8444-444444444444")
KEYS = {
    f"person/{PERSON}": DataKey(f"person/{PERSON}", 1, bytes(range(32))),
    f"home/{HOME}": DataKey(f"home/{HOME}", 3, bytes(range(32, 64))),
}
OPENING = {(key.subject, key.generation): key for key in KEYS.values()}

SENT = ParcelSent(
    receiver_id=PERSON,
    receiver=Receiver(name=Sealed('Zoë "Z" O\'Brien'), born=Sealed(date(2011, 2, 28)), age=14),
    size=Size.LARGE,
    title="Llythyr / letter é",
    sent_on=date(2026, 3, 2),
    due_at=datetime(2026, 3, 29, 1, 30, 0, 1, tzinfo=UTC),
    hours=Decimal("2.50"),
    price=1999,
    fragile=True,
    counts=(1, 2, 3),
    notes=(Sealed("one\ntwo"), Sealed("ŵ" * 40)),
)


def _envelope(version: int, cls: type[Event]) -> Envelope:
    return Envelope(
        event_id=event_id(COMMAND, version - 1),
        type=EVENTS.type_name(cls),
        stream=f"parcels/{STREAM}",
        version=version,
        home=HOME,
        command_id=COMMAND,
        occurred_at=datetime(2026, 3, 2, 12, 0, 0, 120_000, tzinfo=UTC),
        actor=Actor(id=PERSON, role="SENDER", organisation="POST", labels={"area": "NOT WRITTEN"}),
        correlation_id=COMMAND,
        causation_id=None if version > 1 else UUID("55555555-5555-4555-8555-555555555555"),
        traceparent=None if version > 1 else "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        policy=PolicyStamp(edition="2025-12-01", day=date(2026, 3, 2)),
        rules=("T1", "R2", "S1"),
        rationale={} if version > 1 else {"R2": Sealed("because it rains")},
        labels={"area": "DORSET", "regime": "UK_GDPR"},
        origin=Origin() if version > 1 else Origin(kind="IMPORT", reference="ledger 1998, page 7"),
    )


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return the two events as this kernel writes them, with nonces 1, 2, 3, … in place of random ones."""
    drawn = iter(range(1, 100))
    monkeypatch.setattr(os, "urandom", lambda size: next(drawn).to_bytes(size, "big"))
    return [
        encode_event(
            seal_model(envelope, HOME, envelope.event_id, KEYS), seal_model(event, HOME, envelope.event_id, KEYS)
        )
        for envelope, event in ((_envelope(1, ParcelSent), SENT), (_envelope(2, ParcelKept), ParcelKept()))
    ]


def _samples() -> list[bytes]:
    return [(GOLDEN / name).read_bytes() for name in HASHES]


def test_the_kernel_writes_the_frozen_bytes(written: list[bytes]) -> None:
    """Given the same events, keys and nonces, the bytes are those of the samples."""
    assert written == _samples()


def test_the_samples_chain_to_the_frozen_hashes() -> None:
    """Given the samples in order, SHA-256 over the hash before and the bytes gives the frozen hashes."""
    hash_ = GENESIS
    for body, frozen in zip(_samples(), HASHES.values(), strict=True):
        hash_ = next_hash(hash_, body)
        assert hash_.hex() == frozen


def test_the_samples_are_read_and_opened() -> None:
    """Given the samples and their keys, every field of envelope and event is what was written."""
    sent, stored = (EVENTS.read(body, keys=OPENING) for body in _samples())
    assert isinstance(sent.event, ParcelSent)
    for name in set(ParcelSent.model_fields) - {"receiver", "notes"}:
        assert getattr(sent.event, name) == getattr(SENT, name)
    assert sent.event.receiver.name.value == 'Zoë "Z" O\'Brien'
    assert sent.event.receiver.born.value == date(2011, 2, 28)
    assert sent.event.receiver.age == 14
    assert [note.value for note in sent.event.notes] == ["one\ntwo", "ŵ" * 40]
    assert sent.envelope.rationale["R2"].value == "because it rains"
    assert stored.event == ParcelKept()
    for fact, version in ((sent, 1), (stored, 2)):
        again = _envelope(version, type(fact.event))
        for name in set(Envelope.model_fields) - {"rationale", "actor"}:
            assert getattr(fact.envelope, name) == getattr(again, name)
        assert fact.envelope.actor == Actor(id=PERSON, role="SENDER", organisation="POST")


def test_the_samples_open_without_this_kernel() -> None:
    """Given a sealed token and its key, AES-256-GCM with event id and path as associated data is all that is needed."""
    raw = json.loads(_samples()[0])
    version, subject, generation, path, nonce, ciphertext = raw["data"]["receiver"]["name"].split(":")
    assert (version, subject, generation, path) == ("s1", f"person/{PERSON}", "1", "receiver.name")

    def unb64(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    opened = AESGCM(bytes(range(32))).decrypt(
        unb64(nonce), unb64(ciphertext), UUID(raw["event_id"]).bytes + path.encode()
    )
    assert len(opened) % 64 == 0
    assert json.loads(opened) == 'Zoë "Z" O\'Brien'


def test_derived_ids_are_frozen() -> None:
    """Given the same parts, the ids of commands and events are the same for ever."""
    assert str(derived_uuid("command", "parcels", PERSON, "key")) == "488f762a-f4da-544c-8d46-8e1f7840b0b9"
    assert str(event_id(COMMAND, 0)) == "2bac0db8-c3b1-5816-b179-9ea790b6dc77"
