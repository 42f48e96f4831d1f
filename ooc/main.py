"""`ooc`: the system for people at a terminal. Through the API like everyone, save what is done to the system itself.

Here is only the composition: each command is in the module of its group, which is imported when the command is run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Annotated, Any, Final
from uuid import UUID

import typer
from stamina.instrumentation import set_on_retry_hooks
from typer.core import TyperCommand, TyperGroup

MODULES: Final = {
    "cases.access": ("access",),
    "data_rights.subject_access": ("subject-access",),
    "data_rights.commands": ("forget", "forget-again", "restrict", "lift", "hold", "release", "retention"),
    "restore.commands": ("rebuild", "restore"),
    "imports": ("import",),
    "system.commands": ("up", "demo", "status", "migrate", "topics", "seed"),
    "cases.commands": ("case", "cases", "duties", "next", "search", "document", "watch"),
    "measures": ("measure", "returns"),
    "commands.commands": ("send", "receipt", "sign"),
    "tokens": ("token",),
    "scenarios": ("scenario",),
    "operations": ("reactions", "quarantine", "gaps", "alarms"),
    "evidence.export": ("export", "evidence"),
    "evidence.verify_command": ("verify",),
    "evidence.keys": ("keys",),
}
"""The commands that each module adds."""

COMMANDS: Final = {
    "access": "List who read or changed what, when, in which role and why, and what was refused.",
    "subject-access": "Write all that is held about a person, for that person, without anybody else's data: as JSON and as PDF.",
    "forget": "Forget a person in every service.",
    "forget-again": "Repeat every destruction that the event stores record and the keyring lacks: after a backup of it was restored.",
    "restrict": "Restrict the processing of a person's data: they are kept, and shown to data protection alone.",
    "lift": "Lift a restriction: the data may be used again.",
    "hold": "Place a hold: while it stands the person cannot be forgotten.",
    "release": "Release a hold that has ended.",
    "rebuild": "Compute reporting's tables anew from the event stores, beside the live ones, and swap them.",
    "import": "Import a register of referrals, one a row; exit code 1 if a row has errors, and then no row is imported.",
    "up": "Start everything on this machine, and keep it running until Ctrl-C.",
    "demo": "Start everything, play a child's case if the system is empty, show the results, stay up.",
    "status": "Show processes, lag, alarms and quarantine; exit code 0 if all is ready, caught up and without alarm.",
    "migrate": "Create the databases and their roles, and bring schemas and privileges up to date (OOC_ADMIN_DATABASE_URL).",
    "topics": "Create the topics that are missing, and give each service and partner its rights on them (OOC_KAFKA).",
    "case": "Show a case across the services: its state, and its timeline by both times, each event in a sentence.",
    "seed": "Fill the system of this machine with made-up cases, by the scenarios' own commands.",
    "cases": "List the cases.",
    "measure": "Show a measure over a period.",
    "duties": "Show the daily sheet: duties that are due, overdue and met.",
    "next": "Show what may be done next in a role: what is possible, what needs a reason, what the rules refuse, and until when.",
    "search": "Find cases.",
    "document": "Print a document into a file, and say its SHA-256, which its signature names.",
    "send": "Send a command, or show what it would do; exit code 1 if it is refused.",
    "receipt": "Show what a command recorded, and how far the commands are that follow in other services.",
    "watch": "Show events as they are recorded, as far as the role may read them, until Ctrl-C.",
    "token": 'Print a token of the development issuer, for a request by hand: `curl -H "Authorization: Bearer $(ooc token)" …`.',
    "sign": "Print the document of a disposal, wait until it is signed, and record the signature under its SHA-256.",
    "scenario": "Dated stories: check them, play them.",
    "reactions": "Reactions that were refused: list, show, retry, close.",
    "quarantine": "Held records: list, show, retry, release, close.",
    "gaps": "Streams that wait for a missing version: list, show, retry, release.",
    "alarms": "What a person must look at: list, acknowledge.",
    "export": "Files for an auditor: a case with the proofs of its history.",
    "returns": "Frozen returns: freeze, list, show.",
    "evidence": "What the logs are proved by: public keys, checkpoints.",
    "verify": "Check positions, versions, chains, topics, logs and checkpoints against each other; exit code 1 on any break.",
    "keys": "Epochs of key-encryption keys: list, rotate, destroy.",
    "restore": "Rebuild an event store from its topic, and rehearse it.",
    "retention": "Retention: whose records are due for review, and the decision to keep them.",
}
"""Each command with the first sentence of its help: so `ooc --help` imports no module of a command."""


class _Modules(Mapping[str, Any]):
    """The commands by name; one is imported when it is looked up."""

    def __getitem__(self, name: str) -> Any:
        module = next((module for module, names in MODULES.items() if name in names), None)
        if module is None:
            raise KeyError(name)
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


app = typer.Typer(
    name="ooc",
    cls=_Commands,
    help="The case system of a team that keeps children out of court.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from shared.version import version  # noqa: PLC0415  only if it is asked for

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
