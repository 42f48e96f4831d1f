"""Alarms about the keyring.

`keyring_silent`: no process of a service can record or read what is sealed, because the keyring does not answer.
`key_missing`: a process has met keys that the keyring lacks although nobody destroyed them.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

import asyncpg
import structlog

from shared.messaging.consumer.alarms import clear_alarm, raise_alarm
from shared.messaging.consumer.effects import log_transient
from shared.privacy.keyring import KeyId, KeyringUnavailable, PostgresKeyring
from shared.servers.database import Pool

LOOK_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 10.0
"""How long the keyring may take: with the look before, an alarm stands within half a minute."""

_log = structlog.get_logger("keyring")


async def watch_keyring(keyring: PostgresKeyring, database: Pool, service: str, process: str) -> None:
    """Raise the alarm while the keyring does not answer, and clear it when it does, until cancelled."""
    silent: bool | None = None
    while True:
        why = await _silence_of(keyring)
        if (why is not None) is not silent:
            with log_transient(_log, "alarm_later", process=process):
                if why is None:
                    await clear_alarm(database, process, "keyring_silent", service)
                else:
                    await raise_alarm(
                        database, process, "keyring_silent", service, f"the keyring does not answer ({why})"
                    )
                silent = why is not None
        await asyncio.sleep(LOOK_SECONDS)


async def _silence_of(keyring: PostgresKeyring) -> str | None:
    """Ask the keyring for nothing; returns what kept it from answering."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await keyring.missing(())
    except (KeyringUnavailable, TimeoutError, asyncpg.PostgresError) as error:
        return type(error).__name__
    return None


class MissingKeys:
    """The keys that a process of a service has met and the keyring lacks; the alarm stands until each is back or destroyed."""

    def __init__(self, service: str, process: str, database: Pool) -> None:
        self._service = service
        self._process = process
        self._database = database
        self._missing: set[KeyId] = set()
        self._met = asyncio.Event()

    def meet(self, key_ids: Iterable[KeyId]) -> None:
        self._missing.update(key_ids)
        self._met.set()

    async def watch(self, keyring: PostgresKeyring) -> None:
        """Raise and clear the alarm, until cancelled. That of an earlier process ends: what it missed is met again."""
        while True:
            with log_transient(_log, "alarm_later", process=self._process):
                if not self._missing:
                    await clear_alarm(self._database, self._process, "key_missing", self._service)
                    self._met.clear()
                    await self._met.wait()
                detail = (
                    f"the keyring lacks {len(self._missing)} that were met, such as that of {min(self._missing)[0]}"
                )
                await raise_alarm(self._database, self._process, "key_missing", self._service, detail)
                self._missing = await keyring.missing(self._missing)
                if not self._missing:
                    continue
            await asyncio.sleep(LOOK_SECONDS)
