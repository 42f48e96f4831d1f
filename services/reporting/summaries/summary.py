"""What every record has."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from shared.domain.messages import Fact, ValueObject


class LapsedDuty(ValueObject):
    """A duty that was not met when its stream was closed, and the day of that."""

    duty: str
    on: date


class Summary(ValueObject):
    """One stream, as measures and lists see it. `officer` is who has the work; `cases` are those that it belongs to."""

    stream: UUID
    home: UUID
    area: str | None = None
    officer: UUID | None = None
    cases: tuple[UUID, ...] = ()
    lapsed: tuple[LapsedDuty, ...] = ()


def head(history: Sequence[Fact]) -> dict[str, Any]:
    """The fields that follow from a stream's first fact."""
    first = history[0]
    return {
        "stream": first.stream_id,
        "home": first.envelope.home,
        "area": first.envelope.labels.get("area"),
    }
