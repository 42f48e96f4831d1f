"""Frozen returns: a measure's answer, kept to the byte with all that it rests on.

A return keeps the positions that were counted, so that the same count can be made again for ever: later events and
corrections lie behind them. Its SHA-256 stands in the access log, whose tree is signed and witnessed (ADR 33): neither
the row nor the line can be changed without the other, and neither without the witness.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid5

import asyncpg

from services.reporting.measures import Measure, measure_named
from services.reporting.measures.period import Period
from services.reporting.measures.policy import POLICY
from services.reporting.projection.as_of import changed_after, histories_in_turn, histories_of
from services.reporting.projection.fold import Folded, Stream, fold, is_after
from services.reporting.projection.knowledge import known_of, rests_on
from services.reporting.projection.projector import stream_of
from services.reporting.projection.snapshot import Connection, Pool, positions, snapshot
from services.reporting.queries.ethnicity import Grant
from services.reporting.queries.measure_queries import measure
from services.reporting.queries.timeline import Opened, lines_of, open_notes
from services.reporting.queries.verifications import log_problems
from services.reporting.queries.visibility import Reader
from shared.domain.envelope import Fact
from shared.domain.messages import Actor
from shared.domain.persons import NOTHING_KNOWN
from shared.privacy.keyring import Keyring

MAX_EVENTS: Final = 200
"""How many later events a comparison names; it counts all."""
_LATER: Final = ("version", "position", "occurred_at", "recorded_at", "sentence", "notes")
"""What a comparison shows of a later event's line in the timeline."""
PAGE_SIZE: Final = 50
ACTION: Final = "FREEZE_RETURN"


class ReturnQuestion(NamedTuple):
    """What a return answers: a measure of a period of Europe/London days, both included."""

    measure: str
    first: date
    last: date
    group_by: str | None = None


@dataclass(frozen=True, slots=True)
class FrozenReturn:
    """A return as it was frozen: the question, the answer to the byte, and all that it rests on."""

    id: UUID
    actor: UUID
    organisation: str
    measure: str
    first_day: date
    last_day: date
    group_by: str | None
    positions: Mapping[str, int]
    definition_version: str
    definition: str
    policy: Mapping[str, Any]
    """The dated values of reporting on the last day of the period."""
    answer: bytes
    """The answer, as JSON in UTF-8 with sorted names and no spaces."""
    sha256: bytes
    frozen_at: datetime | None = None
    """None before it is kept."""

    @classmethod
    def of_row(cls, row: asyncpg.Record) -> FrozenReturn:
        """Read a row of `frozen_return`."""
        return cls(**{**row, "positions": json.loads(row["positions"]), "policy": json.loads(row["policy"])})

    @property
    def question(self) -> ReturnQuestion:
        return ReturnQuestion(self.measure, self.first_day, self.last_day, self.group_by)

    @property
    def log_target(self) -> str:
        """The target of the access log's line that records its making."""
        return f"reporting/returns/{self.id}/sha256:{self.sha256.hex()}"


_COLUMNS: Final = [field.name for field in fields(FrozenReturn) if field.name != "frozen_at"]
_KEEP: Final = f"""
    insert into frozen_return ({", ".join(_COLUMNS)})
    values ({", ".join(f"${n}" for n in range(1, len(_COLUMNS) + 1))}) on conflict (id) do nothing returning frozen_at
"""  # noqa: S608 - the columns above, and no value


def return_id(actor: UUID, key: str) -> UUID:
    """Return the id of the return that an actor freezes under an idempotency key."""
    return uuid5(actor, f"return/{key}")


