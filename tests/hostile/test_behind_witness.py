"""A log that was rolled back with its tree, its checkpoints and its topic: only the witness has seen what is gone."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ooc.evidence.service_verification import verify_checkpoints
from ooc.evidence.verification import ask_witness
from ooc.restore.loss import loss_of, state_loss
from ooc.restore.restore import CannotRestore
from shared.api.access_log import AccessLog, AccessLogBehindWitness
from shared.domain.messages import Actor
from shared.event_store import Appended, StoreBehindWitness
from shared.event_store.anchors import Anchors
from shared.evidence.checkpoint import Checkpoint
from shared.evidence.fork import given_up
from shared.evidence.log import ACCESS, EVENTS, Log, origin_of
from shared.evidence.statement import sizes_in
from shared.evidence.verification.access_log import check_access_log
from shared.evidence.verification.problems import CountedCheck, Problems
from shared.evidence.witnessed import compare_at_start
from shared.messaging.consumer.alarms import alarms
from shared.privacy.signed_note import COSIGNATURE, Signer, SigningKeys, write_note
from shared.runtime.privileges import RoleKind, role_name
from shared.runtime.provision import checkpoints_topic, topics
from shared.runtime.worker import checkpoint_signers
from shared.servers.database import Connection, Pool, as_role, create_pool
from shared.servers.settings import Settings
from tests.integration.event_store.streams import SERVICE, Stream, as_application, as_verifier
from tests.integration.local.waiting import eventually
from tests.integration.transparency import conftest
from tests.integration.transparency.conftest import AUTHORITY, Office, RunningWitness, running_witness
from tests.ports import free_ports
from tools.witness.fork import cosign_fork
from tools.witness.state import WitnessState, witness_key

office, owner = conftest.office, conftest.owner

ALARM: Final = "log_behind_witness"
TABLES: Final = ("event", "answer", "head", "access_log", "access_head", "tree_tile", "signed_checkpoint")
"""What a backup of the database holds of its logs."""


@dataclass
class Rolled:
    """An office whose signer a witness watches, with both logs, and a backup of its tables."""

    office: Office
    owner: Connection
    witness: RunningWitness
    reading: Pool
    actor: Actor = field(default_factory=lambda: Actor(id=uuid4(), role="AUDITOR", organisation="TESTS"))

    async def grow(self, log: Log) -> None:
        """Add one entry to a log, as its service does."""
        if log is EVENTS:
            await Stream().write(self.office.event_store)
        else:
            await AccessLog(self.reading).record(self.actor, "READ_STATE", "tests/one", outcome="GIVEN")

    async def back_up(self, kept: str) -> None:
        """Keep the tables as they are."""
        for table in TABLES:
            await self.owner.execute(f"create table {kept}_{table} as table {table}")

    async def restore(self, kept: str) -> None:
        """Put the tables back as they were, and lose the topic too."""
        async with self.owner.transaction():
            await self.owner.execute("set local session_replication_role = replica")
            for table in TABLES:
                await self.owner.execute(f"delete from {table}")
                await self.owner.execute(f"insert into {table} select * from {kept}_{table}")
        self.office.namespace = f"test-{uuid4().hex[:12]}"
        await topics(self.office.bootstrap, [checkpoints_topic(self.office.topic, 1)])

    async def rolled_back(self, log: Log) -> None:
        """Sign four entries of each log, back up, sign a fifth of one, and roll back."""
        for _ in range(4):
            await self.grow(EVENTS)
            await self.grow(ACCESS)
        async with self.office.signer(self.witness.client()):
            await self.office.signed(self.owner, 4, EVENTS)
            await self.office.signed(self.owner, 4, ACCESS)
            await self.back_up("earlier")
            await self.grow(log)
            await self.office.signed(self.owner, 5, log)
        await self.back_up("whole")
        await self.restore("earlier")

    async def alarm(self) -> str:
        """Wait for the alarm and return its detail."""

        async def raised() -> bool:
            return any(alarm.name == ALARM for alarm in await alarms(self.owner))

        await eventually(raised)
        return next(alarm.detail for alarm in await alarms(self.owner) if alarm.name == ALARM)

    async def problems(self, log: Log) -> str:
        """Return what `ooc verify` says of a log, by its own role, having asked the witness."""
        settings = Settings(witness_url=self.witness.url, witness_key=str(self.witness.client().key))
        asked, notes = await ask_witness(settings)
        assert asked.ok, asked
        pool = await create_pool(as_verifier(self.office.owner))
        findings = verify_checkpoints(SERVICE, (log,), pool, self.office.bootstrap, self.office.topic, notes)
        try:
            return "\n".join([problem async for one in findings for problem in one.problems])
        finally:
            await pool.close()

    async def signed_size(self, log: Log) -> int:
        """Return the size of the last checkpoint that is kept."""
        size: int = await self.owner.fetchval("select max(size) from signed_checkpoint where log = $1", log.name)
        return size


@pytest.fixture
async def rolled(office: Office, owner: Connection, tmp_path: Path) -> AsyncIterator[Rolled]:
    """Yield an office with a witness, and nothing recorded."""
    reading = await create_pool(as_application(office.owner, RoleKind.API))
    async with running_witness(tmp_path, [*office.public_keys(EVENTS), *office.public_keys(ACCESS)]) as witness:
        yield Rolled(office, owner, witness, reading)
    await reading.close()


def settings_of(rolled: Rolled) -> Settings:
    """Return the settings of an API of the office."""
    return Settings(log_origin=AUTHORITY, witness_url=rolled.witness.url, witness_key=str(rolled.witness.client().key))


@pytest.mark.parametrize("log", [EVENTS, ACCESS], ids=lambda log: log.name)
async def test_a_log_rolled_back_by_one_entry_accepts_nothing_until_it_is_restored(rolled: Rolled, log: Log) -> None:
    """Given a log rolled back by one entry, then nothing of it is signed, and nothing takes the place; restored, it goes on."""
    await rolled.rolled_back(log)
    asked = "insert into statement (id, home, targets) values ($1, $1, '{}')"
    await rolled.owner.execute(asked, statement := uuid4())
    async with rolled.office.signer(rolled.witness.client()):
        assert "has seen 5 entries" in await rolled.alarm()
        with pytest.raises(StoreBehindWitness, match=r"runbook/log_behind_witness"):
            await rolled.office.event_store.append(Stream().asks())
        if log is ACCESS:
            with pytest.raises(AccessLogBehindWitness, match=r"runbook/log_behind_witness"):
                await rolled.grow(ACCESS)
        else:
            await rolled.grow(ACCESS)  # what is there may still be read
        assert "entry 5 or one soon after it is missing" in await rolled.problems(log)
        assert await rolled.signed_size(log) == 4
        await rolled.restore("whole")

        async def cleared() -> bool:
            return not [alarm for alarm in await alarms(rolled.owner) if alarm.name == ALARM]

        await eventually(cleared)
        assert isinstance(await rolled.office.event_store.append(Stream().asks()), Appended)
        await rolled.grow(ACCESS)
        note = "select note from statement where id = $1"

        async def stated() -> bool:
            return await rolled.owner.fetchval(note, statement) is not None

        await eventually(stated)
        assert sizes_in(await rolled.owner.fetchval(note, statement))[log.name] >= 5


@pytest.mark.parametrize("log", [EVENTS, ACCESS], ids=lambda log: log.name)
@pytest.mark.parametrize("more", [1, 3])
async def test_a_log_that_grew_again_is_not_signed_over_what_was_seen(rolled: Rolled, log: Log, more: int) -> None:
    """Given a log that was rolled back and has grown again, to the same size or beyond, then nothing of it is signed."""
    await rolled.rolled_back(log)
    for _ in range(more):
        await rolled.grow(log)
    async with rolled.office.signer(rolled.witness.client()):
        assert "has seen other entries among the first 5" in await rolled.alarm()
        assert await rolled.signed_size(log) == 4
    assert "another root" in await rolled.problems(log)
    seen = {origin: note.split("\n")[1] for origin, note in WitnessState(rolled.witness.folder).notes().items()}
    assert seen[origin_of(AUTHORITY, SERVICE, log)] == "5"


async def test_a_log_rolled_back_beside_its_signer_is_not_signed(rolled: Rolled) -> None:
    """Given a signer that runs on while the log is rolled back and grows again, then the witness's refusal ends the signing."""
    for _ in range(4):
        await rolled.grow(EVENTS)
    async with rolled.office.signer(rolled.witness.client()):
        await rolled.office.signed(rolled.owner, 4, EVENTS)
        await rolled.back_up("earlier")
        await rolled.grow(EVENTS)
        await rolled.office.signed(rolled.owner, 5, EVENTS)
        await rolled.restore("earlier")
        await rolled.grow(EVENTS)
        assert "has seen other entries among the first 5" in await rolled.alarm()
        assert await rolled.signed_size(EVENTS) == 4
        with pytest.raises(StoreBehindWitness):
            await rolled.office.event_store.append(Stream().asks())


