"""The officers by name, as the identity provider names them when they sign in: encrypted here, and in no event."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg

from services.console.cipher import Cipher
from services.console.sessions import Session
from services.console.words import in_words
from services.trade.vocabulary import Role
from shared.domain.permissions import EVERY

LIFE: Final = timedelta(days=3 * 365)
"""The time after the last sign-in for which a name is kept: returns and timelines of that time still name the officer."""
WORKERS: Final = frozenset(
    {
        Role.SAFE_SCHOOLS_OFFICER,
        Role.INTERNET_SAFETY_OFFICER,
        Role.YJS_CASE_MANAGER,
        Role.RJ_FACILITATOR,
        Role.POLICE_DECISION_MAKER,
        Role.SUPERVISOR,
    }
)
"""The roles of those who may have a record."""
ROLES: Final[Mapping[str, frozenset[Role]]] = {
    "facilitator": frozenset({Role.RJ_FACILITATOR, Role.SAFE_SCHOOLS_OFFICER}),
    "deciding_officer": frozenset({Role.POLICE_DECISION_MAKER}),
    "officer": frozenset({Role.SAFE_SCHOOLS_OFFICER, Role.INTERNET_SAFETY_OFFICER, Role.SUPERVISOR}),
    "case_manager": frozenset({Role.YJS_CASE_MANAGER, Role.SAFE_SCHOOLS_OFFICER}),
    "to": WORKERS - {Role.RJ_FACILITATOR, Role.INTERNET_SAFETY_OFFICER},
}
"""A field that names an officer, without `_id` -> the roles of those who fit; elsewhere any of `WORKERS` fits."""


@dataclass(frozen=True, slots=True)
class Officer:
    """A person in a role, with the name that the identity provider gave."""

    id: str
    name: str
    role: str
    area: str
    email: str = field(default="", repr=False)
    is_away: bool = False
    """Whether they are of an area that does not hold the case in question."""

    @property
    def words(self) -> str:
        return f"{self.name} ({in_words(self.role)})"


class Directory:
    """The rows of all officers who have signed in."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], cipher: Cipher) -> None:
        self._pool = pool
        self._cipher = cipher

    async def keep(self, session: Session) -> None:
        """Keep the name of a person who signs in, if the identity provider gives one."""
        for role in session.roles if session.name else ():
            officer = Officer(session.person, session.name, role, session.area, session.email)
            owner = self._owner(officer.id, officer.role)
            await self._pool.execute(
                "insert into officer (owner, sealed, ends_at) values ($1, $2, $3)"
                " on conflict (owner) do update set sealed = excluded.sealed, ends_at = excluded.ends_at",
                *(owner, self._cipher.seal(asdict(officer), owner), datetime.now(UTC) + LIFE),
            )

    async def email_of(self, person: str) -> str:
        """Return the address of somebody who has signed in, in whatever role; empty if the issuer has verified none."""
        rows = await self._pool.fetch(
            "select owner, sealed from officer where owner = any($1) and ends_at > now() order by ends_at desc",
            [self._owner(person, role) for role in Role],
        )
        opened = (self._cipher.open(row["sealed"], row["owner"]) or {} for row in rows)
        return next((str(value["email"]) for value in opened if value.get("email")), "")

    def _owner(self, person: str, role: str) -> bytes:
        return self._cipher.owner(f"{person} {role}")

    async def of_area(self, session: Session, holders: Collection[str] = ()) -> list[Officer]:
        """List by name the officers of the person's area, of those that hold a case (`holders`), and of all areas.

        Of a case those of other areas follow, as away; without one, who works in all areas is shown everybody.
        """
        rows = await self._pool.fetch("select owner, sealed from officer where ends_at > now()")
        opened: Iterable[Any] = (self._cipher.open(row["sealed"], row["owner"]) for row in rows)
        officers = [Officer(**value) for value in opened if value is not None]
        if holders or session.area != EVERY:
            near = {EVERY, session.area, *holders}
            officers = [replace(officer, is_away=officer.area not in near) for officer in officers]
        shown = (officer for officer in officers if holders or not officer.is_away)
        return sorted(shown, key=lambda officer: (officer.name.casefold(), officer.role))

    async def names(self, session: Session) -> dict[str, str]:
        return {officer.id: officer.name for officer in await self.of_area(session)}


def nameless(id_: str, words: str = "Officer") -> str:
    """Return what to call an officer whose name is not known here: the role, and the beginning of the id, alike on every page."""
    return f"{words} {id_[:8]}, name not known here"


def roles_for(field: str) -> frozenset[Role]:
    """Return the roles of the officers whom a field may name; it is named without `_id`."""
    return ROLES.get(field, WORKERS)