async def prepare_return(
    pool: Pool, id_: UUID, question: ReturnQuestion, actor: Actor, ethnicity: Grant | None
) -> FrozenReturn:
    """Count a measure up to the positions that have been reached. Raises `BadQuestion` or `NoPolicy`; keeps nothing."""
    frozen_measure = measure_named(question.measure)
    async with snapshot(pool) as connection:
        reached = await positions(connection, rests_on(frozen_measure.reads))
    answer = await _count(pool, question, reached, ethnicity)
    return FrozenReturn(
        id_,
        actor.id,
        actor.organisation,
        *question,
        json.loads(answer)["positions"],
        frozen_measure.version,
        frozen_measure.definition,
        _policy_on(question.last),
        answer,
        hashlib.sha256(answer).digest(),
    )


async def keep_return(connection: Connection, item: FrozenReturn) -> bool:
    """Insert a return; False if one of this id is kept already."""
    values = (getattr(item, column) for column in _COLUMNS)
    stored = (json.dumps(value) if isinstance(value, dict) else value for value in values)
    return await connection.fetchval(_KEEP, *stored) is not None


async def find_return(pool: Pool, id_: UUID) -> FrozenReturn | None:
    row = await pool.fetchrow("select * from frozen_return where id = $1", id_)
    return None if row is None else FrozenReturn.of_row(row)


async def list_returns(pool: Pool, page: int) -> list[FrozenReturn]:
    rows = await pool.fetch(
        "select * from frozen_return order by frozen_at desc, id limit $1 offset $2", PAGE_SIZE, (page - 1) * PAGE_SIZE
    )
    return [FrozenReturn.of_row(row) for row in rows]


async def compare_with_today(
    pool: Pool, item: FrozenReturn, ethnicity: Grant | None, reader: Reader, keyring: Keyring, reason: str | None = None
) -> Opened:
    """Count the same again: up to the same positions, and up to today's; say what differs, and why.

    The later events are those of records that the reader may see, with the reasons that they state; their total is that of all.
    """
    frozen_measure = measure_named(item.measure)
    async with snapshot(pool) as connection:
        reached = await positions(connection, item.positions)
        published = frozen_measure.sealed_texts is not None
        later, histories, total = (
            ([], {}, 0) if published else await _later_events(connection, frozen_measure, item, reader)
        )
    classes = await open_notes(pool, [line for _, line in later], histories, reader, reason, keyring)
    again = await _count(pool, item.question, item.positions, ethnicity)
    today = again if reached == item.positions else await _count(pool, item.question, reached, ethnicity)
    answer = {
        "reproduced": again == item.answer,
        "answer": json.loads(today),
        "differences": list(_differences(json.loads(item.answer), json.loads(today))),
        "because": list(_reasons(frozen_measure, item, reproduced=again == item.answer, events=total)),
        "later_events": [
            {name: line[name] for name in _LATER} | {"stream": fact.envelope.stream, "type": fact.envelope.type}
            for fact, line in later
        ],
        "later_events_total": total,
    }
    return Opened(answer, classes)


async def reproduction_problems(pool: Pool) -> list[str]:
    """List the returns that their row, the access log, or a count up to their positions contradicts; in words.

    A return is counted again only if definition and policy are those by which it was made, and no key is needed.
    """
    rows = await pool.fetch("select * from frozen_return order by frozen_at, id")
    kept: dict[str, str] = {}
    problems = []
    for item in map(FrozenReturn.of_row, rows):
        name = kept[item.log_target] = f"return {item.id}"
        if hashlib.sha256(item.answer).digest() != item.sha256:
            problems.append(f"{name}: its bytes are not those of its SHA-256")
        frozen_measure = measure_named(item.measure)
        if frozen_measure.sealed_texts is None and not _changed_rules(frozen_measure, item):
            again = await _count(pool, item.question, item.positions, None)
            if again != item.answer:
                problems.append(f"{name}: the events up to its positions give another answer")
    return problems + await log_problems(pool, ACTION, kept)