@pytest.mark.parametrize("log", [EVENTS, ACCESS], ids=lambda log: log.name)
async def test_a_log_whose_loss_operator_and_witness_state_goes_on(rolled: Rolled, log: Log) -> None:
    """Given entries that no copy holds, then the log goes on by a statement that two have signed, and verification names the gap."""
    await rolled.rolled_back(log)
    origin, witness = origin_of(AUTHORITY, SERVICE, log), rolled.witness.client()
    signers = rolled.office.keys.signers(origin)
    async with rolled.office.signer(rolled.witness.client()):
        await rolled.alarm()
        notes = list((await witness.seen() or {}).values())
        await witness.close()
        loss = await loss_of(rolled.owner, log, origin, notes, Anchors(access_sequence=5, access_hash=b"gone"))
        assert loss is not None
        assert (loss.common[0], [size for size, _ in loss.void]) == (4, [5])
        note = write_note(loss.text, [signer.sign(loss.text) for signer in signers])
        with pytest.raises(CannotRestore, match="has not cosigned"):
            await state_loss(rolled.owner, log, note, loss.evidence, witness.key)
        state = WitnessState(rolled.witness.folder)
        logs = {origin: [signer.key for signer in signers]}
        cosigned = cosign_fork(note, witness_key(rolled.witness.folder, witness.key.name), logs, state)
        with pytest.raises(CannotRestore, match="not what was signed"):
            await state_loss(rolled.owner, log, cosigned, loss.evidence + b" ", witness.key)
        await state_loss(rolled.owner, log, cosigned, loss.evidence, witness.key)

        async def cleared() -> bool:
            return not [alarm for alarm in await alarms(rolled.owner) if alarm.name == ALARM]

        await eventually(cleared)
        await rolled.grow(log)
        await rolled.grow(log)
        assert witness.key.name in await rolled.office.signed(rolled.owner, 6, log)
    assert await rolled.problems(log) == ""
    settings = settings_of(rolled)
    _, seen = await ask_witness(settings)
    pool = await create_pool(as_verifier(rolled.office.owner))
    findings = verify_checkpoints(
        SERVICE, (log,), pool, rolled.office.bootstrap, rolled.office.topic, seen, witness.key
    )
    (finding,) = [one async for one in findings]
    assert "what followed entry 4, up to 5, was given up by a statement" in finding.looked_at
    (stated,) = await given_up(pool, rolled.office.public_keys(log), Problems(), witness.key)
    assert stated.anchor == (5, b"gone")
    if log is ACCESS:
        for lost, problems in (((), 1), ((stated.anchor,), 0)):
            await check_access_log(pool, Anchors(access_sequence=5, access_hash=b"gone"), check := CountedCheck(), lost)
            assert check.problems.count == problems
    await pool.close()
    assert await loss_of(rolled.owner, log, origin, seen, Anchors()) is None


