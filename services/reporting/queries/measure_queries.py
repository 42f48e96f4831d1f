"""The measure queries of the API: functions of a pool and parameters, which answer in JSON's own types.

With `as_of`, `known_at` or positions, only the streams that changed since are folded again.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from services.disposal.summary import SealedTexts
from services.reporting.measures import Dataset, Measure, WorkItem, answer, measure_named
from services.reporting.measures.disclosure import Published
from services.reporting.measures.period import Period, year_of
from services.reporting.projection.as_of import fold_changed_streams
from services.reporting.projection.fold import EVERYTHING, split
from services.reporting.projection.projector import stood_open
from services.reporting.projection.read_models import READ_MODELS, SUMMARIES
from services.reporting.projection.snapshot import Connection, Pool, positions, snapshot
from services.reporting.queries.ethnicity import Grant
from services.reporting.queries.publication import (
    Publication,
    publish,
    published_in,
    require_publishable,
    require_whole,
)
from services.reporting.queries.restriction import restricted_people
from services.trade.summary import Summary
from shared.domain.dates import end_of_day, local_day
from shared.domain.sealing import SealedToken

MOST_READ: Final = 8_192
"""Summaries that a process remembers as they were stored, some 20 MB: those of a quarter of many teams."""

_AS_STORED: Final = """
    service = any($1::text[])
      and ($2::timestamptz is null or updated_at <= $2) and ($3::timestamptz is null or recorded_at <= $3)
      and ($4::jsonb is null or position <= ($4::jsonb ->> service)::bigint)
      and (service, stream) not in (select * from unnest($5::text[], $6::uuid[]))
"""
_ROWS: Final = f"select service, stream, record from stream where {_AS_STORED}"  # noqa: S608 - the clause above, and no value
# What other areas lead or led: nearly nothing. Each of its case's records that no area can lead by itself follows it.
_LED: Final = f"select service, record from stream where {_AS_STORED} and record -> 'led' <> '[]'"  # noqa: S608
_LED_BY_ITSELF: Final = [service for service, read_model in READ_MODELS.items() if read_model.events.holding]
_COUNTED: Final = f"{_ROWS} and counted && daterange($7, $8, '[]')"
_OF_SUBJECTS: Final = (
    f"{_ROWS} and (subject = any($7::uuid[]) or stream = any($9::uuid[])) and not stream = any($8::uuid[])"
)
# Open work and what has overdue duties, counted here: a row is a stream, or the streams that are alike in its columns. If
# the answer is grouped, all streams, since a group is shown that has neither.
_WORK: Final = f"""
    with late as materialized (
        select d.service, d.stream, count(*) as duties from duty as d
        where {stood_open("$7::date")} and d.due < $7 and d.service = any($1) group by d.service, d.stream
    )
    select service, case when $9::boolean then stream end as stream, state, open, home = any(cases) as is_work,
        coalesce(record ->> 'led_by', leader, area) as area, officer, count(*) as streams,
        coalesce(sum(late.duties), 0)::bigint as overdue
    from stream left join late using (service, stream)
        left join unnest($10::uuid[], $11::text[], $12::text[]) as led (led_home, led_area, leader)
        on led_home = home and led_area is not distinct from area and service <> all($13)
    where {_AS_STORED} and ($8::boolean or open or late.duties > 0)
    group by 1, 2, 3, 4, 5, 6, 7
"""  # noqa: S608 - the clauses above, and no value


async def measure(
    pool: Pool,
    name: str,
    from_: date,
    to: date,
    group_by: str | None = None,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
    ethnicity: Grant | None = None,
    last_positions: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Answer a measure of a period of Europe/London days, both included; raises `BadQuestion`.

    `as_of` counts what had occurred by then, `known_at` what had been recorded by then, `last_positions` each service's
    events up to a position. A measure of a protected characteristic is published instead: what is published of the period
    is the answer, at the positions of its own, and `ethnicity` is the grant of keys by which it is counted.
    """
    question, period = measure_named(name), Period(from_, to)
    if question.sealed_texts is not None:
        cuts = {"group_by": group_by, "as_of": as_of, "known_at": known_at}
        require_publishable(question, period, cuts, local_day(datetime.now(UTC)))
        return await _published(pool, question, period, ethnicity)
    async with snapshot(pool) as connection:
        reached = last_positions or await positions(connection, question.reads, known_at)
        grouped = group_by is not None
        dataset = await load_dataset(connection, question, period, as_of, known_at, last_positions, grouped=grouped)
    return answer(question, dataset, period, reached, group_by)


