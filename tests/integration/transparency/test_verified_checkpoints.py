"""`ooc verify` against the checkpoints: what was rewritten after it was signed is named, however consistently."""

import asyncpg
import pytest

from ooc.evidence.service_verification import Finding, verify_checkpoints
from shared.evidence.log import EVENTS
from shared.runtime.privileges import RoleKind
from shared.servers.database import Connection, create_pool
from tests.integration.event_store.streams import SERVICE, as_application, as_verifier
from tests.integration.local.waiting import eventually
from tests.integration.transparency.conftest import Office


async def finding_of(office: Office) -> Finding:
    pool = await create_pool(as_verifier(office.owner))
    try:
        (finding,) = [one async for one in verify_checkpoints(SERVICE, (EVENTS,), pool, office.bootstrap, office.topic)]
    finally:
        await pool.close()
    return finding


async def signed_log(office: Office, owner: Connection) -> None:
    """Record and sign two checkpoints, of 3 and 303 entries."""
    await office.write(3)
    async with office.signer():
        await office.signed(owner, 3)
        await office.write(300)
        await office.signed(owner, 303)

        async def published() -> bool:
            return {3, 303} <= {checkpoint.size for checkpoint in await office.published()}

        await eventually(published)


async def rewrite(owner: Connection, *statements: str) -> None:
    async with owner.transaction():
        await owner.execute("set local session_replication_role = replica")
        for statement in statements:
            await owner.execute(statement)


async def test_a_log_that_is_what_was_signed_holds(office: Office, owner: Connection) -> None:
    """Given a signed log, when it is verified by the role that only reads, then it holds."""
    await signed_log(office, owner)
    await office.write(2)  # not signed yet
    finding = await finding_of(office)
    assert finding.ok, finding.problems
    # A signer that looks while the events are written signs some of them by themselves.
    signed = await owner.fetchval("select count(*) from signed_checkpoint where log = 'events'")
    assert signed >= 2
    assert finding.looked_at == f"{signed} checkpoints"


@pytest.mark.parametrize(
    ("statements", "fault"),
    [
        (
            ["update event set recorded_at = recorded_at + interval '1 microsecond' where position = 260"],
            "entry 260 is not the one that the tree holds",
        ),
        (["update event set hash = sha256(hash) where position = 2"], "the checkpoint of 3 entries has another root"),
        (["delete from event where position = 5"], "is missing, and a checkpoint of 303 is signed"),
        (["delete from event where position > 100"], "is missing, and a checkpoint of 303 is signed"),
        (["update signed_checkpoint set note = replace(note, E'\\n303\\n', E'\\n302\\n')"], "does not fit the text"),
        (["update signed_checkpoint set root = sha256(root) where size = 3"], "was signed with another size or root"),
        (["delete from signed_checkpoint", "delete from tree_tile"], "the topic has a checkpoint of 303 entries"),
        (["update tree_tile set hashes = sha256(hashes) where level = 0 and number = 1"], "entry 257 is not the one"),
    ],
)
async def test_what_was_rewritten_is_named(
    office: Office, owner: Connection, statements: list[str], fault: str
) -> None:
    """Given a signed log, when its owner rewrites log, tree or checkpoints, then the verification names it."""
    await signed_log(office, owner)
    await rewrite(owner, *statements)
    finding = await finding_of(office)
    assert any(fault in problem for problem in finding.problems), finding.problems


async def test_a_log_signed_anew_differs_from_its_topic(office: Office, owner: Connection) -> None:
    """Given the signing key in the wrong hands, when log, tree and checkpoints are made anew, then the topic shows it."""
    await signed_log(office, owner)
    await rewrite(
        owner,
        "update event set recorded_at = recorded_at + interval '1 microsecond' where position = 303",
        "delete from signed_checkpoint",
        "delete from tree_tile",
    )
    async with office.signer():
        await office.signed(owner, 303)
    finding = await finding_of(office)
    assert any("was published with another root" in problem for problem in finding.problems), finding.problems


@pytest.mark.parametrize(
    "forgery",
    [
        "update tree_tile set hashes = hashes || sha256('forged') where log = 'events' and level = 0 and number = 1",
        "update tree_tile set hashes = hashes || sha256('forged') where log = 'events' and level = 1",
        "insert into tree_tile (log, level, number, hashes) values ('events', 0, 2, sha256('forged'))",
        "insert into signed_checkpoint (log, size, root, note) values ('events', 1000000, sha256('forged'), 'forged')",
    ],
)
async def test_a_forged_tree_is_not_signed(office: Office, owner: Connection, forgery: str) -> None:
    """Given the signer's database role without its key, when it adds to the tree, then nothing more is signed, with an alarm."""
    await signed_log(office, owner)
    intruder = await asyncpg.connect(as_application(office.owner, RoleKind.SIGNER))
    await intruder.execute(forgery)
    await intruder.close()
    await office.write(300)
    async with office.signer():
        await eventually(lambda: owner.fetchval("select true from alarm where name = 'log_rewritten'"))
    assert await owner.fetchval("select max(size) from signed_checkpoint where note <> 'forged'") == 303


async def test_a_key_that_nobody_can_read_is_not_listed(office: Office) -> None:
    """Given the signer's database role, when it lists what is no key, which would end each verification, then it is refused."""
    intruder = await asyncpg.connect(as_application(office.owner, RoleKind.SIGNER))
    with pytest.raises(asyncpg.CheckViolationError, match="log_key_is_a_key"):
        await intruder.execute("insert into log_key (name, key) values ('test.example/tests/events', 'forged')")
    await intruder.close()
