"""The sealer: grows the Merkle tree of each log, and signs, keeps and publishes a checkpoint, off the append path.

One runs beside a service's relay. Every few seconds in which a log has grown it extends the tree, signs size and root,
asks the witness for its cosignature, keeps the checkpoint in the database, and publishes it on the topic of the
service's checkpoints. A log that no longer fits its tree gets no further checkpoint, and an alarm (`log_rewritten`); nor
does one that lacks what the witness has seen, with which it is compared first (`shared.evidence.witnessed`).
"""

import asyncio
import base64
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog
from mode import Service

from shared.evidence.checkpoint import Checkpoint
from shared.evidence.contract import NO_CONTRACT
from shared.evidence.log import MAX_ENTRIES, Log, LogRewritten, grow, origin_of, prove_consistency
from shared.evidence.statement import WAKE, sign_statements, statement_name
from shared.evidence.witness_client import WitnessClient, WitnessRefuses, WitnessSilent
from shared.evidence.witnessed import ALARM as BEHIND
from shared.evidence.witnessed import ALARMIST, LogBehindWitness, note_comparison, require_extension
from shared.messaging.consumer.alarms import clear_alarm, raise_alarm
from shared.observing.progress import finish_cycle, leave_off
from shared.privacy.signed_note import SigningKeys, VerifierKey, write_note
from shared.servers.database import Connection, Lease
from shared.servers.kafka import Kafka, producing

INTERVAL: Final = 2.0
"""Seconds between two looks at the logs."""

UNCHANGED_SECONDS: Final = 10.0
"""Seconds after which a log that has not grown is compared with its tree again."""

SILENT_AFTER: Final = 60.0
"""Seconds after which a witness that does not answer is an alarm."""

_KEEP = "insert into signed_checkpoint (log, size, root, note) values ($1, $2, $3, $4)"
_LAST_COSIGNED = "select size from signed_checkpoint where log = $1 and note like $2 order by size desc limit 1"
_LAST_NOTE = "select note from signed_checkpoint where log = $1 order by size desc limit 1"
_log = structlog.get_logger("signer")


