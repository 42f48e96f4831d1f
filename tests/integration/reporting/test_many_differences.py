"""The people of whom records differ, where there are many of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.reporting.queries.visibility import Reader
from services.reporting.search.differences import AT_A_TIME, MOST, find_differences
from services.trade.vocabulary import Role, SearchKind
from shared.domain.messages import Actor

OFFICER = UUID(int=7)
RECORDS = 2
READER = Reader(Actor(id=UUID(int=5), role=Role.SUPERVISOR, organisation="DORSET_POLICE"), None, frozenset())


class CountedPool:
    """Connections that count the records for which a statement asks."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool
        self.asked: list[int] = []

    async def fetch(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        self.asked.append(len(arguments[0]) if isinstance(arguments[0], list) else 0)
        return await self._pool.fetch(statement, *arguments)


def differing(people: int) -> Any:
    """Return an index in which people have two records each, with another birth date."""
    of_one = [{("referral", uuid4()): b"%d" % n for n in range(RECORDS)} for _ in range(people)]
    return SimpleNamespace(differing={uuid4(): {SearchKind.DATE_OF_BIRTH: tokens} for tokens in of_one})


async def keep(owner: Any, index: Any, people: int, officer: UUID | None = None) -> None:
    """Put the records of the last so many people of an index into reporting's table."""
    for kinds in list(index.differing.values())[-people:]:
        for service, stream in kinds[SearchKind.DATE_OF_BIRTH]:
            await owner.execute(
                "insert into stream (service, stream, home, cases, officer, mentions, marks, version, position, hash, state, open, view,"
                " record, opened_at, begun_at, updated_at, recorded_at)"
                " values ($1, $2, $3, array[$3::uuid], $4, '{}', '{}', 1, 1, '', 'Open', true, '{}', '{}', now(), now(), now(), now())",
                *(service, stream, uuid4(), officer),
            )


@pytest.mark.parametrize("officer", [None, OFFICER])
async def test_people_are_read_some_at_a_time_until_the_answer_is_full(
    owner: Any, pool: asyncpg.Pool[asyncpg.Record], officer: UUID | None
) -> None:
    """Given more people than an answer takes, of whom the last may be seen, then those are found, and no statement reads all."""
    index, counted = differing(3 * AT_A_TIME), CountedPool(pool)
    await keep(owner, index, 3, officer)
    found = await find_differences(cast("Any", counted), READER, index, None, officer)
    assert {one["person_id"] for one in found} == {str(one) for one in list(index.differing)[-3:]}
    assert max(counted.asked) <= RECORDS * AT_A_TIME
    assert sum(counted.asked) < 100 or officer is None, "records of others than the officer's people are read"


async def test_what_comes_after_a_full_answer_is_not_read(owner: Any, pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Given an answer that the first people fill, then it is full, and the records of the last are not read."""
    index, counted = differing(AT_A_TIME + MOST), CountedPool(pool)
    await keep(owner, index, AT_A_TIME + MOST)
    assert len(await find_differences(cast("Any", counted), READER, index, None)) == MOST
    records = RECORDS * AT_A_TIME
    assert counted.asked == [records, AT_A_TIME, records], "records, other ids and data rights, of the first alone"
