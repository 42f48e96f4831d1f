"""`ooc`: the system for people at a terminal. Through the API like everyone, save what is done to the system itself."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn
from uuid import UUID, uuid4

import typer
from stamina.instrumentation import set_on_retry_hooks
from typer.core import TyperGroup

from ooc.cases.access import access
from ooc.cases.guidance import answers, next_table
from ooc.cases.reading import (
    NotFound,
    case_of,
    changes_of,
    fetch_document,
    fetch_projected_case,
    require_found,
    timeline_of,
)
from ooc.cases.watch import Watcher, line_of, watch
from ooc.commands.sending import outcome_of, outcome_tables, read_body, send_command
from ooc.commands.signing import disposal_document, sign
from ooc.data_rights.commands import forget, forget_again, hold, lift, release, restrict, retention
from ooc.data_rights.subject_access import subject_access
from ooc.evidence.export import evidence, export
from ooc.evidence.keys import keys
from ooc.evidence.verify_command import verify_app
from ooc.imports import import_register
from ooc.measures.returns import returns
from ooc.operations import alarms, gaps, quarantine, reactions
from ooc.progress import Progress, error_text, wants_traceback
from ooc.restore.rebuild_command import rebuild
from ooc.restore.restore_command import restore
from ooc.roles import ROLE_NAMES, role_option
from ooc.scenarios import run_scenario_files
from ooc.system.alarms import tell_alarms
from ooc.tables import (
    OUT,
    AsJson,
    case_list,
    complain,
    measure,
    search_results,
    sheet,
    standings,
    table,
    timeline,
    waits,
)
from ooc.version_option import take_options
from services.addresses import VAR, find_addresses
from services.vocabulary import Role, SearchKind
from tools.client.http import RESTART, Client
from tools.scenario.parser import read_scenario

SOON = 5.0
"""Seconds for which a question waits for a service that does not answer."""

MOST_WORKERS: Final = 4
"""How many workers a service may have on one machine: the connections of a local PostgreSQL are enough for so many."""


class _Commands(TyperGroup):
    """The commands of `ooc`; says in plain words what is wrong with an argument."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            if error.message.startswith("Input should be a valid UUID"):
                error.message = f"an id is a UUID, such as {UUID(int=0)}: copy it whole."
            error.message = error.message.removeprefix("Value error, ")
            raise


app = typer.Typer(
    name="ooc",
    cls=_Commands,
    help="The case system of a team that keeps children out of court.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.callback()(take_options)
scenarios = typer.Typer(help="Dated stories: check them, play them.", no_args_is_help=True)
app.add_typer(scenarios, name="scenario")
app.add_typer(reactions, name="reactions")
app.add_typer(quarantine, name="quarantine")
app.add_typer(gaps, name="gaps")
app.add_typer(alarms, name="alarms")
app.add_typer(export, name="export")
app.add_typer(returns, name="returns")
app.add_typer(evidence, name="evidence")
app.add_typer(verify_app, name="verify")
app.add_typer(keys, name="keys")
app.add_typer(restore, name="restore")
app.add_typer(retention, name="retention")
for command in (access, subject_access, forget, forget_again, restrict, lift, hold, release, rebuild):
    app.command()(command)
app.command("import")(import_register)

Urls = Annotated[
    list[str] | None,
    typer.Option(
        "--url", help="SERVICE=http://host:port (repeat), or the URL of a gateway. Default: the local system."
    ),
]


AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of", help="Only what had occurred by then: a date (its end, in Europe/London) or a time with its zone."
    ),
]
KnownAt = Annotated[
    str | None, typer.Option("--known-at", help="Only what had been recorded by then: a date or a time, as above.")
]
As = Annotated[Role, role_option(f"The role in which to ask: {ROLE_NAMES}.")]
Files = Annotated[list[Path], typer.Argument(help="Scenario files.")]


def _client(url: list[str] | None, patience: float = SOON) -> Client:
    return Client(find_addresses(url or ()), patience=patience)


# --- the system itself ----------------------------------------------------------------------------


