"""The keyring: one wrapped data key for each owner of sealed fields, in a database of its own (crypto-shredding).

A data key is wrapped with AES-256-GCM under a key-encryption key (KEK). The KEK comes from the environment or a file and
is never stored. KEKs have epochs: the newest wraps new keys, and older ones unwrap older keys. An old KEK is destroyed
once all keys are wrapped again. Destroying a data key leaves a tombstone. The fields of its subject are forgotten then,
and no new key is created for it. A keyring that does not answer is an error; no field is then taken for forgotten.

Keys are cached in memory for at most 60 seconds, so a destruction takes effect everywhere within that time.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import asyncpg
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.database import retry_or_raise
from shared.privacy.sealing import DataKey

CACHED_SECONDS: Final = 60.0

_log = structlog.get_logger("keyring")


class KeyringUnavailable(Exception):
    """A keyring that did not answer: nothing can be decrypted or sealed until it does."""


class KeyDestroyed(Exception):
    """A subject whose key has been destroyed: nothing more can be recorded of it."""


class UnusableKey(Exception):
    """A row of the keyring that no configured KEK unwraps. The message names its subject and a remedy."""


class InvalidKeyEncryptionKeys(Exception):
    """A missing or malformed key-encryption key. The message names the remedy."""


@dataclass(frozen=True, repr=False)
class KeyEncryptionKeys:
    """Key-encryption keys (32 bytes each) by epoch; the last one wraps new keys."""

    epochs: Mapping[str, bytes]

    @classmethod
    def read(cls, text: str) -> KeyEncryptionKeys:
        """Parse `EPOCH:BASE64` pairs separated by white space, or one bare base64 key (epoch 1).

        Raises `InvalidKeyEncryptionKeys`.
        """
        epochs: dict[str, bytes] = {}
        for item in text.split():
            epoch, _, key = item.rpartition(":")
            try:
                secret = base64.b64decode(key, validate=True)
            except ValueError:
                secret = b""
            if len(secret) != 32:
                raise InvalidKeyEncryptionKeys(
                    "OOC_KEK must hold 32 random bytes in base64, as `openssl rand -base64 32` prints them"
                )
            epochs[epoch or "1"] = secret
        if not epochs:
            raise InvalidKeyEncryptionKeys(
                "no key-encryption key is set: put one into OOC_KEK, or its path into OOC_KEK_FILE"
            )
        return cls(epochs)

    @classmethod
    def from_file(cls, path: Path) -> KeyEncryptionKeys:
        """Read a KEK file. Raises `InvalidKeyEncryptionKeys`."""
        try:
            return cls.read(path.read_text(encoding="ascii"))
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidKeyEncryptionKeys(
                f"the key-encryption key cannot be read from {path}: {error}; correct OOC_KEK_FILE, or the permissions of the file"
            ) from error

    @property
    def epoch(self) -> str:
        """The epoch that wraps new keys."""
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
        """Derive 32 bytes for another purpose (HKDF, RFC 5869). The first epoch is the source, so that they never change."""
        first = next(iter(self.epochs.values()))
        return HKDF(SHA256(), 32, salt=None, info=purpose.encode()).derive(first)

    def __repr__(self) -> str:
        return f"KeyEncryptionKeys(epochs={list(self.epochs)})"


def _unusable(subject: str, generation: int, why: str) -> UnusableKey:
    """Log an alarm about a row of the keyring, and build its error."""
    _log.critical("unusable_key", subject=subject, generation=generation, why=why)
    return UnusableKey(
        f"generation {generation} of the key of {subject} cannot be used: {why}. Compare OOC_KEK with that of the other"
        " processes; where it is the same, restore this row of the keyring from a backup"
    )


def _bound(subject: str, generation: int) -> bytes:
    return hashlib.sha256(f"{subject}#{generation}".encode()).digest()


KeyId = tuple[str, int]
"""The subject and generation of a data key, as in a token."""


class Keyring(Protocol):
    """The interface of a keyring."""

    async def open(self, key_ids: Iterable[KeyId]) -> Mapping[KeyId, DataKey | None]:
        """Fetch the data keys of tokens; None stands for a destroyed key. Raises `KeyringUnavailable` or `UnusableKey`."""

    async def keys_for_sealing(self, subjects: Iterable[str]) -> Mapping[str, DataKey]:
        """Fetch the current key of each subject, or create and commit one.

        Raises `KeyDestroyed`, `KeyringUnavailable` or `UnusableKey`.
        """

    async def destroy(self, subject: str) -> None:
        """Destroy every key of a subject for ever (crypto-shredding). PostgreSQL allows this to the role `ooc_erasure` only."""


class MemoryKeyring:
    """A keyring in memory, for tests and simulations."""

    def __init__(self, random: Callable[[int], bytes] = os.urandom) -> None:
        self._random = random
        self._keys: dict[str, DataKey] = {}
        self._destroyed: set[str] = set()

    async def open(self, key_ids: Iterable[KeyId]) -> Mapping[KeyId, DataKey | None]:
        """Fetch data keys (see `Keyring.open`)."""
        return {(subject, n): None if subject in self._destroyed else self._keys[subject] for subject, n in key_ids}

    async def keys_for_sealing(self, subjects: Iterable[str]) -> Mapping[str, DataKey]:
        """Fetch or create data keys (see `Keyring.keys_for_sealing`)."""
        keys: dict[str, DataKey] = {}
        for subject in subjects:
            if subject in self._destroyed:
                raise KeyDestroyed(subject)
            if subject not in self._keys:
                self._keys[subject] = DataKey(subject, 1, self._random(32))
            keys[subject] = self._keys[subject]
        return keys

    async def destroy(self, subject: str) -> None:
        """Destroy data keys (see `Keyring.destroy`)."""
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
_CREATE = "select create_keys($1, $2, $3)"


class ExpiryTimer:
    """A timer that removes expired entries of a cache, also while the cache is idle."""

    def __init__(self, expire: Callable[[], float | None]) -> None:
        """Take `expire`: it removes expired entries, and returns the seconds to the next expiry; None if it is empty."""
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


class PostgresKeyring:
    """The keyring in its own PostgreSQL database, with a cache of 60 seconds."""

    def __init__(
        self, pool: asyncpg.Pool[asyncpg.Record], kek: KeyEncryptionKeys, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pool = pool
        self._kek = kek
        self._clock = clock
        # In order of expiry.
        self._cache: dict[KeyId, tuple[float, DataKey]] = {}
        self._current: dict[str, tuple[float, DataKey]] = {}
        self._timer = ExpiryTimer(self._expire)

    async def open(self, key_ids: Iterable[KeyId]) -> Mapping[KeyId, DataKey | None]:
        """Fetch data keys (see `Keyring.open`)."""
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
            rows = await retry_or_raise(
                lambda: self._pool.fetch(_OPEN, [s for s, _ in missing], [g for _, g in missing]), KeyringUnavailable
            )
            for row in rows:
                key_id = (row["subject"], row["generation"])
                if row["destroyed"]:
                    keys[key_id] = None
                elif row["wrapped"] is None:
                    raise KeyringUnavailable(
                        f"the key of {key_id[0]} is missing from the keyring and was not destroyed: restore it from a backup"
                    )
                else:
                    keys[key_id] = self._cache_key(self._kek.unwrap(*key_id, row["epoch"], row["wrapped"]), now)
        return keys

    async def keys_for_sealing(self, subjects: Iterable[str]) -> Mapping[str, DataKey]:
        """Fetch or create data keys (see `Keyring.keys_for_sealing`)."""
        now = self._clock()
        subjects = list(dict.fromkeys(subjects))
        keys = {s: key for s in subjects for until, key in [self._current.get(s, (0.0, None))] if key and until > now}
        missing = [subject for subject in subjects if subject not in keys]
        if missing:
            keys |= await self._fetch(missing, now)
            new = [subject for subject in missing if subject not in keys]
            if new:
                await self._create(new)
                keys |= await self._fetch(new, now)
        return keys

    async def _fetch(self, subjects: list[str], now: float) -> dict[str, DataKey]:
        keys: dict[str, DataKey] = {}
        for row in await retry_or_raise(lambda: self._pool.fetch(_CURRENT, subjects), KeyringUnavailable):
            if row["destroyed"]:
                raise KeyDestroyed(row["subject"])
            if row["wrapped"] is not None:
                key = self._kek.unwrap(row["subject"], row["generation"], row["epoch"], row["wrapped"])
                keys[key.subject] = self._cache_key(key, now)
                self._current.pop(key.subject, None)
                self._current[key.subject] = (now + CACHED_SECONDS, key)
        return keys

    async def _create(self, subjects: list[str]) -> None:
        keys = [DataKey(subject, 1, os.urandom(32)) for subject in sorted(subjects)]
        columns = (
            [key.subject for key in keys],
            [self._kek.epoch for _ in keys],
            [self._kek.wrap(key) for key in keys],
        )
        try:
            await retry_or_raise(lambda: self._pool.execute(_CREATE, *columns), KeyringUnavailable)
        except asyncpg.ObjectNotInPrerequisiteStateError as error:
            raise KeyDestroyed(str(error)) from error

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

    async def destroy(self, subject: str) -> None:
        """Destroy data keys (see `Keyring.destroy`)."""
        await retry_or_raise(lambda: self._pool.execute("select destroy_keys($1)", subject), KeyringUnavailable)
        self._current.pop(subject, None)
        for key_id in [key_id for key_id in self._cache if key_id[0] == subject]:
            del self._cache[key_id]
