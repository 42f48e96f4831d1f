"""The search index: keyed tokens of names and codes, in memory only, computed from projected events and keyring.

A token is the keyed BLAKE2b (RFC 7693, 8 bytes) of a kind and a term, under a key that the process draws at its start.
So no table, backup or log ever has one, and none outlives the process. By its tokens two records of a person are compared
too: the index keeps whose differ. A name is decrypted for the moment in which its
tokens are made. Its entry goes when the keyring has a tombstone for its owner: looked for before each search, and every
`REFRESH_SECONDS` besides.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import blake2b
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

import structlog

from services.reporting.projection.fold import Stream
from services.reporting.projection.projector import read_row, stream_of
from services.reporting.projection.read_models import published_types
from services.reporting.projection.snapshot import Pool
from services.reporting.search.fields import KINDS, REGISTRIES, SEARCHED, Compared, Kind
from services.reporting.search.terms import MIN_PREFIX, code, code_of, days_written_alike, indexed_terms, searched_words
from services.trade.vocabulary import EXPLAINS_A_DIFFERENCE, Personal, SearchKind
from shared.domain.envelope import Fact
from shared.domain.messages import Correction
from shared.domain.sealing import Sealed, SealedToken, TamperedToken, unseal
from shared.event_store import EventStoreUnavailable
from shared.privacy.keyring import CACHED_SECONDS, KeyMissing, PostgresKeyring, UnusableKey
from shared.servers.database import retry_or_raise

REFRESH_SECONDS: Final = 20.0
"""Between two looks for new facts and destroyed keys, while nobody searches."""
BATCH: Final = 200
"""Values whose keys are fetched at a time."""
TOKEN_BYTES: Final = 8

# A key may stay in a keyring's cache for a while after its destruction, and a name be indexed with it.
_RECENT: Final = timedelta(seconds=2 * CACHED_SECONDS)

_log = structlog.get_logger("search")

# What a transaction adds is seen once it has committed. The horizon is the oldest transaction that still runs: everything
# before it has ended, so the next look begins there and misses nothing that commits late.
_HORIZON: Final = "select pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_FACTS: Final = """
    select service, position, recorded_at, hash, body from fact
    where type = any($1::text[]) and added >= $2 order by service, stream, version
"""
_ALL_FACTS: Final = """
    select service, position, recorded_at, hash, body from fact
    where type = any($1::text[]) order by service, stream, version
"""


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a searched value: the stream, the event and the field."""

    stream: Stream
    event_id: UUID
    field: str


@dataclass(frozen=True, slots=True)
class Entry:
    """The tokens of one value, one after another; with whose key it dies (None: it is of no person); the version that set it."""

    tokens: bytes
    person_id: UUID | None
    key_subject: str | None
    version: int
    first: int
    """The version of the event whose field it is: a later event of the same person replaces it."""
    explained: bool
    """Whether it says why it differs from another record."""


@dataclass(frozen=True, slots=True)
class SearchedValue:
    """A value as it stands in an event: sealed, clear, or none any more."""

    place: Place
    kind: Kind
    event_id: UUID
    content: Sealed[Any] | str | None
    person_id: UUID | None
    version: int
    explained: bool = False


Found = Mapping[Stream, frozenset[UUID]]
"""The streams that a search finds, each with the persons whose names or schools were found in it."""

Differing = Mapping[Kind, Mapping[Stream, bytes]]
"""What the records of a person say differently: for each kind the tokens that stand in each of the streams."""

_REGISTRY: Final = {registry.service: registry for registry in REGISTRIES}
COMPARED: Final = frozenset({SearchKind.NAME, SearchKind.DATE_OF_BIRTH, *Compared})


