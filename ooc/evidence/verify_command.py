"""`ooc verify`: the whole system against itself and its signed checkpoints, and a receipt against the system."""

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from ooc.cases.reading import NotFound, require_found
from ooc.evidence.export import read_note, require_folders, write_whole
from ooc.options import AsRole, client_of
from ooc.tables import ERR, OUT, complain, say
from services.console.auditors.proofs import check_checkpoint, check_event
from services.system.registry import COLLECTIONS
from services.trade.vocabulary import Role
from shared.api.bodies import check_body
from shared.api.problems import Malformed
from shared.domain.receipts import Receipt
from shared.evidence.bundle import report_bundle
from shared.evidence.receipts import NotSigned, check_receipt
from shared.evidence.verification.problems import one_line
from shared.privacy.signed_note import BadNote, VerifierKey
from shared.runtime.garbage_collection import exempt_from_collection
from tools.client.http import Client, NoAnswer

SHOWN: Final = 20
"""Breaks of one check that are shown in the terminal; `--json` has every one that is kept."""

PATIENCE: Final = 10.0
"""Seconds for which a service is waited for."""

Urls = Annotated[list[str] | None, typer.Option("--url", help="SERVICE=http://host:port (repeat).")]

app = typer.Typer(add_completion=False)
verify_app = typer.Typer(
    help="Check positions, versions, chains, topics, logs and checkpoints against each other; exit code 1 on any break.",
    invoke_without_command=True,
)
app.add_typer(verify_app, name="verify")


@verify_app.callback()
def verify(
    context: typer.Context,
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write a dated report as JSON; findings are also printed to standard error.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", help="Have the dated report kept and signed, and write it with its proofs into this file."
        ),
    ] = None,
    known: Annotated[
        list[Path] | None,
        typer.Option(
            "--known",
            exists=True,
            dir_okay=False,
            help="A checkpoint kept from earlier, which its log must extend (repeat).",
        ),
    ] = None,
    url: Urls = None,
    role: AsRole = Role.AUDITOR,
) -> None:
    """Check everything; with a command, one thing."""
    if context.invoked_subcommand is not None:
        return
    kept = [read_note(path)[0] for path in known or ()]
    if report is None:
        raise typer.Exit(0 if asyncio.run(show_verification(as_json=as_json, kept=kept)) else 1)
    require_folders(report)
    client = client_of(url, patience=PATIENCE)
    result = asyncio.run(run_verification(ERR, kept))
    if as_json:
        print(json.dumps(result, indent=1, ensure_ascii=False))
    signed = write_report(client, result, report, role)
    word, lines = "whole" if result["whole"] else "BROKEN", ERR if as_json else OUT
    say(f"{report}: {word}{', kept and signed' if signed else ', NOT signed'}", lines)
    say(
        f"Check it anywhere: python shared/evidence/verify_bundle.py {report} --keys KEYS (`ooc evidence keys > KEYS`)",
        lines,
    )
    raise typer.Exit(0 if result["whole"] and signed else 1)


@verify_app.command("receipt")
def verify_receipt(
    file: Annotated[Path, typer.Argument(help="A receipt: the JSON that answered a command.")],
    keys: Annotated[
        Path | None,
        typer.Option(
            "--keys",
            exists=True,
            dir_okay=False,
            help="The public keys that you have from elsewhere; else the service's own.",
        ),
    ] = None,
    url: Urls = None,
    role: AsRole = Role.AUDITOR,
) -> None:
    """Check that a receipt is signed, and that each member is as it is recorded, in the signed log; exit code 1 if not."""
    receipt = _read_receipt(file)
    client = client_of(url, patience=PATIENCE, reason="AUDIT")
    faults = list(_faults(client, receipt, role, keys))
    for fault in faults:
        OUT.print(Text.assemble(("BROKEN", "red"), f"  {one_line(fault)}"), soft_wrap=True)
    if not faults:
        events = len(receipt["events"])
        OUT.print(
            f"[green]whole[/]  {receipt['stream']}: {events} of {events} events are recorded and signed as answered"
        )
    raise typer.Exit(1 if faults else 0)