async def _count(pool: Pool, question: ReturnQuestion, counted: Mapping[str, int], ethnicity: Grant | None) -> bytes:
    answered = await measure(pool, *question, ethnicity=ethnicity, last_positions=counted)
    return json.dumps(answered, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _policy_on(day: date) -> dict[str, Any]:
    policy = POLICY.on(day)
    values: dict[str, Any] = json.loads(json.dumps(dict(policy.values), default=str))
    return {"edition": policy.edition, "values": values}


def _changed_rules(frozen_measure: Measure[Any], item: FrozenReturn) -> list[str]:
    """Say what of the rules of counting has changed since a return was made."""
    changed = []
    if frozen_measure.version != item.definition_version:
        changed.append(
            f"the definition was version {item.definition_version} and is now version {frozen_measure.version}"
        )
    now = _policy_on(item.question.last)
    names = {*now["values"], *item.policy["values"]}
    other = sorted(name for name in names if now["values"].get(name) != item.policy["values"].get(name))
    if other:
        changed.append(f"these dated values of {item.question.last} have changed: {', '.join(other)}")
    return changed


def _reasons(frozen_measure: Measure[Any], item: FrozenReturn, *, reproduced: bool, events: int) -> Iterator[str]:
    changed = _changed_rules(frozen_measure, item)
    yield from changed
    if not reproduced and not changed:
        yield "the events up to its positions give another answer: verify the system"
    if events:
        yield f"{events} later event{'s' if events > 1 else ''} changed what is counted; see later_events"


async def _later_events(
    connection: Connection, frozen_measure: Measure[Any], item: FrozenReturn, reader: Reader
) -> tuple[list[tuple[Fact, dict[str, Any]]], Mapping[Stream, Sequence[Fact]], int]:
    """List the events after a return's positions by which it would count something else today of a stream, and count all.

    They are those of the stream, and what became known of its persons; listed are those of histories that the reader may
    see, each with its line of a timeline, and these histories.
    """
    changed = sorted(await changed_after(connection, frozen_measure.reads, item.positions))
    told, shown = set[UUID](), list[Fact]()
    async for stream, history in histories_in_turn(connection, changed):
        known = (await known_of(connection, {stream: history})).get(stream, NOTHING_KNOWN)
        then = _counts(frozen_measure, item, fold(history, last_positions=item.positions, known=known))
        if then != _counts(frozen_measure, item, fold(history, known=known)):
            every = {fact.event_id: fact for fact in (*history, *known.facts) if is_after(fact, item.positions)}
            later = [fact for id_, fact in every.items() if id_ not in told]
            told |= every.keys()
            seen = await reader.reach("history").select(connection, set(map(stream_of, later)))
            shown += [fact for fact in later if stream_of(fact) in seen]
            shown = sorted(shown, key=lambda one: (one.recorded_at, one.envelope.stream, one.version))[:MAX_EVENTS]
    histories = await histories_of(connection, [*{*map(stream_of, shown)}])
    lines = {UUID(line["event_id"]): line for of in histories.items() for line in lines_of(*of, reader)}
    return [(fact, lines[fact.event_id]) for fact in shown], histories, len(told)


def _counts(frozen_measure: Measure[Any], item: FrozenReturn, folded: Folded | None) -> object:
    """Return what a measure may count of a stream in a return's period, to be compared; None: nothing."""
    if folded is None:
        return None
    period = Period(item.question.first, item.question.last)
    if frozen_measure.needs_work_items:
        return folded.state, folded.open, folded.summary, folded.duties
    in_period = any(day in period for day in frozen_measure.days(folded.summary))
    return folded.summary if in_period or frozen_measure.needs_subjects else None


def _differences(frozen: Any, today: Any, path: str = "") -> Iterator[dict[str, Any]]:
    """Yield each value that differs, by its path with dots; the positions always do, so they are left out."""
    if isinstance(frozen, Mapping) and isinstance(today, Mapping):
        for name in sorted({*frozen, *today}):
            if path or name != "positions":
                yield from _differences(frozen.get(name), today.get(name), f"{path}.{name}" if path else name)
    elif frozen != today:
        yield {"column": path, "frozen": frozen, "today": today}
