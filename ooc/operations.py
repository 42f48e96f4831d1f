"""What an operator looks at and decides: alarms, held records and gaps. Through the APIs, with a token and a reason."""

import sys
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import typer

from ooc.cases.reading import ask, require_found
from ooc.options import AsJson, DryRun, Urls, Yes, client_of, fail, role_option
from ooc.tables import OUT, say, show, table
from services.console.plain_text import moment
from services.system.addresses import SERVICES
from services.system.lags import SOURCES
from services.trade.vocabulary import Role
from tools.client.http import Client

SERVICE = StrEnum("SERVICE", {name.upper(): name for name in SERVICES})  # type: ignore[misc]

Reader = Annotated[Role, role_option("The role in which to ask: AUDITOR or SUPERVISOR.")]
Service = Annotated[SERVICE, typer.Argument(help="The service whose consumer holds it.")]
Id = Annotated[UUID, typer.Argument(metavar="ID", help="Its id, as the list shows it.")]
Reason = Annotated[
    str,
    typer.Option(
        "--reason", help="Why: a code such as INC_1234 or RESTORED_FROM_BACKUP. It is kept with the decision."
    ),
]

MOMENTS: Final = frozenset({"raised_at", "parked_at", "decided_at", "since"})
VERSIONS: Final = "first_version to last_version"
"""Stands for two members of a decision, which are shown as one."""

app = typer.Typer(add_completion=False)
reactions = typer.Typer(help="Reactions that were refused: list, show, retry, close.", no_args_is_help=True)
quarantine = typer.Typer(help="Held records: list, show, retry, release, close.", no_args_is_help=True)
gaps = typer.Typer(help="Streams that wait for a missing version: list, show, retry, release.", no_args_is_help=True)
alarms = typer.Typer(help="What a person must look at: list, attend, acknowledge.", no_args_is_help=True)
app.add_typer(reactions, name="reactions")
app.add_typer(quarantine, name="quarantine")
app.add_typer(gaps, name="gaps")
app.add_typer(alarms, name="alarms")


# --- looking --------------------------------------------------------------------------------------


@alarms.command("list")
def list_alarms(url: Urls = None, role: Reader = Role.AUDITOR, *, as_json: AsJson = False) -> None:
    """Every alarm with what is known of it, and the page that says what to do."""
    columns = {
        "id": "id",
        "alarm": "name",
        "place": "place",
        "since": "raised_at",
        "attended by": "attended_by",
        "detail": "detail",
    }
    _list("Alarms", "/v1/alarms", columns | {"what to do": "runbook"}, url, role, as_json=as_json)


@reactions.command("list")
def list_reactions(url: Urls = None, role: Reader = Role.AUDITOR, *, as_json: AsJson = False) -> None:
    """List what has not reached its record, and why, longest first in each service."""
    columns = {"id": "command_id", "since": "parked_at", "what": "sentence", "tries": "attempts"}
    _list("Reactions that wait", "/v1/reactions", columns, url, role, as_json=as_json, services=SOURCES)


@reactions.command("show")
def show_reaction(
    service: Service, id_: Id, url: Urls = None, role: Reader = Role.AUDITOR, *, as_json: AsJson = False
) -> None:
    """Show one parked reaction: its source event, its target record, and the rules that refuse it; never the data."""
    reaction = ask(client_of(url), service, f"/v1/reactions/{id_}", f"reaction {id_}", role)
    show(reaction, _reaction_table(reaction), as_json=as_json)


def _reaction_table(reaction: Mapping[str, Any]) -> Any:
    rows = [
        ("what", reaction["sentence"]),
        ("follows", f"{reaction['source_stream']}, version {reaction['source_version']}"),
        ("should reach", reaction["target_stream"]),
        ("reaction", f"{reaction['reaction']}, by {reaction['consumer']}"),
        ("refused by", ", ".join(reaction["rules"]) or "no rule"),
        ("because", reaction["reason"]),
        ("waits since", f"{moment(reaction['parked_at'])}, tried {reaction['attempts']} times"),
    ]
    return table(f"Reaction {reaction['command_id']}", "", "", rows=rows)


@quarantine.command("list")
def list_quarantine(url: Urls = None, role: Reader = Role.AUDITOR, *, as_json: AsJson = False) -> None:
    """List the streams in quarantine, with the reasons."""
    columns = {name: name for name in ("id", "stream", "records", "since", "cause", "error")}
    _list("In quarantine", "/v1/quarantine", columns, url, role, as_json=as_json)


