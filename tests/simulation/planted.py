"""Faults planted into the product, one at a time: each is a mistake that somebody could make there, and a run must find it.

A guard that PostgreSQL keeps is planted in the model of its function (`statements`), any other in the product's own code.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import asyncpg
import pytest

from shared.domain.sealing import DataKey
from shared.domain.service import Reaction
from shared.event_store.postgres import PostgresEventStore
from shared.evidence import signer, witnessed
from shared.handling.command_handler import CommandHandler
from shared.messaging import projection_consumer
from shared.messaging.consumer import handling
from shared.messaging.consumer.batch import process_batches
from shared.messaging.relay import Relay
from shared.privacy import keyring
from shared.privacy.keyring import KeyringUnavailable, PostgresKeyring
from shared.servers import database
from shared.servers.database import retry_or_raise
from shared.servers.kafka import producing
from tests.simulation import nemesis, statements
from tests.simulation.postgres import rows
from tests.simulation.run import Run, run

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Planted:
    """A planted fault: what strikes while it is looked for, and what the broken law says."""

    plant: Callable[[Patch], None]
    faults: tuple[nemesis.Fault, ...]
    says: str
    synchronous: bool = True

    @property
    def name(self) -> str:
        """Its name, from its function."""
        return self.plant.__name__

    def run(self, seed: int) -> Run:
        """Play a seed with what strikes for it."""
        return run(seed, faults=self.faults, seconds=20.0, synchronous=self.synchronous)


def a_promoted_store_is_trusted(patch: Patch) -> None:
    """`append` believes `relayed`, which lags with the standby, and not only a timeline that the relay has compared."""
    patch.setattr(statements, "require_compared_timeline", lambda _tx: None)


def a_warning_is_overheard(patch: Patch) -> None:
    """A commit whose wait was cancelled is a success, as it is for asyncpg."""
    patch.delattr(database._Connection, "_process_log_message")
    patch.delattr(database._Connection, "_cancel")


def a_repeat_is_not_confirmed(patch: Patch) -> None:
    """The receipt of an earlier attempt is given out, though no standby may have its event."""

    async def confirm(_self: PostgresEventStore, _connection: Any) -> None:
        await asyncio.sleep(0)

    patch.setattr(PostgresEventStore, "_confirm", confirm)


def the_relay_does_not_confirm(patch: Patch) -> None:
    """The relay publishes what stands on the primary alone."""
    nothing = rows("sequence hash confirm", [(None, None, None)])
    patch.setattr(statements, "confirm_to_relay", lambda _tx: nothing)


def a_key_that_is_there_is_taken(patch: Patch) -> None:
    """A key that can be read seals, though no standby of the keyring may have it."""

    async def read_or_make(self: PostgresKeyring, subjects: list[str]) -> list[asyncpg.Record]:
        new = [DataKey(subject, 1, os.urandom(32)) for subject in subjects]

        async def attempt() -> list[asyncpg.Record]:
            found = await self._pool.fetch(keyring._CURRENT, subjects)
            if all(row["wrapped"] is not None for row in found):
                return found
            wrapped = [self._kek.wrap(key) for key in new]
            return await self._pool.fetch(
                keyring._CREATE, subjects, [self._kek.epoch] * len(new), wrapped, self._calendar()
            )

        return await retry_or_raise(attempt, KeyringUnavailable)

    patch.setattr(PostgresKeyring, "_read_or_make", read_or_make)


def a_lease_lasts_for_ever(patch: Patch) -> None:
    """A relay that hangs is succeeded by nobody."""
    patch.setattr(database, "LEASE_SECONDS", 1e6)


def a_zombie_is_not_fenced(patch: Patch) -> None:
    """Each relay has a transactional id of its own, so one that went on late publishes beside its successor."""

    def fencing(self: Relay) -> Any:
        return producing(
            self._bootstrap, 60, transactional_id=f"ooc-{self.service}-{uuid4()}", transaction_timeout_ms=60_000
        )

    patch.setattr(Relay, "_fencing", fencing)


def an_outcome_is_assumed(patch: Patch) -> None:
    """After an error the relay goes on from what it knows, and does not ask the topic whether its transaction was committed."""
    compare, publish = Relay._compare, Relay._publish

    async def compare_once(self: Any, event_store: Any, producer: Any) -> Any:
        found = await compare(self, event_store, producer)
        self.known = getattr(self, "known", found)
        return self.known

    async def publish_and_know(self: Any, *arguments: Any) -> Any:
        self.known = await publish(self, *arguments)
        return self.known

    patch.setattr(Relay, "_compare", compare_once)
    patch.setattr(Relay, "_publish", publish_and_know)


def a_lost_batch_is_not_missed(patch: Patch) -> None:
    """The relay commits though a batch of its transaction failed, and so skips positions."""

    async def send(_self: Relay, producer: Any, portion: Any) -> list[tuple[int, int, int]]:
        sent = [
            (batch, await producer.send_batch(batch.builder, _self._events_topic, partition=batch.partition))
            for batch in portion.in_turn()
        ]
        places = await asyncio.gather(*(future for _, future in sent), return_exceptions=True)
        return [
            (batch.partition, place.offset, batch.count)
            for (batch, _), place in zip(sent, places, strict=True)
            if not isinstance(place, BaseException)
        ]

    patch.setattr(Relay, "_send", send)


def a_former_leader_is_believed(patch: Patch) -> None:
    """The relay takes the end of its position topic as whoever answers for it knows it."""

    async def barrier(_self: Relay, _producer: Any) -> int:
        await asyncio.sleep(0)
        return -1

    patch.setattr(Relay, "_barrier", barrier)


def a_reaction_has_no_key(patch: Patch) -> None:
    """The id of a reaction's command does not follow from the event, so a repeat is another command."""
    patch.setattr(Reaction, "command_id", lambda *_: uuid4())


