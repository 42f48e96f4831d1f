"""An event store and its topic are rebuilt from each other, with the root that was signed, or nothing is restored."""

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias
from uuid import uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from ooc.restore.restore import CannotRestore, entries_of_store, read_topic, restore_events
from shared.evidence.log import EVENTS, origin_of
from shared.evidence.signer import CheckpointSigner
from shared.evidence.verification.checkpoints import read_published
from shared.evidence.verification.problems import Problems
from shared.handling.command_handler import Accepted
from shared.privacy.signed_note import SigningKeys, VerifierKey
from shared.runtime.privileges import RoleKind
from shared.runtime.provision import checkpoints_topic, events_topic, position_topic, topics
from tests.integration.event_store.streams import as_application
from tests.integration.event_store.tallies import Count, opening, request_for
from tests.integration.local.waiting import eventually
from tests.integration.relay import test_verification as verification
from tests.integration.relay.conftest import RelayedService
from tests.integration.relay.test_verification import STORE, Tallies, broken, intrude

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

tallies = verification.tallies

AUTHORITY = "test.example"
TABLES = ("event", "answer", "claim", "head", "tree_tile", "signed_checkpoint", "log_key", "relayed")
KEPT = {
    "event": "select position, recorded_at, stream, version, event_id, type, home, hash, body from event order by position",
    "answer": "select command_id, stream, first_version, events from answer order by command_id",
    "claim": "select key, stream from claim order by key",
    "tree": "select level, number, hashes from tree_tile where log = 'events' order by level, number",
    "checkpoints": "select size, root, note from signed_checkpoint where log = 'events' order by size",
    "head": "select position, recorded_at from head",
}


@dataclass
class Signed:
    """The keys that signed the logs of a service."""

    keys: SigningKeys

    def public(self, service: str) -> list[VerifierKey]:
        return [signer.key for signer in self.keys.signers(origin_of(AUTHORITY, service, EVENTS))]


async def sign(relayed_service: RelayedService, tallies: Tallies, owner: Owner) -> Signed:
    """Have the logs signed up to the last event."""
    signed = Signed(SigningKeys.read(base64.b64encode(os.urandom(32)).decode()))
    signer = CheckpointSigner(
        tallies.service.name,
        authority=AUTHORITY,
        logs=(EVENTS,),
        topic=tallies.service.checkpoints_topic,
        dsn=as_application(relayed_service.owner, RoleKind.SIGNER),
        bootstrap=relayed_service.bootstrap,
        keys=signed.keys,
    )

    async def published() -> bool:
        return 6 in (await read_published(relayed_service.bootstrap, tallies.service.checkpoints_topic)).get(
            EVENTS.name, {}
        )

    async with signer:
        await eventually(published)
    return signed


async def contents(owner: Owner) -> dict[str, list[tuple[Any, ...]]]:
    """Return what must be as before once it is restored."""
    return {name: [tuple(row) for row in await owner.fetch(query)] for name, query in KEPT.items()}


async def lose(owner: Owner, *statements: str) -> None:
    """Take rows away, as the restoring of an older backup does, past every trigger."""
    async with owner.transaction():
        await owner.execute("set local session_replication_role = replica")
        for statement in statements:
            await owner.execute(statement)


OLDER_BACKUP: Sequence[str] = (
    "delete from tree_tile",
    "delete from signed_checkpoint",
    *verification.CUT_TAIL,
    "update relayed set position = 4, hash = (select hash from event where position = 4)",
)
"""The backup was made after four events, before anything was signed."""
EMPTY: Sequence[str] = (
    *(f"delete from {table}" for table in TABLES if table != "head"),
    "update head set position = 0, recorded_at = 'epoch', log_hash = decode(repeat('00', 32), 'hex')",
)
"""No backup was left, and the database was made anew."""


@pytest.mark.parametrize(("lost", "left"), [(OLDER_BACKUP, 4), (EMPTY, 0)], ids=["an older backup", "no backup"])
async def test_an_event_store_is_restored_from_its_topic(
    relayed_service: RelayedService, tallies: Tallies, owner: Owner, lost: Sequence[str], left: int
) -> None:
    """Given lost events, and a forged record in the topic, then each event comes back at its place, and all goes on."""
    signed = await sign(relayed_service, tallies, owner)
    before = await contents(owner)
    await intrude(relayed_service, headers=[("ooc_position", b"7")])
    await lose(owner, *lost)
    keys = [] if left else signed.public(tallies.service.name)
    assert await restore_events(tallies.service, owner, relayed_service.bootstrap, keys) == (left, 6)
    assert await contents(owner) == before
    assert await restore_events(tallies.service, owner, relayed_service.bootstrap, keys) == (6, 6)

    later = request_for(tallies.handler, tallies.open, Count(by=1))
    async with relayed_service.relay():
        assert isinstance(await tallies.handler.handle(later), Accepted)
        await relayed_service.relayed()
    assert STORE not in await broken(relayed_service, tallies)


