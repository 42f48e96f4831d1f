"""`ooc --version`."""

from __future__ import annotations

from typing import Annotated

import typer

from ooc.tables import OUT


def _print_version(wanted: bool) -> None:
    if wanted:
        from shared.version import version  # noqa: PLC0415  only where it is asked for

        OUT.print(f"ooc {version()}")
        raise typer.Exit


def take_options(
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""