async def _published(pool: Pool, question: Measure[Any], period: Period, ethnicity: Grant | None) -> dict[str, Any]:
    """Answer by what is published of a period; count and publish it if nothing is. Without a grant, no group is counted."""
    assert question.sealed_texts is not None
    assert question.counts is not None
    year = year_of(period.first)
    while True:
        earlier = [] if ethnicity is None else await published_in(pool, question.name, year, ethnicity.secret)
        tables = [publication.table for publication in earlier]
        for publication in earlier:
            if publication.table.period == period:
                return answer(question, Dataset(published=tables), period, publication.positions)
        await require_whole(pool, question, period)
        async with snapshot(pool) as connection:
            reached = await positions(connection, question.reads)
            dataset = await load_dataset(connection, question, year, None, None)
        if ethnicity is None:
            return answer(question, dataset, period, reached)
        sealed = await _unrestricted(pool, question.reads, question.sealed_texts(dataset, year))
        dataset = replace(dataset, ethnicities=await ethnicity.open(sealed), published=tables)
        total, shown = len(question.rows(dataset, period)), question.counts(dataset, period)
        new = Publication(Published(period, total, shown), reached)
        await publish(pool, question.name, year, len(earlier) + 1, new, ethnicity.secret)


async def _unrestricted(pool: Pool, services: Collection[str], sealed: Sequence[SealedTexts]) -> list[SealedTexts]:
    """Leave out the texts of people whose processing is restricted today; the day of the question does not matter."""
    owners = {texts: SealedToken.parse(texts.token).subject for texts in sealed}
    people = {UUID(owner.removeprefix("person/")) for owner in owners.values() if owner.startswith("person/")}
    restricted = await restricted_people(pool, {(service, person) for service in services for person in people})
    withheld = {f"person/{person}" for _, person in restricted}
    return [texts for texts in sealed if owners[texts] not in withheld]


async def load_dataset(
    connection: Connection,
    question: Measure[Any],
    period: Period,
    as_of: datetime | None,
    known_at: datetime | None,
    last_positions: Mapping[str, int] | None = None,
    *,
    grouped: bool = False,
    each_stream: bool = False,
) -> Dataset:
    """Load what may count in a period, as it was then; `grouped`: also streams without work; `each_stream`: one item each."""
    services = sorted(question.reads)
    cut = None if last_positions is None else json.dumps(dict(last_positions))
    day = period.last
    if question.needs_work_items:
        as_of = min(as_of or end_of_day(day), end_of_day(day))
    touched, work = list[tuple[str, Summary]](), list[WorkItem]()
    async for item in fold_changed_streams(
        connection, services, as_of, known_at, last_positions=last_positions or EVERYTHING
    ):
        touched.append((item.service, item.summary))
        if question.needs_work_items:
            work.append(item.work_item(day))
    stored = (services, as_of, known_at, cut, *split((service, summary.stream) for service, summary in touched))
    moved = [_read_summary(row["service"], row["record"]) for row in await connection.fetch(_LED, *stored)]
    moved += [summary for _, summary in touched if summary.led]
    leaders = {(of.home, of.area): leader for of in moved if (leader := of.leader_on(day)) is not None}

    def led(service: str, summary: Summary) -> Summary:
        by_itself = service in _LED_BY_ITSELF
        leader = summary.leader_on(day) if by_itself else leaders.get((summary.home, summary.area))
        return summary if leader == summary.led_by else summary.model_copy(update={"led_by": leader})

    if question.needs_work_items:
        columns = ([home for home, _ in leaders], [area for _, area in leaders], list(leaders.values()))
        how = (day, grouped, each_stream, *columns, _LED_BY_ITSELF)
        rows = await connection.fetch(_WORK, *stored, *how)
        items = [replace(item, area=led(*of).counted_in) for of, item in zip(touched, work, strict=True)]
        return Dataset(work_items=[WorkItem(**row) for row in rows] + items)
    rows = await connection.fetch(_COUNTED, *stored, period.first, day)
    summaries = [led(row["service"], _read_summary(row["service"], row["record"])) for row in rows]
    summaries += [led(*of) for of in touched]
    if question.needs_subjects:
        subjects = {summary.subject for summary in summaries}
        streams = [row["stream"] for row in rows]
        followed = {summary.follows for summary in summaries}
        wanted = (list(subjects - {None}), streams, list(followed - {None}))
        others = await connection.fetch(_OF_SUBJECTS, *stored, *wanted)
        summaries += [_read_summary(row["service"], row["record"]) for row in others]
    return Dataset(summaries)


@lru_cache(MOST_READ)
def _read_summary(service: str, record: str) -> Summary:
    """Read a stored summary; cached, since the measures of one period parse the same ones."""
    return SUMMARIES.get(service, Summary).model_validate_json(record)
