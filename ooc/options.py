"""The arguments and options that commands share, and what most commands do with them."""

from typing import Annotated, Any, Final, NoReturn

import typer

from ooc.tables import complain
from services.system.addresses import find_addresses
from services.trade.vocabulary import PROGRAMS, Role
from tools.client.http import Client

SOON: Final = 5.0
"""Seconds for which a question waits for a service that does not answer."""

PATIENT: Final = 30.0
"""Seconds of the same if an answer may take a while."""

ROLES: Final = tuple(role for role in Role if role not in PROGRAMS - {Role.AGENCY})
"""The roles that a person can have, and that of an agency's program, which its developers try."""

ROLE_NAMES: Final = ", ".join(ROLES)


def asked_role(name: str) -> Role:
    """Return a role that may be asked for, by its name; raises `typer.BadParameter`, which lists those that there are."""
    if name == Role.SYSTEM:
        raise typer.BadParameter(
            "SYSTEM is the role of a service that reacts to another; no token is given for it."
            f" Choose one of {ROLE_NAMES}."
        )
    if name not in ROLES:
        raise typer.BadParameter(f"{name!r} is not one of {ROLE_NAMES}.")
    return Role(name)


def role_option(purpose: str) -> Any:
    """Return the option `--as`; its help is what the role is for."""
    return typer.Option("--as", help=purpose, metavar="ROLE", parser=asked_role)


Urls = Annotated[
    list[str] | None,
    typer.Option(
        "--url", help="SERVICE=http://host:port (repeat), or the URL of a gateway. Default: the local system."
    ),
]
AsRole = Annotated[Role, role_option(f"The role in which to ask: {ROLE_NAMES}.")]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of", help="Only what had occurred by then: a date (its end, in Europe/London) or a time with its zone."
    ),
]
KnownAt = Annotated[
    str | None, typer.Option("--known-at", help="Only what had been recorded by then: a date or a time, as above.")
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask whether to go on.")]


def client_of(url: list[str] | None, *, patience: float = SOON, reason: str = "CONSOLE") -> Client:
    """Return a client of the system that `--url` names; `reason` stands in the access log. Raises `NoSystem`."""
    return Client(find_addresses(url or ()), patience=patience, reason=reason)


def fail(text: str, code: int = 1) -> NoReturn:
    complain(text)
    raise typer.Exit(code)
