"""The database of reporting, for provisioning: every projection's tables and its own, and what each role may do with them."""

from pathlib import Path
from typing import Final

from shared.runtime.privileges import ACCESS_LOG, CONSUMER, PROJECTING, PROJECTION, TRANSPARENCY, Part, Schema

TABLES: Final = Part(Path(__file__).parent / "migrations")

BACKUP_SLOT: Final = "ooc_backup"
"""The replication slot of `ooc backup follow`: the server keeps what was not received, up to its `max_slot_wal_keep_size`."""

DATABASE: Final = (
    "ooc_reporting",
    Schema((ACCESS_LOG, CONSUMER, PROJECTION, TRANSPARENCY, TABLES), "reporting", PROJECTING),
)
"""Its name and what it holds, as `shared.runtime.provision.databases` takes them."""
