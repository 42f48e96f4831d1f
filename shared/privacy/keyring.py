"""The keyring: a data key for each owner of sealed fields, wrapped, in a database of its own.

A data key is wrapped with AES-256-GCM under a key-encryption key (KEK) that comes from environment or file and is never
stored. KEKs come in epochs: a new one wraps new keys, an old one still opens what it wrapped, until the surviving keys
are re-wrapped and it is destroyed. Destroying a data key leaves a tombstone: the subject's fields open as forgotten,
and no key is made for it again. A keyring that does not answer is an error, never forgetting.

Keys are cached in memory for a minute at most, so a destruction is felt everywhere within that minute.
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
    """The keyring did not answer. Nothing can be opened or sealed until it does."""


class KeyDestroyed(Exception):
    """A key was asked for a subject whose key has been destroyed: nothing more may be recorded of it."""


class UnusableKey(Exception):
    """A row of the keyring that no key-encryption key at hand opens; the message names its subject and what to do."""


class InvalidKeyEncryptionKeys(Exception):
    """A key-encryption key that is missing or malformed; the message says what to do."""


@dataclass(frozen=True, repr=False)
class KeyEncryptionKeys:
    """Key-encryption keys by epoch; the last one wraps."""

    epochs: Mapping[str, bytes]

    @classmethod
    def read(cls, text: str) -> KeyEncryptionKeys:
        """Read `EPOCH:BASE64` pairs separated by white space, or one bare base64 key (epoch 1); raises `InvalidKeyEncryptionKeys`."""
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
        """Read a KEK file; raises `InvalidKeyEncryptionKeys`."""
        try:
            return cls.read(path.read_text(encoding="ascii"))
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidKeyEncryptionKeys(f"the key-encryption key cannot be read from {path}: {error}") from error

    @property
    def epoch(self) -> str:
        """The epoch that wraps new keys."""
        return list(self.epochs)[-1]

    def wrap(self, key: DataKey) -> bytes:
        """The data key under the current KEK."""
        nonce = os.urandom(12)
        return nonce + AESGCM(self.epochs[self.epoch]).encrypt(nonce, key.secret, _bound(key.subject, key.generation))

    def unwrap(self, subject: str, generation: int, epoch: str, wrapped: bytes) -> DataKey:
        """The data key from its wrapping; raises `UnusableKey` where the epoch's KEK is not at hand, or does not open it."""
        if epoch not in self.epochs:
            raise _unusable(
                subject, generation, f"it is wrapped by epoch {epoch!r}, which is not among the keys in OOC_KEK"
            )
        try:
            secret = AESGCM(self.epochs[epoch]).decrypt(wrapped[:12], wrapped[12:], _bound(subject, generation))
        except (InvalidTag, ValueError) as error:  # a value that is too short is a ValueError
            raise _unusable(
                subject, generation, f"it was not wrapped by the key of epoch {epoch!r} in OOC_KEK"
            ) from error
        if len(secret) != 32:
            raise _unusable(subject, generation, f"it has {len(secret)} bytes, not 32")
        return DataKey(subject, generation, secret)

    def derived(self, purpose: str) -> bytes:
        """32 bytes for another purpose (HKDF, RFC 5869), from the first epoch so that they stay the same."""
        first = next(iter(self.epochs.values()))
        return HKDF(SHA256(), 32, salt=None, info=purpose.encode()).derive(first)

    def __repr__(self) -> str:
        return f"Kek(epochs={list(self.epochs)})"


def _unusable(subject: str, generation: int, why: str) -> UnusableKey:
    """Raise the alarm about a row of the keyring, in the log of whichever process met it."""
    _log.critical("unusable_key", subject=subject, generation=generation, why=why)
    return UnusableKey(
        f"generation {generation} of the key of {subject} cannot be used: {why}. Compare OOC_KEK with that of the other"
        " processes; where it is the same, restore this row of the keyring from a backup"
    )


def _bound(subject: str, generation: int) -> bytes:
    return hashlib.sha256(f"{subject}#{generation}".encode()).digest()


KeyId = tuple[str, int]
"""A subject and the generation of its key, as a token names them."""


class Keyring(Protocol):
    """What a keyring does."""

    async def open(self, wanted: Iterable[KeyId]) -> Mapping[KeyId, DataKey | None]:
        """The keys that tokens name; None for a destroyed one. Raises `KeyringUnavailable` or `UnusableKey`."""

    async def keys_for_sealing(self, subjects: Iterable[str]) -> Mapping[str, DataKey]:
        """The current key of each subject, made and committed where there is none. Raises `KeyDestroyed` or `UnusableKey`."""

    async def destroy(self, subject: str) -> None:
        """Destroy every key of a subject, for ever; in PostgreSQL only the role `ooc_erasure` may."""


class MemoryKeyring:
    """A keyring in memory, for tests and simulations."""

    def __init__(self, random: Callable[[int], bytes] = os.urandom) -> None:
        self._random = random
        self._keys: dict[str, DataKey] = {}
        self._destroyed: set[str] = set()

    async def open(self, wanted: Iterable[KeyId]) -> Mapping[KeyId, DataKey | None]:
        """See `Keyring.open`."""
        return {(subject, n): None if subject in self._destroyed else self._keys[subject] for subject, n in wanted}

    async def keys_for_sealing(self, subjects: Iterable[str]) -> Mapping[str, DataKey]:
        """See `Keyring.keys_for_sealing`."""
        found: dict[str, DataKey] = {}
        for subject in subjects:
            if subject in self._destroyed:
                raise KeyDestroyed(subject)
            if subject not in self._keys:
                self._keys[subject] = DataKey(subject, 1, self._random(32))
            found[subject] = self._keys[subject]
        return found

    async def destroy(self, subject: str) -> None:
        """See `Keyring.destroy`."""
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
_MAKE = "select create_keys($1, $2, $3)"


