"""`ooc send`, `receipt` and `sign`: commands of the domain, and what became of them."""

from hashlib import sha256
from pathlib import Path
from typing import Annotated
from uuid import UUID, uuid4

import typer

from ooc.cases.commands import document_command
from ooc.commands.sending import outcome_of, outcome_tables, read_body, send_command
from ooc.commands.signing import disposal_document, sign
from ooc.options import AsJson, AsRole, Lang, Pdf, Urls, client_of, fail
from ooc.tables import complain, say, show
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


@app.command("sign")
def sign_command(
    stream: Annotated[str, typer.Argument(help="disposal/ID, such as disposal/1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11.")],
    out: Pdf,
    lang: Lang = "en",
    url: Urls = None,
    role: AsRole = Role.SUPERVISOR,
    *,
    signed: Annotated[bool, typer.Option("--signed", help="Do not ask: the child signed it and consented.")] = False,
) -> None:
    """Print the document of a disposal, wait until it is signed, and record the signature under its SHA-256."""
    client = client_of(url)
    name = disposal_document(client, stream, role)
    document_command(stream=stream, name=name, out=out, lang=lang, url=url, role=role)
    digest = sha256(out.read_bytes()).hexdigest()
    if not signed and not typer.confirm(f"Has the child signed {out}, and agreed to what it says?"):
        fail("Nothing is recorded. Ask again when it is signed: `ooc sign` prints the same document.")
    if not sign(client, stream, digest, role):
        fail(
            "The signature is recorded, but the case changed while it was being signed: print and sign it as it stands."
        )
    say(f"The signature under document {name} of {stream} is recorded.")
