"""Frozen returns at the terminal: freeze, list, show beside today's count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID, uuid4

import typer

from ooc.cases.reading import require_found
from ooc.operations import SOON, Urls
from ooc.roles import role_option
from ooc.tables import OUT, AsJson, measure, table
from services.addresses import find_addresses
from services.console.plain_text import moment
from services.vocabulary import Role
from tools.client.http import Client, NoAnswer

returns = typer.Typer(help="Frozen returns: freeze, list, show.", no_args_is_help=True)

As = Annotated[Role, role_option("The role in which to ask: ANALYST, SUPERVISOR or AUDITOR.")]


def _client(url: list[str] | None) -> Client:
    return Client(find_addresses(url or ()), patience=SOON)


@returns.command("freeze")
def freeze(
    name: Annotated[str, typer.Argument(help="The measure, as `ooc measure` takes it.")],
    from_: Annotated[str, typer.Option("--from", help="First day, such as 2025-10-01.")],
    to: Annotated[str, typer.Option("--to", help="Last day.")],
    group_by: Annotated[str | None, typer.Option(help="Split the answer by this.")] = None,
    key: Annotated[str | None, typer.Option(help="The idempotency key of an earlier attempt.")] = None,
    url: Urls = None,
    role: As = Role.ANALYST,
) -> None:
    """Count a measure and keep the answer to the byte, with the positions that it rests on."""
    body = {"measure": name, "from": from_, "to": to, "group_by": group_by}
    reply = _client(url).post("reporting", "/v1/returns", role=role, body=body, key=key or str(uuid4()))
    if reply.status != 201:
        detail = reply.body.get("detail") if isinstance(reply.body, Mapping) else f"HTTP {reply.status}"
        raise NoAnswer(f"No return is frozen: {detail}")
    OUT.print(_about(reply.body))


@returns.command("list")
def list_frozen(
    page: Annotated[int | None, typer.Option(help="Which page.")] = None,
    url: Urls = None,
    role: As = Role.ANALYST,
    *,
    as_json: AsJson = False,
) -> None:
    """List the frozen returns, the latest first."""
    reply = _client(url).get("reporting", "/v1/returns", role=role, params={"page": page})
    answer = require_found(reply, "list of returns", role)
    if as_json:
        OUT.print_json(data=answer)
        return
    rows = [
        (moment(line["frozen_at"]), line["measure"], line["from"], line["to"], line["group_by"], line["return_id"])
        for line in answer["returns"]
    ]
    OUT.print(table("Frozen returns", "frozen", "measure", "from", "to", "by", "id", rows=rows))


@returns.command("show")
def show(
    return_id: Annotated[UUID, typer.Argument(metavar="ID", help="The id of the return.")],
    url: Urls = None,
    role: As = Role.ANALYST,
    *,
    as_json: AsJson = False,
) -> None:
    """Show a frozen return, and what the same question would answer today, and why."""
    reply = _client(url).get("reporting", f"/v1/returns/{return_id}", role=role)
    answer = require_found(reply, f"return {return_id}", role)
    if as_json:
        OUT.print_json(data=answer)
        return
    OUT.print(_about(answer))
    OUT.print(measure(answer["measure"], answer["answer"]))
    today = answer["today"]
    if not today["differences"]:
        OUT.print("Today's count is the same.")
    else:
        rows = [(line["column"], line["frozen"], line["today"]) for line in today["differences"]]
        OUT.print(table("What would be another today", "", "frozen", "today", rows=rows))
    for reason in today["because"]:
        OUT.print(f"- {reason}")
    events = [(moment(e["recorded_at"]), e["type"], e["stream"], e["position"]) for e in today["later_events"]]
    if events:
        OUT.print(table("Later events", "recorded", "event", "in", "position", rows=events))


def _about(line: Mapping[str, Any]) -> Any:
    rows = [
        ("return", line["return_id"]),
        ("frozen", moment(line["frozen_at"])),
        ("positions", ", ".join(f"{service}:{position}" for service, position in line["positions"].items())),
        ("definition", f"version {line['definition_version']}"),
        ("sha256", line["sha256"]),
    ]
    return table(f"{line['measure']}, {line['from']} to {line['to']}", "", "value", rows=rows)
