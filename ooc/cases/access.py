"""`ooc access`: who looked at a case, a record or a person, from the access log of every service."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Annotated, Any
from uuid import UUID

import typer

from ooc.cases.reading import NotFound, address_of, ask, require_found
from ooc.options import PATIENT, AsJson, Urls, client_of, role_option
from ooc.tables import show, table
from services.console.plain_text import moment
from services.system.registry import SERVICES
from services.trade.vocabulary import Role
from tools.client.http import Client

Line = Mapping[str, Any]

app = typer.Typer(add_completion=False)


@app.command()
def access(
    case: Annotated[UUID | None, typer.Option("--case", help="Who looked at this case.")] = None,
    record: Annotated[
        str | None, typer.Option("--record", help="Who looked at this record: SERVICE/ID, such as disposal/1f0e….")
    ] = None,
    person: Annotated[
        UUID | None, typer.Option("--person", help="Who looked at any record or case that names this person.")
    ] = None,
    most: Annotated[int, typer.Option("--most", min=1, help="How many lines are shown, the latest first.")] = 200,
    url: Urls = None,
    role: Annotated[Role, role_option("AUDITOR or DATA_PROTECTION_OFFICER.")] = Role.AUDITOR,
    reason: Annotated[str, typer.Option("--reason", help="Why you ask, as a code; it is logged.")] = "AUDIT",
    *,
    as_json: AsJson = False,
) -> None:
    """List who read or changed what, when, in which role and why, and what was refused. The question is logged too."""
    if [case, record, person].count(None) != 2:
        raise typer.BadParameter("Give exactly one of --case, --record and --person.")
    client = client_of(url, patience=PATIENT, reason=reason)
    lines = sorted(_lines_about(client, role, case, record, person, most), key=lambda line: line["at"], reverse=True)
    listed = lines[:most]
    about = f"case {case}" if case else f"record {record}" if record else f"person {person}"
    rows = [
        (
            moment(entry["at"]),
            f"{entry['role']}\n{entry['actor']}",
            entry["action"],
            entry["target"],
            entry["reason"],
            f"{entry['outcome']} ({', '.join(entry['rules'])})" if entry["rules"] else entry["outcome"],
        )
        for entry in listed
    ]
    shown = table(f"Who looked at the {about}", "when", "who", "did", "to", "why", "outcome", rows=rows)
    show(listed, shown, as_json=as_json)


def _lines_about(
    client: Client, role: Role, case: UUID | None, record: str | None, person: UUID | None, most: int
) -> list[Line]:
    """Collect the latest lines of every service that knows of a case, a record, or what names a person."""
    if record is not None:
        service, path = address_of(record)
        questions = {(service, "record", path.rpartition("/")[2])}
    elif case is not None:
        questions = {(entry.name, "case", str(case)) for entry in SERVICES}
    else:
        records = ask(client, "reporting", f"/v1/people/{person}", f"person {person}", role)["records"]
        questions = {(record["service"], "record", record["id"]) for record in records}
        questions |= {("reporting", "case", id_) for record in records for id_ in record["case_ids"]}
    lines = [line for question in sorted(questions) for line in islice(lines_of(client, role, *question), most)]
    if not lines:
        raise NotFound(f"Nothing is known of {case or record or person}: check the id.")
    return lines


def lines_of(client: Client, role: Role, service: str, by: str, id_: str) -> Iterator[Line]:
    """Yield the lines of one service, page for page; none if it holds nothing of that id."""
    before: int | None = None
    while True:
        reply = client.get(service, "/v1/access", role=role, params={by: id_, "before": before})
        if reply.status == 404:
            return
        answer = require_found(reply, f"access log of {service}", role)
        yield from answer["lines"]
        before = answer["next"]
        if before is None:
            return