class CheckpointSigner(Service):
    """The signer of the checkpoints of one service's logs, on a connection of its own, while it holds the lease.

    `authority` is the first part of the names of the logs. `contract` says in statements what the service's events mean.
    `further_keys` are public keys of the service that sign elsewhere, listed with those that sign here.
    """

    def __init__(
        self,
        service: str,
        *,
        authority: str,
        logs: Sequence[Log],
        topic: str,
        dsn: str,
        bootstrap: Kafka,
        keys: SigningKeys,
        contract: bytes = NO_CONTRACT,
        further_keys: Sequence[VerifierKey] = (),
        witness: WitnessClient | None = None,
    ) -> None:
        super().__init__()
        self.service = service
        self._origins: Mapping[Log, str] = {log: origin_of(authority, service, log) for log in logs}
        self._named = {origin: log for log, origin in self._origins.items()}
        self._statement = statement_name(authority, service)
        self._topic = topic
        self._dsn = dsn
        self._bootstrap = bootstrap
        self._keys = keys
        self._contract = contract
        self._further_keys = further_keys
        self._witness = witness
        self._silent_since: float | None = None
        self._compared = set[Log]()
        """The logs that extend the witness's checkpoints, as compared since the lease was taken."""
        self._confirmed = dict[Log, int]()
        """Log -> last entry that every synchronous standby has, since the lease was taken."""
        self._whole = dict[Log, tuple[int, float]]()
        """Log -> its size when it last agreed with its tree, and the time."""
        self._woken = asyncio.Event()
        self._lease = Lease()

    async def on_stop(self) -> None:
        """End the wait under way, and close the connections to the witness."""
        self._woken.set()
        if self._witness is not None:
            await self._witness.close()

    @Service.task
    async def _run(self) -> None:
        attempt = 0
        while not self.should_stop:
            try:
                async with (
                    self._lease.hold(
                        self._dsn,
                        f"ooc {self.service} signer",
                        self,
                        pause=INTERVAL,
                        seconds=60,
                        # A signer that hangs between two statements keeps no tile from its successor.
                        idle_in_transaction_session_timeout="10s",
                    ) as connection,
                    self._lease.enter(
                        connection, producing(self._bootstrap, 30, enable_idempotence=True, acks="all")
                    ) as producer,
                ):
                    await connection.add_listener(WAKE, lambda *_: self._woken.set())
                    self._compared.clear()
                    self._confirmed.clear()
                    self._whole.clear()
                    await self._register_keys(connection)
                    for log in self._origins:
                        await self._lease.renew(connection)
                        # A crash may have come before the publication of the last checkpoint.
                        if (note := await connection.fetchval(_LAST_NOTE, log.name)) is not None:
                            await self._send(producer, log, note)
                    attempt = 0
                    while not self.should_stop:
                        self._woken.clear()
                        await self._sign(connection, producer)
                        finish_cycle(ALARMIST)
                        with contextlib.suppress(TimeoutError):
                            await asyncio.wait_for(self._woken.wait(), INTERVAL)
            except Exception as error:  # noqa: BLE001 - whatever broke, the truth is in the database
                attempt += 1
                _log.warning("signer_starts_again", service=self.service, error=repr(error), attempt=attempt)
                leave_off(ALARMIST)
                await self.sleep(min(10.0, 0.2 * 2 ** min(attempt, 6)))

    async def _sign(self, connection: Connection, producer: Any) -> None:
        asked_by = await connection.fetchval("select clock_timestamp()")
        # An alarm lasts as long as it is true, whichever process raised it; without a witness there is none.
        for row in await connection.fetch("select place from alarm where name = $1", BEHIND):
            log = self._named.get(row["place"])
            if self._witness is None or log is None:
                await clear_alarm(connection, ALARMIST, BEHIND, row["place"])
            else:
                self._compared.discard(log)
        whole = [log for log in self._origins if await self._extends_what_was_seen(connection, log)]
        for log in whole:
            while await self._sign_growth(connection, producer, log):
                pass
        if len(whole) == len(self._origins):  # a statement of the others would count less than the log has signed
            await sign_statements(connection, self._keys, self._statement, whole, self._contract, asked_by)

    async def _extends_what_was_seen(self, connection: Connection, log: Log) -> bool:
        """Whether a log has every entry that the witness has seen, so that it may be signed. A silent witness is asked again."""
        if self._witness is None or log in self._compared:
            return True
        origin = self._origins[log]
        try:
            if not await note_comparison(connection, log, origin, await self._witness.seen() or {}):
                return False
        except WitnessSilent as error:
            await self._note_silence(connection, origin, str(error))
        except WitnessRefuses as error:
            await raise_alarm(connection, ALARMIST, "witness_refuses", origin, str(error))
        else:
            self._compared.add(log)
        return True

    async def _register_keys(self, connection: Connection) -> None:
        """Write down the public keys that sign here, for the API."""
        names = (*self._origins.values(), self._statement)
        own = [signer.key for name in names for signer in self._keys.signers(name)]
        for key in (*own, *self._further_keys):
            await connection.execute(
                "insert into log_key (name, key) values ($1, $2) on conflict do nothing", key.name, str(key)
            )

    async def _sign_growth(self, connection: Connection, producer: Any, log: Log) -> bool:
        """Sign and publish one checkpoint; returns whether there is more that one checkpoint could not take."""
        origin = self._origins[log]
        end: int = await connection.fetchval(log.end) or 0
        # The witness forgets nothing: it must see no entry that a promoted standby may lack (a cancelled wait shows such).
        await self._lease.renew(connection, at_once=end > self._confirmed.get(log, 0))
        self._confirmed[log] = end
        size, found_at = self._whole.get(log, (-1, 0.0))
        if end == size and time.monotonic() - found_at < UNCHANGED_SECONDS:
            return False
        try:
            async with connection.transaction():
                grown = await grow(connection, log, origin, end)
                if grown is None:
                    await clear_alarm(connection, ALARMIST, "log_rewritten", origin)
                    self._whole[log] = end, time.monotonic()
                    return False
                before, checkpoint = grown
                note = await self._signed(connection, log, checkpoint, before)
                await connection.execute(_KEEP, log.name, checkpoint.size, checkpoint.root, note)
        except LogRewritten as error:
            _log.critical("log_rewritten", service=self.service, why=str(error))
            await raise_alarm(connection, ALARMIST, "log_rewritten", origin, str(error))
            return False
        except LogBehindWitness:
            self._compared.discard(log)  # the next look compares again, and raises the alarm
            return False
        await self._send(producer, log, note)
        return checkpoint.size - before == MAX_ENTRIES

    async def _signed(self, connection: Connection, log: Log, checkpoint: Checkpoint, before: int) -> str:
        """Return the checkpoint as a note with the signatures of the log and, if it gives one, of the witness.

        Raises `LogBehindWitness`.
        """
        lines = [signer.sign(checkpoint.text) for signer in self._keys.signers(checkpoint.origin)]
        if self._witness is None:
            return write_note(checkpoint.text, lines)

        async def prove(size: int) -> Sequence[bytes]:
            return await prove_consistency(connection, log, size, checkpoint.size)

        key = self._witness.key

        async def last_cosigned() -> int:
            # The first letters of a signature follow from the first bytes, which are the key's.
            begins = f"%\n— {key.name} {base64.b64encode(key.identifier).decode()[:5]}%"
            size: int = await connection.fetchval(_LAST_COSIGNED, log.name, begins) or 0
            return size

        origin = checkpoint.origin
        try:
            cosigned = [await self._witness.cosign(checkpoint, lines, before, prove, last_cosigned)]
        except WitnessRefuses as error:
            with contextlib.suppress(WitnessRefuses, WitnessSilent):
                await require_extension(connection, log, origin, await self._witness.seen() or {}, checkpoint.size)
            _log.critical("witness_refuses", service=self.service, why=str(error))
            await raise_alarm(connection, ALARMIST, "witness_refuses", origin, str(error))
            cosigned = []
        except WitnessSilent as error:
            await self._note_silence(connection, origin, str(error))
            cosigned = []
        else:
            self._silent_since = None
            for name in ("witness_refuses", "witness_silent"):
                await clear_alarm(connection, ALARMIST, name, origin)
        return write_note(checkpoint.text, [*lines, *cosigned])

    async def _note_silence(self, connection: Connection, origin: str, why: str) -> None:
        now = time.monotonic()
        self._silent_since = self._silent_since or now
        _log.warning("witness_silent", service=self.service, why=why)
        if now - self._silent_since >= SILENT_AFTER:
            await raise_alarm(connection, ALARMIST, "witness_silent", origin, why)

    async def _send(self, producer: Any, log: Log, note: str) -> None:
        await producer.send_and_wait(self._topic, key=log.name.encode(), value=note.encode(), partition=0)
