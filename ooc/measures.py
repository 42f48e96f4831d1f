"""`ooc measure` and `ooc returns`: a measure, and its frozen returns beside today's count."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

import typer

from ooc.cases.reading import ask
from ooc.evidence.export import require_folders, write_whole
from ooc.options import AsJson, AsOf, AsRole, From, GroupBy, KnownAt, To, Urls, client_of, role_option
from ooc.tables import OUT, measure, say, show, table
from services.console.plain_text import moment
from services.trade.vocabulary import Role
from shared.evidence.bundle import RETURN_FORMAT, report_bundle
from tools.client.http import NoAnswer

app = typer.Typer(add_completion=False)
returns = typer.Typer(help="Frozen returns: freeze, list, show, export.", no_args_is_help=True)
app.add_typer(returns, name="returns")

Reader = Annotated[Role, role_option("The role in which to ask: ANALYST, SUPERVISOR or AUDITOR.")]


@app.command("measure")
def measure_command(
    name: Annotated[str, typer.Argument(help="Its name, such as kpi6; the answer to a wrong name lists them all.")],
    from_: From,
    to: To,
    group_by: GroupBy = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    url: Urls = None,
    role: AsRole = Role.ANALYST,
    *,
    as_json: AsJson = False,
) -> None:
    """Show a measure over a period."""
    params = {"from": from_, "to": to, "group_by": group_by, "as_of": as_of, "known_at": known_at}
    answer = ask(client_of(url), "reporting", f"/v1/measures/{name}", f"measure {name}", role, params)
    show(answer, measure(name, answer), as_json=as_json)


@returns.command("freeze")
def freeze(
    name: Annotated[str, typer.Argument(help="The measure, as `ooc measure` takes it.")],
    from_: From,
    to: To,
    group_by: GroupBy = None,
    key: Annotated[str | None, typer.Option(help="The idempotency key of an earlier attempt.")] = None,
    url: Urls = None,
    role: Reader = Role.ANALYST,
) -> None:
    """Count a measure and keep the answer to the byte, with the positions that it rests on."""
    body = {"measure": name, "from": from_, "to": to, "group_by": group_by}
    reply = client_of(url).post("reporting", "/v1/returns", role=role, body=body, key=key or str(uuid4()))
    if reply.status != 201:
        detail = reply.body.get("detail") if isinstance(reply.body, Mapping) else f"HTTP {reply.status}"
        raise NoAnswer(f"No return is frozen: {detail}")
    OUT.print(_about(reply.body))


@returns.command("list")
def list_frozen(
    page: Annotated[int | None, typer.Option(help="Which page.")] = None,
    url: Urls = None,
    role: Reader = Role.ANALYST,
    *,
    as_json: AsJson = False,
) -> None:
    """List the frozen returns, the latest first."""
    answer = ask(client_of(url), "reporting", "/v1/returns", "list of returns", role, {"page": page})
    rows = [
        (moment(line["frozen_at"]), line["measure"], line["from"], line["to"], line["group_by"], line["return_id"])
        for line in answer["returns"]
    ]
    returned = table("Frozen returns", "frozen", "measure", "from", "to", "by", "id", rows=rows)
    show(answer, returned, as_json=as_json)


@returns.command("show")
def show_return(
    return_id: Annotated[UUID, typer.Argument(metavar="ID", help="The id of the return.")],
    url: Urls = None,
    role: Reader = Role.ANALYST,
    *,
    as_json: AsJson = False,
) -> None:
    """Show a frozen return, and what the same question would answer today, and why."""
    answer = ask(client_of(url), "reporting", f"/v1/returns/{return_id}", f"return {return_id}", role)
    show(answer, *_beside_today(answer), as_json=as_json)


def _beside_today(answer: Mapping[str, Any]) -> Iterator[Any]:
    yield _about(answer)
    yield measure(answer["measure"], answer["answer"])
    today = answer["today"]
    rows = [(line["column"], line["frozen"], line["today"]) for line in today["differences"]]
    yield (
        table("What would be another today", "", "frozen", "today", rows=rows) if rows else "Today's count is the same."
    )
    yield from (f"- {reason}" for reason in today["because"])
    events = [(moment(e["recorded_at"]), e["type"], e["stream"], e["position"]) for e in today["later_events"]]
    if events:
        yield table("Later events", "recorded", "event", "in", "position", rows=events)


@returns.command("export")
def export(
    return_id: Annotated[UUID, typer.Argument(metavar="ID", help="The id of the return.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The file to write.")],
    url: Urls = None,
    role: Reader = Role.ANALYST,
) -> None:
    """Write the frozen bytes of a return with their signed evidence into one file, to be checked offline."""
    require_folders(out)
    proved = ask(client_of(url), "reporting", f"/v1/returns/{return_id}/evidence", f"return {return_id}", role)
    bundle = report_bundle(str(return_id), proved["answer"], [proved["evidence"]], RETURN_FORMAT)
    write_whole(out, json.dumps(bundle, indent=1, ensure_ascii=False) + "\n")
    say(f"{out}: check it anywhere: python shared/evidence/verify_bundle.py FILE --keys KEYS")


def _about(line: Mapping[str, Any]) -> Any:
    rows = [
        ("return", line["return_id"]),
        ("frozen", moment(line["frozen_at"])),
        ("positions", ", ".join(f"{service}:{position}" for service, position in line["positions"].items())),
        ("definition", f"version {line['definition_version']}"),
        ("sha256", line["sha256"]),
    ]
    return table(f"{line['measure']}, {line['from']} to {line['to']}", "", "value", rows=rows)
