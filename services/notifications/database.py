"""The database of notifications, for provisioning: the events that it follows and its outbox."""

from pathlib import Path
from typing import Final

from shared.runtime.privileges import CONSUMER, PROJECTION, Part, RoleKind, Schema

_WORKER: Final = RoleKind.WORKER

NOTIFICATIONS: Final = "notifications"
COPIES: Final = {
    "stream_event": "stream, version, event_id, recorded_at, body",
    "agency_event": "stream, version, event_id, recorded_at, body, position, home, hash",
}
"""The tables of copies of events, with the copied columns."""

DATABASE: Final = (
    f"ooc_{NOTIFICATIONS}",
    Schema(
        (
            CONSUMER,
            PROJECTION,
            Part(
                Path(__file__).parent / "migrations",
                {
                    # Of the release before: the next one drops it.
                    "followed_event": {_WORKER: "select, insert"},
                    "stream_event": {_WORKER: "select, insert", RoleKind.VERIFY: "select"},
                    "stream_case": {_WORKER: "select, insert"},
                    "data_right": {_WORKER: "select, insert, delete"},
                    "message": {_WORKER: "select, insert, update"},
                    "agency_event": {_WORKER: "select, insert", RoleKind.VERIFY: "select"},
                    "webhook": {_WORKER: "select, insert, update, delete"},
                    "webhook_case": {_WORKER: "select, insert, update"},
                },
            ),
        ),
        NOTIFICATIONS,
        {_WORKER: None},
    ),
)
"""Its name and what it holds, as `shared.runtime.provision.databases` takes them."""
