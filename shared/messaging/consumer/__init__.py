"""Consumption of events, exactly once in effect: `process_batches`, in the transaction of its effect.

PostgreSQL owns the checkpoint. `process_batches` locks it, so that a consumer that has lost its partition without knowing it
waits, and then finds its events taken. It skips repeats, compares the versions of each stream with those seen, applies what
follows, and moves the checkpoint, all or nothing.

A missing version is a `VersionGap`: its stream waits in quarantine, in order, until the version comes or an operator skips
it. An event that cannot be read or applied is poison: it goes into quarantine with all later ones of its stream. A record
that the relay did not write goes there alone. Every other stream goes on, and each of these is an alarm.
"""
