"""The streams that a reader may see in reporting: those that the owning service would show to the same token.

The owners' tables (`ReadModel.access`) become one SQL condition on the columns area, mentions and marks of a stream.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import asyncpg

from services.reporting.projection.fold import Stream, split
from services.reporting.projection.projector import held, in_reach
from services.reporting.projection.read_models import READ_MODELS
from services.reporting.projection.snapshot import Connection, Pool
from shared.domain.messages import Actor
from shared.domain.permissions import EVERY, NOTHING, Permission, combined

_HOMES: Final = "select distinct home from stream where mentions && $1::uuid[]"


def visible(n: int, case: str = "") -> str:
    """Return the condition that a reader may see `stream as s`. `$n` is the first of five parameters (`Reach.parameters`).

    `case`: who holds this case sees of a record that several share the part of this one.
    """
    free, keys, linked, areas, barred = (f"${number}" for number in range(n, n + 5))
    return f"""(
        {in_reach("s", f"{areas}::text[]", case)}
        and not s.mentions && {barred}::uuid[]
        and (
            s.service = any({free}::text[])
            or exists (
                select 1 from unnest(s.marks) as m
                where s.service || ' ' || m = any({keys}::text[])
                and not exists (
                    select 1 from unnest(s.marks) as e where s.service || ' ' || m || ' until ' || e = any({keys})
                )
            )
            or cardinality({linked}::text[]) > 0 and exists (
                select 1 from stream as other, unnest(other.marks) as m
                where other.home = s.home and other.area is not distinct from s.area
                and s.service || ' ' || other.service || '.' || m = any({linked})
                and not exists (
                    select 1 from stream as ending, unnest(ending.marks) as e where ending.home = s.home
                    and ending.area is not distinct from s.area
                    and s.service || ' ' || other.service || '.' || m || ' until ' || ending.service || '.' || e
                        = any({linked})
                )
            )
        )
    )"""  # noqa: S608 - the numbers of parameters, and no value


@dataclass(frozen=True, slots=True)
class Reach:
    """The streams of which a reader may see a part: services without a condition, and the marks that others need.

    Of the duties of some services only those of some names are seen (`duties`).
    """

    free: tuple[str, ...]
    keys: tuple[str, ...]
    """The marks, and those that another one ends: `disposal MARK until OTHER`."""
    linked: tuple[str, ...]
    """The same of marks that other services' records of the same home have."""
    areas: tuple[str, ...] | None
    barred: frozenset[UUID]
    duties: Mapping[str, frozenset[str]] = field(default_factory=dict, hash=False)

    def shows_duty(self, service: str, duty: str) -> bool:
        return service not in self.duties or duty in self.duties[service]

    @property
    def parameters(self) -> tuple[Any, ...]:
        """The values of the five parameters of `visible`."""
        return (self.free, self.keys, self.linked, self.areas, list(self.barred))

    async def select(self, connection: Connection, streams: Collection[Stream]) -> frozenset[Stream]:
        """Return those of some streams that the reader may see."""
        rows = await connection.fetch(
            "select s.service, s.stream from stream as s"  # noqa: S608 - the clause above, and no value
            " join unnest($1::text[], $2::uuid[]) as w (service, stream) using (service, stream)"
            f" where {visible(3)}",
            *split(streams),
            *self.parameters,
        )
        return frozenset((row["service"], row["stream"]) for row in rows)


def record_line(row: asyncpg.Record) -> dict[str, Any]:
    """Return service, id, cases and state of a stream as answers list it."""
    cases = sorted(map(str, row["cases"]))
    return {"service": row["service"], "id": str(row["stream"]), "case_ids": cases, "state": row["state"]}


