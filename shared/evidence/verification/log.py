"""The log, in order of position: dense positions, growing times, the log hash, and the answers under it."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
from asyncpg.pgproto import pgproto

from shared.event_store.log_hash import EMPTY_LOG, kept_answer, log_entry, next_log_hash
from shared.evidence.verification.problems import MOST_LINES, Passed, Problems, ignore_passed, or_else
from shared.servers.database import Pool

PAGE: Final = 5_000

READABLE_TIME: Final = "case when recorded_at between '0001-01-02' and '9999-12-30' then recorded_at end as recorded_at"
"""recorded_at, or null if no calendar of Python's has the day: PostgreSQL knows 'infinity' and the year 294276."""

# One statement, so one snapshot: later appends count in neither.
_END: Final = """
    select coalesce(head.position, event.last), head.log_hash, (select count(*) from answer), event.last
    from (select coalesce(max(position), 0) as last from event) as event left join head on true
"""
_PAGE_OF_LOG: Final = f"""
    select position, {READABLE_TIME}, stream, version, event_id, type, home, hash, body, log_hash
    from event where position > $1 and position <= $2 order by position limit $3
"""  # noqa: S608 - the expression above
_ANSWERS: Final = "select command_id, digest, stream, first_version, events from answer where command_id = any($1)"
_INVENTED: Final = """
    select command_id from answer where not exists (
        select 1 from event where event.stream = answer.stream and event.version = answer.first_version
        and position(convert_to(answer.command_id::text, 'UTF8') in event.body) > 0
    ) limit $1
"""
# The envelope's fields come in a fixed order before any text that a person writes, so the first match is its own.
_COMMAND_ID: Final = re.compile(rb'"command_id":"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"')
_ENVELOPE: Final = 1_024
"""How many bytes of an event are searched for the command."""
_FIRST: Final = -(2**63)


@dataclass(frozen=True, slots=True)
class LogEnd:
    """The end of an event store at one moment: what its head says, how many answers it holds, and its last position.

    If the head is gone, `log_hash` is None, and the last position stands for the head's. If PostgreSQL cannot read
    the end, `answers` is None too, and both positions are those that the topic has come to.
    """

    position: int
    log_hash: bytes | None
    answers: int | None
    last: int


async def end_of_log(database: Pool, reached: int, problems: Problems) -> LogEnd:
    """Return the end of an event store now; `reached` is the position of its topic."""
    row = await or_else(None, database.fetchrow(_END), problems)
    return LogEnd(reached, None, None, reached) if row is None else LogEnd(*row)


@dataclass
class LogChecks:
    """What a walk through the log finds."""

    places: Problems = field(default_factory=Problems)
    hashes: Problems = field(default_factory=Problems)
    answers: Problems = field(default_factory=Problems)


async def check_log(database: Pool, end: LogEnd, checks: LogChecks, passed: Passed = ignore_passed) -> None:
    walk = _Walk(checks)
    after = _FIRST
    while rows := await database.fetch(_PAGE_OF_LOG, after, end.position, PAGE):
        commands = [_command_of(row) for row in rows]
        rows_of_answers = await database.fetch(_ANSWERS, list(set(commands) - {None}))
        answers = {row["command_id"]: row for row in rows_of_answers}
        for row, command in zip(rows, commands, strict=True):
            try:
                walk.take(row, command, answers)
            except Exception as error:  # noqa: BLE001 - one row must not hide the others
                checks.hashes.note(f"position {row['position']}: cannot be checked: {type(error).__name__}: {error}")
        after = rows[-1]["position"]
        passed(len(rows))
        await asyncio.sleep(0)
    walk.end(end)
    if end.answers is not None and walk.answered != end.answers:
        checks.answers.note(f"{end.answers} answers are kept, for {walk.answered} commands of which there are events")
        for row in await database.fetch(_INVENTED, MOST_LINES):
            checks.answers.note(f"the answer of command {row['command_id']} is kept without its events")


def _command_of(row: asyncpg.Record) -> UUID | None:
    """Return the command that an event's bytes name."""
    match = _COMMAND_ID.search(row["body"] or b"", 0, _ENVELOPE)
    return None if match is None else pgproto.UUID(match[1].decode())


def place_of(row: asyncpg.Record) -> str:
    """Return in words where an event stands."""
    return f"position {row['position']} ({row['stream']} version {row['version']})"


class _Walk:
    """The progress of a walk through the log."""

    def __init__(self, checks: LogChecks) -> None:
        self.answered = 0
        self._checks = checks
        self._position = 0
        self._recorded_at: datetime | None = None
        self._log_hash = EMPTY_LOG

    def take(self, row: asyncpg.Record, command: UUID | None, answers: Mapping[UUID, asyncpg.Record]) -> None:
        """Look at the next event of the log, and at the answer of the command that it names."""
        self._place(row)
        answer = self._answer(row, command, None if command is None else answers.get(command))
        if row["recorded_at"] is not None:
            entry = log_entry(row["position"], row["recorded_at"], row["hash"])
            if next_log_hash(self._log_hash, entry, answer) != row["log_hash"]:
                self._checks.hashes.note(
                    f"{place_of(row)}: the log hash does not follow from the one before, its position, recorded_at, hash and answer"
                )
        self._log_hash = row["log_hash"]

    def _place(self, row: asyncpg.Record) -> None:
        position, recorded_at = row["position"], row["recorded_at"]
        if position < 1:
            self._checks.places.note(f"{place_of(row)}: no event was given this position")
        elif position != self._position + 1:
            self._missing(position - 1, f"before {place_of(row)}")
        self._position = max(position, 0)
        if recorded_at is None:
            self._checks.places.note(f"{place_of(row)}: recorded_at is no day of the calendar")
            return
        if self._recorded_at is not None and recorded_at <= self._recorded_at:
            self._checks.places.note(f"{place_of(row)}: recorded_at does not grow")
        self._recorded_at = recorded_at

    def _answer(self, row: asyncpg.Record, command: UUID | None, answer: asyncpg.Record | None) -> bytes:
        """Return the event's command's answer, if it is its last event; notes if the answer does not cover the event."""
        if command is None or answer is None:
            self._checks.answers.note(f"{place_of(row)}: the answer of its command is not kept")
            return b""
        first, version = answer["first_version"], row["version"]
        if answer["stream"] != row["stream"] or not first <= version < first + answer["events"]:
            self._checks.answers.note(f"{place_of(row)}: the answer of command {command} does not cover this event")
            return b""
        self.answered += version == first
        return kept_answer(command, answer["digest"]) if version == first + answer["events"] - 1 else b""

    def _missing(self, last: int, where: str) -> None:
        first = self._position + 1
        which = f"position {first} is" if first == last else f"positions {first} to {last} are"
        self._checks.places.note(f"{which} missing {where}")

    def end(self, end: LogEnd) -> None:
        if self._position < end.position:
            self._missing(end.position, "before the end")
        elif end.log_hash is None:
            self._checks.places.note("the head is gone")
        elif self._log_hash != end.log_hash:
            self._checks.hashes.note(f"the head's log hash is not that of position {end.position}")
        if end.last > end.position:
            self._checks.places.note(f"events stand up to position {end.last}, the head says {end.position}")
