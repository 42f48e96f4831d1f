"""The database of reporting, for provisioning: every projection's tables and its own, and what each role may do with them."""

from pathlib import Path
from typing import Final

from shared.runtime.privileges import ACCESS_LOG, CONSUMER, PROJECTING, PROJECTION, TRANSPARENCY, Part, Schema

TABLES: Final = Part(Path(__file__).parent / "migrations")

DATABASE: Final = (
    "ooc_reporting",
    Schema((ACCESS_LOG, CONSUMER, PROJECTION, TRANSPARENCY, TABLES), "reporting", PROJECTING),
)
"""Its name and what it holds, as `shared.runtime.provision.databases` takes them."""
