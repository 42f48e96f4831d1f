"""`ooc watch`: events as they are recorded, each in a sentence, as far as a role may read them.

It asks reporting, like everybody who reads: each answer passes the read gate, is masked for the role, and has its line in
the access log. To read no more often than there is news, it waits on `/status`, which needs no token and shows positions
only. Kafka would be no door for a person: a topic has no roles, and records no reader.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any, Final
from uuid import UUID

from ooc.cases.reading import ask, changes_of
from services.console.plain_text import moment
from services.system.lags import REPORTING, SOURCES
from services.system.registry import COLLECTIONS
from shared.domain.dates import local_day
from tools.client.http import Client

Event = Mapping[str, Any]

LOOK_SECONDS: Final = 1.0
"""Seconds between two looks at the positions."""

LATE: Final = timedelta(seconds=30)
"""How much later than another's the events of a service may be projected, and still be seen."""


CALENDARS: Final = ("education", "panel")
"""The services whose records belong to no case. Reporting lists them by the day on which they begin."""

DAYS_BACK: Final = 30
DAYS_AHEAD: Final = 61
"""Of these days around today sessions and sittings are watched: together the longest calendar."""


class Watcher:
    """The events that a role may read and that were recorded after the watcher was made, of one case or of everything."""

    def __init__(self, client: Client, role: str, case_id: UUID | None = None) -> None:
        self._client = client
        self._role = role
        self._case_id = case_id
        statuses = {service: client.open(service, "/status", patience=client.patience).body for service in SOURCES}
        self._since = max(datetime.fromisoformat(status["time"]) for status in statuses.values())
        self._begin = [f"{service}:{status['position']}" for service, status in statuses.items()]
        self._after: dict[UUID, list[str]] = {}
        self._positions = {service: int(statuses[service]["position"]) for service in CALENDARS}
        self._consumed: Mapping[str, Any] | None = None

    def news(self) -> Iterator[Event]:
        """Yield each new event with its `case_id`, or else its `service` and `stream`, each case or record in the order of recording.

        Reads only if something was projected since the last look. Raises `NotFound` or `NoAnswer`.
        """
        status = self._client.open(REPORTING, "/status", patience=self._client.patience).body
        if (consumed := status["consumed"]) == self._consumed:
            return
        before, self._consumed = self._consumed or {}, consumed
        looked_at = datetime.fromisoformat(status["time"])
        shown: set[str] = set()
        for case_id in [self._case_id] if self._case_id else list(self._changed()):
            after = self._after.get(case_id, self._begin)
            events, self._after[case_id] = changes_of(self._client, case_id, self._role, after)
            for event in events:
                shown.add(event["event_id"])
                yield {"case_id": str(case_id), **event}
        if self._case_id is None:
            for service in CALENDARS:
                topic = f"ooc.{service}.events"
                if consumed.get(topic) != before.get(topic):
                    records = self._without_case(service, local_day(looked_at))
                    yield from (event for event in records if event["event_id"] not in shown)
        self._since = looked_at

    def _without_case(self, service: str, today: date) -> Iterator[Event]:
        """Yield the new events of a service's sessions or sittings, record by record."""
        collection = COLLECTIONS[service]
        days = {
            "from": (today - timedelta(days=DAYS_BACK)).isoformat(),
            "to": (today + timedelta(days=DAYS_AHEAD)).isoformat(),
        }
        calendar = ask(self._client, REPORTING, f"/v1/{collection}", f"list of {collection}", self._role, days)
        seen = self._positions[service]
        for record in calendar[collection]:
            if record["position"] > seen:
                self._positions[service] = max(self._positions[service], record["position"])
                path = f"/v1/{collection}/{record['id']}/history"
                history = ask(self._client, service, path, f"history of {service}/{record['id']}", self._role, {})
                new = (event for event in history["events"] if event["position"] > seen)
                yield from ({"service": service, "stream": record["id"], **event} for event in new)

    def _changed(self) -> Iterator[UUID]:
        """Yield the cases of which something was recorded since the last look, page for page."""
        params = {"changed_since": (self._since - LATE).isoformat(), "sort": "changed"}
        for page in count(1):
            answer = ask(
                self._client, REPORTING, "/v1/cases", "list of cases", self._role, {**params, "page": str(page)}
            )
            yield from (UUID(case["case_id"]) for case in answer["cases"])
            if page * answer["page_size"] >= answer["total"] or not answer["cases"]:
                return


def watch(watcher: Watcher, most: int | None, pause: Callable[[float], None] = time.sleep) -> Iterator[Event]:
    """Yield news for ever, or until so many events came."""
    seen = 0
    while True:
        for event in watcher.news():
            yield event
            seen += 1
            if seen == most:
                return
        pause(LOOK_SECONDS)


def line_of(event: Event) -> str:
    """Return an event as a line: when it was recorded, what happened, who did it, and where it stands."""
    happened = moment(event["occurred_at"])
    place = f"case {event['case_id']}" if "case_id" in event else f"{event['service']}/{event['stream']}"
    return (
        f"{moment(event['recorded_at'])}  {event['sentence']} ({event['actor']['role']}, happened {happened};"
        f" {event['service']}:{event['position']}, {place})"
    )
