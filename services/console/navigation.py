"""The navigation of a person: the pages that their role may open, and no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.reporting.access import ACCESS
from services.vocabulary import Role
from shared.domain.permissions import Permission

PAGES: Final = (
    ("My day", "/", ""),
    ("Cases", "/cases", "cases"),
    ("Search", "/search", "search"),
    ("Sessions", "/sessions", "cases"),
    ("Panel", "/panel", "cases"),
    ("Begin", "/begin", ""),
    ("Returns", "/returns", "measures"),
)
"""Each page's words and address, and the part of reporting that it shows; empty: it is open to every role."""
VICTIMS: Final = (("Victims", "/victims", ""),)
OF_ROLE: Final[Mapping[str, Sequence[tuple[str, str, str]]]] = {
    Role.SCHOOL: (("Your referrals", "/", ""), ("Report", "/report", "")),
    Role.SUPERVISOR: VICTIMS + PAGES,
    Role.VICTIM_WORKER: VICTIMS + PAGES,
}
"""The pages of a role that has others."""
NOTHING: Final = Permission(frozenset())


def navigation(role: str, path: str) -> list[dict[str, Any]]:
    """Return the items of a role's navigation, for the page at a path."""
    parts = ACCESS.get(role, NOTHING).parts | {""}
    return [
        {"text": text, "href": href, "active": path == href or (href != "/" and path.startswith(f"{href}/"))}
        for text, href, part in OF_ROLE.get(role, PAGES)
        if part in parts
    ]
