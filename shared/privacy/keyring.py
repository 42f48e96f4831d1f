"""The keyring: one wrapped data key for each owner of sealed fields, in a database of its own (crypto-shredding).

A data key is wrapped with AES-256-GCM under a key-encryption key (KEK). The KEK comes from the environment or a file and
is never stored. KEKs have epochs: the newest wraps new keys, and older ones unwrap older keys. `ooc keys rotate` begins an
epoch and wraps all keys again while processes run, since they read the file of KEKs again when it changes. Destroying an
old KEK then takes with it what backups hold of the keyring. Destroying a data key leaves a tombstone. The fields of its subject are forgotten then,
and no new key is created for it. A keyring that does not answer is an error; no field is then taken for forgotten.

Keys are cached in memory for less than half a minute, so a destruction takes effect everywhere within a minute. What they
decrypted is not kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import os
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import asyncpg
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from shared.domain.sealing import DataKey
from shared.privacy.epochs import parse_epochs
from shared.servers.database import Pool, retry_or_raise
from shared.servers.settings import Settings

CACHED_SECONDS: Final = 29.0
"""How long a key is cached."""
DERIVE: Final = "derive"
"""The name in a file of key-encryption keys that is no epoch."""

_log = structlog.get_logger("keyring")


class KeyringUnavailable(Exception):
    """A keyring that did not answer: nothing can be decrypted or sealed until it does."""


class KeyringClockApart(KeyringUnavailable):
    """The clock of the keyring's database is more than half a minute from the caller's. No key was made."""

    def __init__(self) -> None:
        super().__init__(
            "Nothing was recorded: the clocks of this service and of its keyring are more than half a minute apart. An operator must"
            " set them: docs/how-to/runbook/clocks_apart.md"
        )


class KeyMissing(KeyringUnavailable):
    """A key that the keyring does not have and that was not destroyed: the keyring was restored from too old a backup."""

    def __init__(self, subject: str) -> None:
        super().__init__(
            f"The key of {subject} is missing from the keyring and was not destroyed. It does not come back by itself: tell the"
            " operators (docs/how-to/runbook/key_missing.md)"
        )


class KeyDestroyed(Exception):
    """A subject whose key has been destroyed: nothing more can be recorded of it."""


class UnusableKey(Exception):
    """A row of the keyring that no configured KEK unwraps. The message names its subject and a remedy."""

    def __init__(self, text: str, subject: str = "", generation: int = 0) -> None:
        super().__init__(text)
        self.subject = subject
        self.generation = generation


class InvalidKeyEncryptionKeys(Exception):
    """A missing or malformed key-encryption key. The message names the remedy."""


@dataclass(frozen=True, repr=False)
class KeyEncryptionKeys:
    """Key-encryption keys (32 bytes each) by epoch; the last one wraps new keys."""

    epochs: Mapping[str, bytes]
    derivation: bytes
    """The source of `derived`. It follows from the first epoch ever, which does not follow from it (HMAC-SHA256)."""
    path: Path | None = None
    read_at: tuple[int, int] | None = None
    """Its time of change and size when it was read."""

    @classmethod
    def read(cls, text: str) -> KeyEncryptionKeys:
        """Parse `EPOCH:BASE64` pairs separated by white space, or one bare base64 key (epoch 1).

        The name `derive` stands for the source of `derived`, once the first epoch is destroyed.
        Raises `InvalidKeyEncryptionKeys`.
        """
        if not text.strip():
            raise InvalidKeyEncryptionKeys(
                "no key-encryption key is set: put one into OOC_KEK, or its path into OOC_KEK_FILE"
            )
        try:
            epochs = parse_epochs(text)
            derivation = epochs.pop(DERIVE, None)
            # The first step of HKDF without a salt (RFC 5869, section 2.2).
            return cls(epochs, derivation or hmac.digest(bytes(32), next(iter(epochs.values())), "sha256"))
        except (ValueError, StopIteration):
            raise InvalidKeyEncryptionKeys(
                "OOC_KEK must hold 32 random bytes in base64, as `openssl rand -base64 32` prints them"
            ) from None

    @classmethod
    def of(cls, settings: Settings) -> KeyEncryptionKeys:
        """Read the keys that the settings hold or name a file of. Raises `InvalidKeyEncryptionKeys`."""
        if settings.kek is None and settings.kek_file is not None:
            return cls.from_file(settings.kek_file)
        return cls.read(settings.kek or "")

    @classmethod
    def from_file(cls, path: Path) -> KeyEncryptionKeys:
        """Read a KEK file. Raises `InvalidKeyEncryptionKeys`."""
        try:
            changed = path.stat()
            keys = cls.read(path.read_text(encoding="ascii"))
            return replace(keys, path=path, read_at=(changed.st_mtime_ns, changed.st_size))
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidKeyEncryptionKeys(
                f"the key-encryption key cannot be read from {path}: {error}; correct OOC_KEK_FILE, or the permissions of the file"
            ) from error

    def refreshed(self) -> KeyEncryptionKeys:
        """Return the keys as their file has them now. A file that cannot be read changes nothing."""
        if self.path is None:
            return self
        try:
            changed = self.path.stat()
            if (changed.st_mtime_ns, changed.st_size) == self.read_at:
                return self
            return KeyEncryptionKeys.from_file(self.path)
        except (OSError, InvalidKeyEncryptionKeys) as error:
            _log.error("kek_file", why=str(error))
            return self

    @property
    def epoch(self) -> str:
        """The name of the newest epoch, whose key wraps new data keys."""
        return list(self.epochs)[-1]

    def wrap(self, key: DataKey) -> bytes:
        """Wrap a data key under the newest KEK. Returns the nonce (12 bytes) and the ciphertext."""
        nonce = os.urandom(12)
        return nonce + AESGCM(self.epochs[self.epoch]).encrypt(nonce, key.secret, _bound(key.subject, key.generation))

    def unwrap(self, subject: str, generation: int, epoch: str, wrapped: bytes) -> DataKey:
        """Unwrap a data key. Raises `UnusableKey` if the KEK of its epoch is missing or another one."""
        if epoch not in self.epochs:
            raise _unusable(
                subject, generation, f"it is wrapped by epoch {epoch!r}, which is not among the keys in OOC_KEK"
            )
        try:
            secret = AESGCM(self.epochs[epoch]).decrypt(wrapped[:12], wrapped[12:], _bound(subject, generation))
        except (InvalidTag, ValueError) as error:  # too short a value raises ValueError
            raise _unusable(
                subject, generation, f"it was not wrapped by the key of epoch {epoch!r} in OOC_KEK"
            ) from error
        if len(secret) != 32:
            raise _unusable(subject, generation, f"it has {len(secret)} bytes, not 32")
        return DataKey(subject, generation, secret)

    def derived(self, purpose: str) -> bytes:
        """Derive 32 bytes for another purpose (HKDF, RFC 5869) from the first epoch's key. They never change."""
        return HKDFExpand(SHA256(), 32, info=purpose.encode()).derive(self.derivation)

    def __repr__(self) -> str:
        return f"KeyEncryptionKeys(epochs={list(self.epochs)})"


