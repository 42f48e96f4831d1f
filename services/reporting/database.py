"""The database of reporting, for provisioning: every projection's tables and its own, and what each role may do with them."""

from pathlib import Path
from typing import Final

from shared.runtime.privileges import (
    ACCESS_LOG,
    CONSUMER,
    PROJECTING,
    PROJECTION,
    TRANSPARENCY,
    Part,
    RoleKind,
    Schema,
)

TABLES: Final = Part(
    Path(__file__).parent / "migrations",
    {
        "fact": {RoleKind.API: "select", RoleKind.WORKER: "select, insert", RoleKind.VERIFY: "select"},
        "stream": {RoleKind.API: "select", RoleKind.WORKER: "select, insert, update", RoleKind.VERIFY: "select"},
        "high_water_mark": {
            RoleKind.API: "select",
            RoleKind.WORKER: "select, insert, update",
            RoleKind.VERIFY: "select",
        },
        "freshness": {
            RoleKind.API: "select",
            RoleKind.WORKER: "select, insert, update",
            RoleKind.VERIFY: "select",
        },
        "duty": {RoleKind.API: "select", RoleKind.WORKER: "select, insert, delete", RoleKind.VERIFY: "select"},
        "frozen_return": {RoleKind.API: "select, insert", RoleKind.VERIFY: "select"},
        "published_table": {RoleKind.API: "select, insert", RoleKind.VERIFY: "select"},
        "upkeep": {RoleKind.API: "select"},
        "verification_report": {RoleKind.API: "select, insert", RoleKind.VERIFY: "select"},
    },
)

DATABASE: Final = (
    "ooc_reporting",
    Schema((ACCESS_LOG, CONSUMER, PROJECTION, TRANSPARENCY, TABLES), "reporting", PROJECTING),
)
"""Its name and what it holds, as `shared.runtime.provision.databases` takes them."""
