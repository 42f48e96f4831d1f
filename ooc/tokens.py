"""`ooc token`: a token of the development issuer."""

from typing import Annotated

import typer

from ooc.options import AsRole, Urls, client_of
from ooc.tables import say
from services.trade.vocabulary import Role

app = typer.Typer(add_completion=False)


@app.command()
def token(
    url: Urls = None,
    role: AsRole = Role.SUPERVISOR,
    also: Annotated[list[Role] | None, typer.Option(help="A further role of the person; may be given again.")] = None,
) -> None:
    """Print a token of the development issuer, for a request by hand: `curl -H "Authorization: Bearer $(ooc token)" …`."""
    say(client_of(url).tokens.token(" ".join([role, *(also or [])])).text)
