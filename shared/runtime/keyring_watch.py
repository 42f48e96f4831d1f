"""The alarm `keyring_silent`: no process of a service can record or read what is sealed, because the keyring does not answer."""

import asyncio
from typing import Final

import asyncpg
import structlog

from shared.messaging.consumer.alarms import clear_alarm, raise_alarm
from shared.messaging.consumer.effects import log_transient
from shared.privacy.keyring import KeyringUnavailable, PostgresKeyring
from shared.servers.database import Pool

ALARM: Final = "keyring_silent"
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
                    await clear_alarm(database, process, ALARM, service)
                else:
                    await raise_alarm(database, process, ALARM, service, f"the keyring does not answer ({why})")
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
