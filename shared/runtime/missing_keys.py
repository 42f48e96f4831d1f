"""The alarm `key_missing`: a process has met keys that the keyring lacks although nobody destroyed them."""

import asyncio
from collections.abc import Iterable
from typing import Final

import structlog

from shared.messaging.consumer.alarms import clear_alarm, raise_alarm
from shared.messaging.consumer.effects import log_transient
from shared.privacy.keyring import KeyId, PostgresKeyring
from shared.servers.database import Pool

ALARM: Final = "key_missing"

LOOK_SECONDS: Final = 5.0
"""Seconds between two looks for the keys that are missing."""

_log = structlog.get_logger("keyring")


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
                    await clear_alarm(self._database, self._process, ALARM, self._service)
                    self._met.clear()
                    await self._met.wait()
                detail = (
                    f"the keyring lacks {len(self._missing)} that were met, such as that of {min(self._missing)[0]}"
                )
                await raise_alarm(self._database, self._process, ALARM, self._service, detail)
                self._missing = await keyring.missing(self._missing)
                if not self._missing:
                    continue
            await asyncio.sleep(LOOK_SECONDS)