@quarantine.command("show")
@gaps.command("show")
def show_held(
    service: Service, id_: Id, url: Urls = None, role: Reader = Role.AUDITOR, *, as_json: AsJson = False
) -> None:
    """List the held records of a stream in order, without their content: places, sizes, digests and errors."""
    answer = ask(client_of(url), service, f"/v1/quarantine/{id_}", f"stream in quarantine {id_} of {service}", role)
    if as_json:
        OUT.print_json(data=answer)
        return
    say(f"{answer['stream']}, held by {answer['consumer']}: {answer['records']} records")
    for record in answer["held"]:
        sizes = ", ".join(f"{header['name']} {header['bytes']}" for header in record["headers"])
        lines = [
            ("place", f"{record['topic']}, partition {record['partition']}, offset {record['offset']}"),
            ("cause", f"{record['cause']}: {record['error']}"),
            (
                "event",
                f"{record['type'] or 'not told'}, version {record['version'] or 'not told'}, position {record['position']}",
            ),
            ("held since", moment(record["quarantined_at"])),
            ("body", f"{record['body_bytes']} bytes, SHA-256 {record['body_sha256']}"),
            ("headers", f"{sizes} (bytes)"),
        ]
        OUT.print(table(f"offset {record['offset']}", "", "", rows=lines))


@quarantine.command("decisions")
def list_decisions(url: Urls = None, role: Reader = Role.AUDITOR, *, as_json: AsJson = False) -> None:
    """List the decisions about held records, gaps and alarms, with actor, time and reason, latest first."""
    columns = {"when": "decided_at", "what": "action", "stream or place": "stream", "versions": VERSIONS}
    _list("Decisions", "/v1/decisions", columns | {"by": "actor", "why": "reason"}, url, role, as_json=as_json)


@gaps.command("list")
def list_gaps(url: Urls = None, role: Reader = Role.AUDITOR, *, as_json: AsJson = False) -> None:
    """List the streams that wait for a missing version."""
    columns = {"id": "id", "stream": "stream", "taken to version": "held", "came version": "found"}
    columns |= {"records wait": "waiting", "since": "since"}
    _list("Gaps", "/v1/gaps", columns, url, role, as_json=as_json)


def _list(
    title: str,
    path: str,
    columns: Mapping[str, str],
    url: list[str] | None,
    role: str,
    *,
    as_json: bool,
    services: Iterable[str] = SERVICES,
) -> None:
    """Show a list of every service as a table with these members by heading, or whole as JSON, each with its service."""
    client = client_of(url)
    lines = [
        {"service": service, **line}
        for service in services
        for line in ask(client, service, path, f"list {path} of {service}", role)
    ]
    rows = [(line["service"], *(_cell(line, member) for member in columns.values())) for line in lines]
    show(lines, table(title, "service", *columns, rows=rows) if rows else f"{title}: none", as_json=as_json)


def _cell(line: Mapping[str, Any], member: str) -> Any:
    if member == VERSIONS:
        return _versions(line)
    return moment(line[member]) if member in MOMENTS else line[member]


def _versions(decision: Mapping[str, Any]) -> str:
    first, last = decision["first_version"], decision["last_version"]
    return "" if first is None else str(first) if first == last else f"{first} to {last}"


# --- deciding -------------------------------------------------------------------------------------


@quarantine.command("retry")
@gaps.command("retry")
def retry_held(service: Service, id_: Id, reason: Reason, url: Urls = None, *, dry_run: DryRun = False) -> None:
    """Try the held records of a stream again, in order, to the first that fails."""
    client, path = client_of(url), f"/v1/quarantine/{id_}/retry"
    answer = _decide(client, service, path, reason, dry_run=dry_run)
    if dry_run:
        OUT.print(f"{answer['records']} records would be tried again, in order, to the first that fails.")
    else:
        _say_what_became(answer, f"{answer['records']} records tried again")


@reactions.command("retry")
def retry_reaction(service: Service, id_: Id, reason: Reason, url: Urls = None, *, dry_run: DryRun = False) -> None:
    """Try a reaction again, though the record that it should reach has not changed."""
    answer = _decide(client_of(url), service, f"/v1/reactions/{id_}/retry", reason, dry_run=dry_run)
    OUT.print(_reaction_table(answer["reaction"]))
    if dry_run:
        OUT.print("It would be refused again." if answer["waits"] else "It would go through.")
    elif not answer["taken_up"]:
        OUT.print("It is to be tried again: the worker does not answer, and does so when it runs. Ask `ooc status`.")
    elif answer["waits"]:
        OUT.print("It was tried again, and is still refused: correct what it follows, or close it.")
    else:
        OUT.print("It went through: nothing waits any more.")


