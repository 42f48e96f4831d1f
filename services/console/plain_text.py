"""Values as plain text, for tables at a terminal and on paper."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.domain.dates import LONDON


def cell_text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case Mapping():
            return ", ".join(f"{key}: {cell_text(item)}" for key, item in value.items())
        case list() | tuple():
            return ", ".join(cell_text(item) for item in value)
        case _:
            return str(value)


def moment(text: Any) -> str:
    """Return a moment in Europe/London, to the second."""
    try:
        return datetime.fromisoformat(str(text)).astimezone(LONDON).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):
        return cell_text(text)