class Statement:
    """An SQL statement under construction: it numbers its parameters and collects their values."""

    def __init__(self) -> None:
        self._values: list[Any] = []
        self._reaches: dict[Reach, int] = {}

    def bind(self, value: Any, type_: str) -> str:
        """Add a value; return its parameter, of a type of PostgreSQL."""
        self._values.append(value)
        return f"${len(self._values)}::{type_}"

    def visible(self, reach: Reach) -> str:
        """Return the condition that a reader may see `stream as s`."""
        if reach not in self._reaches:
            self._reaches[reach] = len(self._values) + 1
            self._values.extend(reach.parameters)
        return visible(self._reaches[reach])

    def of_names(self, reach: Reach) -> str:
        """Return the condition that the reader sees a `duty as d` of a visible stream."""
        if not reach.duties:
            return "true"
        named = [f"{service} {duty}" for service, duties in reach.duties.items() for duty in sorted(duties)]
        limited = self.bind(list(reach.duties), "text[]")
        return f"(d.service <> all({limited}) or d.service || ' ' || d.duty = any({self.bind(named, 'text[]')}))"

    def of_areas(self, areas: Collection[str] | None) -> str:
        """Return the condition that `duty as d` is of these areas; it repeats `visible`, on the table whose index is read."""
        if areas is None:
            return "true"
        bound = self.bind(areas, "text[]")
        return f"(coalesce(d.area = any({bound}), true) or {held('d', bound)})"

    async def fetch(self, connection: Connection, text: str) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await connection.fetch(text, *self._values)
        return rows


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader of reporting: their areas (None: all), and the conflicts that bar them."""

    actor: Actor
    areas: tuple[str, ...] | None
    barred: frozenset[UUID]
    """The ids of declared conflicts of interest, and the cases of the streams that mention one."""

    def reach(self, part: str) -> Reach:
        """Return the streams of which the reader may see a part (state or duties)."""
        free: list[str] = []
        keys: list[str] = []
        linked: list[str] = []
        for service, permission in self._permissions(part):
            if not permission.where:
                free.append(service)
            ends = {f"{mark} until {end}" for mark, end in permission.ends(self.actor)}
            for mark in permission.marks(self.actor) | ends:
                (linked if "." in mark else keys).append(f"{service} {mark}")
        duties = {service: shown for service in READ_MODELS if (shown := self.permission(service).duties) is not None}
        return Reach(tuple(free), tuple(keys), tuple(linked), self.areas, self.barred, duties)

    def fields(self, service: str) -> frozenset[str] | None:
        """Return the members of the state that are shown; None: all."""
        may = not READ_MODELS[service].access.keys().isdisjoint(self.actor.roles)
        return self.permission(service).fields if may else frozenset()

    def permission(self, service: str) -> Permission:
        """Return what the reader may see of every record of a service that one of their roles opens.

        Of a record that needs no mark for one role it is at least what that role may see.
        """
        access = READ_MODELS[service].access
        permissions = [access[role] for role in self.actor.roles if role in access]
        free = [permission for permission in permissions if not permission.where]
        return combined(free or permissions, every=not free)

    def _permissions(self, part: str) -> Iterator[tuple[str, Permission]]:
        """Yield each service with the permission of each role that may read the part there."""
        for service, read_model in READ_MODELS.items():
            for role in self.actor.roles:
                permission = read_model.access.get(role, NOTHING)
                if part in permission.parts:
                    yield service, permission

    @property
    def limited(self) -> Mapping[str, frozenset[str]]:
        """The services of whose records only some members are shown."""
        return {service: fields for service in READ_MODELS if (fields := self.fields(service)) is not None}


async def reader_of(pool: Pool, actor: Actor) -> Reader:
    """Return the reader for an actor, with all that their declared conflicts of interest bar."""
    area = actor.labels.get("area")
    areas = None if area == EVERY else () if area is None else (area,)
    return Reader(actor, areas, await _barred(pool, actor.conflicts))


async def _barred(pool: Pool, conflicts: Iterable[UUID]) -> frozenset[UUID]:
    ids = frozenset(conflicts)
    if not ids:
        return ids
    return ids | {row["home"] for row in await pool.fetch(_HOMES, list(ids))}