@app.command()
def up(
    *,
    workers: Annotated[
        int,
        typer.Option(
            min=1, max=MOST_WORKERS, metavar="N", help="How many workers of each service share its partitions."
        ),
    ] = 1,
) -> None:
    """Start everything on this machine, and keep it running until Ctrl-C."""
    from ooc.system.running import address_rows, running_system  # noqa: PLC0415  only where it is started
    from tools.local import Interrupted  # noqa: PLC0415

    async def run() -> None:
        OUT.print(f"The data are in {VAR.absolute()} (OOC_VAR names another place).", markup=False, soft_wrap=True)
        async with running_system(Progress(), workers=workers) as addresses:
            OUT.print(table("The system is up. Ctrl-C stops it.", "what", "to open", rows=address_rows(addresses)))
            await tell_alarms(Client(find_addresses((), {}, VAR), patience=0.0))

    try:
        asyncio.run(run())
    except Interrupted:
        complain("Stopped before the system was up.")
        raise typer.Exit(130) from None
    OUT.print("Everything has stopped.")


@app.command()
def demo(
    *,
    once: Annotated[
        bool, typer.Option("--once", help="Stop after showing, with exit code 0 if all went well.")
    ] = False,
) -> None:
    """Start everything, play a child's case if the system is empty, show the results, stay up."""
    from ooc.system.demo import demonstrate  # noqa: PLC0415  it brings the services' declarations

    raise typer.Exit(asyncio.run(demonstrate(once=once)))


@app.command()
def status(url: Urls = None, *, as_json: AsJson = False) -> None:
    """Show processes, lag, alarms and quarantine; exit code 0 if all is ready, caught up and without alarm."""
    from ooc.system.status import system_status  # noqa: PLC0415  it brings what starts a system

    system = system_status(_client(url, 0.0), VAR, local=not url and (VAR / "system.json").exists())
    if as_json:
        processes = [dict(zip(("process", "pid", "state", "where"), row, strict=True)) for row in system.rows]
        OUT.print_json(data={"processes": processes, "reasons": system.reasons})
        raise typer.Exit(1 if system.reasons else 0)
    if system.rows:
        OUT.print(table("The system", "process", "pid", "state", "where it is", rows=system.rows))
    for reason in system.reasons:
        complain(reason)
    raise typer.Exit(1 if system.reasons else 0)


@app.command()
def migrate() -> None:
    """Create the databases and their roles, and bring schemas and privileges up to date (OOC_ADMIN_DATABASE_URL)."""
    from services.registry import DECIDING, databases_without_events  # noqa: PLC0415  only here
    from shared.runtime.provision import ProvisionFailed, provision_databases  # noqa: PLC0415  the same
    from shared.settings import NoPassword, Settings  # noqa: PLC0415  the same

    try:
        asyncio.run(provision_databases(Settings(), [entry.name for entry in DECIDING], databases_without_events()))
    except (ProvisionFailed, NoPassword) as error:
        _fail(str(error))


@app.command()
def topics() -> None:
    """Create the topics that are missing, and give each service and partner its rights on them (OOC_KAFKA)."""
    from services.kafka_access import provision_kafka  # noqa: PLC0415  only here
    from shared.runtime.provision import ProvisionFailed  # noqa: PLC0415  the same
    from shared.settings import NoPassword, Settings  # noqa: PLC0415  the same

    try:
        asyncio.run(provision_kafka(Settings()))
    except (ProvisionFailed, NoPassword) as error:
        _fail(str(error))


# --- scenarios ------------------------------------------------------------------------------------


@scenarios.command("run")
def scenario_run(
    files: Files,
    url: Urls = None,
    *,
    quiet: Annotated[bool, typer.Option("--quiet", help="No line for each step.")] = False,
) -> None:
    """Play scenarios against the running system; exit code 1 at the first difference."""
    for file in files:
        read_scenario(file)  # what is wrong with a file is said before a system is looked for
    for played in run_scenario_files(files, Client(find_addresses(url or ())), quiet=quiet):
        OUT.print(f"{played.scenario.id}: {played.steps} steps agree (run {played.run})", markup=False)


@scenarios.command("check")
def scenario_check(files: Files) -> None:
    """Check scenario files: their form, and that what they name exists."""
    from services.registry import deciding_services  # noqa: PLC0415  only here
    from tools.scenario.validation import problems_of  # noqa: PLC0415  only here

    services = {service.name: service for service in deciding_services()}
    wrong = 0
    for file in files:
        problems = list(problems_of(read_scenario(file), services))
        wrong += len(problems)
        for problem in problems:
            complain(f"{file}: {problem}.")
        if not problems:
            OUT.print(f"{file}: valid", markup=False)
    raise typer.Exit(1 if wrong else 0)


# --- questions ------------------------------------------------------------------------------------