async def show_verification(*, as_json: bool = False, kept: Sequence[str] = ()) -> bool:
    """Verify the system and print what was found, as lines or as JSON; returns whether all is whole."""
    report = await run_verification(ERR if as_json else OUT, kept)
    if as_json:
        print(json.dumps(report, indent=1, ensure_ascii=False))
    return bool(report["whole"])


async def run_verification(lines: Console, kept: Sequence[str] = ()) -> dict[str, Any]:
    """Verify the system, say each finding as soon as it is known, and return the dated report."""
    # The services' declarations take half a second to import.
    from ooc.evidence.verification import stores, verify  # noqa: PLC0415

    exempt_from_collection()
    started, findings = datetime.now(UTC), list[dict[str, Any]]()
    lines.print("Verification", style="bold")
    with ProgressLine(ERR) as progress:
        async for finding in verify(stores(), progress.show, kept):
            with progress.set_aside():
                mark = "[green]whole[/]" if finding.ok else "[red]BROKEN[/]"
                lines.print(f"  {mark}  {finding.service}: {finding.check} ({finding.looked_at})")
                for line in _shortened(finding.problems):
                    say(f"          {line}", lines)
            names = ("service", "check", "looked_at")
            findings.append({name: getattr(finding, name) for name in names} | {"problems": list(finding.problems)})
    whole = not any(finding["problems"] for finding in findings)
    times = {"started_at": started.isoformat(), "ended_at": datetime.now(UTC).isoformat()}
    return {**times, "whole": whole, "findings": findings}