async def test_an_api_compares_before_it_records_anything(rolled: Rolled) -> None:
    """Given no worker at all, then the API's own start finds the log behind, and the first command is refused."""
    await rolled.rolled_back(EVENTS)
    await compare_at_start(rolled.reading, SERVICE, (EVENTS, ACCESS), settings_of(rolled))
    assert "has seen 5 entries" in await rolled.alarm()
    with pytest.raises(StoreBehindWitness):
        await rolled.office.event_store.append(Stream().asks())


class OfOffice(Settings):
    """Settings by which every role finds the database of an office."""

    owner: str

    def database(self, name: str, role: str) -> str:
        assert (name, role) == (SERVICE, role_name(RoleKind.SIGNER, SERVICE))
        return as_role(self.owner, role)


async def test_a_worker_compares_before_its_reactions_record_anything(rolled: Rolled, tmp_path: Path) -> None:
    """Given a worker that is being built, then its log is found behind before any part of it runs, by the signer's role."""
    await rolled.rolled_back(EVENTS)
    key = tmp_path / "signing-key"
    key.write_text(base64.b64encode(bytes(32)).decode(), encoding="ascii")
    settings = OfOffice(**settings_of(rolled).model_dump() | {"owner": rolled.office.owner, "signing_key_file": key})
    await checkpoint_signers(SERVICE, (EVENTS, ACCESS), rolled.office.topic, settings)
    assert [alarm.name for alarm in await alarms(rolled.owner)] == [ALARM]


