"""The database of the console, for provisioning: sessions, drafts, links and what people have seen, encrypted, and nothing else."""

from pathlib import Path
from typing import Final

from shared.runtime.privileges import Part, RoleKind, Schema

DATABASE: Final = (
    "ooc_console",
    Schema((Part(Path(__file__).parent / "migrations"),), "console", {RoleKind.API: None}),
)
"""Its name and what it holds, as `shared.runtime.provision.databases` takes them."""
