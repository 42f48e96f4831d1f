"""The navigation of a person: the pages that their role may open, and no other."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from services.console.directory import WORKERS
from services.reporting.access import ACCESS
from services.trade.vocabulary import Role
from shared.domain.permissions import Permission, permission_of

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


def lists_of(roles: Iterable[str]) -> Permission:
    return permission_of(ACCESS, roles)


def navigation(roles: Sequence[str], path: str) -> list[dict[str, Any]]:
    parts = lists_of(roles).parts | {"", *([] if BEGINNERS.isdisjoint(roles) else [BEGINS])}
    pages = dict.fromkeys(page for role in roles for page in OF_ROLE.get(role, PAGES))
    return [
        {"text": text, "href": href, "active": path == href or (href != "/" and path.startswith(f"{href}/"))}
        for text, href, part in pages
        if part in parts
    ]
