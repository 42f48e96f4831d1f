"""The bytes of records: what an event has in a batch is what every producer writes, and nothing else passes for it."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from services.console.record_batches import RecordBatch, Unlike, position_in, raw_records, record_bytes, records_in

PLACE = TopicPartition("ooc.disposal.events", 3)
POSITIONED = ("ooc_position", b"7")


def batch_of(*records: dict[str, Any], compression: int = 0) -> RecordBatch:
    """Return a batch as a producer of aiokafka writes it."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=compression,
        is_transactional=True,
        producer_id=1,
        producer_epoch=0,
        base_sequence=0,
        batch_size=2**24,
    )
    for number, record in enumerate(records):
        told = {"key": b"k", "value": b"v", "headers": [POSITIONED], **record}
        builder.append(number, timestamp=1_700_000_000_000 + 1_000 * number, **told)
    return RecordBatch(bytes(builder.build()), 0, len(records) - 1)


HEADERS = st.lists(st.tuples(st.text(max_size=90), st.binary(max_size=300)), max_size=130)


@given(st.binary(max_size=300), st.binary(max_size=20_000), HEADERS, st.integers(1, 2**63 - 1))
def test_a_record_has_the_bytes_that_a_producer_writes(
    key: bytes, value: bytes, headers: list[tuple[str, bytes]], position: int
) -> None:
    """Given any key, value and headers, their bytes are those in the batch of a producer, each record with its position."""
    told = [*headers, ("ooc_position", b"%d" % position)]
    batch = batch_of({"key": key, "value": value, "headers": told}, {})
    first, second = raw_records(batch)
    assert (first, position_in(first)) == (record_bytes(key, value, told), position)
    assert (second, position_in(second)) == (record_bytes(b"k", b"v", [POSITIONED]), 7)
    assert [(one.offset, one.key, one.value, list(one.headers)) for one in records_in(batch, PLACE, 0)] == [
        (0, key, value, told),
        (1, b"k", b"v", [POSITIONED]),
    ]


def test_the_records_before_an_offset_are_left_out() -> None:
    """A topic may begin within a batch: its records are read from there."""
    assert [record.offset for record in records_in(batch_of({}, {}, {}), PLACE, 1)] == [1, 2]


@pytest.mark.parametrize("headers", [[], [("ooc_position", b"x")], [("ooc_position", None)]])
def test_a_record_that_names_no_position_is_left_to_others(headers: list[tuple[str, bytes | None]]) -> None:
    """A record without a position is left to whoever reads record by record."""
    (record,) = raw_records(batch_of({"headers": headers}))
    with pytest.raises(Unlike):
        position_in(record)


def test_a_compressed_batch_is_not_told_apart() -> None:
    """The relay compresses nothing: a batch that is compressed is read record by record."""
    batch = batch_of({}, compression=1)
    with pytest.raises(Unlike):
        list(raw_records(batch))
    assert [record.value for record in records_in(batch, PLACE, 0)] == [b"v"]


@pytest.mark.parametrize(
    ("place", "bits"),
    [(60, 0b1), (61, 0b10), (61, 0b1), (62, 0x80), (64, 0b10)],
    ids=["count", "length", "negative length", "attributes", "offset"],
)
def test_a_batch_of_another_structure_is_not_told_apart(place: int, bits: int) -> None:
    """Given another count of records, or another length or offset of the first, its records are not told apart."""
    data = bytearray(batch_of({}, {}).data)
    data[place] ^= bits
    with pytest.raises(Unlike):
        list(raw_records(RecordBatch(bytes(data), 0, 1)))


@pytest.mark.parametrize("change", [lambda data: data + b"\0", lambda data: data[:-1], lambda data: data[:61]])
def test_a_batch_that_is_longer_or_shorter_is_not_told_apart(change: Any) -> None:
    """A batch ends with its last record."""
    with pytest.raises(Unlike):
        list(raw_records(RecordBatch(change(batch_of({}, {}).data), 0, 1)))
