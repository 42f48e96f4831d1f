"""Problems found by a check, as lines for people, limited in number and length."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar

T = TypeVar("T")

Passed: TypeAlias = Callable[[int], None]
"""Receives the number of further events, or records of events, that a check has passed."""


def ignore_passed(_: int) -> None:
    """Ignore how far a check has come."""


MOST_LINES: Final = 1_000
"""How many breaks of one check are kept; the others are counted."""

LONGEST_LINE: Final = 400
"""Characters of a line: it may quote what an attacker wrote."""


class Problems:
    """The breaks that one check has found."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._more = 0

    def note(self, text: str) -> None:
        """Keep a break as one line of printable characters."""
        if len(self._lines) < MOST_LINES:
            self._lines.append(one_line(text))
        else:
            self._more += 1

    @property
    def count(self) -> int:
        """How many breaks were found."""
        return len(self._lines) + self._more

    @property
    def lines(self) -> tuple[str, ...]:
        return (*self._lines, f"and {self._more} more") if self._more else tuple(self._lines)


@dataclass
class CountedCheck:
    """What is broken in the entries of a log, and how many entries were looked at."""

    problems: Problems = field(default_factory=Problems)
    entries: int = 0


def one_line(text: str) -> str:
    """Return the text on one line, without control characters, cut if it is too long."""
    printable = "".join(character if character.isprintable() else " " for character in text[: 4 * LONGEST_LINE])
    line = " ".join(printable.split())
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…"


async def note_lasting(look: Callable[[], Awaitable[list[str]]], seconds: float, problems: Problems) -> None:
    """Look for differences until there are none, or so much time has passed; note those that are left."""
    until = time.monotonic() + seconds
    lines = await look()
    while lines and time.monotonic() < until:
        await asyncio.sleep(0.2)
        lines = await look()
    for line in lines:
        problems.note(line)


async def or_else(default: T, work: Awaitable[T], *checks: Problems) -> T:
    """Await a part of the verification; if it fails, note so in each of its checks, and return the default."""
    try:
        return await work
    except Exception as error:  # noqa: BLE001 - whatever the data hold, the other parts are verified all the same
        for problems in checks:
            problems.note(f"this check could not be finished: {type(error).__name__}: {error}")
        return default


async def to_the_end(work: Awaitable[None], *checks: Problems) -> None:
    """Await a part of the verification; if it fails, note so in each of its checks instead of raising."""
    await or_else(None, work, *checks)
