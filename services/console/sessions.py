"""Sessions, drafts and what people have seen, in PostgreSQL: encrypted rows that end by themselves.

A session lives twelve hours from the sign-in, and falls asleep when nobody has used it for half an hour. Then it shows
nothing, and for eight hours more it keeps a form that is still sent for its person. Its key, 32 random bytes, stands in a cookie alone. A draft lives twenty
hours from its last change (WCAG 2.2, criterion 2.2.6) and belongs to the person, whatever session they are in. So does
the time up to which the person has seen what is new; it is kept for ninety days.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import asyncpg
from starlette.exceptions import HTTPException

from services.console.cipher import Cipher

SESSION_LIFE: Final = timedelta(hours=12)
IDLE_LIFE: Final = timedelta(minutes=30)
"""The time without a request after which a session falls asleep."""
KEPT_AFTER: Final = timedelta(hours=8)
"""The time after its end within which a session still keeps a form."""
RENEWAL_SECONDS: Final = 2.0
"""The longest that the issuer may take to renew a token: a page waits for it."""
DRAFT_LIFE: Final = timedelta(hours=20)
LONGEST_DRAFT: Final = timedelta(days=7)
"""The longest life of a draft, however often it is changed."""
LONGEST_BYTES: Final = 4_000_000
"""The largest draft: that of a register, its file and what is wrong with its rows."""
MOST_BYTES: Final = 20_000_000
"""The most of all drafts of a person together; the oldest go first."""
LINK_BYTES: Final = 16
SEEN_LIFE: Final = timedelta(days=90)
WAIT_SECONDS: Final = 10.0
"""Seconds after a change within which pages wait for it. Later they show what is there, and say so if it lacks the
change: a projection that has stopped delays pages for no longer."""
EARLY_SECONDS: Final = 30
"""Seconds before its end at which an access token is renewed."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a person: the access token with its end in seconds since 1970, and the refresh token, if one was given."""

    access: str
    ends_at: float
    refresh: str | None
    identity: str | None = None
    """The ID token, by which the issuer knows whom to sign out."""

    @property
    def is_fresh(self) -> bool:
        """Whether the access token can still be sent."""
        return self.ends_at - EARLY_SECONDS > time.time()


@dataclass(slots=True)
class Writes:
    """What a session has recorded, so that the pages after it show it (read your writes)."""

    positions: dict[str, int] = field(default_factory=dict)
    """By service the position of the last event that the session has recorded there."""
    at: float = 0.0
    """When it has recorded something last, in seconds since 1970."""
    missing: bool = field(default=False, compare=False)
    """Whether an answer for this page may lack some of it. It is not kept."""

    def note(self, token: str) -> None:
        """Note the position token of a receipt, such as `disposal:1234`."""
        service, _, position = token.partition(":")
        self.positions[service] = max(self.positions.get(service, 0), int(position))
        self.at = time.time()

    @property
    def tokens(self) -> list[str]:
        return [f"{service}:{position}" for service, position in self.positions.items()]

    @property
    def is_recent(self) -> bool:
        """Whether it is so short ago that a page waits for it."""
        return time.time() - self.at < WAIT_SECONDS

    def are_in(self, positions: Mapping[str, int]) -> bool:
        """Whether an answer that rests on these positions has all of it; a service that it does not read is no matter."""
        return all(positions.get(service, position) >= position for service, position in self.positions.items())


@dataclass(frozen=True, slots=True)
class Session:
    """A person who is signed in, in all their roles."""

    key: str
    person: str
    role: str
    """The first of their roles; the only one of most people."""
    organisation: str
    area: str
    tokens: Tokens
    name: str = ""
    """As the issuer says it; empty if it says none."""
    email: str = ""
    """The address that the issuer has verified; empty if it says none."""
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    reason: str | None = None
    """The reason for which records are read, if the person has given one."""
    writes: Writes = field(default_factory=Writes)
    also: Sequence[str] = ()
    """Their other roles."""

    @property
    def roles(self) -> tuple[str, ...]:
        return self.role, *self.also


