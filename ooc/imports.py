"""`ooc import`: an existing register of referrals, brought in through the API; first a dry run of every row, by the same code."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ooc.cases.reading import NotFound
from ooc.options import ROLE_NAMES, Urls, client_of, role_option
from ooc.tables import ERR, OUT, complain, progress_bar, say, table
from services.console.supervisors.import_rows import COMMANDS, Owner, Plan, Summary, body_of, plans_of
from services.console.supervisors.import_table import Register, read_register, with_errors, write_private
from services.trade.vocabulary import Role
from tools.client.http import RESTART, Client, NoAnswer, Reply
from tools.client.tokens import claims_in

SHOWN: Final = 20
"""The most errors that the terminal shows; the file with errors has them all."""

app = typer.Typer(add_completion=False)


@app.command("import")
def import_register(
    file: Annotated[Path, typer.Argument(help="The register: a CSV file, or a workbook (.xlsx, .xls, .ods).")],
    register: Annotated[
        str, typer.Option("--register", help="A name of the register, if your organisation imports more than one.")
    ] = "referrals",
    sheet: Annotated[str | None, typer.Option("--sheet", help="The sheet of a workbook. Default: the first.")] = None,
    errors: Annotated[
        Path | None,
        typer.Option("--errors", help="Where the file with errors is written. Default: FILE.errors, beside it."),
    ] = None,
    url: Urls = None,
    role: Annotated[Role, role_option(f"The role in which to import: {ROLE_NAMES}.")] = Role.SUPERVISOR,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row, and import none.")] = False,
    good_rows: Annotated[
        bool, typer.Option("--good-rows", help="Import the rows without errors, even if others have some.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON.")] = False,
) -> None:
    """Import a register of referrals, one a row; exit code 1 if a row has errors, and then no row is imported."""
    read = read_register(file, sheet)
    client = client_of(url, patience=RESTART)
    owner = _owner(client, role, register)
    plans, wrong_headings = plans_of(read, _schemas(client), owner)
    if wrong_headings:
        raise NotFound("\n".join(map(str, wrong_headings)))

    def check(plan: Plan) -> Reply:
        return send(plan, "?dry_run=true")

    def send(plan: Plan, query: str = "") -> Reply:
        path = f"/v1/referrals/{plan.stream}/import{query}"
        return client.post("referral", path, role=role, body=body_of(read, plan), key=str(plan.stream))

    summary = run_import(plans, check, "Checking")
    if dry_run or (summary.errors and not good_rows):
        dry_run = True
    else:
        # What is there already stays there: it needs no second sending.
        new = [plan for plan in plans if summary.outcomes.get(plan.number) == "imported"]
        sent = run_import(new, send, "Importing")
        summary = Summary(
            len(plans),
            {number: outcome for number, outcome in summary.outcomes.items() if outcome == "repeated"} | sent.outcomes,
            summary.errors | sent.errors,
        )
    _report(summary, read, file, errors, dry_run=dry_run, as_json=as_json)
    raise typer.Exit(1 if summary.errors else 0)


def _owner(client: Client, role: Role, register: str) -> Owner:
    """Take organisation and area from the token, so that two organisations' numbers never mean the same referral."""
    try:
        claims = claims_in(client.tokens.token(role).text)
        return Owner(str(claims["organisation"]), str(claims["area"]), register)
    except (ValueError, KeyError):
        raise NotFound(
            f"The token for {role} names no organisation and area: ask the issuer's administrator for these claims."
        ) from None


def _schemas(client: Client) -> Mapping[str, Mapping[str, Any]]:
    schemas = {}
    for command in COMMANDS:
        reply = client.open("referral", f"/schemas/{command}", patience=client.patience)
        if reply.status != 200:
            raise NoAnswer(f"referral has no schema of {command} (HTTP {reply.status}): is it of this version?")
        schemas[command] = reply.body
    return schemas


def run_import(plans: Sequence[Plan], send: Callable[[Plan], Reply], title: str) -> Summary:
    """Send the plans without errors, one after the other. Raises `NoAnswer`, or `NotFound` for who may not import."""
    summary = Summary.of_plans(plans)
    # Standard output stays clean for the summary.
    with progress_bar(ERR) as bar:
        for plan in bar.track([plan for plan in plans if not plan.errors], description=title):
            reply = send(plan)
            if reply.status == 403:
                raise NotFound(f"{reply.body['detail']}.")
            summary.add(plan, reply.status, reply.body)
    return summary


def _report(summary: Summary, read: Register, file: Path, errors: Path | None, *, dry_run: bool, as_json: bool) -> None:
    """Show the summary and the first errors, and write the file with all errors."""
    place = errors or file.with_name(f"{file.stem}.errors{'.csv' if read.delimiter else '.xlsx'}")
    if summary.errors:
        write_private(place, with_errors(read, summary.errors))
    listed = [*summary.errors_in_order()]
    if as_json:
        as_shown = {
            "rows": summary.rows,
            "dry_run": dry_run,
            "imported": summary.count("imported"),
            "repeated": summary.count("repeated"),
            "wrong": len(summary.errors),
            "errors": [{"row": row, "column": error.heading, "text": error.text} for row, error in listed],
        }
        say(json.dumps(as_shown, indent=2))
        return
    rows = [
        ("Would be imported" if dry_run else "Imported", summary.count("imported")),
        ("There already", summary.count("repeated")),
        ("With errors", len(summary.errors)),
    ]
    OUT.print(table(f"{file.name}, {summary.rows:,} rows", "", "rows", rows=[row for row in rows if row[1]]))
    for row, error in listed[:SHOWN]:
        complain(f"row {row}: {error}")
    if len(listed) > SHOWN:
        complain(f"and {len(listed) - SHOWN} more")
    if listed:
        complain(f"Your table with a column of errors: {place}. Correct it, and import it again.")