@app.command()
def case(
    case_id: Annotated[UUID, typer.Argument(metavar="ID")],
    as_of: AsOf = None,
    known_at: KnownAt = None,
    order: Annotated[str | None, typer.Option("--order", help="occurred_at (default) or recorded_at.")] = None,
    changes_after: Annotated[
        list[str] | None,
        typer.Option(
            "--changes-after", help="Only events recorded after this position, such as disposal:1234 (repeat)."
        ),
    ] = None,
    url: Urls = None,
    role: As = Role.AUDITOR,
    *,
    only_timeline: Annotated[bool, typer.Option("--timeline", help="Only the timeline.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a case across the services: its state, and its timeline by both times, each event in a sentence."""
    client, times = _client(url), {"as_of": as_of, "known_at": known_at}
    if changes_after and (as_of or known_at or order or only_timeline):
        raise typer.BadParameter("--changes-after goes with no other question: leave the others out.")
    try:
        answer = fetch_projected_case(client, case_id, role, times=times)
    except NotFound:
        found_in = case_of(client, case_id, role)
        if found_in in {None, case_id}:
            raise
        if not as_json:
            OUT.print(f"{case_id} belongs to the case {found_in}.", markup=False)
        case_id = found_in
        answer = fetch_projected_case(client, case_id, role, times=times)
    if changes_after:
        events, tokens = changes_of(client, case_id, role, changes_after)
        if as_json:
            OUT.print_json(data={"events": events, "next": tokens})
            return
        OUT.print(timeline("What has changed", events) if events else "What has changed: nothing")
        next_ = " ".join(f"--changes-after {token}" for token in tokens)
        OUT.print(f"Ask next with {next_}", markup=False, soft_wrap=True)
        return
    events = list(timeline_of(client, case_id, role, params={**times, "order": order}))
    if as_json:
        OUT.print_json(data={"events": events} if only_timeline else {"case": answer, "events": events})
        return
    if not only_timeline:
        OUT.print(standings(f"Case {case_id}{_times_in_words(times)}", answer))
        if answer["waiting"]:
            OUT.print(waits("What waits", answer["waiting"]))
    OUT.print(timeline(f"What happened{_times_in_words(times)}", events))


def _times_in_words(times: Mapping[str, str | None]) -> str:
    """Return the words of a title for both times; empty for the present."""
    words = {"as_of": "as of", "known_at": "as known at"}
    return "".join(f", {words[name]} {value}" for name, value in times.items() if value is not None)


@app.command()
def seed(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Scenario files; without any, the one that comes with the program.")
    ] = None,
    cases: Annotated[int, typer.Option("--cases", min=1, help="How many cases.")] = 100,
    weeks: Annotated[int, typer.Option("--weeks", min=1, max=400, help="Over how many weeks they are spread.")] = 104,
) -> None:
    """Fill the system of this machine with made-up cases, by the scenarios' own commands. Never one with real cases."""
    from ooc.system.seed import fill  # noqa: PLC0415  it brings the services' declarations

    found = fill(files or (), cases, weeks)
    OUT.print(f"{found.cases:,} cases, {found.commands:,} commands, {found.events:,} events.", markup=False)
    for why, count in found.refused.most_common():
        OUT.print(f"{count:,} cases ended early, by {why}.", markup=False)


@app.command()
def cases(
    state: Annotated[str | None, typer.Option(help="Only cases in this state.")] = None,
    officer: Annotated[UUID | None, typer.Option(help="Only cases of this officer.")] = None,
    due_before: Annotated[str | None, typer.Option(help="Only cases with something due before this date.")] = None,
    page: Annotated[int | None, typer.Option(help="Which page.")] = None,
    url: Urls = None,
    role: As = Role.SUPERVISOR,
    *,
    as_json: AsJson = False,
) -> None:
    """List the cases."""
    params = {"state": state, "officer": officer and str(officer), "due_before": due_before, "page": page}
    reply = _client(url).get("reporting", "/v1/cases", role=role, params=params)
    answer = require_found(reply, "list of cases", role)
    if as_json:
        OUT.print_json(data=answer)
        return
    pages = max(1, -(-answer["total"] // answer["page_size"]))
    shown = f"Cases, page {answer['page']} of {'more than ' if answer['more_than_total'] else ''}{pages}"
    OUT.print(case_list(shown, answer["cases"]) if answer["cases"] else f"{shown}: none")


@app.command("measure")
def measure_command(
    name: Annotated[str, typer.Argument(help="Its name, such as kpi6; the answer to a wrong name lists them all.")],
    from_: Annotated[str, typer.Option("--from", help="First day, such as 2025-10-01.")],
    to: Annotated[str, typer.Option("--to", help="Last day.")],
    group_by: Annotated[str | None, typer.Option(help="Split the answer by this.")] = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    url: Urls = None,
    role: As = Role.ANALYST,
    *,
    as_json: AsJson = False,
) -> None:
    """Show a measure over a period."""
    params = {"from": from_, "to": to, "group_by": group_by, "as_of": as_of, "known_at": known_at}
    reply = _client(url).get("reporting", f"/v1/measures/{name}", role=role, params=params)
    answer = require_found(reply, f"measure {name}", role)
    if as_json:
        OUT.print_json(data=answer)
    else:
        OUT.print(measure(name, answer))


@app.command()
def duties(
    as_of: AsOf = None,
    known_at: KnownAt = None,
    url: Urls = None,
    role: As = Role.SUPERVISOR,
    *,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only what is overdue.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the daily sheet: duties that are due, overdue and met."""
    params = {"as_of": as_of, "known_at": known_at, "overdue": "true" if overdue else None}
    reply = _client(url).get("reporting", "/v1/duties", role=role, params=params)
    answer = require_found(reply, "daily sheet", role)
    if as_json:
        OUT.print_json(data=answer)
        return
    title = f"Duties on {answer['as_of']}{_times_in_words({'known_at': known_at})}"
    OUT.print(sheet(title, answer["duties"]) if answer["duties"] else f"{title}: none")
    if answer["waiting"]:
        OUT.print(waits("What waits", answer["waiting"]))


@app.command("next")
def next_command(
    collection: Annotated[str, typer.Argument(help="case, referrals, sessions, disposals or conferences.")],
    id_: Annotated[
        UUID | None, typer.Argument(metavar="[ID]", help="The record or case. Without it: what begins a record.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="The day, such as 2025-10-02; a later one says what will hold then.")
    ] = None,
    url: Urls = None,
    role: As = Role.SUPERVISOR,
    *,
    show_all: Annotated[
        bool, typer.Option("--all", help="Also what does not belong to the state of the record.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, whole.")] = False,
) -> None:
    """Show what may be done next in a role: what is possible, what needs a reason, what the rules refuse, and until when."""
    guidance = list(answers(_client(url), collection, id_, as_of, role))
    if as_json:
        OUT.print_json(data=[answer for _, answer in guidance])
        return
    for title, answer in guidance:
        OUT.print(next_table(title, answer, show_all=show_all))


@app.command()
def search(
    by: Annotated[SearchKind, typer.Option(help="What is looked for.")] = SearchKind.NAME,
    url: Urls = None,
    role: As = Role.SUPERVISOR,
    *,
    as_json: AsJson = False,
) -> None:
    """Find cases. The words are asked for, or read from standard input: a command line is kept in the shell's history."""
    words = typer.prompt(by.replace("_", " ").capitalize()) if sys.stdin.isatty() else sys.stdin.readline()
    if not words.strip():
        _fail("There is nothing to look for: type it at the prompt, or send a line to standard input.")
    answer = require_found(_client(url).search({by: words.strip()}, role=role), "search", role)
    if as_json:
        OUT.print_json(data=answer)
    else:
        OUT.print(search_results(answer) if answer["cases"] else "Cases found: none")


@app.command("document")
def document_command(
    stream: Annotated[str, typer.Argument(help="SERVICE/ID, such as disposal/1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11.")],
    name: Annotated[
        str,
        typer.Argument(
            help="ycc, ycc-notice, yc, yrd, panel-pack, warning-letter, conference-agreement or closing-letter."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="The PDF's file.")],
    lang: Annotated[str, typer.Option("--lang", help="en or cy.")] = "en",
    as_of: AsOf = None,
    known_at: KnownAt = None,
    url: Urls = None,
    role: As = Role.SUPERVISOR,
) -> None:
    """Print a document into a file, and say its SHA-256, which its signature names."""
    if not out.absolute().parent.is_dir():
        _fail(f"There is no folder {out.absolute().parent}: make it (mkdir -p), or give another file with --out.")
    body = fetch_document(_client(url), stream, name, lang, role, {"as_of": as_of, "known_at": known_at})
    try:
        out.write_bytes(body)
    except OSError as error:
        _fail(f"{out} cannot be written ({error.strerror}): give another file with --out.")
    OUT.print(f"{out}: SHA-256 {sha256(body).hexdigest()}", markup=False, soft_wrap=True)


@app.command()
def send(
    stream: Annotated[str, typer.Argument(help="SERVICE/ID. Whoever begins a record chooses its id, a UUID.")],
    file: Annotated[Path, typer.Argument(help="The command as JSON: a file, or - for the standard input.")],
    key: Annotated[str | None, typer.Option("--key", help="The idempotency key. Default: a new one.")] = None,
    url: Urls = None,
    role: As = Role.SUPERVISOR,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would do, and record nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send a command, or show what it would do; exit code 1 if it is refused."""
    body = read_body(file)
    answer = send_command(_client(url), stream, body, key=key or str(uuid4()), role=role, dry_run=dry_run)
    if as_json:
        OUT.print_json(data=answer.body)
    for part in () if as_json else answer.tables:
        OUT.print(part)
    for text in () if as_json else answer.complaints:
        complain(text)
    raise typer.Exit(1 if answer.complaints else 0)


@app.command()
def receipt(
    service: Annotated[str, typer.Argument(help="The service that recorded the command.")],
    command_id: Annotated[UUID, typer.Argument(metavar="ID", help="The command's id, as its receipt names it.")],
    url: Urls = None,
    role: As = Role.SUPERVISOR,
    *,
    as_json: AsJson = False,
) -> None:
    """Show what a command recorded, and how far the commands are that follow in other services."""
    answer = outcome_of(_client(url), service, command_id, role)
    if as_json:
        OUT.print_json(data=answer)
        return
    for part in outcome_tables(answer):
        OUT.print(part)


@app.command("watch")
def watch_command(
    case_id: Annotated[
        UUID | None, typer.Option("--case", help="Only this case. Default: every case of the role.")
    ] = None,
    most: Annotated[int | None, typer.Option("--most", min=1, help="Stop after so many events.")] = None,
    url: Urls = None,
    role: As = Role.SUPERVISOR,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Each event as JSON on a line of its own.")] = False,
) -> None:
    """Show events as they are recorded, as far as the role may read them, until Ctrl-C. Each read is logged."""
    for found, event in watch(Watcher(_client(url, RESTART), role, case_id), most):
        line = json.dumps({"case_id": str(found), **event}) if as_json else line_of(found, event)
        OUT.print(line, markup=False, soft_wrap=True)
        OUT.file.flush()


@app.command()
def token(url: Urls = None, role: As = Role.SUPERVISOR) -> None:
    """Print a token of the development issuer, for a request by hand: `curl -H "Authorization: Bearer $(ooc token)" …`."""
    OUT.print(_client(url).tokens.token(role).text, markup=False, soft_wrap=True)


@app.command("sign")
def sign_command(
    stream: Annotated[str, typer.Argument(help="disposal/ID, such as disposal/1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11.")],
    out: Annotated[Path, typer.Option("--out", help="The PDF's file.")],
    lang: Annotated[str, typer.Option("--lang", help="en or cy.")] = "en",
    url: Urls = None,
    role: As = Role.SUPERVISOR,
    *,
    signed: Annotated[bool, typer.Option("--signed", help="Do not ask: the child signed it and consented.")] = False,
) -> None:
    """Print the document of a disposal, wait until it is signed, and record the signature under its SHA-256."""
    client = _client(url)
    name = disposal_document(client, stream, role)
    document_command(stream=stream, name=name, out=out, lang=lang, url=url, role=role)
    digest = sha256(out.read_bytes()).hexdigest()
    if not signed and not typer.confirm(f"Has the child signed {out}, and agreed to what it says?"):
        _fail("Nothing is recorded. Ask again when it is signed: `ooc sign` prints the same document.")
    if not sign(client, stream, digest, role):
        _fail(
            "The signature is recorded, but the case changed while it was being signed: print and sign it as it stands."
        )
    OUT.print(f"The signature under document {name} of {stream} is recorded.", markup=False, soft_wrap=True)


def _fail(text: str) -> NoReturn:
    complain(text)
    raise typer.Exit(1)


def main() -> None:
    """Run a command; whatever goes wrong is said in a sentence, with exit code 1."""
    if not wants_traceback():
        set_on_retry_hooks(())  # a person is told how it ends, not of every attempt
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if wants_traceback():
            raise
        complain(error_text(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
