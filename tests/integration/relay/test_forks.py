"""A branch that the topic does not hold is named, given up only by a statement that two have signed, and kept as evidence."""

import json
import time
from typing import TypeAlias

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ooc.restore.restore import CannotRestore, Statement, name_fork, restore_events
from shared.event_store.lost_commands import lost_commands
from shared.evidence.fork import Fork, void_roots
from shared.evidence.log import EVENTS
from shared.evidence.merkle import EMPTY_ROOT
from shared.evidence.signer import CheckpointSigner
from shared.evidence.verification.checkpoints import read_notes
from shared.evidence.verification.problems import Problems
from shared.messaging.waits import standing_waits
from shared.privacy.signed_note import COSIGNATURE, Signer, write_note
from shared.runtime.privileges import RoleKind
from shared.servers.database import create_pool
from tests.integration.event_store.streams import as_application
from tests.integration.event_store.tallies import KEEPER, Count
from tests.integration.local.waiting import eventually
from tests.integration.relay import test_verification as verification
from tests.integration.relay.conftest import RelayedService
from tests.integration.relay.test_restore import AUTHORITY, OLDER_BACKUP, Signed, contents, lose, sign
from tests.integration.relay.test_verification import STORE, Tallies, broken

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

tallies = verification.tallies

WITNESS = Signer("witness.example", Ed25519PrivateKey.generate(), COSIGNATURE)


async def fork(relayed_service: RelayedService, tallies: Tallies, owner: Owner) -> Signed:
    """Publish and sign six events, lose two as a standby that lagged, record two others in their place, and sign these."""
    signed = await sign(relayed_service, tallies, owner)
    await lose(owner, *OLDER_BACKUP)
    await tallies.does(tallies.open, Count(by=1))
    await tallies.does(tallies.open, Count(by=1))
    signer = CheckpointSigner(
        tallies.service.name,
        authority=AUTHORITY,
        logs=(EVENTS,),
        topic=tallies.service.checkpoints_topic,
        dsn=as_application(relayed_service.owner, RoleKind.SIGNER),
        bootstrap=relayed_service.bootstrap,
        keys=signed.keys,
    )
    async with signer:
        await eventually(lambda: _published_twice(relayed_service, tallies))
    return signed


async def _notes(relayed_service: RelayedService, tallies: Tallies) -> list[tuple[str, int, str]]:
    return await read_notes(relayed_service.bootstrap, tallies.service.checkpoints_topic)


async def _published_twice(relayed_service: RelayedService, tallies: Tallies) -> bool:
    return len({note for _, size, note in await _notes(relayed_service, tallies) if size == 6}) == 2


def statement(found: Fork, signed: Signed, *, cosigned: bool = True) -> Statement:
    """Sign the statement of a fork as its operator, and as the witness."""
    lines = [signer.sign(found.text) for signer in signed.keys.signers(found.origin)]
    if cosigned:
        lines.append(WITNESS.cosign(found.text, int(time.time())))
    return Statement(write_note(found.text, lines), WITNESS.key)


async def named(relayed_service: RelayedService, tallies: Tallies, owner: Owner) -> Fork:
    found = await name_fork(tallies.service, owner, relayed_service.bootstrap)
    assert found is not None
    return found


async def test_a_lost_branch_is_named_given_up_and_kept(
    relayed_service: RelayedService, tallies: Tallies, owner: Owner
) -> None:
    """Given two branches, then the topic's is restored by a statement of operator and witness, and the other is evidence."""
    signed = await fork(relayed_service, tallies, owner)
    with pytest.raises(CannotRestore, match="ooc restore fork"):
        await restore_events(tallies.service, owner, relayed_service.bootstrap)
    found = await named(relayed_service, tallies, owner)
    assert (found.common[0], found.kept[0], [size for size, _ in found.void]) == (4, 6, [6])
    lost = lost_commands(found.evidence)
    assert [one.positions for one in lost] == [(5, 5), (6, 6)]
    assert {(one.stream, one.actor) for one in lost} == {(f"tests/{tallies.open}", str(KEEPER.id))}

    forked = await contents(owner)
    with pytest.raises(CannotRestore, match=r"witness\.example has not cosigned"):
        await restore_events(
            tallies.service, owner, relayed_service.bootstrap, statement=statement(found, signed, cosigned=False)
        )
    assert await contents(owner) == forked
    settled = statement(found, signed)
    assert await restore_events(tallies.service, owner, relayed_service.bootstrap, statement=settled) == (4, 6)
    assert await name_fork(tallies.service, owner, relayed_service.bootstrap) is None
    (kept,) = await owner.fetch("select note, evidence from fork")
    assert kept["note"] == settled.note
    assert [event["position"] for event in json.loads(kept["evidence"])["events"]] == [5, 6]
    async with relayed_service.relay():
        await tallies.does(tallies.open, Count(by=1))
        await relayed_service.relayed()
    assert not await broken(relayed_service, tallies) & {STORE, verification.TOPIC, verification.SIGNED}
    await lose(owner, "update fork set evidence = '[]'")
    assert verification.SIGNED in await broken(relayed_service, tallies)