@dataclass(frozen=True, slots=True)
class Draft:
    """A form that is being filled in. Its id is the key under which its command is sent, so it acts once."""

    id: UUID
    service: str
    stream: UUID
    command: str
    version: int
    """The version of the record that the form was drawn from; 0 if it begins one."""
    answers: dict[str, list[str]]
    rationale: dict[str, str] = field(default_factory=dict)
    case_id: str | None = None
    """The case from whose page the form was opened."""
    sent: str = ""
    """The page that a sent form has led to, where sending it again leads too; its answers are gone."""
    guided: bool = False
    """Whether it is filled in one question a page."""
    follows: str = ""
    """The draft that is sent before it, of a turn in which several are checked together."""


_USE: Final = """
    with found as (
        select sealed, used_at from session where id = $1 and ends_at > now() and used_at > now() - $2::interval
    ), used as (
        update session set used_at = now() where id = $1 and (select used_at from found) < now() - interval '1 minute'
    )
    select sealed from found
"""


_REMOVE_OLDEST: Final = """
    delete from draft where owner = $1 and id in (
        select id from (
            select id, sum(octet_length(sealed)) over (order by ends_at desc, id) as bytes from draft where owner = $1
        ) as kept where bytes > $2
    )
"""


class _Rows:
    """Encrypted rows of the console's database."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], cipher: Cipher) -> None:
        self._pool = pool
        self._cipher = cipher


class Sessions(_Rows):
    """The rows of all sessions."""

    async def begin(self, session: Session) -> None:
        """Keep a new session, and remove what has ended of all that is kept here."""
        for table, kept in (
            ("session", KEPT_AFTER),
            ("draft", timedelta()),
            ("seen", timedelta()),
            ("officer", timedelta()),
            ("link", timedelta()),
        ):
            query = f"delete from {table} where ends_at < now() - $1::interval"  # noqa: S608 - a name from above
            await self._pool.execute(query, kept)
        await self._pool.execute(
            "insert into session (id, sealed, ends_at, form_token) values ($1, $2, $3, $4)",
            *(_id(session.key), self._sealed(session), datetime.now(UTC) + SESSION_LIFE, _id(session.csrf)),
        )

    async def find(self, key: str) -> Session | None:
        """Return the session of a cookie, which is used thereby; None if there is none, or it has ended or sleeps."""
        return self._opened(await self._pool.fetchval(_USE, _id(key), IDLE_LIFE), key)

    async def find_kept(self, key: str) -> Session | None:
        """Return the session of a cookie even if it sleeps or has ended: it may keep a form, and show nothing."""
        query = "select sealed from session where id = $1 and ends_at > now() - $2::interval"
        return self._opened(await self._pool.fetchval(query, _id(key), KEPT_AFTER), key)

    async def find_of_form(self, csrf: str) -> Session | None:
        """Return the session in which a form was drawn, as `find_kept` does, if the browser has lost its cookie."""
        query = "select id, sealed from session where form_token = $1 and ends_at > now() - $2::interval"
        row = await self._pool.fetchrow(query, _id(csrf), KEPT_AFTER)
        return None if row is None else self._opened(row["sealed"], "", row["id"])

    async def change(self, key: str, change: Callable[[Session], Session]) -> Session | None:
        """Change a session as it is kept now, with what other requests have changed of it; None if it has ended."""
        async with self._pool.acquire() as connection, connection.transaction():
            query = "select sealed from session where id = $1 and ends_at > now() for update"
            stored = self._opened(await connection.fetchval(query, _id(key)), key)
            if stored is None:
                return None
            changed = change(stored)
            await connection.execute("update session set sealed = $2 where id = $1", _id(key), self._sealed(changed))
            return changed

    async def keep_writes(self, session: Session) -> None:
        def noted(stored: Session) -> Session:
            for token in session.writes.tokens:
                stored.writes.note(token)
            return stored

        await self.change(session.key, noted)

    async def begin_renewal(self, key: str) -> bool:
        """Whether this request may renew the tokens: a refresh token may be taken once only. Nobody else may, until it ends."""
        query = (
            "update session set renewing_until = now() + $2::interval"
            " where id = $1 and coalesce(renewing_until, now()) <= now() returning true"
        )
        return bool(await self._pool.fetchval(query, _id(key), timedelta(seconds=RENEWAL_SECONDS + 1)))

    async def end_renewal(self, key: str) -> None:
        """Let others renew the tokens again."""
        await self._pool.execute("update session set renewing_until = null where id = $1", _id(key))

    async def end(self, key: str) -> None:
        await self._pool.execute("delete from session where id = $1", _id(key))

    def _sealed(self, session: Session) -> bytes:
        # The key is in the cookie alone.
        return self._cipher.seal(asdict(replace(session, key="")), _id(session.key))

    def _opened(self, sealed: bytes | None, key: str, id_: bytes = b"") -> Session | None:
        value = None if sealed is None else self._cipher.open(sealed, id_ or _id(key))
        if value is None:
            return None
        writes = Writes(**value.get("writes", {}))
        writes.missing = False
        return Session(**{**value, "key": key, "tokens": Tokens(**value["tokens"]), "writes": writes})


class Links(_Rows):
    """The rows of all links that open one thing without a sign-in, each until it ends."""

    async def make(self, owner: str, value: Any, ends_at: datetime, kind: str = "") -> str:
        """Keep what a link opens, and return what stands in it: 128 random bits, which are kept nowhere.

        A link of one kind opens nothing of another.
        """
        link = secrets.token_urlsafe(LINK_BYTES)
        id_ = _id(kind + link)
        await self._pool.execute(
            "insert into link (id, owner, sealed, ends_at) values ($1, $2, $3, $4)",
            *(id_, self._cipher.owner(kind + owner), self._cipher.seal(value, id_), ends_at),
        )
        return link

    async def find(self, link: str, kind: str = "") -> Any:
        """Return what a link opens; None if there is none, or it has ended."""
        id_ = _id(kind + link)
        sealed = await self._pool.fetchval("select sealed from link where id = $1 and ends_at > now()", id_)
        return None if sealed is None else self._cipher.open(sealed, id_)

    async def end_of(self, owner: str, kind: str = "") -> datetime | None:
        """Return when the last link of an owner ends; None if they have none."""
        end: datetime | None = await self._pool.fetchval(
            "select max(ends_at) from link where owner = $1 and ends_at > now()", self._cipher.owner(kind + owner)
        )
        return end

    async def prolong(self, owner: str, ends_at: datetime, kind: str = "") -> None:
        await self._pool.execute(
            "update link set ends_at = $2 where owner = $1 and ends_at > now()",
            self._cipher.owner(kind + owner),
            ends_at,
        )

    async def of(self, owner: str, kind: str = "") -> dict[str, Any]:
        """Return what the links of an owner open, the one that ends first before the others, each by its row."""
        rows = await self._pool.fetch(
            "select id, sealed from link where owner = $1 and ends_at > now() order by ends_at",
            self._cipher.owner(kind + owner),
        )
        return {row["id"].hex(): self._cipher.open(row["sealed"], row["id"]) for row in rows}

    async def end(self, owner: str, kind: str = "", row: str = "") -> None:
        await self._pool.execute(
            "delete from link where owner = $1 and ($2 = '' or encode(id, 'hex') = $2)",
            self._cipher.owner(kind + owner),
            row,
        )


class Drafts(_Rows):
    """The rows of all drafts."""

    async def save(self, person: str, draft: Draft) -> None:
        """Keep a draft as it is now, for another twenty hours, and for a week from its beginning at most.

        Raises `HTTPException` 413 for one that is too large.
        """
        owner = self._cipher.owner(person)
        sealed = self._sealed(owner, draft)
        if len(sealed) > LONGEST_BYTES:
            raise HTTPException(413, "This form is too large: shorten its texts.")
        await self._pool.execute(
            "insert into draft (owner, id, sealed, ends_at) values ($1, $2, $3, $4)"
            " on conflict (owner, id) do update set sealed = excluded.sealed,"
            " begun_at = case when draft.ends_at > now() then draft.begun_at else now() end,"
            " ends_at = case when draft.ends_at > now() then least(excluded.ends_at, draft.begun_at + $5)"
            " else excluded.ends_at end",
            *(owner, draft.id, sealed, datetime.now(UTC) + DRAFT_LIFE),
            LONGEST_DRAFT,
        )
        await self._pool.execute(_REMOVE_OLDEST, owner, MOST_BYTES)

    async def find(self, person: str, id_: UUID) -> Draft | None:
        """Return a draft of a person; None if it has ended, was sent, or is another's."""
        owner = self._cipher.owner(person)
        sealed = await self._pool.fetchval(
            "select sealed from draft where owner = $1 and id = $2 and ends_at > now()", owner, id_
        )
        return None if sealed is None else _draft(self._cipher.open(sealed, owner + id_.bytes))

    async def change(self, person: str, id_: UUID, change: Callable[[Draft], Draft]) -> Draft | None:
        """Change a draft as it is kept now, with what other requests have changed of it; None if it has ended."""
        owner = self._cipher.owner(person)
        async with self._pool.acquire() as connection, connection.transaction():
            query = "select sealed from draft where owner = $1 and id = $2 and ends_at > now() for update"
            sealed = await connection.fetchval(query, owner, id_)
            stored = None if sealed is None else _draft(self._cipher.open(sealed, owner + id_.bytes))
            if stored is None:
                return None
            changed = change(stored)
            query = "update draft set sealed = $3 where owner = $1 and id = $2"
            await connection.execute(query, owner, id_, self._sealed(owner, changed))
            return changed

    def _sealed(self, owner: bytes, draft: Draft) -> bytes:
        value = {**asdict(draft), "id": str(draft.id), "stream": str(draft.stream)}
        return self._cipher.seal(value, owner + draft.id.bytes)

    async def list(self, person: str) -> list[Draft]:
        """List the drafts of a person, the latest change first."""
        owner = self._cipher.owner(person)
        rows = await self._pool.fetch(
            "select id, sealed from draft where owner = $1 and ends_at > now() order by ends_at desc limit 20", owner
        )
        opened = (_draft(self._cipher.open(row["sealed"], owner + row["id"].bytes)) for row in rows)
        return [draft for draft in opened if draft is not None and not draft.sent]

    async def remove(self, person: str, id_: UUID) -> None:
        await self._pool.execute("delete from draft where owner = $1 and id = $2", self._cipher.owner(person), id_)


class SeenTimes(_Rows):
    """Up to which time each person has said that they have seen what is new."""

    async def save(self, person: str, until: datetime) -> None:
        owner = self._cipher.owner(person)
        await self._pool.execute(
            "insert into seen (owner, sealed, ends_at) values ($1, $2, $3)"
            " on conflict (owner) do update set sealed = excluded.sealed, ends_at = excluded.ends_at",
            *(owner, self._cipher.seal(until.isoformat(), owner), datetime.now(UTC) + SEEN_LIFE),
        )

    async def find(self, person: str) -> datetime | None:
        """Return the time of a person; None if they have said none."""
        owner = self._cipher.owner(person)
        sealed = await self._pool.fetchval("select sealed from seen where owner = $1 and ends_at > now()", owner)
        text = None if sealed is None else self._cipher.open(sealed, owner)
        return None if text is None else datetime.fromisoformat(text)


def _id(key: str) -> bytes:
    return sha256(key.encode()).digest()


def _draft(value: Any) -> Draft | None:
    if value is None:
        return None
    return Draft(**{**value, "id": UUID(value["id"]), "stream": UUID(value["stream"])})