class SearchIndex:
    """The search index of one API process: keyed tokens in memory (ADR 24), kept up to date with events and keyring."""

    def __init__(self, pool: Pool, keyring: PostgresKeyring) -> None:
        self._pool = pool
        self._keyring = keyring
        self._key = os.urandom(32)
        self._entries: dict[Kind, dict[Place, Entry]] = {kind: {} for kind in (*SearchKind, *Compared)}
        self._compared: dict[UUID, set[tuple[Kind, Place]]] = defaultdict(set)
        self._differing: dict[UUID, Differing] = {}
        self._touched: set[UUID] = set()
        self._horizon: int | None = None
        self._destroyed: frozenset[str] = frozenset()
        self._turn = asyncio.Lock()
        self._loaded = asyncio.Event()

    async def run(self, every: float = REFRESH_SECONDS) -> None:
        """Load the index and refresh it every so many seconds until cancelled. An error is logged, and tried again."""
        while True:
            try:
                await self.refresh(every_tombstone=True)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look may succeed
                _log.error("search_index_not_refreshed", why=f"{type(error).__name__}: {error}")
            await asyncio.sleep(every if self._loaded.is_set() else min(every, 1.0))

    async def wait_until_loaded(self, seconds: float) -> bool:
        """Wait for the first loading. Returns False if it takes longer."""
        try:
            async with asyncio.timeout(seconds):
                await self._loaded.wait()
        except TimeoutError:
            return False
        return True

    async def refresh(self, *, every_tombstone: bool = False) -> None:
        """Take in new facts, drop forgotten persons. Raises `EventStoreUnavailable`, `KeyringUnavailable` or `UnusableKey`."""
        async with self._turn:
            self._horizon = await retry_or_raise(self._take_in, EventStoreUnavailable)
            self._drop(await self._keyring.destroyed(None if every_tombstone else _RECENT))
            # Once for each person: a record may name the same one thousands of times.
            for person_id in self._touched:
                self._compare(person_id)
            self._touched.clear()
            self._loaded.set()

    def find(self, kind: SearchKind, text: str) -> Found:
        persons_in: dict[Stream, set[UUID]] = defaultdict(set)
        for terms in searched_words(text) if kind is SearchKind.NAME else {(code_of(kind, text),)}:
            entries = list(self._entries[kind].items())
            for token in [self._token(kind, term) for term in terms]:
                # A token that straddles two others would have to agree in 64 bits by chance.
                entries = [(place, entry) for place, entry in entries if token in entry.tokens]
            for place, entry in entries:
                persons_in[place.stream].update(() if entry.person_id is None else (entry.person_id,))
        return {stream: frozenset(persons) for stream, persons in persons_in.items()}

    def find_alike(self, name: str, born: date) -> Found:
        """Find who may be meant by a name and a birth date: one of the two may be written wrongly, or the day not be known.

        They have every word of the name, and a day that is written almost so, or that day and the beginning of a word.
        """
        same = self._token(SearchKind.DATE_OF_BIRTH, code(born.isoformat()))
        near = {self._token(SearchKind.DATE_OF_BIRTH, digits) for digits in days_written_alike(born)}
        days: dict[UUID | None, set[bytes]] = defaultdict(set)
        for entry in self._entries[SearchKind.DATE_OF_BIRTH].values():
            days[entry.person_id].update(filter(None, (entry.tokens,)))
        found: dict[Stream, set[UUID]] = defaultdict(set)
        for stream, persons in self.find(SearchKind.NAME, name).items():
            found[stream] |= {person for person in persons if not days[person] or not near.isdisjoint(days[person])}
        for beginning in {word[:MIN_PREFIX] for words in searched_words(name) for word in words}:
            for stream, persons in self.find(SearchKind.NAME, beginning).items():
                found[stream] |= {person for person in persons if same in days[person]}
        return {stream: frozenset(persons) for stream, persons in found.items() if persons}

    @property
    def differing(self) -> Mapping[UUID, Differing]:
        """The persons for whom two streams' newest values differ without an explanation."""
        return dict(self._differing)

    async def _take_in(self) -> int:
        async with self._pool.acquire() as connection, connection.transaction(readonly=True):
            horizon: int = await connection.fetchval(_HORIZON)
            since = (_ALL_FACTS, TYPES) if self._horizon is None else (_FACTS, TYPES, self._horizon)
            batch: list[SearchedValue] = []
            async for row in connection.cursor(*since, prefetch=BATCH):
                batch += searched_values(read_row(row))
                if len(batch) >= BATCH:
                    await self._index(batch)
                    batch.clear()
            await self._index(batch)
        return horizon

    async def _index(self, values: Sequence[SearchedValue]) -> None:
        """Store the tokens of some values. A value whose key is missing or unusable is logged and left out."""
        try:
            await self._index_all(values)
        except (UnusableKey, KeyMissing, TamperedToken) as error:
            if len(values) > 1:
                for value in values:
                    await self._index([value])
            else:
                _log.error("value_not_indexed", event_id=str(values[0].event_id), why=str(error))

    async def _index_all(self, values: Sequence[SearchedValue]) -> None:
        """Put the tokens of some values in place. A value whose key was destroyed has none."""
        tokens = [
            SealedToken.parse(value.content.token) if isinstance(value.content, Sealed) else None for value in values
        ]
        wanted = {(token.subject, token.generation) for token in tokens if token is not None}
        keys = await self._keyring.open(wanted) if wanted else {}
        for value, token in zip(values, tokens, strict=True):
            if token is None:
                self._put(value, None, value.content)
            else:
                key = keys[token.subject, token.generation]
                self._put(value, token.subject, None if key is None else unseal(token, key, value.event_id))

    def _put(self, value: SearchedValue, key_subject: str | None, text: Any) -> None:
        entries = self._entries[value.kind]
        earlier = entries.get(value.place)
        if earlier is not None and earlier.version > value.version:
            return  # a correction that was read before
        if value.kind is SearchKind.TELEPHONE and earlier is None and value.person_id is None:
            return  # a correction of the number of somebody who was harmed
        # A correction names its event alone: whose field it is was said by the event.
        person_id = value.person_id if earlier is None else value.person_id or earlier.person_id
        if key_subject is None and person_id is not None:
            key_subject = f"person/{person_id}"  # what is clear of a forgotten person finds nobody either
        terms: Iterable[str] = ()
        if text and key_subject not in self._destroyed:
            terms = indexed_terms(str(text)) if value.kind is SearchKind.NAME else (code_of(value.kind, str(text)),)
        tokens = b"".join(sorted(self._token(value.kind, term) for term in terms))
        first = value.version if earlier is None else earlier.first
        entries[value.place] = Entry(tokens, person_id, key_subject, value.version, first, value.explained)
        if person_id is not None and value.kind in COMPARED:
            self._compared[person_id].add((value.kind, value.place))
            self._touched.add(person_id)

    def _compare(self, person_id: UUID) -> None:
        """Note what the streams of a person say differently: the newest value in each, if one is given."""
        newest: dict[Kind, dict[Stream, Entry]] = defaultdict(dict)
        for kind, place in self._compared[person_id]:
            entry = self._entries[kind][place]
            of_kind = newest[kind]
            if place.stream not in of_kind or of_kind[place.stream].first < entry.first:
                of_kind[place.stream] = entry
        differing: dict[Kind, Mapping[Stream, bytes]] = {}
        for kind, of_kind in newest.items():
            tokens = {stream: entry.tokens for stream, entry in of_kind.items() if entry.tokens and not entry.explained}
            if len(set(tokens.values())) > 1:
                differing[kind] = tokens
        self._differing.pop(person_id, None)
        if differing:
            self._differing[person_id] = differing

    def _drop(self, destroyed: frozenset[str]) -> None:
        self._destroyed |= destroyed
        for kind, entries in self._entries.items():
            for place in [place for place, entry in entries.items() if entry.key_subject in self._destroyed]:
                person_id = entries.pop(place).person_id
                if person_id is not None and kind in COMPARED:
                    self._compared[person_id].discard((kind, place))
                    self._touched.add(person_id)

    def _token(self, kind: Kind, term: str) -> bytes:
        return blake2b(f"{kind}:{term}".encode(), key=self._key, digest_size=TOKEN_BYTES).digest()