def a_repeat_is_another_command(patch: Patch) -> None:
    """The id of a command does not follow from the idempotency key."""
    patch.setattr(CommandHandler, "command_id", lambda *_: uuid4())


def a_checkpoint_is_committed_first(patch: Patch) -> None:
    """A consumer commits its checkpoint before the effect."""

    async def process(connection: Any, consumer: str, batch: Any, apply: Any) -> Any:
        async def later(_connection: Any, _records: Any) -> None:
            await asyncio.sleep(0)

        results = await process_batches(connection, consumer, batch, later)
        await connection._ask(connection.session.commit)
        await connection._ask(connection.session.begin)
        await apply(connection, [record for records in batch.values() for record in records])
        return results

    patch.setattr(handling, "process_batches", process)


def a_fast_clock_is_believed(patch: Patch) -> None:
    """`append` is not told the time of its caller, and so takes that of PostgreSQL, whatever it is."""
    begin = PostgresEventStore.__init__

    def without_clock(self: Any, pool: Any, _clock: Any = None) -> None:
        begin(self, pool, lambda: None)  # type: ignore[arg-type, return-value]

    patch.setattr(PostgresEventStore, "__init__", without_clock)


def a_witness_is_ignored(patch: Patch) -> None:
    """A restored log is not compared with what its witness has seen."""

    async def note_comparison(*_: Any) -> bool:
        await asyncio.sleep(0)
        return True

    patch.setattr(witnessed, "note_comparison", note_comparison)
    patch.setattr(signer, "note_comparison", note_comparison)


def nobody_counts(patch: Patch) -> None:
    """What reporting has taken is not compared with the position records, so the lost tail of a topic is not missed."""

    async def reconcile(_connection: Any, _consumer: str, _service: str, counted: int = -1, **_: Any) -> int:
        await asyncio.sleep(0)
        return counted

    patch.setattr(projection_consumer, "reconcile", reconcile)


_LOST_COMMITS: Final = (nemesis.cut_the_standby,)

PLANTED: Final = (
    Planted(a_promoted_store_is_trusted, _LOST_COMMITS, "acknowledged to", synchronous=False),
    Planted(a_warning_is_overheard, _LOST_COMMITS, "acknowledged|cannot be read|wait for an answer|token was altered"),
    Planted(a_repeat_is_not_confirmed, _LOST_COMMITS, "acknowledged|are answered"),
    Planted(the_relay_does_not_confirm, _LOST_COMMITS, "topic_ahead_of_event_store"),
    Planted(
        a_key_that_is_there_is_taken,
        (nemesis.cut_the_standby_of_the_keyring,),
        "wait for an answer|cannot be read|are answered|token was altered",
    ),
    Planted(a_lease_lasts_for_ever, (nemesis.kill,), "the topic of"),
    Planted(
        a_zombie_is_not_fenced,
        (nemesis.pause_a_publisher,),
        "times in its topic|comes after|goes back from position|foreign_record",
    ),
    Planted(an_outcome_is_assumed, (nemesis.trouble_the_network, nemesis.freeze_kafka), "times in its topic|goes back"),
    Planted(a_lost_batch_is_not_missed, (nemesis.expire_batches,), "the topic of|stands 0 times|alarm"),
    Planted(a_former_leader_is_believed, (nemesis.thaw_a_leader,), "times in its topic|goes back|foreign_record"),
    Planted(a_reaction_has_no_key, (nemesis.kill_many, nemesis.restart_postgres), "was answered|are answered"),
    Planted(a_repeat_is_another_command, (nemesis.trouble_the_network,), "is recorded|two receipts"),
    Planted(a_checkpoint_is_committed_first, (nemesis.kill_many,), "rings are answered|reporting"),
    Planted(a_fast_clock_is_believed, (nemesis.set_a_clock_of_postgres,), "was recorded at|the alarm"),
    Planted(a_witness_is_ignored, (nemesis.restore_from_a_backup,), "is taken again"),
    Planted(nobody_counts, (nemesis.lose_a_tail,), "a loss is silent"),
)
