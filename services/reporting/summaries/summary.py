"""What every record has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from shared.domain.messages import Fact, ValueObject


class Summary(ValueObject):
    """One stream, as measures and lists see it. `officer` is who has the work; `cases` are those that it belongs to."""

    stream: UUID
    home: UUID
    area: str | None = None
    officer: UUID | None = None
    cases: tuple[UUID, ...] = ()


def head(history: Sequence[Fact]) -> dict[str, Any]:
    """The fields that follow from a stream's first fact."""
    first = history[0]
    return {
        "stream": first.stream_id,
        "home": first.envelope.home,
        "area": first.envelope.labels.get("area"),
    }
