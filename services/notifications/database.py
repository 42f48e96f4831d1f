"""The database of notifications, for provisioning: the events that it follows and its outbox."""

from pathlib import Path
from typing import Final

from shared.runtime.privileges import CONSUMER, PROJECTION, Part, RoleKind, Schema

NOTIFICATIONS: Final = "notifications"
COPIES: Final = {
    "stream_event": "stream, version, event_id, recorded_at, body",
    "agency_event": "stream, version, event_id, recorded_at, body, position, home, hash",
}
"""The tables of copies of events, with the copied columns."""

DATABASE: Final = (
    f"ooc_{NOTIFICATIONS}",
    Schema((CONSUMER, PROJECTION, Part(Path(__file__).parent / "migrations")), NOTIFICATIONS, {RoleKind.WORKER: None}),
)
"""Its name and what it holds, as `shared.runtime.provision.databases` takes them."""
