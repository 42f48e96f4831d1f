"""What a restore to an earlier moment must not undo: events and accesses that happened, keys that sealed, destructions of keys.

Nor what was given out: a table that is published anew would reveal one child by its difference from the first.

They are taken from a second recovery of the same backup, to the end of its log, and only added: what was harmed after the moment
is not taken from there. So what goes back is the rest: reporting's tables, what waits, the console's drafts.
"""

import tempfile
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from shared.servers.database import Connection

_TREE: Final = "on conflict (log, level, number) do update set hashes = excluded.hashes"
_KEEP: Final = "on conflict do nothing"
_CLAIMS_AFTER: Final = "stream in (select stream from event where position > {})"
_KEYS: Final = (
    (
        "key_epoch",
        (
            "on conflict (epoch) do update set"
            " retired_at = excluded.retired_at, destroy_by = excluded.destroy_by, destroyed_at = excluded.destroyed_at"
        ),
    ),
    # A key that was wrapped again is taken as it is now: the key of its epoch of then may be destroyed.
    (
        "data_key",
        (
            "on conflict (subject, generation) do update set epoch = excluded.epoch, wrapped = excluded.wrapped"
            " where data_key.epoch <> excluded.epoch"
        ),
    ),
    ("tombstone", _KEEP),
)
_GIVEN_OUT: Final = ("frozen_return", "verification_report", "published_table")
"""The tables of reporting with answers that somebody has, and that are never given otherwise."""
_FORGOTTEN: Final = "delete from data_key using tombstone where data_key.subject = tombstone.subject"


async def take_later(
    here: Mapping[str, Connection], later: Mapping[str, Connection], keyring: str, deciding: Collection[str]
) -> None:
    """Add what happened later to databases, by name, that were restored to an earlier moment; `deciding` have an event store."""
    async with _past_triggers(here[keyring]):
        for table, on_conflict in _KEYS:
            await _add(here[keyring], later[keyring], table, "true", on_conflict)
        await here[keyring].execute(_FORGOTTEN)
    for name in here.keys() - {keyring}:
        await _take_lines(here[name], later[name])
        if name in deciding:
            await _take_events(here[name], later[name])
        else:
            async with _past_triggers(here[name]):
                for table in _GIVEN_OUT:
                    await _add(here[name], later[name], table, "true", _KEEP)


async def _take_lines(here: Connection, later: Connection) -> None:
    """Add the later lines of an access log, if its earlier ones are the same."""
    last = await here.fetchrow("select sequence, hash from access_head")
    assert last is not None
    after: int = last["sequence"]
    if after and await later.fetchval("select hash from access_log where sequence = $1", after) != last["hash"]:
        return
    async with _past_triggers(here):
        await _add(here, later, "access_log", f"sequence > {after}", "")
        head = "sequence = excluded.sequence, at = excluded.at, hash = excluded.hash"
        await _add(here, later, "access_head", f"sequence > {after}", f"on conflict (only_row) do update set {head}")
        await _add_tree(here, later, "access")


async def _take_events(here: Connection, later: Connection) -> None:
    """Add the later events of an event store, with the answers to their commands, if its earlier ones are the same."""
    last = await here.fetchrow("select position, log_hash from head")
    assert last is not None
    after: int = last["position"]
    if after and await later.fetchval("select log_hash from event where position = $1", after) != last["log_hash"]:
        return
    async with _past_triggers(here):
        await _add(here, later, "event", f"position > {after}", "")
        await _add(here, later, "answer", "true", _KEEP)
        await here.execute(f"delete from claim where {_CLAIMS_AFTER.format(after)}")  # noqa: S608 - a number
        await _add(here, later, "claim", _CLAIMS_AFTER.format(after), "")
        head = "position = excluded.position, recorded_at = excluded.recorded_at, log_hash = excluded.log_hash"
        await _add(here, later, "head", f"position > {after}", f"on conflict (only_row) do update set {head}")
        await _add_tree(here, later, "events")


async def _add_tree(here: Connection, later: Connection, log: str) -> None:
    await _add(here, later, "log_key", "true", _KEEP)
    await _add(here, later, "tree_tile", f"log = '{log}'", _TREE)
    await _add(here, later, "signed_checkpoint", f"log = '{log}'", _KEEP)


@asynccontextmanager
async def _past_triggers(connection: Connection) -> AsyncIterator[None]:
    """Have a transaction as the superuser in which no trigger of append-only tables refuses what a recovery recorded."""
    async with connection.transaction():
        await connection.execute("set local session_replication_role = replica")
        yield


async def _add(here: Connection, later: Connection, table: str, where: str, on_conflict: str) -> None:
    """Insert the rows of a later table that fit a condition into that of here."""
    with tempfile.NamedTemporaryFile(prefix="ooc-later-") as file:
        path = Path(file.name)
        await here.execute(f"create temporary table later (like {table}) on commit drop")
        names = [column.name for column in (await here.prepare("select * from later")).get_attributes()]
        # By name: a database that was brought to a release elsewhere may have them in another order, and more.
        columns = ", ".join(f'"{name}"' for name in names)
        await later.copy_from_query(f"select {columns} from {table} where {where}", output=path, format="binary")  # noqa: S608
        await here.copy_to_table("later", source=path, format="binary")
        await here.execute(f"insert into {table} select * from later {on_conflict}")  # noqa: S608 - all constants
        await here.execute("drop table later")
