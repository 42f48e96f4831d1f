"""Keys that open what is personal: made once, wrapped at rest, destroyed for ever."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from shared.domain.sealing import DataKey
from shared.privacy.keyring import (
    CACHED_SECONDS,
    InvalidKeyEncryptionKeys,
    KeyDestroyed,
    KeyEncryptionKeys,
    Keyring,
    KeyringClockApart,
    KeyringUnavailable,
    MemoryKeyring,
    PostgresKeyring,
    UnusableKey,
)
from shared.servers import database as connections
from shared.servers.database import as_role
from tests.integration.keyring.rings import KEEPER, new_kek, ring_database
from tests.integration.local.waiting import eventually

ROBIN, ALEX = "person/robin", "person/alex"


class Rings:
    """Keyrings of different processes on one database, each with its own cache and clock."""

    def __init__(self, owner: str, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self.owner = owner
        self.pool = pool
        self.kek = new_kek()
        self.seconds = 1000.0

    def ring(self, kek: KeyEncryptionKeys | None = None) -> PostgresKeyring:
        return PostgresKeyring(self.pool, kek or self.kek, lambda: self.seconds)


@pytest.fixture
async def rings(postgres_url: str) -> AsyncIterator[Rings]:
    """Yield a keyring's database and the application's connections to it."""
    async with ring_database(postgres_url) as owner:
        pool = await connections.create_pool(as_role(owner, KEEPER))
        yield Rings(owner, pool)
        pool.terminate()


@pytest.fixture(params=[pytest.param("memory", marks=pytest.mark.nightly), "postgres"])
def ring(request: pytest.FixtureRequest) -> Keyring:
    """Each of the two keyrings; both answer alike."""
    if request.param == "memory":
        return MemoryKeyring()
    rings: Rings = request.getfixturevalue("rings")
    return rings.ring()


async def test_a_key_is_made_once(ring: Keyring) -> None:
    """Given a subject without a key, one of 32 bytes is made; asked again it is the same, and a token finds it."""
    key = (await ring.keys_for_sealing([ROBIN]))[ROBIN]
    assert (key.subject, key.generation, len(key.secret)) == (ROBIN, 1, 32)
    assert (await ring.keys_for_sealing(iter([ROBIN, ROBIN])))[ROBIN] == key
    assert await ring.open([(ROBIN, 1)]) == {(ROBIN, 1): key}


@pytest.mark.parametrize("seconds", [-35, 35])
async def test_no_key_is_made_while_the_clocks_differ(rings: Rings, seconds: int) -> None:
    """Given clocks that are apart, no key gets a time that its events belie; once they agree, one is made."""
    away = timedelta(seconds=seconds)
    apart = PostgresKeyring(rings.pool, rings.kek, calendar=lambda: datetime.now(UTC) + away)
    with pytest.raises(KeyringClockApart):
        await apart.keys_for_sealing([ROBIN])
    assert await rings.ring().existing_keys([ROBIN]) == {}
    away = timedelta(0)
    assert ROBIN in await apart.keys_for_sealing([ROBIN])


async def test_each_subject_has_its_own_key(ring: Keyring) -> None:
    """Given two subjects, their keys differ."""
    keys = await ring.keys_for_sealing([ROBIN, ALEX])
    assert keys[ROBIN].secret != keys[ALEX].secret


async def test_a_destroyed_key_opens_as_forgotten_and_is_never_made_again(ring: Keyring) -> None:
    """Given a destroyed key, its tokens are known to be unreadable, no new key is made, and others are untouched."""
    keys = await ring.keys_for_sealing([ROBIN, ALEX])
    await ring.destroy(ROBIN)
    assert await ring.open([(ROBIN, 1), (ALEX, 1)]) == {(ROBIN, 1): None, (ALEX, 1): keys[ALEX]}
    with pytest.raises(KeyDestroyed):
        await ring.keys_for_sealing([ALEX, ROBIN])
    await ring.destroy(ROBIN)  # again, to no effect


async def test_a_subject_that_never_had_a_key_can_be_forgotten(ring: Keyring) -> None:
    """Given a subject destroyed before anything was sealed for it, no key is made for it later."""
    await ring.destroy(ROBIN)
    with pytest.raises(KeyDestroyed):
        await ring.keys_for_sealing([ROBIN])


async def test_two_processes_that_make_a_key_at_once_get_the_same(rings: Rings) -> None:
    """Given ten keyrings that seal for the same new subjects at once, all get the same keys."""
    found = await asyncio.gather(*(rings.ring().keys_for_sealing([ROBIN, ALEX]) for _ in range(10)))
    assert len({(keys[ROBIN].secret, keys[ALEX].secret) for keys in found}) == 1


async def test_callers_of_one_process_that_make_a_key_at_once_get_the_same(rings: Rings) -> None:
    """Given sixty callers at once on one keyring, some of them for the same subjects, all get the same keys."""
    ring = rings.ring()
    found = await asyncio.gather(*(ring.keys_for_sealing([ROBIN, f"person/{n % 30}"]) for n in range(60)))
    assert len({keys[ROBIN].secret for keys in found}) == 1
    other = await rings.ring().keys_for_sealing([ROBIN, *(f"person/{n}" for n in range(30))])
    assert all(other[subject] == key for keys in found for subject, key in keys.items())


async def test_a_destroyed_subject_fails_its_own_callers_alone(rings: Rings) -> None:
    """Given callers at once, of whom one asks for a destroyed subject, the others get their keys."""
    ring = rings.ring()
    await ring.destroy(ROBIN)
    found = await asyncio.gather(
        ring.keys_for_sealing([ALEX]),
        ring.keys_for_sealing([ROBIN]),
        ring.keys_for_sealing(["person/kim"]),
        return_exceptions=True,
    )
    assert [type(one) for one in found] == [dict, KeyDestroyed, dict]


async def test_a_caller_that_goes_away_takes_no_key_from_others(rings: Rings) -> None:
    """Given two callers for one subject, of whom one is cancelled, the other gets the key."""
    ring = rings.ring()
    cancelled, stays = (asyncio.create_task(ring.keys_for_sealing([ROBIN])) for _ in range(2))
    await asyncio.sleep(0)
    cancelled.cancel()
    assert (await stays).keys() == {ROBIN}
    with pytest.raises(asyncio.CancelledError):
        await cancelled


async def test_a_destruction_is_felt_everywhere_within_a_minute(rings: Rings) -> None:
    """Given a key in another process's cache, it is gone there too when the minute is over."""
    here, there = rings.ring(), rings.ring()
    await there.keys_for_sealing([ROBIN])
    await here.destroy(ROBIN)
    rings.seconds += CACHED_SECONDS + 0.001
    assert await there.open([(ROBIN, 1)]) == {(ROBIN, 1): None}
    with pytest.raises(KeyDestroyed):
        await there.keys_for_sealing([ROBIN])


