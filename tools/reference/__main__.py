"""Write docs/reference from the code: `python -m tools.reference`, or `make docs`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

import structlog

from services.registry import deciding_services
from tools.reference.access_page import of_access
from tools.reference.database_roles import of_database_roles
from tools.reference.pages import (
    index,
    of_measures,
    of_service,
    of_states,
)
from tools.reference.state_explorer import moves, play_stories

PLACE: Final = Path("docs/reference")
STORIES: Final = Path("tests/scenarios")


def declared_pages() -> dict[str, str]:
    """Write the pages that follow from declarations, by path."""
    services = deciding_services()
    pages = index(services) | of_measures() | of_database_roles() | of_access(services)
    for service in services:
        pages |= of_service(service)
    return pages


def explored_pages(stories: Path = STORIES) -> dict[str, str]:
    """Draw the pages with the state machines, by path; to find the moves takes half a minute."""
    services = deciding_services()
    told = play_stories(services, stories)
    pages: dict[str, str] = {}
    for service in services:
        pages |= of_states(service, moves(service, told))
    return pages


def write(pages: dict[str, str], place: Path = PLACE) -> None:
    """Write the pages, and delete those that no declaration makes any more."""
    for old in place.rglob("*.md"):
        if str(old.relative_to(place)) not in pages:
            old.unlink()
    for path, text in pages.items():
        file = place / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    # Reactions that stories park are of no interest here.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    write(declared_pages() | explored_pages())
