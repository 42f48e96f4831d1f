"""The access log: one line for each read, refusal and decision, append-only, dense and chained by SHA-256.

It holds ids and codes only. The line of a read is committed before the body leaves.
"""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from shared.domain.messages import Actor
from shared.event_store.postgres import LOG_BEHIND_WITNESS
from shared.servers.database import Connection, retry_or_raise


class LogUnavailable(Exception):
    """An access log that does not answer, so nothing may be read (503)."""


class AccessLogBehindWitness(LogUnavailable):
    """An access log that lacks lines that its witness has seen: nothing may be read until it is restored (503)."""


class AccessLog:
    """The access log of one service, by a pool, or by a connection whose transaction a line is to belong to."""

    def __init__(self, database: asyncpg.Pool[asyncpg.Record] | Connection) -> None:
        self._database = database

    async def record(
        self,
        actor: Actor,
        action: str,
        *targets: str,
        outcome: str,
        reason: str | None = None,
        rules: Sequence[str] = (),
    ) -> None:
        """Append a line for each target and wait for their commit. Raises `LogUnavailable`; then the action must not be done."""
        try:
            await retry_or_raise(
                lambda: self._database.execute(
                    "select log_access($1, $2, $3, $4, target, $6, $7, $8) from unnest($5::text[]) as target",
                    actor.id,
                    "+".join(actor.roles),
                    actor.organisation,
                    action,
                    list(targets),
                    reason,
                    outcome,
                    list(rules),
                ),
                LogUnavailable,
            )
        except asyncpg.PostgresError as error:
            if error.sqlstate == LOG_BEHIND_WITNESS:
                raise AccessLogBehindWitness(
                    f"Nothing is shown or done: {error}. An operator must restore the database: docs/how-to/runbook/log_behind_witness.md"
                ) from error
            raise LogUnavailable(
                f"the access log cannot be written, so nothing is shown or done: tell the operators ({type(error).__name__})"
            ) from error
