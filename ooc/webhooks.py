"""`ooc webhooks`: where agencies without Kafka take the events of what they referred."""

from __future__ import annotations

from typing import Annotated

import typer

from ooc.messages import Id, ask_database, print_rows
from ooc.options import AsJson, Yes, fail
from ooc.tables import OUT
from services.notifications.settings import NotificationsSettings, webhook_key
from services.notifications.webhooks import registry
from services.system.addresses import VAR
from shared.messaging.signed_webhook import secret_text

app = typer.Typer(add_completion=False)
webhooks = typer.Typer(
    help="Where agencies without Kafka take their events: add, list, replay, remove.", no_args_is_help=True
)
app.add_typer(webhooks, name="webhooks")

UNKNOWN = "There is no webhook {}: see `ooc webhooks list`."


@webhooks.command("add")
def add_webhook(
    organisation: Annotated[str, typer.Argument(help="The agency, as its tokens name it, such as WESSEX_TRUST.")],
    url: Annotated[str, typer.Argument(help="Where it takes events: https://….")],
    from_: Annotated[int, typer.Option("--from", min=1, help="The position of the first event.")] = 1,
) -> None:
    """Send an agency the events of what it referred, and print the secret by which it checks them."""
    key = webhook_key(NotificationsSettings().webhook_key_file or VAR / "keys" / "webhooks")
    try:
        id_ = ask_database(lambda connection: registry.add_webhook(connection, organisation, url, from_))
    except ValueError as error:
        fail(str(error))
    OUT.print(f"Webhook {id_}. Give {organisation} this secret, and keep no copy:")
    print(secret_text(registry.secret_of(key, id_)))


@webhooks.command("list")
def list_webhooks(*, as_json: AsJson = False) -> None:
    """List webhooks: how many cases wait, how many were given up, and the earliest position that was not taken."""
    print_rows("Webhooks", list(ask_database(registry.list_webhooks)), as_json=as_json)


@webhooks.command("replay")
def replay_webhook(
    id_: Id,
    from_: Annotated[int | None, typer.Option("--from", min=1, help="Also what was taken, from this position.")] = None,
) -> None:
    """Send again what was given up; with `--from` all from a position on."""
    if not ask_database(lambda connection: registry.replay(connection, id_, from_)):
        fail(UNKNOWN.format(id_))
    OUT.print("It is sent within seconds: see `ooc webhooks list`.")


@webhooks.command("remove")
def remove_webhook(id_: Id, *, yes: Yes = False) -> None:
    """Send nothing more to an address."""
    if not yes:
        typer.confirm(f"Remove webhook {id_}?", abort=True)
    if not ask_database(lambda connection: registry.remove_webhook(connection, id_)):
        fail(UNKNOWN.format(id_))
    OUT.print("It is removed.")