@reactions.command("close")
def close_reaction(
    service: Service,
    id_: Id,
    reason: Reason,
    words: Annotated[
        Path | None,
        typer.Option("--why", help="A file with your own words for it, - for standard input. They are sealed."),
    ] = None,
    url: Urls = None,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Close a reaction for good: it will never be done. Shows it before it does so."""
    client, path = client_of(url), f"/v1/reactions/{id_}/close"
    why = None if words is None else _read(words)
    rehearsed = _decide(client, service, path, reason, dry_run=True)
    OUT.print(_reaction_table(rehearsed["reaction"]))
    say(f"It will never be done: {rehearsed['reaction']['target_stream']} will lack it.")
    if not dry_run and confirm(yes=yes):
        _decide(client, service, path, reason, dry_run=False, body=None if why is None else {"why": why})
        OUT.print("It is closed, and recorded with who and why.")


def _read(file: Path) -> str | None:
    """Read a person's words from a file, or from standard input; None if there are none."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file} cannot be read ({error}): give the file with your words in UTF-8.")
    return text.strip() or None


@quarantine.command("close")
def close_held(
    service: Service, id_: Id, reason: Reason, url: Urls = None, *, dry_run: DryRun = False, yes: Yes = False
) -> None:
    """Close the quarantine of a stream: none of its held records will ever be applied. The same as `release --all`."""
    release_held(service, id_, reason, None, url, every=True, dry_run=dry_run, yes=yes)


@quarantine.command("release")
def release_held(
    service: Service,
    id_: Id,
    reason: Reason,
    through: Annotated[int | None, typer.Option("--through", help="The offset of the last record to skip.")] = None,
    url: Urls = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Skip all held records of the stream.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Skip held records, which are then never applied; show their number first."""
    if every == (through is not None):
        fail("Say which records are to be skipped: --through OFFSET (as `show` lists them), or --all.")
    client, path = client_of(url), f"/v1/quarantine/{id_}/release"
    more = {} if through is None else {"through_offset": through}
    rehearsed = _decide(client, service, path, reason, dry_run=True, more=more)
    OUT.print(f"{rehearsed['records']} records will never be applied by {service}; what it shows will lack them.")
    if not dry_run and confirm(yes=yes):
        answer = _decide(client, service, path, reason, dry_run=False, more=more)
        _say_what_became(answer, f"{answer['records']} records skipped")


@gaps.command("release")
def release_gap(
    service: Service, id_: Id, reason: Reason, url: Urls = None, *, dry_run: DryRun = False, yes: Yes = False
) -> None:
    """Release a stream without the versions that never came; show which first."""
    client, path = client_of(url), f"/v1/gaps/{id_}/release"
    rehearsed = _decide(client, service, path, reason, dry_run=True)
    (decision,) = rehearsed["decisions"]
    say(
        f"{service} will do without version {_versions(decision)} of {decision['stream']};"
        f" {rehearsed['records']} records that wait behind are tried next."
    )
    if not dry_run and confirm(yes=yes):
        _say_what_became(_decide(client, service, path, reason, dry_run=False), "The gap is released")


@alarms.command("attend")
def attend(service: Service, id_: Id, reason: Reason, url: Urls = None, *, dry_run: DryRun = False) -> None:
    """Say that you look after an alarm: the others see who does, and since when. It stands as before."""
    _decide(client_of(url), service, f"/v1/alarms/{id_}/attend", reason, dry_run=dry_run)
    OUT.print(f"You {'would look' if dry_run else 'look'} after the alarm.")


@alarms.command("acknowledge")
def acknowledge(service: Service, id_: Id, reason: Reason, url: Urls = None, *, dry_run: DryRun = False) -> None:
    """Clear an alarm that is not cleared automatically; it is raised again if its cause lasts."""
    answer = _decide(client_of(url), service, f"/v1/alarms/{id_}/acknowledge", reason, dry_run=dry_run)
    (decision,) = answer["decisions"]
    would = "would be" if dry_run else "is"
    say(f"The alarm {decision['cause']} at {decision['stream']} {would} acknowledged.")


def _decide(
    client: Client,
    service: str,
    path: str,
    reason: str,
    *,
    dry_run: bool,
    more: Mapping[str, Any] | None = None,
    body: Mapping[str, Any] | None = None,
) -> Mapping[str, Any]:
    """Ask for a decision in the role that may make it; raises `NotFound` or `NoAnswer`."""
    params = {"dry_run": "true" if dry_run else "false", **(more or {})}
    reply = client.decide(service, path, role=Role.SUPERVISOR, params=params, reason=reason, body=body)
    answer: Mapping[str, Any] = require_found(
        reply, f"decision {path.rpartition('/')[2]} of {service}", Role.SUPERVISOR
    )
    return answer


def confirm(*, yes: bool) -> bool:
    """Whether the operator goes on; without a terminal to ask at, only with --yes."""
    if yes:
        return True
    if not sys.stdin.isatty():
        fail("Nothing was done: add --yes to go on without being asked.")
    return typer.confirm("Go on?")


def _say_what_became(answer: Mapping[str, Any], what: str) -> None:
    if not answer["taken_up"]:
        OUT.print(f"{what}: recorded. The worker does not answer; it goes on from this when it runs. Ask `ooc status`.")
    elif answer["left"]:
        say(f"{what}: {answer['left']} are still held, the first because: {answer['error']}")
    else:
        OUT.print(f"{what}: none is held any more.")
