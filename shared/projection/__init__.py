"""What every consumer shares, whatever reads the topics: `take`, in the transaction of its effect.

PostgreSQL owns the checkpoint. `take` locks it, so that a consumer which does not know yet that it has lost its
partition waits and then finds its events taken; it skips what was taken before, holds the versions of each stream
against those it has seen, applies what follows, and moves the checkpoint, all or nothing.

What does not fit is never guessed at. A missing version is a `Gap`: it stops its partition, with an alarm, until it is
there. An event that cannot be read or applied is poison: it goes into quarantine with all later ones of its stream,
whole and in order, and everything else flows on.
"""

from __future__ import annotations

from shared.projection.alarms import Alarm, alarms, clear_alarm, raise_alarm
from shared.projection.applying import Apply, persistently, transient
from shared.projection.published import Headers, Published, decode
from shared.projection.quarantine import Quarantined, Released, quarantined, retry_quarantine
from shared.projection.taking import Gap, Hole, Taken, TopicPartition, load_checkpoints, report, take

__all__ = [
    "Alarm",
    "Apply",
    "Gap",
    "Headers",
    "Hole",
    "Published",
    "Quarantined",
    "Released",
    "Taken",
    "TopicPartition",
    "alarms",
    "clear_alarm",
    "decode",
    "load_checkpoints",
    "persistently",
    "quarantined",
    "raise_alarm",
    "report",
    "retry_quarantine",
    "take",
    "transient",
]
