"""`ooc send` and `receipt`: commands of the domain, and what became of them."""

from pathlib import Path
from typing import Annotated
from uuid import UUID, uuid4

import typer

from ooc.commands.sending import outcome_of, outcome_tables, read_body, send_command
from ooc.options import AsJson, AsRole, Urls, client_of
from ooc.tables import complain, show
from services.trade.vocabulary import Role

app = typer.Typer(add_completion=False)


@app.command()
def send(
    stream: Annotated[str, typer.Argument(help="SERVICE/ID. For a new record choose a UUID.")],
    file: Annotated[Path, typer.Argument(help="The command as JSON: a file, or - for the standard input.")],
    key: Annotated[str | None, typer.Option("--key", help="The idempotency key. Default: a new one.")] = None,
    url: Urls = None,
    role: AsRole = Role.SUPERVISOR,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would do, and record nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send a command, or show what it would do; exit code 1 if it is refused."""
    body = read_body(file)
    answer = send_command(client_of(url), stream, body, key=key or str(uuid4()), role=role, dry_run=dry_run)
    show(answer.body, *answer.tables, as_json=as_json)
    for text in () if as_json else answer.complaints:
        complain(text)
    raise typer.Exit(1 if answer.complaints else 0)


@app.command()
def receipt(
    service: Annotated[str, typer.Argument(help="The service that recorded the command.")],
    command_id: Annotated[UUID, typer.Argument(metavar="ID", help="The command's id, as its receipt names it.")],
    url: Urls = None,
    role: AsRole = Role.SUPERVISOR,
    *,
    as_json: AsJson = False,
) -> None:
    """Show what a command recorded, and how far the commands are that follow in other services."""
    answer = outcome_of(client_of(url), service, command_id, role)
    show(answer, *outcome_tables(answer), as_json=as_json)