def searched_values(fact: Fact) -> Iterator[SearchedValue]:
    """Yield the searched values that an event has, or puts in the place of another's."""
    stream, event = stream_of(fact), fact.event
    explained = EXPLAINS_A_DIFFERENCE in fact.envelope.rationale
    if not isinstance(event, Correction):
        for field, kind in SEARCHED.get(type(event), {}).items():
            place = Place(stream, fact.event_id, field)
            person_id = getattr(event, "person_id", None) if field.startswith("details.") else None
            content = attrgetter(field)(event)
            if kind is SearchKind.TELEPHONE and _REGISTRY[stream[0]].class_of(event, field) is Personal.VICTIM_CONTACT:
                continue  # a search would tell the number
            yield SearchedValue(place, kind, fact.event_id, content, person_id, fact.version, explained)
        return
    changes = [(event.corrects, event.field, event.value if event.sealed is None else event.sealed)]
    changes += [(derived.corrects, derived.field, derived.value) for derived in event.also]
    for corrects, field, content in changes:
        kind_of_field = KINDS[stream[0]].get(field)
        if kind_of_field is not None:
            place = Place(stream, corrects, field)
            yield SearchedValue(place, kind_of_field, fact.event_id, content, None, fact.version)


TYPES: Final = published_types(REGISTRIES, lambda event: event in SEARCHED or issubclass(event, Correction))
