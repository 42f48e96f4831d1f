"""What every consumer shares, whatever reads the topics: `process_batches`, in the transaction of its effect.

PostgreSQL owns the checkpoint. `process_batches` locks it, so that a consumer which does not know yet that it has lost its
partition waits and then finds its events taken; it skips what was taken before, holds the versions of each stream
against those it has seen, applies what follows, and moves the checkpoint, all or nothing.

What does not fit is never guessed at. A missing version is a `VersionGap`: its stream waits in quarantine, in order, until the
version comes or an operator does without it. An event that cannot be read or applied is poison: it goes into quarantine
with all later ones of its stream, whole and in order. What the relay did not write is set aside alone. Everything else
flows on, and each of these is an alarm.
"""

from __future__ import annotations

from shared.messaging.consumer.alarms import (
    ALARMS,
    Alarm,
    AlarmKind,
    alarms,
    clear_alarm,
    clear_alarms,
    kind_of,
    log_alarms,
    raise_alarm,
)
from shared.messaging.consumer.batch import (
    BatchResult,
    OffsetGap,
    TopicPartition,
    VersionGap,
    load_checkpoints,
    log_results,
    process_batch,
    process_batches,
)
from shared.messaging.consumer.consumed_event import ConsumedEvent, Headers, decode
from shared.messaging.consumer.decisions import (
    Decision,
    NothingHeld,
    acknowledge_alarm,
    decisions,
    release_gap,
    release_quarantined,
    request_retry,
)
from shared.messaging.consumer.effects import Apply, is_transient, log_transient, retry_transient
from shared.messaging.consumer.quarantine import (
    HeldGap,
    QuarantinedRecord,
    QuarantinedStream,
    RetryResult,
    gaps,
    quarantined_records,
    quarantined_streams,
    retry_quarantine,
)

__all__ = [
    "ALARMS",
    "Alarm",
    "AlarmKind",
    "Apply",
    "BatchResult",
    "ConsumedEvent",
    "Decision",
    "Headers",
    "HeldGap",
    "NothingHeld",
    "OffsetGap",
    "QuarantinedRecord",
    "QuarantinedStream",
    "RetryResult",
    "TopicPartition",
    "VersionGap",
    "acknowledge_alarm",
    "alarms",
    "clear_alarm",
    "clear_alarms",
    "decisions",
    "decode",
    "gaps",
    "is_transient",
    "kind_of",
    "load_checkpoints",
    "log_alarms",
    "log_results",
    "log_transient",
    "process_batch",
    "process_batches",
    "quarantined_records",
    "quarantined_streams",
    "raise_alarm",
    "release_gap",
    "release_quarantined",
    "request_retry",
    "retry_quarantine",
    "retry_transient",
]
