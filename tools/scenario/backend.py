"""The interface between a runner and a system, in this process or behind HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol
from uuid import UUID

from tools.scenario.story import Officer, Result


class BackendError(Exception):
    """No scenario can be played against the system; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Request:
    """A command as it is sent: its body is JSON, its key makes a repetition harmless."""

    service: str
    stream: UUID
    by: Officer
    body: Mapping[str, Any]
    key: str


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to a command: its events or the broken rules, and the receipt to compare."""

    word: Result
    events: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    receipt: Mapping[str, Any] = field(default_factory=dict)
    known: tuple[str, ...] = ()
    """The ids that broken rules name, such as persons who are known already."""
    why: str = ""
    """The system's explanation, for people to read."""
    attempts: int = 1
    """How often it was sent: after a lost connection, a repetition may be the answer to our own first attempt."""

    def __str__(self) -> str:
        listed = self.rules or self.events
        text = f"{self.word} {', '.join(listed)}" if listed else str(self.word)
        return f"{text} ({self.why})" if self.why else text


class Backend(Protocol):
    """A system against which a scenario is played. Every method may raise `BackendError`."""

    patience: float
    """Seconds for which a check waits until what it looks at agrees."""

    def officer(self, officer: Officer) -> UUID:
        """Return the id of the person who acts in a role."""

    def send(self, request: Request) -> Response: ...

    def state(
        self, service: str, stream: UUID, *, as_of: datetime | None, known_at: datetime | None
    ) -> Mapping[str, Any] | None:
        """Return a stream's state as an auditor sees it; None if nothing had begun."""

    def history(self, service: str, stream: UUID) -> Sequence[Mapping[str, Any]]:
        """Return a stream's events in order: at least type, event_id, occurred_at and recorded_at of each."""

    def duties(
        self, service: str, stream: UUID, *, as_of: date | None, known_at: datetime | None
    ) -> Sequence[Mapping[str, Any]]:
        """Return a stream's duties as the sheet of a day shows them."""

    def measure(self, name: str, params: Mapping[str, str]) -> Mapping[str, Any] | None:
        """Return a measure as an analyst sees it; None if this system has no reporting."""

    def messages(self, person: UUID, *, as_of: datetime | None) -> Sequence[Mapping[str, Any]] | None:
        """Return what a person was told: `template`, `at` in Europe/London, and the id of the `record` that it is about.

        None if this system's messages count from today, and not from the days of the story.
        """

    def settle(self) -> None:
        """Wait until everything recorded so far has passed through reactions and projections."""

    def now(self) -> datetime:
        """Return the system's own time."""
