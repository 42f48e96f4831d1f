"""The navigation of a person: the pages that their role may open, and no other."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.console.directory import WORKERS
from services.reporting.access import ACCESS
from services.trade.vocabulary import Role
from shared.domain.permissions import Permission

BEGINS: Final = "begins"
PAGES: Final = (
    ("My day", "/", "duties"),
    ("Cases", "/cases", "cases"),
    ("Search", "/search", "search"),
    ("Sessions", "/sessions", "cases"),
    ("Panel", "/panel", "cases"),
    ("Begin", "/begin", BEGINS),
    ("Returns", "/returns", "measures"),
)
"""Each page's words and address, and the part of reporting that it shows; empty: it is open to every role that lists it."""
BEGINNERS: Final = WORKERS | {Role.SCHOOL}
"""The roles that begin a record."""
VICTIMS: Final = (("Victims", "/victims", ""),)
OF_ROLE: Final[Mapping[str, Sequence[tuple[str, str, str]]]] = {
    Role.SCHOOL: (("Your referrals", "/", ""), ("Report", "/report", "")),
    Role.SUPERVISOR: VICTIMS + PAGES,
    Role.VICTIM_WORKER: VICTIMS + PAGES,
}
"""The pages of a role that has others."""
NOTHING: Final = Permission(frozenset())


def permission_of(role: str) -> Permission:
    """Return what a role may read of the lists."""
    return ACCESS.get(role, NOTHING)


def navigation(role: str, path: str) -> list[dict[str, Any]]:
    """Return the items of a role's navigation, for the page at a path."""
    parts = permission_of(role).parts | {"", *([BEGINS] if role in BEGINNERS else [])}
    return [
        {"text": text, "href": href, "active": path == href or (href != "/" and path.startswith(f"{href}/"))}
        for text, href, part in OF_ROLE.get(role, PAGES)
        if part in parts
    ]
