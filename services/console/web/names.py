"""The names of the people of records, as the services show them to the person: each look is a read that is logged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.console.web.apis import Apis, NoAnswer, Problem
from services.console.web.sessions import Session
from services.registry import COLLECTIONS

AT_ONCE: Final = 8
"""Records that are read at the same time."""
CHILD: Final = ("SUSPECT", "HARMER", "CHILD", "SUBJECT")
"""Parts in a record of the child whose case it is."""

Record = tuple[str, str]
"""A service, and the id of a record of it."""


@dataclass(frozen=True, slots=True)
class Who:
    """A person of a record, as far as the reader may know them."""

    id: str
    part: str
    name: str
    details: Mapping[str, Any]


def people_of(state: Mapping[str, Any]) -> list[Who]:
    """List the people of a record, the child first."""
    parts = state.get("people") if isinstance(state.get("people"), Mapping) else {}
    details = (state.get("details") or {}).get("people") or {}
    found = [
        Who(id_, str((parts or {}).get(id_, "")), _text(details.get(id_, {}).get("name")), details.get(id_, {}))
        for id_ in dict.fromkeys([*(parts or {}), *details])
    ]
    return sorted(found, key=lambda who: (who.part not in CHILD, who.part != "", who.name))


def child_of(state: Mapping[str, Any]) -> Who | None:
    """Return the child whose record it is, where the reader may know the name."""
    return next((who for who in people_of(state) if who.name and (who.part in CHILD or not who.part)), None)


async def of_records(apis: Apis, session: Session, records: Iterable[Record]) -> dict[str, str]:
    """Return the child's name by the id of the record, for those that the person may read."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def name(service: str, id_: str) -> tuple[str, str]:
        async with turn:
            try:
                state = await apis.get(session, service, f"/v1/{COLLECTIONS[service]}/{id_}")
            except (Problem, NoAnswer):
                return id_, ""
        child = child_of(state)
        return id_, child.name if child else ""

    found = await asyncio.gather(*(name(service, id_) for service, id_ in dict.fromkeys(records)))
    return {id_: text for id_, text in found if text}


def _text(value: Any) -> str:
    """Return a value that is shown; a sealed or forgotten one is none."""
    return value if isinstance(value, str) else ""