async def test_no_key_stays_in_memory_when_its_minute_is_over(rings: Rings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given keys in use, when nobody asks for anything more, then none is left in the process after its minute."""
    monkeypatch.setattr("shared.privacy.keyring.CACHED_SECONDS", 0.2)
    ring = PostgresKeyring(rings.pool, rings.kek)
    subjects = {"person/who-goes", "person/who-goes-too"}
    keys = await ring.keys_for_sealing(subjects)
    assert keys.keys() == subjects

    def keys_in_memory() -> list[DataKey]:
        return [one for one in gc.get_objects() if isinstance(one, DataKey) and one.subject in subjects]

    assert keys_in_memory()
    del keys
    await eventually(lambda: not keys_in_memory())


async def test_a_key_and_its_destruction_at_once_leave_no_key(rings: Rings) -> None:
    """Given making and destroying at the same moment, whichever comes first, no key is left behind a tombstone."""
    for n in range(20):
        subject = f"person/{n}"
        await asyncio.gather(
            rings.ring().keys_for_sealing([subject]), rings.ring().destroy(subject), return_exceptions=True
        )
        with pytest.raises(KeyDestroyed):
            await rings.ring().keys_for_sealing([subject])
    owner = await asyncpg.connect(rings.owner)
    assert await owner.fetchval("select count(*) from data_key") == 0
    await owner.close()


async def test_keys_stand_wrapped(rings: Rings) -> None:
    """Given keys in the database, none of their bytes stands there, and another key-encryption key opens nothing."""
    keys = await rings.ring().keys_for_sealing([ROBIN, ALEX])
    owner = await asyncpg.connect(rings.owner)
    stored = b"".join(row["wrapped"] for row in await owner.fetch("select wrapped from data_key"))
    await owner.close()
    assert all(key.secret not in stored for key in keys.values())
    with pytest.raises(UnusableKey, match=f"key of {ROBIN} .* was not wrapped by"):
        await rings.ring(new_kek()).open([(ROBIN, 1)])


async def test_a_wrapped_key_moved_to_another_subject_does_not_open(rings: Rings) -> None:
    """Given one subject's wrapped key put in another's place, it does not open."""
    await rings.ring().keys_for_sealing([ROBIN, ALEX])
    owner = await asyncpg.connect(rings.owner)
    await owner.execute("update data_key set wrapped = (select wrapped from data_key where subject = $1)", ROBIN)
    await owner.close()
    with pytest.raises(UnusableKey, match=ALEX):
        await rings.ring().open([(ALEX, 1)])


async def test_a_new_epoch_wraps_and_the_old_one_still_opens(rings: Rings) -> None:
    """Given a second epoch, new keys are wrapped by it; without the old one, what that wrapped is not forgotten: it fails."""
    await rings.ring().keys_for_sealing([ROBIN])
    owner = await asyncpg.connect(rings.owner)
    await owner.execute("insert into key_epoch (epoch) values ('2')")
    await owner.close()
    both = KeyEncryptionKeys({**rings.kek.epochs, "2": os.urandom(32)}, rings.kek.derivation)
    keys = await rings.ring(both).keys_for_sealing([ROBIN, ALEX])
    only_new = KeyEncryptionKeys({"2": both.epochs["2"]}, both.derivation)
    assert await rings.ring(only_new).open([(ALEX, 1)]) == {(ALEX, 1): keys[ALEX]}
    with pytest.raises(UnusableKey, match="epoch '1'"):
        await rings.ring(only_new).open([(ROBIN, 1)])


async def test_a_key_that_is_missing_without_a_tombstone_is_an_error(rings: Rings) -> None:
    """Given a token whose key is in no row and was not destroyed, the keyring is broken; nobody is called forgotten."""
    with pytest.raises(KeyringUnavailable):
        await rings.ring().open([("person/nobody", 1)])


async def test_a_key_cannot_be_put_back_behind_a_tombstone(rings: Rings) -> None:
    """Given a destroyed subject, even a direct insert of a key for it is refused."""
    await rings.ring().destroy(ROBIN)
    owner = await asyncpg.connect(rings.owner)
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
        await owner.execute(
            "insert into data_key (subject, generation, epoch, wrapped) values ($1, 1, '1', $2)", ROBIN, bytes(60)
        )
    await owner.close()


# --- key-encryption keys --------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "not-base64!", "1:c2hvcnQ=", "1:"])
def test_a_malformed_kek_is_refused(text: str) -> None:
    """Given something that is not 32 bytes in base64, the error says what to do and does not repeat it."""
    with pytest.raises(InvalidKeyEncryptionKeys) as refused:
        KeyEncryptionKeys.read(text)
    assert "OOC_KEK" in str(refused.value)


def test_a_kek_shows_no_key() -> None:
    """Given key-encryption keys, their text names the epochs and nothing else."""
    kek = new_kek("2025", "2026")
    assert repr(kek) == "KeyEncryptionKeys(epochs=['2025', '2026'])"
    assert kek.epoch == "2026"


def test_a_kek_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """Given no such file, the error names it."""
    with pytest.raises(InvalidKeyEncryptionKeys, match="nowhere"):
        KeyEncryptionKeys.from_file(tmp_path / "nowhere")


def test_a_wrapped_key_differs_each_time() -> None:
    """Given one data key wrapped twice, the wrappings differ and both open."""
    kek = new_kek()
    key = DataKey(ROBIN, 1, os.urandom(32))
    one, other = kek.wrap(key), kek.wrap(key)
    assert one != other
    assert kek.unwrap(ROBIN, 1, kek.epoch, one) == kek.unwrap(ROBIN, 1, kek.epoch, other) == key
