"""The database of reporting, for provisioning: what every projection keeps, and reporting's own tables."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from shared.runtime.provision import MIGRATIONS

DATABASE: Final = (
    "ooc_reporting",
    (MIGRATIONS / "access", MIGRATIONS / "consumer", MIGRATIONS / "projection", Path(__file__).parent / "migrations"),
)
"""Name and folders of migrations, as `shared.runtime.provision.databases` takes them."""
