"""Write docs/reference from the code: `python -m tools.reference`, or `make docs`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from services.registry import DECIDING
from tools.reference.access_page import of_access
from tools.reference.database_roles import of_database_roles
from tools.reference.pages import (
    index,
    of_measures,
    of_service,
    of_states,
)
from tools.reference.state_explorer import moves, tell

PLACE: Final = Path("docs/reference")
STORIES: Final = Path("tests/scenarios")


def declared_pages() -> dict[str, str]:
    """The pages that follow from declarations, by path."""
    pages = index(DECIDING) | of_measures() | of_database_roles() | of_access(DECIDING)
    for service in DECIDING:
        pages |= of_service(service)
    return pages


def explored_pages(stories: Path = STORIES) -> dict[str, str]:
    """The pages with the state machines, by path; finding the moves takes half a minute."""
    told = tell(DECIDING, stories)
    pages: dict[str, str] = {}
    for service in DECIDING:
        pages |= of_states(service, moves(service, told))
    return pages


def write(pages: dict[str, str], place: Path = PLACE) -> None:
    """Write the pages, and take away those that no longer are."""
    for old in place.rglob("*.md"):
        if str(old.relative_to(place)) not in pages:
            old.unlink()
    for path, text in pages.items():
        file = place / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(declared_pages() | explored_pages())