class ExpiryTimer:
    """Sees that what is kept for a while goes when its time is over, also where nobody asks for anything more."""

    def __init__(self, let_go: Callable[[], float | None]) -> None:
        """`let_go` forgets what has had its time, and says how many seconds the next has left; None: nothing is kept."""
        self._let_go = let_go
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float) -> None:
        """Look again after so many seconds, unless that is settled already."""
        if self._timer is None:
            # Not for each thing on its own: once a second is often enough.
            self._timer = asyncio.get_running_loop().call_later(max(seconds, 1.0), self._ring)

    def _ring(self) -> None:
        self._timer = None
        left = self._let_go()
        if left is not None:
            self.set(left)


class PostgresKeyring:
    """The keyring in its own PostgreSQL database, with a cache of a minute."""

    def __init__(
        self, pool: asyncpg.Pool[asyncpg.Record], kek: KeyEncryptionKeys, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pool = pool
        self._kek = kek
        self._clock = clock
        # The soonest to end come first.
        self._cache: dict[KeyId, tuple[float, DataKey]] = {}
        self._current: dict[str, tuple[float, DataKey]] = {}
        self._reminder = ExpiryTimer(self._let_go)

    async def open(self, wanted: Iterable[KeyId]) -> Mapping[KeyId, DataKey | None]:
        """See `Keyring.open`."""
        now = self._clock()
        found: dict[KeyId, DataKey | None] = {}
        missing: list[KeyId] = []
        for want in wanted:
            until, key = self._cache.get(want, (0.0, None))
            if key is not None and until > now:
                found[want] = key
            else:
                missing.append(want)
        if missing:
            rows = await retry_or_raise(
                lambda: self._pool.fetch(_OPEN, [s for s, _ in missing], [g for _, g in missing]), KeyringUnavailable
            )
            for row in rows:
                want = (row["subject"], row["generation"])
                if row["destroyed"]:
                    found[want] = None
                elif row["wrapped"] is None:
                    raise KeyringUnavailable(f"the key of {want[0]} is missing from the keyring and was not destroyed")
                else:
                    found[want] = self._keep(self._kek.unwrap(*want, row["epoch"], row["wrapped"]), now)
        return found

    async def keys_for_sealing(self, subjects: Iterable[str]) -> Mapping[str, DataKey]:
        """See `Keyring.keys_for_sealing`."""
        now = self._clock()
        subjects = list(dict.fromkeys(subjects))
        found = {s: key for s in subjects for until, key in [self._current.get(s, (0.0, None))] if key and until > now}
        missing = [subject for subject in subjects if subject not in found]
        if missing:
            found |= await self._fetch(missing, now)
            new = [subject for subject in missing if subject not in found]
            if new:
                await self._make(new)
                found |= await self._fetch(new, now)
        return found

    async def _fetch(self, subjects: list[str], now: float) -> dict[str, DataKey]:
        found: dict[str, DataKey] = {}
        for row in await retry_or_raise(lambda: self._pool.fetch(_CURRENT, subjects), KeyringUnavailable):
            if row["destroyed"]:
                raise KeyDestroyed(row["subject"])
            if row["wrapped"] is not None:
                key = self._kek.unwrap(row["subject"], row["generation"], row["epoch"], row["wrapped"])
                found[key.subject] = self._keep(key, now)
                self._current.pop(key.subject, None)
                self._current[key.subject] = (now + CACHED_SECONDS, key)
        return found

    async def _make(self, subjects: list[str]) -> None:
        keys = [DataKey(subject, 1, os.urandom(32)) for subject in sorted(subjects)]
        columns = (
            [key.subject for key in keys],
            [self._kek.epoch for _ in keys],
            [self._kek.wrap(key) for key in keys],
        )
        try:
            await retry_or_raise(lambda: self._pool.execute(_MAKE, *columns), KeyringUnavailable)
        except asyncpg.ObjectNotInPrerequisiteStateError as error:
            raise KeyDestroyed(str(error)) from error

    def _keep(self, key: DataKey, now: float) -> DataKey:
        if len(self._cache) > 50_000:
            self._cache.clear()
            self._current.clear()
        self._cache.pop((key.subject, key.generation), None)
        self._cache[key.subject, key.generation] = (now + CACHED_SECONDS, key)
        self._reminder.set(CACHED_SECONDS)
        return key

    def _let_go(self) -> float | None:
        """Forget the keys that have had their minute; how many seconds the next has left."""
        now = self._clock()
        caches: tuple[dict[Any, tuple[float, DataKey]], ...] = (self._cache, self._current)
        for cache in caches:
            for name in list(itertools.takewhile(lambda name: cache[name][0] <= now, cache)):  # noqa: B023 - used at once
                del cache[name]
        soonest = next(iter(self._cache.values()), None)
        return None if soonest is None else soonest[0] - now

    async def destroy(self, subject: str) -> None:
        """See `Keyring.destroy`."""
        await retry_or_raise(lambda: self._pool.execute("select destroy_keys($1)", subject), KeyringUnavailable)
        self._current.pop(subject, None)
        for want in [want for want in self._cache if want[0] == subject]:
            del self._cache[want]
