"""`ooc watch`: events as they are recorded, each in a sentence, as far as a role may read them.

It asks reporting, like everybody who reads: each answer passes the read gate, is masked for the role, and has its line in
the access log. To read no more often than there is news, it waits on `/status`, which needs no token and shows positions
only. Kafka would be no door for a person: a topic has no roles, and records no reader.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final
from uuid import UUID

from ooc.cases.reading import ask, changes_of
from services.console.plain_text import moment
from services.lags import REPORTING, SOURCES
from tools.client.http import Client

Event = Mapping[str, Any]

LOOK_SECONDS: Final = 1.0
"""Seconds between two looks at the positions."""

LATE: Final = timedelta(seconds=30)
"""How much later than another's the events of a service may be projected, and still be seen."""


class Watcher:
    """The events that a role may read and that were recorded after the watcher was made, of one case or of all."""

    def __init__(self, client: Client, role: str, case_id: UUID | None = None) -> None:
        self._client = client
        self._role = role
        self._case_id = case_id
        statuses = {service: client.open(service, "/status", patience=client.patience).body for service in SOURCES}
        self._since = max(datetime.fromisoformat(status["time"]) for status in statuses.values())
        self._begin = [f"{service}:{status['position']}" for service, status in statuses.items()]
        self._after: dict[UUID, list[str]] = {}
        self._consumed: Any = None

    def news(self) -> Iterator[tuple[UUID, Event]]:
        """Yield each new event with its case, in the order of recording within a case. Raises `NotFound` or `NoAnswer`.

        Reads only if something was projected since the last look.
        """
        status = self._client.open(REPORTING, "/status", patience=self._client.patience).body
        if status["consumed"] == self._consumed:
            return
        self._consumed = status["consumed"]
        looked_at = datetime.fromisoformat(status["time"])
        for case_id in [self._case_id] if self._case_id else list(self._changed()):
            after = self._after.get(case_id, self._begin)
            events, self._after[case_id] = changes_of(self._client, case_id, self._role, after)
            yield from ((case_id, event) for event in events)
        self._since = looked_at

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


def watch(
    watcher: Watcher, most: int | None, pause: Callable[[float], None] = time.sleep
) -> Iterator[tuple[UUID, Event]]:
    """Yield news for ever, or until so many events came."""
    seen = 0
    while True:
        for case_id, event in watcher.news():
            yield case_id, event
            seen += 1
            if seen == most:
                return
        pause(LOOK_SECONDS)


def line_of(case_id: UUID, event: Event) -> str:
    """Return an event as a line: when it was recorded, what happened, who did it, and where it stands."""
    happened = moment(event["occurred_at"])
    return (
        f"{moment(event['recorded_at'])}  {event['sentence']} ({event['actor']['role']}, happened {happened};"
        f" {event['service']}:{event['position']}, case {case_id})"
    )
