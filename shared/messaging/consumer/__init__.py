"""What every consumer shares, whatever reads the topics: `process_batch`, in the transaction of its effect.

PostgreSQL owns the checkpoint. `process_batch` locks it, so that a consumer which does not know yet that it has lost its
partition waits and then finds its events taken; it skips what was taken before, holds the versions of each stream
against those it has seen, applies what follows, and moves the checkpoint, all or nothing.

What does not fit is never guessed at. A missing version is a `VersionGap`: it stops its partition, with an alarm, until it is
there. An event that cannot be read or applied is poison: it goes into quarantine with all later ones of its stream,
whole and in order, and everything else flows on.
"""

from __future__ import annotations

from shared.messaging.consumer.alarms import (
    Alarm,
    alarms,
    clear_alarm,
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
)
from shared.messaging.consumer.consumed_event import ConsumedEvent, Headers, decode
from shared.messaging.consumer.effects import Apply, is_transient, retry_transient
from shared.messaging.consumer.quarantine import (
    QuarantinedStream,
    RetryResult,
    quarantined_streams,
    retry_quarantine,
)

__all__ = [
    "Alarm",
    "Apply",
    "BatchResult",
    "ConsumedEvent",
    "Headers",
    "OffsetGap",
    "QuarantinedStream",
    "RetryResult",
    "TopicPartition",
    "VersionGap",
    "alarms",
    "clear_alarm",
    "decode",
    "is_transient",
    "load_checkpoints",
    "log_results",
    "process_batch",
    "quarantined_streams",
    "raise_alarm",
    "retry_quarantine",
    "retry_transient",
]
