"""The `--as` of a command: the role of a person. SYSTEM is no such role, since only the services act in it."""

from __future__ import annotations

from typing import Any, Final

import typer

from services.vocabulary import Role

PERSON_ROLES: Final = tuple(role for role in Role if role is not Role.SYSTEM)
"""The roles that a person can have."""

ROLE_NAMES: Final = ", ".join(PERSON_ROLES)
"""Their names, as help and errors list them."""


def person_role(name: str) -> Role:
    """Return the role of a person by its name; raises `typer.BadParameter`, which lists those that there are."""
    if name == Role.SYSTEM:
        raise typer.BadParameter(
            "SYSTEM is the role of a service that reacts to another; no token is given for it."
            f" Choose one of {ROLE_NAMES}."
        )
    if name not in PERSON_ROLES:
        raise typer.BadParameter(f"{name!r} is not one of {ROLE_NAMES}.")
    return Role(name)


def role_option(purpose: str) -> Any:
    """Return the option `--as`; its help is what the role is for."""
    return typer.Option("--as", help=purpose, metavar="ROLE", parser=person_role)
