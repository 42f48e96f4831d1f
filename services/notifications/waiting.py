"""Counts of waiting messages and webhooks, for operators."""

from collections.abc import Mapping
from typing import Final

from shared.servers.database import Pool

_MESSAGES: Final = "select state, count(*) as number from message where state in ('PLANNED', 'SENDING', 'ACCEPTED', 'FAILED') group by 1"
_WEBHOOKS: Final = "select count(head) as waiting, count(*) filter (where dead) as dead from webhook_case"


async def waiting(pool: Pool) -> Mapping[str, Mapping[str, int]]:
    """Count the messages of each state that is not the last one, and the cases whose webhooks wait or were given up."""
    messages = {"PLANNED": 0, "SENDING": 0, "ACCEPTED": 0, "FAILED": 0}
    messages |= {row["state"]: row["number"] for row in await pool.fetch(_MESSAGES)}
    cases = await pool.fetchrow(_WEBHOOKS)
    return {"messages": messages, "webhook_cases": dict(cases or {})}
