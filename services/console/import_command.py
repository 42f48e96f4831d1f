"""`ooc import`: an existing register of referrals, brought in through the API; first a dry run of every row, by the same code."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from services.console.addresses import find_addresses
from services.console.case import NotFound
from services.console.client import Client, NoAnswer, Reply
from services.console.import_rows import COMMANDS, Owner, Plan, RowError, body_of, errors_of, plans_of
from services.console.import_table import Register, read_register, with_errors, write_private
from services.console.roles import ROLE_NAMES, role_option
from services.console.tables import ERR, OUT, complain, table
from services.console.tokens import claims_in
from services.vocabulary import Role

IN_FLIGHT: Final = 8
"""Requests that are under way at once: enough to keep the API's group commit busy, and few beside its connections."""
SHOWN: Final = 20
"""The most errors that the terminal shows; the file with errors has them all."""

Send = Callable[[Plan, bool], Reply]


@dataclass
class Summary:
    """What became of a register: how many rows were imported, were there already and are wrong, and why by row."""

    rows: int
    dry_run: bool
    outcomes: Counter[str] = field(default_factory=Counter)
    errors: dict[int, list[RowError]] = field(default_factory=dict)

    def add(self, plan: Plan, found: Sequence[RowError], outcome: str) -> None:
        """Count a row."""
        if found:
            self.errors[plan.number] = list(found)
        else:
            self.outcomes[outcome] += 1

    def as_json(self) -> Mapping[str, Any]:
        """Return the summary as JSON carries it."""
        return {
            "rows": self.rows,
            "dry_run": self.dry_run,
            "imported": self.outcomes["imported"],
            "repeated": self.outcomes["repeated"],
            "wrong": len(self.errors),
            "errors": [
                {"row": row, "column": error.heading, "text": error.text}
                for row, errors in sorted(self.errors.items())
                for error in errors
            ],
        }


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
    url: Annotated[
        list[str] | None,
        typer.Option(
            "--url", help="SERVICE=http://host:port (repeat), or the URL of a gateway. Default: the local system."
        ),
    ] = None,
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
    client = Client(find_addresses(url or ()))
    owner = _owner(client, role, register)
    plans, wrong_headings = plans_of(read, _schemas(client), owner)
    if wrong_headings:
        raise NotFound("\n".join(map(str, wrong_headings)))

    def send(plan: Plan, rehearses: bool) -> Reply:
        path = f"/v1/referrals/{plan.stream}/import{'?dry_run=true' if rehearses else ''}"
        return client.post("referral", path, role=role, body=body_of(read, plan), key=str(plan.stream))

    summary = run_import(plans, send, "Checking", dry_run=True)
    if not dry_run and (good_rows or not summary.errors):
        good = [plan for plan in plans if plan.number not in summary.errors]
        found = summary.errors
        summary = run_import(good, send, "Importing", dry_run=False)
        summary.rows, summary.errors = len(plans), found | summary.errors
    _report(summary, read, file, errors, as_json=as_json)
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
    """Ask the API for the schemas of the commands."""
    found = {}
    for command in COMMANDS:
        reply = client.open("referral", f"/schemas/{command}", patience=client.patience)
        if reply.status != 200:
            raise NoAnswer(f"referral has no schema of {command} (HTTP {reply.status}): is it of this version?")
        found[command] = reply.body
    return found


def run_import(plans: Sequence[Plan], send: Send, title: str, *, dry_run: bool) -> Summary:
    """Send the plans without errors, several at once, and count what became of them. Raises `NoAnswer` or `NotFound`."""
    summary = Summary(len(plans), dry_run)
    ready = []
    for plan in plans:
        if plan.errors:
            summary.add(plan, plan.errors, "")
        else:
            ready.append(plan)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # Standard output stays clean for the summary.
    with Progress(*columns, TimeRemainingColumn(), console=ERR, disable=not ERR.is_terminal) as bar:
        task = bar.add_task(title, total=len(ready))
        for plan, reply in _in_flight(ready, lambda plan: send(plan, dry_run)):
            found, outcome = outcome_of(plan, reply)
            summary.add(plan, found, outcome)
            bar.advance(task)
    return summary


def _in_flight(plans: Iterable[Plan], send: Callable[[Plan], Reply]) -> Iterator[tuple[Plan, Reply]]:
    """Send several plans at once; yield each with its reply as it comes. After an error, no further one is sent."""
    coming = iter(plans)
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        sent: dict[Future[Reply], Plan] = {pool.submit(send, plan): plan for plan in islice(coming, IN_FLIGHT)}
        while sent:
            done, _ = wait(sent, return_when=FIRST_COMPLETED)
            for future in done:
                plan = sent.pop(future)
                yield plan, future.result()
                for following in islice(coming, 1):
                    sent[pool.submit(send, following)] = following


def outcome_of(plan: Plan, reply: Reply) -> tuple[list[RowError], str]:
    """Return what is wrong with a row by the API's reply, and its outcome. Raises `NotFound` if none can be imported."""
    body = reply.body if isinstance(reply.body, Mapping) else {}
    match reply.status:
        case 200:
            return list(errors_of(plan, body["commands"])), str(body["outcome"])
        case 403:
            raise NotFound(f"{body.get('detail', 'You may not import')}.")
        case 410:
            return [RowError("the data of a person in this row have been forgotten: remove the row")], ""
        case _:
            texts = [str(error["message"]) for error in body.get("errors") or ()]
            return [RowError("; ".join(texts) or str(body.get("detail", f"answered with HTTP {reply.status}")))], ""


def _report(summary: Summary, read: Register, file: Path, errors: Path | None, *, as_json: bool) -> None:
    """Show the summary and the first errors, and write the file with all errors."""
    place = errors or file.with_name(f"{file.stem}.errors{'.csv' if read.delimiter else '.xlsx'}")
    if summary.errors:
        by_row = {row: [str(error) for error in found] for row, found in summary.errors.items()}
        write_private(place, with_errors(read, by_row))
    if as_json:
        OUT.print(json.dumps(summary.as_json(), indent=2), markup=False, soft_wrap=True)
        return
    done = "Would be imported" if summary.dry_run else "Imported"
    rows = [
        (done, summary.outcomes["imported"]),
        ("There already", summary.outcomes["repeated"]),
        ("With errors", len(summary.errors)),
        ("Left out", summary.rows - summary.outcomes.total() - len(summary.errors)),
    ]
    OUT.print(table(f"{file.name}, {summary.rows:,} rows", "", "rows", rows=[row for row in rows if row[1]]))
    listed = [(row, error) for row, found in sorted(summary.errors.items()) for error in found]
    for row, error in listed[:SHOWN]:
        complain(f"row {row}: {error}")
    if len(listed) > SHOWN:
        complain(f"and {len(listed) - SHOWN} more")
    if listed:
        complain(f"Your table with a column of errors: {place}. Correct it, and import it again.")