async def test_nothing_that_a_stranger_writes_keeps_a_restore_from_its_work(
    relayed_service: RelayedService, tallies: Tallies, owner: Owner
) -> None:
    """Given notes in the topic of checkpoints that no key of the log has signed, or of a size that is none, then they prove nothing and refuse nothing."""
    await sign(relayed_service, tallies, owner)
    before, topic = await contents(owner), tallies.service.checkpoints_topic
    async with AIOKafkaProducer(bootstrap_servers=relayed_service.bootstrap) as stranger:
        for size in ("6", "7" * 5_000, "9"):
            note = f"{AUTHORITY}/tests/events\n{size}\n{base64.b64encode(bytes(32)).decode()}\n\n— x AAAA\n"
            await stranger.send_and_wait(topic, note.encode(), key=b"events", partition=0)
    await lose(owner, *OLDER_BACKUP)
    assert await restore_events(tallies.service, owner, relayed_service.bootstrap) == (4, 6)
    assert await contents(owner) == before


async def test_a_repeated_command_gets_its_restored_receipt(
    relayed_service: RelayedService, tallies: Tallies, owner: Owner
) -> None:
    """Given a restored receipt, which lacks the digest of its request, then a repeat records nothing and gets the receipt."""
    request = request_for(tallies.handler, uuid4(), opening("station"))
    first = await tallies.handler.handle(request)
    assert isinstance(first, Accepted)
    await owner.execute("alter table answer disable trigger all")
    await owner.execute("update answer set digest = '' where command_id = $1", request.command_id)
    again = await tallies.handler.handle(request)
    assert isinstance(again, Accepted)
    assert again.repeated
    assert again.receipt == first.receipt


async def test_without_a_checkpoint_nothing_is_restored(
    relayed_service: RelayedService, tallies: Tallies, owner: Owner
) -> None:
    """Given that nothing was ever signed, then nothing can prove what the topic holds, and it is refused."""
    await lose(owner, *OLDER_BACKUP)
    with pytest.raises(CannotRestore, match="no checkpoint is signed"):
        await restore_events(tallies.service, owner, relayed_service.bootstrap)


async def test_a_store_that_went_another_way_is_left_alone(
    relayed_service: RelayedService, tallies: Tallies, owner: Owner
) -> None:
    """Given other keys, or another event at a position that the topic has, then it is refused and nothing changes."""
    await sign(relayed_service, tallies, owner)
    await lose(owner, *OLDER_BACKUP)
    cut = await contents(owner)
    strange = Signed(SigningKeys.read(base64.b64encode(os.urandom(32)).decode())).public(tallies.service.name)
    with pytest.raises(CannotRestore, match="no checkpoint is signed"):
        await restore_events(tallies.service, owner, relayed_service.bootstrap, strange)
    assert await contents(owner) == cut
    await lose(owner, "update event set recorded_at = recorded_at + interval '1 microsecond' where position = 4")
    changed = await contents(owner)
    with pytest.raises(CannotRestore, match="another event than the topic at position 4"):
        await restore_events(tallies.service, owner, relayed_service.bootstrap)
    assert await contents(owner) == changed


async def test_a_topic_is_filled_again_from_its_event_store(
    relayed_service: RelayedService, tallies: Tallies, owner: Owner
) -> None:
    """Given a new broker with empty topics, when the relay has run, then it holds what was signed."""
    await sign(relayed_service, tallies, owner)
    new = replace(relayed_service, namespace=f"{relayed_service.namespace}-new")
    events = replace(tallies.service.events, namespace=new.namespace)
    service = replace(tallies.service, read_model=replace(tallies.service.read_model, events=events))
    await topics(
        new.bootstrap,
        [events_topic(new.events, 1), position_topic(new.position, 1), checkpoints_topic(new.checkpoints, 1)],
    )
    problems = Problems()
    assert not (await read_topic(service, owner, new.bootstrap, 6, problems)).entries
    async with new.relay():
        await new.relayed()
    filled = await read_topic(service, owner, new.bootstrap, 6, problems)
    assert filled.entries == await entries_of_store(owner)
    assert not problems.lines
    assert await restore_events(service, owner, new.bootstrap) == (6, 6)
