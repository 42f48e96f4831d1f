"""Verification of the whole system: each service's ledger, topic and log, and what reporting made of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from services.console.addresses import VAR
from services.console.declared import DECIDING
from shared.database import pool
from shared.settings import Settings
from shared.verify import Finding, verify_service


def stores(var: Path = VAR) -> Settings:
    """Where the data are: as the local system wrote it down, else as the environment says."""
    try:
        noted: dict[str, Any] = json.loads((var / "system.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Settings()
    return Settings(database_url=noted["postgres"], kafka=noted["kafka"])


async def verify(settings: Settings) -> AsyncIterator[Finding]:
    """Every finding about every service, as soon as it is known."""
    for service in DECIDING:
        database = await pool(settings.database(service.name), most=2)
        try:
            async for finding in verify_service(service, database, settings.kafka):
                yield finding
        finally:
            await database.close()
