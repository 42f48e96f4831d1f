"""What was measured on: without it a figure says nothing."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import asyncpg
import psutil

from tests.bench.limits import Disk
from tests.bench.peer import PEER
from tests.bench.place import Place
from tools.local import jars


async def machine(place: Place) -> Mapping[str, str]:
    """Processor, memory, disk and versions, by name."""
    connection = await asyncpg.connect(place.database_url)
    try:
        server = await connection.fetchval("show server_version")
        fsync = await connection.fetchval("show fsync")
        method = await connection.fetchval("show wal_sync_method")
    finally:
        await connection.close()
    pages = (await Disk(place.folder).round(1.0))["events/s"]
    return {
        "processor": f"{len(os.sched_getaffinity(0))} cores, {_processor()}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "disk": f"{_filesystem(place.folder)}; {pages:,.0f} pages of 8 KiB written and fdatasynced a second",
        "load before": f"{os.getloadavg()[0]:.2f}",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "servers": f"PostgreSQL {server} (fsync {fsync}, {method}), Kafka {jars.ENDPOINT.split('+')[0].rpartition(':')[2]}",
        "libraries": f"asyncpg {version('asyncpg')}, aiokafka {version('aiokafka')}, {PEER}",
    }


def _processor() -> str:
    names = Path("/proc/cpuinfo")
    if not names.exists():
        return platform.processor() or platform.machine()
    found = (line.partition(":")[2].strip() for line in names.read_text().splitlines() if line.startswith("model name"))
    return next(found, platform.machine())


def _filesystem(folder: Path) -> str:
    """Return the type of the file system that holds a folder."""
    holding = [
        part for part in psutil.disk_partitions(all=True) if folder.absolute().is_relative_to(Path(part.mountpoint))
    ]
    return max(holding, key=lambda part: len(part.mountpoint)).fstype if holding else "unknown"