def _unusable(subject: str, generation: int, why: str) -> UnusableKey:
    """Log an alarm about a row of the keyring, and build its error."""
    _log.critical("unusable_key", subject=subject, generation=generation, why=why)
    return UnusableKey(
        f"generation {generation} of the key of {subject} cannot be used: {why}. Compare OOC_KEK with that of the other"
        " processes; where it is the same, restore this row of the keyring from a backup",
        subject,
        generation,
    )


def _bound(subject: str, generation: int) -> bytes:
    return hashlib.sha256(f"{subject}#{generation}".encode()).digest()


KeyId = tuple[str, int]
"""The subject and generation of a data key, as in a token."""


class Keyring(Protocol):
    """The interface of a keyring: data keys by subject and generation, each wrapped by a key-encryption key."""

    async def open(self, key_ids: Iterable[KeyId]) -> Mapping[KeyId, DataKey | None]:
        """Fetch the data keys of tokens; None stands for a destroyed key. Raises `KeyringUnavailable` or `UnusableKey`."""

    async def keys_for_sealing(self, subjects: Iterable[str]) -> Mapping[str, DataKey]:
        """Fetch the current key of each subject, or create and commit one.

        Raises `KeyDestroyed`, `KeyringUnavailable` or `UnusableKey`.
        """

    async def existing_keys(self, subjects: Iterable[str]) -> Mapping[str, DataKey]:
        """Fetch the current key of each subject that has one, and create none.

        Raises `KeyDestroyed`, `KeyringUnavailable` or `UnusableKey`.
        """

    async def destroy(self, subject: str) -> None:
        """Destroy every key of a subject for ever (crypto-shredding). PostgreSQL allows this to the role `ooc_erasure` only."""


