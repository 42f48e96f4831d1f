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
from services.console.import_rows import COMMANDS, Owner, Plan, RowError, batches_of, body_of, errors_of, plans_of
from services.console.import_table import Register, read_register, with_errors, write_private
from services.console.roles import ROLE_NAMES, role_option
from services.console.tables import ERR, OUT, complain, table
from services.console.tokens import claims_in
from services.vocabulary import Role

IN_FLIGHT: Final = 2
"""Requests that are under way at once: the API handles the rows of one while the next is on its way."""
SHOWN: Final = 20
"""The most errors that the terminal shows; the file with errors has them all."""

Outcome = tuple[list[RowError], str]
"""What is wrong with a row, and what became of it by the API's word."""
Send = Callable[[Sequence[Plan], bool], Reply]
"""What sends some rows, or has them checked (a dry run)."""


@dataclass
class Summary:
    """What became of a register: how many rows were imported, were there already and are wrong, and why by row."""

    rows: int
    dry_run: bool
    outcomes: dict[int, str] = field(default_factory=dict)
    errors: dict[int, list[RowError]] = field(default_factory=dict)

    def add(self, plan: Plan, found: Sequence[RowError], outcome: str) -> None:
        """Add a row."""
        if found:
            self.errors[plan.number] = list(found)
        else:
            self.outcomes[plan.number] = outcome

    def count(self, outcome: str) -> int:
        """Count the rows with an outcome."""
        return Counter(self.outcomes.values())[outcome]

    def as_json(self) -> Mapping[str, Any]:
        """Return the summary as JSON carries it."""
        return {
            "rows": self.rows,
            "dry_run": self.dry_run,
            "imported": self.count("imported"),
            "repeated": self.count("repeated"),
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

    def send(batch: Sequence[Plan], rehearses: bool) -> Reply:
        path = f"/v1/referrals/import{'?dry_run=true' if rehearses else ''}"
        return client.post("referral", path, role=role, body=body_of(read, batch), key=str(batch[0].stream))

    summary = run_import(plans, send, "Checking", dry_run=True)
    if not dry_run and (good_rows or not summary.errors):
        # What is there already stays there: it needs no second sending.
        new = [plan for plan in plans if summary.outcomes.get(plan.number) == "imported"]
        sent = run_import(new, send, "Importing", dry_run=False)
        there = {number: outcome for number, outcome in summary.outcomes.items() if outcome != "imported"}
        summary = Summary(len(plans), dry_run, there | sent.outcomes, summary.errors | sent.errors)
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

    def send_all(batch: Sequence[Plan]) -> list[Outcome]:
        reply = send(batch, dry_run)
        if (found := outcomes_of(batch, reply)) is not None:
            return found
        return [outcome for plan in batch for outcome in send_all([plan])]

    # Standard output stays clean for the summary.
    with Progress(*columns, TimeRemainingColumn(), console=ERR, disable=not ERR.is_terminal) as bar:
        task = bar.add_task(title, total=len(ready))
        for batch, outcomes in _in_flight(batches_of(ready), send_all):
            for plan, (found, outcome) in zip(batch, outcomes, strict=True):
                summary.add(plan, found, outcome)
            bar.advance(task, len(batch))
    return summary


def _in_flight(
    batches: Iterable[Sequence[Plan]], send: Callable[[Sequence[Plan]], list[Outcome]]
) -> Iterator[tuple[Sequence[Plan], list[Outcome]]]:
    """Send several batches at once; yield each with its outcomes as they come. After an error, no further one is sent."""
    coming = iter(batches)
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        sent: dict[Future[list[Outcome]], Sequence[Plan]] = {
            pool.submit(send, batch): batch for batch in islice(coming, IN_FLIGHT)
        }
        while sent:
            done, _ = wait(sent, return_when=FIRST_COMPLETED)
            for future in done:
                batch = sent.pop(future)
                yield batch, future.result()
                for following in islice(coming, 1):
                    sent[pool.submit(send, following)] = following


def outcomes_of(batch: Sequence[Plan], reply: Reply) -> list[Outcome] | None:
    """Return what is wrong with each row of a batch, and its outcome. None: refused as a whole; send its rows one by one.

    Raises `NotFound` if none can be imported.
    """
    if reply.status == 200:
        return [_outcome_of(plan, row) for plan, row in zip(batch, reply.body["rows"], strict=True)]
    return [_refused(reply)] if len(batch) == 1 else None


def _outcome_of(plan: Plan, row: Mapping[str, Any]) -> Outcome:
    if row["forgotten"]:
        return [RowError("the data of a person in this row have been forgotten: remove the row")], ""
    result = row["result"]
    return list(errors_of(plan, result["commands"])), str(result["outcome"])


def _refused(reply: Reply) -> Outcome:
    """Return the error of a row whose request was refused. Raises `NotFound` for who may not import."""
    body = reply.body if isinstance(reply.body, Mapping) else {}
    if reply.status == 403:
        raise NotFound(f"{body.get('detail', 'You may not import')}.")
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
        (done, summary.count("imported")),
        ("There already", summary.count("repeated")),
        ("With errors", len(summary.errors)),
        ("Left out", summary.rows - len(summary.outcomes) - len(summary.errors)),
    ]
    OUT.print(table(f"{file.name}, {summary.rows:,} rows", "", "rows", rows=[row for row in rows if row[1]]))
    listed = [(row, error) for row, found in sorted(summary.errors.items()) for error in found]
    for row, error in listed[:SHOWN]:
        complain(f"row {row}: {error}")
    if len(listed) > SHOWN:
        complain(f"and {len(listed) - SHOWN} more")
    if listed:
        complain(f"Your table with a column of errors: {place}. Correct it, and import it again.")
