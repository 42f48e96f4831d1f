"""The records of a case, as a page needs them: read at the same time, each part by itself."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from services.console.apis import Apis, Part, part_of
from services.console.names import Who, children_in, people_of
from services.console.sessions import Session
from services.console.words import day, in_words, moment, within
from services.system.registry import COLLECTIONS, RECORD_TITLES

SEALED: Final = frozenset({"sealed", "forgotten"})
"""Members of a personal field without its value."""
SERVICES: Final = {collection: service for service, collection in COLLECTIONS.items()}


@dataclass(frozen=True, slots=True)
class Record:
    """A record, and what the person may see of it."""

    collection: str
    id: str
    state: Part[dict[str, Any]]
    guidance: Part[dict[str, Any]]
    titles: Mapping[str, str]

    @property
    def service(self) -> str:
        return SERVICES[self.collection]

    @property
    def title(self) -> str:
        return RECORD_TITLES[self.collection]

    @property
    def people(self) -> list[Who]:
        return people_of(self.state.value or {})

    @property
    def child(self) -> Who | None:
        """The child whose record it is, the first of several, if the person may know the name."""
        return next(iter(self.children), None)

    @property
    def children(self) -> list[Who]:
        """The children whose record it is, if the person may know their names."""
        return children_in(self.people)

    @property
    def names(self) -> dict[str, str]:
        """The words for the ids of its conditions, of the sessions booked for them, of its steps, alerts and messages."""
        state = self.state.value or {}
        words: dict[str, str] = {}
        for id_, asked in (state.get("condition_terms") or {}).items():
            words[id_] = f"{in_words(asked['type'])}, due {day(asked['due'])}"
            for session in asked["sessions"]:
                words[session["session_id"]] = f"{in_words(asked['type'])}, {moment(session['starts_at'])}"
        for step in state.get("plan") or ():
            words[step["step_id"]] = f"{in_words(step['kind'])}, due {day(step['due'])}"
        alerts = state.get("alerts")
        for id_, alert in (alerts if isinstance(alerts, Mapping) else {}).items():
            words[id_] = f"{in_words(alert['kind'])}, to be reviewed by {day(alert['review_on'])}"
        for id_, message in (state.get("messages") or {}).items():
            words[id_] = f"{in_words(message['template'])}, {within(message['channel'])} of {day(message['at'])}"
        return words


async def read_record(
    apis: Apis,
    session: Session,
    collection: str,
    id_: str,
    times: Mapping[str, Any],
    *,
    guidance: bool = True,
    command: str | None = None,
) -> Record:
    """Read a record by both times, and what may be done next with it: every command, or whether this one may be sent."""
    service = SERVICES[collection]
    path = f"/v1/{collection}/{id_}"
    none: dict[str, Any] = {"commands": [], "version": 0}
    state, next_, titles = await asyncio.gather(
        part_of(apis.get(session, service, path, times)),
        part_of(
            apis.get(session, service, f"{path}/commands", {"command": command}) if guidance else asyncio.sleep(0, none)
        ),
        part_of(apis.titles(service)),
    )
    return Record(collection, id_, state, next_, titles.value or {})


def records_in(case: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the records of a projected case, each with its collection, in the order of its page."""
    for collection in RECORD_TITLES:
        for record in case.get(collection) or ():
            yield collection, record


def holders_of(case: Mapping[str, Any]) -> frozenset[str]:
    """Return the areas that hold a projected case now."""
    lines = (line for _, record in records_in(case) for line in record.get("areas") or ())
    first = {case["area"]} if case.get("area") else set()
    return frozenset(first | {line["area"] for line in lines if line["until"] is None})


async def read_all(
    apis: Apis, session: Session, case: Mapping[str, Any], times: Mapping[str, Any], *, guidance: bool
) -> Sequence[Record]:
    return await asyncio.gather(
        *(
            read_record(apis, session, collection, str(UUID(str(record["id"]))), times, guidance=guidance)
            for collection, record in records_in(case)
        )
    )


def as_it_stands(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of an event with its corrections."""
    data: Mapping[str, Any] = event.get("corrected_data") or event["data"]
    return data


def texts_of(state: Mapping[str, Any], version: int | None) -> dict[str, str]:
    """Return the sealed texts that one event of a record holds, as corrected, by their fields: those that are shown."""
    return {
        text["field"]: text["value"]
        for text in (state.get("details") or {}).get("texts") or ()
        if text["version"] == version and isinstance(text.get("value"), str)
    }


def place_of(state: Mapping[str, Any]) -> str:
    """Return where something is held, as the details of its record say last; empty if the reader may not know."""
    texts = (state.get("details") or {}).get("texts") or ()
    places = [text.get("value") for text in texts if text["field"] == "place"]
    return next((place for place in reversed(places) if isinstance(place, str)), "")


def own_words(record: Record) -> dict[str, list[str]]:
    """Return the texts of each condition of a disposal by its id, as far as the person may read them."""
    state = record.state.value or {}
    words: dict[str, list[str]] = {}
    for id_, asked in (state.get("condition_terms") or {}).items():
        texts = texts_of(state, asked["told_by"])
        names = (f"{asked['field']}.{name}" for name in ("detail", "place", "payee"))
        words[id_] = [texts[name] for name in names if name in texts]
    return words


def all_people(records: Sequence[Record]) -> list[Who]:
    """List the people of all records, each once, with the part and details that are known of them."""
    people: dict[str, Who] = {}
    for who in (who for record in records for who in record.people):
        known = people.get(who.id, who)
        people[who.id] = Who(who.id, known.part or who.part, known.name or who.name, {**who.details, **known.details})
    return list(people.values())
