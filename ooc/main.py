"""`ooc`: the system for people at a terminal. Through the API like everyone, save what is done to the system itself.

Here is only the composition: each command is in the module of its group, which is imported when the command is run.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import typer
from stamina.instrumentation import set_on_retry_hooks
from typer.core import TyperCommand, TyperGroup

from shared.domain.declared import read_beside

_LISTED: Final[Mapping[str, tuple[str, str]]] = read_beside(__file__, "commands.toml")
COMMANDS: Final = {name: help_ for name, (_, help_) in _LISTED.items()}
"""Each command with the first sentence of its help: so `ooc --help` imports no module of a command."""


class _Modules(Mapping[str, Any]):
    """The commands by name; one is imported when it is looked up."""

    def __getitem__(self, name: str) -> Any:
        module, _ = _LISTED[name]
        return typer.main.get_group(import_module(f"ooc.{module}").app).commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class _Commands(TyperGroup):
    """The commands of `ooc`; says in plain words what is wrong with an argument."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes | {"commands": _Modules()})

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        listed: Any = {name: TyperCommand(name, help=text) for name, text in COMMANDS.items()}
        TyperGroup(commands=listed).format_commands(ctx, formatter)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            if error.message.startswith("Input should be a valid UUID"):
                error.message = f"an id is a UUID, such as {UUID(int=0)}: copy it whole."
            error.message = error.message.removeprefix("Value error, ")
            raise
        except ValueError as error:
            from ooc.options import fail  # noqa: PLC0415  only if it is needed
            from shared.servers.settings import InvalidSetting  # noqa: PLC0415

            if isinstance(error, InvalidSetting):
                fail(str(error))
            raise


app = typer.Typer(
    name="ooc",
    cls=_Commands,
    help="The case system of a team that keeps children out of court.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from shared.servers.version import version  # noqa: PLC0415  only if it is asked for

        print(f"ooc {version()}")
        raise typer.Exit


@app.callback()
def take_options(
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def main() -> None:
    """Run a command; whatever goes wrong is said in a sentence, with exit code 1."""
    # The processes that it starts find their own modules, whatever folders stand beside them.
    if Path.cwd() != Path(__file__).parents[1]:
        os.environ.setdefault("PYTHONSAFEPATH", "1")
    wants_traceback = bool(os.environ.get("OOC_DEBUG"))
    if not wants_traceback:
        set_on_retry_hooks(())  # a person is told how it ends, not of every attempt
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if wants_traceback:
            raise
        from ooc.progress import error_text  # noqa: PLC0415  it knows the errors of every client
        from ooc.tables import complain  # noqa: PLC0415  as above

        complain(error_text(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