async def test_a_statement_that_nobody_signed_voids_nothing(
    relayed_service: RelayedService, tallies: Tallies, owner: Owner
) -> None:
    """Given a statement of the owner of the database alone that voids the published checkpoints, then verification names it."""
    signed = await sign(relayed_service, tallies, owner)
    assert verification.SIGNED not in await broken(relayed_service, tallies)
    (origin,) = {note.partition("\n")[0] for _, _, note in await _notes(relayed_service, tallies)}
    roots = [(row["size"], row["root"]) for row in await owner.fetch("select size, root from signed_checkpoint")]
    forged = Fork(origin, (0, EMPTY_ROOT), roots[-1], b"{}", tuple(roots))
    stranger = Signer(origin, Ed25519PrivateKey.generate())
    lines = [stranger.sign(forged.text), WITNESS.cosign(forged.text, int(time.time()))]
    await owner.execute("insert into fork values ($1, $2)", write_note(forged.text, lines), forged.evidence)
    assert verification.SIGNED in await broken(relayed_service, tallies)

    problems, keys = Problems(), [signer.key for signer in signed.keys.signers(origin)]
    assert await void_roots(owner, keys, problems) == frozenset()
    assert "no known key" in problems.lines[0]
    true = write_note(forged.text, [signer.sign(forged.text) for signer in signed.keys.signers(origin)])
    await lose(owner, "delete from fork")
    await owner.execute("insert into fork values ($1, $2)", true, forged.evidence)
    assert await void_roots(owner, keys, Problems()) == frozenset(roots)
    assert await void_roots(owner, keys, Problems(), WITNESS.key) == frozenset()


async def test_checkpoints_of_a_lost_branch_block_nothing_once_they_are_void(
    relayed_service: RelayedService, tallies: Tallies, owner: Owner
) -> None:
    """Given a store that agrees with its topic, and published checkpoints that do not, a statement voids these for good."""
    signed = await fork(relayed_service, tallies, owner)
    settled = statement(await named(relayed_service, tallies, owner), signed)
    await restore_events(tallies.service, owner, relayed_service.bootstrap, statement=settled)
    await lose(owner, "delete from fork")  # as on the disk of the old primary, which has none of this
    found = await named(relayed_service, tallies, owner)
    assert (lost_commands(found.evidence), [size for size, _ in found.void]) == ([], [6])
    with pytest.raises(CannotRestore, match="another fork"):
        await restore_events(tallies.service, owner, relayed_service.bootstrap, statement=settled)
    again = statement(found, signed)
    assert await restore_events(tallies.service, owner, relayed_service.bootstrap, statement=again) == (6, 6)
    assert await name_fork(tallies.service, owner, relayed_service.bootstrap) is None
    with pytest.raises(CannotRestore, match="no fork"):
        await restore_events(tallies.service, owner, relayed_service.bootstrap, statement=again)


async def test_a_lost_command_waits_until_its_sender_has_sent_it_again(
    relayed_service: RelayedService, tallies: Tallies, owner: Owner
) -> None:
    """Given a branch that was given up, then each of its commands waits for its sender, until it is recorded again."""
    signed = await fork(relayed_service, tallies, owner)
    settled = statement(await named(relayed_service, tallies, owner), signed)
    await restore_events(tallies.service, owner, relayed_service.bootstrap, statement=settled)
    pool = await create_pool(as_application(relayed_service.owner, RoleKind.API))
    async with relayed_service.relay():
        await relayed_service.relayed()
        waits = [standing.wait for standing in await standing_waits(pool, tallies.service)]
        assert len(waits) == 2
        assert {(wait.kind, wait.sender, wait.source) for wait in waits} == {
            ("COMMAND", KEEPER.id, f"tests/{tallies.open}")
        }
        assert all(wait.sentence.startswith("lost: ") and wait.sentence.endswith("Send it again.") for wait in waits)
        for left in (1, 0):
            await tallies.does(tallies.open, Count(by=1))
            assert len(await standing_waits(pool, tallies.service)) == left
    await pool.close()