class MemoryKeyring:
    """A keyring in memory, for tests and simulations."""

    def __init__(self) -> None:
        self._keys: dict[str, DataKey] = {}
        self._destroyed: set[str] = set()

    async def open(self, key_ids: Iterable[KeyId]) -> Mapping[KeyId, DataKey | None]:
        return {(subject, n): None if subject in self._destroyed else self._keys[subject] for subject, n in key_ids}

    async def keys_for_sealing(self, subjects: Iterable[str]) -> Mapping[str, DataKey]:
        subjects = list(subjects)
        keys = dict(await self.existing_keys(subjects))
        for subject in subjects:
            if subject not in keys:
                keys[subject] = self._keys[subject] = DataKey(subject, 1, os.urandom(32))
        return keys

    async def existing_keys(self, subjects: Iterable[str]) -> Mapping[str, DataKey]:
        keys: dict[str, DataKey] = {}
        for subject in subjects:
            if subject in self._destroyed:
                raise KeyDestroyed(subject)
            if subject in self._keys:
                keys[subject] = self._keys[subject]
        return keys

    async def destroy(self, subject: str) -> None:
        self._destroyed.add(subject)
        self._keys.pop(subject, None)


_OPEN = """
    select w.subject, w.generation, k.epoch, k.wrapped, t.subject is not null as destroyed
    from unnest($1::text[], $2::int[]) as w (subject, generation)
    left join data_key as k on k.subject = w.subject and k.generation = w.generation
    left join tombstone as t on t.subject = w.subject
"""
_CURRENT = """
    select w.subject, k.generation, k.epoch, k.wrapped, t.subject is not null as destroyed
    from unnest($1::text[]) as w (subject)
    left join lateral (
        select generation, epoch, wrapped from data_key where data_key.subject = w.subject order by generation desc limit 1
    ) as k on true
    left join tombstone as t on t.subject = w.subject
"""
_DESTROYED = "select subject from tombstone where $1::interval is null or destroyed_at > clock_timestamp() - $1"
_STANDING: Final = """
    select s as subject from unnest($1::text[]) as s
    where exists (select from data_key where subject = s) or not exists (select from tombstone where subject = s)
"""
"""Subjects whose keys are not destroyed for good: by the keyring alone, whatever has been recorded."""
_BACKUPS_UNTIL = """
    select max(coalesce(e.destroy_by, (e.began_at at time zone 'UTC' + $2::interval)::date))
    from (
        select subject, epoch from data_key union all select subject, epoch from tombstone
    ) as wrapped join key_epoch as e using (epoch)
    where wrapped.subject = any($1::text[])
"""
_CREATE = """
    select subject, generation, epoch, wrapped, wrapped is null as destroyed
    from (select clock_timestamp() - $4::timestamptz between interval '-30 seconds' and interval '30 seconds' as agree) as clocks,
    create_keys(
        case when agree then $1::text[] end, case when agree then $2::text[] end, case when agree then $3::bytea[] end
    )
"""
"""While the clocks differ it makes no key and returns none: `ooc verify` takes one a minute younger than its event for a rollback."""


