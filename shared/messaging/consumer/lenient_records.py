"""Reads Kafka records whose header names are not UTF-8, which Kafka permits and aiokafka's parser does not.

A batch that the compiled parser cannot read is read on from the same record by aiokafka's Python parser, with the bytes that
are not UTF-8 as lone surrogates (PEP 383).
"""

from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy


class KeptRecords(fetcher.MemoryRecords):  # type: ignore[misc]
    """The batches of a fetch, with their bytes."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.data = data


class _LenientName(bytes):
    def decode(self, encoding: str = "utf-8", _errors: str = "strict") -> str:
        return super().decode(encoding, "surrogateescape")


class _LenientBuffer(bytearray):
    """Bytes whose slices decode leniently: the parser decodes nothing but header names."""

    def __getitem__(self, index: Any) -> Any:
        item = super().__getitem__(index)
        return _LenientName(item) if isinstance(index, slice) else item


class _LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer: Any = _LenientBuffer(self._buffer)


class _LenientRecords(_MemoryRecordsPy):  # type: ignore[misc]
    def next_batch(self) -> Any:
        batch = self._next_slice
        self._cache_next()
        return _LenientBatch(batch)


class LenientPartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """The records of a fetch, read leniently from the first whose header names the usual parser cannot read."""

    def __init__(self, tp: Any, records: Any, aborted_transactions: Any, *args: Any) -> None:
        super().__init__(tp, records, aborted_transactions, *args)
        self._data = records.data
        self._all_aborted = list(aborted_transactions or [])

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except UnicodeDecodeError:
            # `next_fetch_offset` is the record that could not be read; those before it are skipped.
            self._records = _LenientRecords(self._data)
            self._aborted_transactions = sorted(self._all_aborted, key=lambda aborted: aborted[1])
            self._aborted_producers: set[int] = set()
            self._records_iterator = self._unpack_records()
            return super().__next__()


def install() -> None:
    """Make every aiokafka consumer of this process read leniently; safe to repeat."""
    if fetcher.PartitionRecords is not LenientPartitionRecords:
        fetcher.MemoryRecords = KeptRecords
        fetcher.PartitionRecords = LenientPartitionRecords