class ProgressLine(Progress):
    """One line of a terminal that says how many events are verified, of how many, and the time left; nothing in a pipe."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} events"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("left:"),
            TimeRemainingColumn(),
        )
        super().__init__(
            *columns,
            console=console,
            transient=True,
            refresh_per_second=2,
            redirect_stdout=False,
            redirect_stderr=False,
            disable=not console.is_terminal,
        )

    def show(self, done: float, of: int) -> None:
        """Show how many events are verified, of how many."""
        if not self.task_ids:
            self.add_task("", total=of)
        self.update(self.task_ids[0], completed=done, total=of)

    @contextmanager
    def set_aside(self) -> Iterator[None]:
        """Take the line away while something else is printed, on standard output perhaps."""
        self.stop()
        yield
        self.start()


def _shortened(problems: Sequence[str]) -> list[str]:
    """Return the first breaks of a check, and how many more there are."""
    more = len(problems) - SHOWN
    return [*problems[:SHOWN], *([f"and {more} more"] if more > 0 else [])]


def write_report(client: Client, report: Mapping[str, Any], file: Path, role: str) -> bool:
    """Have a report kept and proved, and write both into a file; returns False if it is not kept, and so not signed."""
    findings = [{**finding, "problems": _shortened(finding["problems"])} for finding in report["findings"]]
    body = {**report, "findings": findings}
    try:
        reply = client.decide("reporting", "/v1/verifications", role=role, params={}, reason="AUDIT", body=body)
        if reply.status != 201:
            require_found(reply, "verification report", role)
        kept = reply.body["verification_id"]
        proved = require_found(
            client.get("reporting", f"/v1/verifications/{kept}", role=role), f"verification report {kept}", role
        )
    except (NoAnswer, NotFound) as error:
        complain(f"The report is written without a signature, and is not kept: {error}")
        text, services, id_ = json.dumps(body, ensure_ascii=False), list[Any](), ""
    else:
        text, services, id_ = proved["report"], [proved["evidence"]], kept
    bundle = report_bundle(id_, text, services)
    write_whole(file, json.dumps(bundle, indent=1, ensure_ascii=False) + "\n")
    return bool(services)


def _read_receipt(file: Path) -> Mapping[str, Any]:
    try:
        content = file.read_bytes()
        check_body(content)
        Receipt.model_validate_json(content)
        receipt: Mapping[str, Any] = json.loads(content)
        service = receipt["stream"].partition("/")[0]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, Malformed) as error:
        raise NotFound(
            f"{file} holds no receipt ({error}): give the JSON with which a command was answered (201)."
        ) from None
    if service not in COLLECTIONS or not receipt["events"]:
        raise NotFound(f"{file} holds no receipt of this system: its stream is {receipt['stream']}.")
    return receipt


def _faults(client: Client, receipt: Mapping[str, Any], role: str, trusted: Path | None) -> Iterable[str]:
    """Check the signature of a receipt, compare it with the stream, and prove its events to be in the signed log."""
    service, _, stream = receipt["stream"].partition("/")
    lines: Sequence[str] = (
        require_found(client.open(service, "/evidence/keys", patience=PATIENCE), "public keys", role)
        if trusted is None
        else trusted.read_text(encoding="utf-8").split("\n")
    )
    try:
        lines = [line for line in lines if line.strip()]
        check_receipt(receipt, [VerifierKey.parse(line) for line in lines])
    except (NotSigned, BadNote) as error:
        yield f"the receipt proves nothing: {error}"
        return
    reply = client.get(service, f"/v1/{COLLECTIONS[service]}/{stream}/history", role=role)
    recorded: dict[int, Mapping[str, Any]] = {}
    if reply.status != 404:
        history = require_found(reply, f"history of {receipt['stream']}", role)
        recorded = {line["version"]: line for line in history["events"]}
    present: list[Mapping[str, Any]] = []
    for line in receipt["events"]:
        now = recorded.get(line["version"])
        if now is None:
            yield (
                f"{receipt['stream']} version {line['version']} (position {line['position']}) is missing:"
                " the receipt proves that it was recorded"
            )
        else:
            present.append(now)
    differing = list(differing_members(receipt, present)) if len(present) == len(receipt["events"]) else []
    yield from differing
    note = require_found(
        client.open(service, "/evidence/events/checkpoint", patience=PATIENCE), "latest checkpoint", role
    )
    checkpoint = check_checkpoint(note, lines, None)
    if checkpoint.fault:
        yield f"the latest checkpoint of {service}: {checkpoint.fault}"
        return
    for now in () if differing else present:
        path: Sequence[str] = ()
        if now["position"] <= checkpoint.size:
            params = {"number": now["position"], "size": checkpoint.size}
            reply = client.open(service, "/evidence/events/inclusion", patience=PATIENCE, params=params)
            path = require_found(reply, "proof", role)
        proof = check_event(now, checkpoint, path)
        if not proof.holds:
            why = f"is in no checkpoint yet: the last one has {checkpoint.size} entries; ask again in a few seconds"
            fault = why if proof.waits else f"is not proved: {proof.fault}"
            yield f"{receipt['stream']} version {now['version']} (position {now['position']}) {fault}"


def differing_members(receipt: Mapping[str, Any], recorded: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Name each member of a receipt that is not as the lines of the history, of the same versions, have it."""
    last, service = recorded[-1], receipt["stream"].partition("/")[0]
    expected = {
        "command_id": last["command_id"],
        "service": service,
        "version": last["version"],
        "position": last["position"],
        "position_token": f"{service}:{last['position']}",
        "recorded_at": last["recorded_at"],
        "hash": last["hash"],
    }
    for name, value in expected.items():
        if _moment_of(receipt[name]) != _moment_of(value):
            yield f"{receipt['stream']} has another {name} than the receipt says"
    for line, now in zip(receipt["events"], recorded, strict=True):
        others = {"event_id", "type", "position", "hash"}
        differing = [name for name in sorted(others) if line[name] != now["type_name" if name == "type" else name]]
        if now["command_id"] != receipt["command_id"]:
            differing.append("command")
        if differing:
            here = f"{receipt['stream']} version {line['version']} (position {line['position']})"
            yield f"{here} has another {' and '.join(differing)} than the receipt says"


def _moment_of(value: Any) -> Any:
    """Return a time as a time, however it is written; anything else as it is."""
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return value
