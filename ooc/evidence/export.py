"""`ooc export` and `ooc evidence`: a case or a frozen return with its proofs, for an auditor to check offline."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import typer

from ooc.cases.reading import NotFound, ask, require_found
from ooc.options import PATIENT, Urls, client_of, fail, role_option
from ooc.tables import say
from services.system.registry import SERVICES
from services.trade.vocabulary import Role
from shared.evidence.bundle import RETURN_FORMAT, bundle_of, report_bundle
from shared.evidence.checkpoint import Checkpoint
from shared.printing.documents import NotPrintable
from shared.privacy.signed_note import BadNote, SignedNote
from tools.client.http import Client

Reader = Annotated[Role, role_option("The role in which to ask: AUDITOR or DATA_PROTECTION_OFFICER.")]

CHECK: Final = (
    "Check it anywhere: python shared/evidence/verify_bundle.py FILE --keys KEYS (`ooc evidence keys > KEYS`)"
)

app = typer.Typer(add_completion=False)
export = typer.Typer(help="Files for an auditor, with their proofs: a case, a frozen return.", no_args_is_help=True)
evidence = typer.Typer(help="What the logs are proved by: public keys, checkpoints.", no_args_is_help=True)
app.add_typer(export, name="export")
app.add_typer(evidence, name="evidence")


@export.command("case")
def export_case(
    case_id: Annotated[UUID, typer.Argument(metavar="ID", help="The id of the case.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The file to write.")],
    extends: Annotated[
        list[Path] | None,
        typer.Option("--extends", help="A checkpoint kept from earlier, which the logs must extend (repeat)."),
    ] = None,
    pdf: Annotated[
        Path | None, typer.Option("--pdf", help="Print the history too: a PDF/A-3 with the bundle attached.")
    ] = None,
    url: Urls = None,
    role: Reader = Role.AUDITOR,
    reason: Annotated[str, typer.Option("--reason", help="Why it is read, as a code; it is logged.")] = "AUDIT",
) -> None:
    """Write a case's events as stored, its access log, proofs, checkpoints, schemas, rules and policy into one file."""
    require_folders(out, pdf)
    client = client_of(url, patience=PATIENT, reason=reason)
    checkpoints = [read_note(path) for path in extends or ()]
    parts: list[Mapping[str, Any]] = []
    for entry in SERVICES:
        reply = client.get(entry.name, f"/v1/evidence/homes/{case_id}", role=role)
        part = require_found(reply, f"evidence of the case {case_id} in {entry.name}", role)
        parts.append(part | {"extends": _extensions(client, entry.name, part, checkpoints, role)})
    if not any(part.get("events", {}).get("entries") for part in parts):
        raise NotFound(f"There is no case {case_id}: check the id.")
    text = json.dumps(bundle_of(str(case_id), parts), indent=1, ensure_ascii=False) + "\n"
    write_whole(out, text)
    events = sum(len(part.get("events", {}).get("entries", ())) for part in parts)
    lines = sum(len(part.get("access", {}).get("entries", ())) for part in parts)
    say(f"{out}: {events} events and {lines} lines of the access log, stated by {len(parts)} services.")
    if pdf is not None:
        _print_case_file(pdf, text)
    say(CHECK)


@export.command("return")
def export_return(
    return_id: Annotated[UUID, typer.Argument(metavar="ID", help="The id of the return.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The file to write.")],
    url: Urls = None,
    role: Annotated[Role, role_option("The role in which to ask: ANALYST, SUPERVISOR or AUDITOR.")] = Role.ANALYST,
) -> None:
    """Write the frozen bytes of a return with their signed evidence into one file."""
    require_folders(out)
    proved = ask(client_of(url), "reporting", f"/v1/returns/{return_id}/evidence", f"return {return_id}", role)
    bundle = report_bundle(str(return_id), proved["answer"], [proved["evidence"]], RETURN_FORMAT)
    write_whole(out, json.dumps(bundle, indent=1, ensure_ascii=False) + "\n")
    say(f"{out}: the return and its evidence. {CHECK}")


def _print_case_file(path: Path, bundle: str) -> None:
    from services.console.documents import print_case_file  # noqa: PLC0415  only if something is printed

    try:
        path.write_bytes(print_case_file(bundle))
    except (OSError, NotPrintable) as error:
        fail(f"{path} is not written: {error}. The bundle is whole without it.")
    say(f"{path}: the history, with the bundle attached.")


@evidence.command("keys")
def list_keys(url: Urls = None, role: Reader = Role.AUDITOR) -> None:
    """Print the public keys of every log, one a line: keep them apart from what they check."""
    client = client_of(url, patience=PATIENT)
    for entry in SERVICES:
        for key in require_found(
            client.open(entry.name, "/evidence/keys", patience=PATIENT), f"keys of {entry.name}", role
        ):
            print(key)


@evidence.command("checkpoints")
def list_checkpoints(
    folder: Annotated[Path, typer.Option("-o", "--out", help="The folder to write them into, a file each.")],
    url: Urls = None,
    role: Reader = Role.AUDITOR,
) -> None:
    """Keep the latest checkpoint of every log: with them you can later prove that a log was not rewritten."""
    client = client_of(url, patience=PATIENT)
    folder.mkdir(parents=True, exist_ok=True)
    for entry in SERVICES:
        for log in ("events", "access") if entry.decides else ("access",):
            reply = client.open(entry.name, f"/evidence/{log}/checkpoint", patience=PATIENT)
            if reply.status == 404:  # nothing has happened there yet
                continue
            note = require_found(reply, f"checkpoint of {entry.name}", role)
            write_whole(folder / f"{entry.name}-{log}.checkpoint", note)
            say(f"{entry.name}, {log}: {Checkpoint.parse(SignedNote.parse(note).text).size} entries")


def _extensions(
    client: Client, service: str, part: Mapping[str, Any], checkpoints: Sequence[tuple[str, Checkpoint]], role: str
) -> list[dict[str, Any]]:
    """Fetch the proofs that the checkpoints of a service's part extend those that were kept."""
    proofs: list[dict[str, Any]] = []
    for log in ("events", "access"):
        if part.get(log, {}).get("checkpoint") is None:
            continue
        now = Checkpoint.parse(SignedNote.parse(part[log]["checkpoint"]).text)
        for note, checkpoint in checkpoints:
            if checkpoint.origin != now.origin:
                continue
            path = []
            if checkpoint.size <= now.size:
                params = {"first": checkpoint.size, "second": now.size}
                reply = client.open(service, f"/evidence/{log}/consistency", patience=PATIENT, params=params)
                path = require_found(reply, f"proof that {now.origin} extends a checkpoint of {checkpoint.size}", role)
            proofs.append({"log": log, "checkpoint": note, "proof": path})
    return proofs


def read_note(path: Path) -> tuple[str, Checkpoint]:
    """Read a checkpoint that was kept: its note, and what it says. Exits with 2 for anything else."""
    try:
        note = path.read_text(encoding="utf-8")
        return note, Checkpoint.parse(SignedNote.parse(note).text)
    except (OSError, UnicodeDecodeError, BadNote) as error:
        fail(f"{path} is not a checkpoint: {error}", 2)


def require_folders(*files: Path | None) -> None:
    """Exit with 2 if the folder of a file to write is missing: before anything is read, and logged, for nothing."""
    for file in files:
        if file is not None and not file.parent.is_dir():
            fail(f"There is no folder {file.absolute().parent}: make it (mkdir -p), or name another file.", 2)


def write_whole(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(path)
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}. Choose a folder that exists and is yours.", 2)