async def test_a_checkpoint_that_the_log_has_not_signed_stops_nothing(rolled: Rolled) -> None:
    """Given a witness that invents a longer log, then an alarm says that it refuses, and the log goes on."""
    await rolled.grow(EVENTS)
    name = origin_of(AUTHORITY, SERVICE, EVENTS)
    text = Checkpoint(name, 99, bytes(32)).text
    (stranger,) = SigningKeys.read(base64.b64encode(bytes(32)).decode()).signers(name)
    state = WitnessState(rolled.witness.folder)
    invented = Checkpoint(name, 99, bytes(32))
    await asyncio.to_thread(lambda: _force(state, invented, write_note(text, [stranger.sign(text)])))
    async with rolled.office.signer(rolled.witness.client()):

        async def refused() -> bool:
            return any(alarm.name == "witness_refuses" for alarm in await alarms(rolled.owner))

        await eventually(refused)
        assert isinstance(await rolled.office.event_store.append(Stream().asks()), Appended)
    assert "no known key has signed" in await rolled.problems(EVENTS)


async def test_a_witness_that_was_not_asked_is_said() -> None:
    """Given no witness, then the verification says that it was not asked; given one that is silent, it is a problem."""
    asked, _ = await ask_witness(Settings(witness_url=None))
    assert (asked.ok, asked.looked_at.startswith("not asked")) == (True, True)
    (port,) = free_ports(1)
    key = Signer("witness.example", Ed25519PrivateKey.generate(), COSIGNATURE).key
    silent, _ = await ask_witness(Settings(witness_url=f"http://127.0.0.1:{port}", witness_key=str(key)))
    assert "does not answer" in "".join(silent.problems)


def _force(state: WitnessState, checkpoint: Checkpoint, note: str) -> None:
    """Write into a witness's state what its log never signed."""
    with state._connect() as connection:
        connection.execute(
            "insert or replace into seen (origin, size, root, note) values (?, ?, ?, ?)",
            (checkpoint.origin, checkpoint.size, checkpoint.root, note),
        )