class ExpiryTimer:
    """A timer that removes expired entries of a cache, also while the cache is idle."""

    def __init__(self, expire: Callable[[], float | None]) -> None:
        """Set `expire`, which removes expired entries and returns the seconds to the next expiry; None if empty."""
        self._expire = expire
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float) -> None:
        """Call `expire` after some seconds, unless the timer already runs."""
        if self._timer is None:
            # Not for each entry alone: once a second is often enough.
            self._timer = asyncio.get_running_loop().call_later(max(seconds, 1.0), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        remaining = self._expire()
        if remaining is not None:
            self.set(remaining)


def _gone(rows: Iterable[asyncpg.Record]) -> set[KeyId]:
    return {(row["subject"], row["generation"]) for row in rows if row["wrapped"] is None and not row["destroyed"]}


class PostgresKeyring:
    """The keyring in its own PostgreSQL database, with a cache of `CACHED_SECONDS`."""

    def __init__(
        self,
        pool: Pool,
        kek: KeyEncryptionKeys,
        clock: Callable[[], float] = time.monotonic,
        on_missing: Callable[[Collection[KeyId]], None] = lambda _key_ids: None,
        calendar: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Set `on_missing`: it is called with keys that are neither there nor destroyed."""
        self._calendar = calendar
        self._on_missing = on_missing
        self._pool = pool
        self._kek = kek
        self._clock = clock
        # In order of expiry.
        self._cache: dict[KeyId, tuple[float, DataKey]] = {}
        self._current: dict[str, tuple[float, DataKey]] = {}
        self._timer = ExpiryTimer(self._expire)

    async def open(self, key_ids: Iterable[KeyId]) -> Mapping[KeyId, DataKey | None]:
        now = self._clock()
        keys: dict[KeyId, DataKey | None] = {}
        missing: list[KeyId] = []
        for key_id in key_ids:
            until, key = self._cache.get(key_id, (0.0, None))
            if key is not None and until > now:
                keys[key_id] = key
            else:
                missing.append(key_id)
        if missing:
            self._kek = self._kek.refreshed()
            rows = await self._rows(missing)
            if gone := _gone(rows):
                self._on_missing(gone)
                raise KeyMissing(min(gone)[0])
            for row in rows:
                key_id = (row["subject"], row["generation"])
                if row["destroyed"]:
                    keys[key_id] = None
                else:
                    keys[key_id] = self._cache_key(self._kek.unwrap(*key_id, row["epoch"], row["wrapped"]), now)
        return keys

    async def missing(self, key_ids: Collection[KeyId]) -> set[KeyId]:
        """Return those keys that are neither there nor destroyed. Raises `KeyringUnavailable`."""
        return _gone(await self._rows(key_ids))

    async def _rows(self, key_ids: Collection[KeyId]) -> list[asyncpg.Record]:
        subjects, generations = [s for s, _ in key_ids], [g for _, g in key_ids]
        return await retry_or_raise(lambda: self._pool.fetch(_OPEN, subjects, generations), KeyringUnavailable)

    async def keys_for_sealing(self, subjects: Iterable[str]) -> Mapping[str, DataKey]:
        return await self._current_keys(subjects, self._read_or_make)

    async def existing_keys(self, subjects: Iterable[str]) -> Mapping[str, DataKey]:
        return await self._current_keys(subjects, self._read_current)

    async def _current_keys(
        self, subjects: Iterable[str], read: Callable[[list[str]], Awaitable[list[asyncpg.Record]]]
    ) -> dict[str, DataKey]:
        now = self._clock()
        subjects = list(dict.fromkeys(subjects))
        cached = {subject: self._current[subject] for subject in subjects if subject in self._current}
        keys = {subject: key for subject, (until, key) in cached.items() if until > now}
        if missing := [subject for subject in subjects if subject not in keys]:
            for row in await read(missing):
                if row["destroyed"]:
                    raise KeyDestroyed(row["subject"])
                if row["wrapped"] is not None:
                    keys[row["subject"]] = self._cache_current(row, now)
        return keys

    async def _read_current(self, subjects: list[str]) -> list[asyncpg.Record]:
        self._kek = self._kek.refreshed()
        return await retry_or_raise(lambda: self._pool.fetch(_CURRENT, subjects), KeyringUnavailable)

    async def _read_or_make(self, subjects: list[str]) -> list[asyncpg.Record]:
        new = [DataKey(subject, 1, os.urandom(32)) for subject in subjects]
        while True:
            self._kek = kek = self._kek.refreshed()
            create = partial(self._create, subjects, [kek.epoch] * len(new), [kek.wrap(key) for key in new])
            try:
                rows = await retry_or_raise(create, KeyringUnavailable)
            except asyncpg.ObjectNotInPrerequisiteStateError:
                # The key of a subject was destroyed during the call. Its tombstone is committed, so the next call sees it.
                continue
            except asyncpg.InvalidParameterValueError as error:
                if self._kek.refreshed().epoch == kek.epoch:
                    raise UnusableKey(
                        f"{error}, and this process has no later one: start it with OOC_KEK_FILE, the file that"
                        " `ooc keys rotate` extends"
                    ) from error
            else:
                if not rows:
                    raise KeyringClockApart
                return rows

    async def _create(self, subjects: list[str], epochs: list[str], wrapped: list[bytes]) -> list[asyncpg.Record]:
        return await self._pool.fetch(_CREATE, subjects, epochs, wrapped, self._calendar())

    def _cache_current(self, row: asyncpg.Record, now: float) -> DataKey:
        """Unwrap and cache the current key of a subject. Raises `UnusableKey`."""
        key = self._kek.unwrap(row["subject"], row["generation"], row["epoch"], row["wrapped"])
        self._cache_key(key, now)
        self._current.pop(key.subject, None)
        self._current[key.subject] = (now + CACHED_SECONDS, key)
        return key

    def _cache_key(self, key: DataKey, now: float) -> DataKey:
        if len(self._cache) > 50_000:
            self._cache.clear()
            self._current.clear()
        self._cache.pop((key.subject, key.generation), None)
        self._cache[key.subject, key.generation] = (now + CACHED_SECONDS, key)
        self._timer.set(CACHED_SECONDS)
        return key

    def _expire(self) -> float | None:
        """Remove expired keys. Returns the seconds to the next expiry, None if the cache is empty."""
        now = self._clock()
        caches: tuple[dict[Any, tuple[float, DataKey]], ...] = (self._cache, self._current)
        for cache in caches:
            for name in list(itertools.takewhile(lambda name: cache[name][0] <= now, cache)):  # noqa: B023 - used at once
                del cache[name]
        soonest = next(iter(self._cache.values()), None)
        return None if soonest is None else soonest[0] - now

    async def destroyed(self, within: timedelta | None = None) -> frozenset[str]:
        """List the subjects whose keys were destroyed, ever or within a time. Raises `KeyringUnavailable`."""
        rows = await retry_or_raise(lambda: self._pool.fetch(_DESTROYED, within), KeyringUnavailable)
        return frozenset(row["subject"] for row in rows)

    async def standing(self, subjects: Sequence[str]) -> frozenset[str]:
        """Return those subjects that have a key, or no tombstone. Raises `KeyringUnavailable`."""
        rows = await retry_or_raise(lambda: self._pool.fetch(_STANDING, list(subjects)), KeyringUnavailable)
        return frozenset(row["subject"] for row in rows)

    async def agree_to_destroy(self, subjects: Sequence[str]) -> frozenset[str]:
        """Agree, for this process's service, that some keys are destroyed. The last service that agrees destroys them.

        An agreement holds for ten minutes. Returns the database roles that have still to agree to any of them.
        Raises `KeyringUnavailable`.
        """
        rows = await retry_or_raise(
            lambda: self._pool.fetch("select missing from agree_to_destroy($1)", list(subjects)), KeyringUnavailable
        )
        for subject in subjects:
            self._drop(subject)
        return frozenset(row["missing"] for row in rows)

    async def withdraw_consent(self, subjects: Sequence[str]) -> None:
        """Withdraw the agreement of this process's service. Raises `KeyringUnavailable`."""
        await retry_or_raise(
            lambda: self._pool.execute("select withdraw_consent($1)", list(subjects)), KeyringUnavailable
        )

    async def backups_until(self, subjects: Sequence[str], in_use: timedelta, retention: timedelta) -> date | None:
        """Return the day by which no backup holds a key of these subjects, destroyed or not; None: there was none.

        That is the day on which the newest epoch that wrapped one is destroyed: the epoch in use lasts `in_use`, and a
        retired one is kept for `retention`. Raises `KeyringUnavailable`.
        """
        day: date | None = await retry_or_raise(
            lambda: self._pool.fetchval(_BACKUPS_UNTIL, list(subjects), in_use + retention), KeyringUnavailable
        )
        return day

    async def destroy(self, subject: str) -> None:
        await retry_or_raise(lambda: self._pool.execute("select destroy_keys($1)", subject), KeyringUnavailable)
        self._drop(subject)

    def _drop(self, subject: str) -> None:
        self._current.pop(subject, None)
        for key_id in [key_id for key_id in self._cache if key_id[0] == subject]:
            del self._cache[key_id]
