"""`ooc`: the system for people at a terminal. Through the API like everyone, save what is done to the system itself."""

from __future__ import annotations

import asyncio
import sys
from hashlib import sha256
from pathlib import Path
from typing import Annotated, NoReturn
from uuid import UUID

import typer
from stamina.instrumentation import set_on_retry_hooks

from services.console.addresses import VAR, find_addresses
from services.console.alarms import tell_alarms
from services.console.case import NotFound, case_of, found, histories, printed, projected
from services.console.client import Client
from services.console.idle import SOURCES
from services.console.operations import alarms, gaps, quarantine
from services.console.progress import Progress, debugging, said
from services.console.scenario_command import run_scenario_files
from services.console.status import system_status
from services.console.tables import (
    OUT,
    case_list,
    complain,
    measure,
    records,
    sheet,
    standings,
    table,
    timeline,
)
from services.vocabulary import Role
from tools.scenario.parser import read_scenario

SOON = 5.0
"""Seconds for which a question waits for a service that does not answer."""

app = typer.Typer(
    name="ooc",
    help="The case system of a team that keeps children out of court.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
scenarios = typer.Typer(help="Dated stories: check them, play them.", no_args_is_help=True)
app.add_typer(scenarios, name="scenario")
app.add_typer(quarantine, name="quarantine")
app.add_typer(gaps, name="gaps")
app.add_typer(alarms, name="alarms")

Urls = Annotated[
    list[str] | None,
    typer.Option(
        "--url", help="SERVICE=http://host:port (repeat), or the URL of a gateway. Default: the local system."
    ),
]


def _require_person(role: Role) -> Role:
    if role is Role.SYSTEM:
        people = ", ".join(one for one in Role if one is not Role.SYSTEM)
        raise typer.BadParameter(
            f"SYSTEM is the role of a service that reacts to another; no token is given for it. Choose one of {people}."
        )
    return role


As = Annotated[Role, typer.Option("--as", help="The role in which to ask.", callback=_require_person)]
Files = Annotated[list[Path], typer.Argument(help="Scenario files.")]


def _client(url: list[str] | None, patience: float = SOON) -> Client:
    return Client(find_addresses(url or ()), patience=patience)


# --- the system itself ----------------------------------------------------------------------------


@app.command()
def up() -> None:
    """Start everything on this machine, and keep it running until Ctrl-C."""
    from services.console.system import running_system, servers_of, urls  # noqa: PLC0415  only where it is started
    from tools.local import Interrupted  # noqa: PLC0415

    async def run() -> None:
        OUT.print(f"The data are in {VAR.absolute()} (OOC_VAR names another place).", markup=False, soft_wrap=True)
        async with running_system(Progress()) as started:
            rows = [*urls(started.addresses).items(), *servers_of(started.addresses)]
            OUT.print(table("The system is up. Ctrl-C stops it.", "what", "where", rows=rows))
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
    from services.console.demo import demonstrate  # noqa: PLC0415  it brings the services' declarations

    raise typer.Exit(asyncio.run(demonstrate(once=once)))


@app.command()
def status(url: Urls = None) -> None:
    """Each process and its lag, alarms and what is held; exit code 0 when all is ready, caught up and without alarm."""
    seen = system_status(_client(url, 0.0), VAR, local=not url and (VAR / "system.json").exists())
    if seen.rows:
        OUT.print(table("The system", "process", "pid", "state", "where it is", rows=seen.rows))
    for reason in seen.reasons:
        complain(reason)
    raise typer.Exit(1 if seen.reasons else 0)


@app.command()
def migrate() -> None:
    """Create the databases and their roles, and bring schemas and privileges up to date (OOC_ADMIN_DATABASE_URL)."""
    from services.registry import DECIDING, projection_databases  # noqa: PLC0415  only here
    from shared.runtime.provision import ProvisionFailed, provision_databases  # noqa: PLC0415  the same
    from shared.runtime.settings import NoPassword, Settings  # noqa: PLC0415  the same

    try:
        asyncio.run(provision_databases(Settings(), [entry.name for entry in DECIDING], projection_databases()))
    except (ProvisionFailed, NoPassword) as error:
        _fail(str(error))


@app.command()
def topics() -> None:
    """Create the topics that are missing (OOC_KAFKA)."""
    from services.registry import DECIDING  # noqa: PLC0415  only here
    from shared.runtime.provision import ProvisionFailed, provision_topics  # noqa: PLC0415  the same
    from shared.runtime.settings import Settings  # noqa: PLC0415  the same

    try:
        asyncio.run(provision_topics(Settings(), [entry.name for entry in DECIDING]))
    except ProvisionFailed as error:
        _fail(str(error))


@app.command()
def verify() -> None:
    """Check positions, versions, chains, topics and logs against each other; exit code 1 on any break."""
    from services.console.demo import show_verification  # noqa: PLC0415  it brings the services' declarations

    raise typer.Exit(0 if asyncio.run(show_verification()) else 1)


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
            OUT.print(f"{file}: well told", markup=False)
    raise typer.Exit(1 if wrong else 0)


# --- questions ------------------------------------------------------------------------------------


@app.command()
def case(case_id: Annotated[UUID, typer.Argument(metavar="ID")], url: Urls = None, role: As = Role.AUDITOR) -> None:
    """A case as a timeline across the services: both times, actor, rules."""
    client = _client(url)
    try:
        answer = projected(client, case_id, role)
    except NotFound:
        found_in = case_of(client, case_id, role)
        if found_in in {None, case_id}:
            raise
        OUT.print(f"{case_id} belongs to the case {found_in}.", markup=False)
        case_id = found_in
        answer = projected(client, case_id, role)
    OUT.print(standings(f"Case {case_id}", answer))
    OUT.print(timeline("What happened", histories(client, answer, role)))


@app.command()
def cases(
    state: Annotated[str | None, typer.Option(help="Only cases in this state.")] = None,
    officer: Annotated[UUID | None, typer.Option(help="Only cases of this officer.")] = None,
    due_before: Annotated[str | None, typer.Option(help="Only cases with something due before this date.")] = None,
    page: Annotated[int | None, typer.Option(help="Which page.")] = None,
    url: Urls = None,
    role: As = Role.SUPERVISOR,
) -> None:
    """The list of cases."""
    params = {"state": state, "officer": officer and str(officer), "due_before": due_before, "page": page}
    reply = _client(url).get("reporting", "/v1/cases", role=role, params=params)
    answer = found(reply, "list of cases", role)
    shown = f"Cases, page {answer['page']} of {max(1, -(-answer['total'] // answer['page_size']))}"
    OUT.print(case_list(shown, answer["cases"]) if answer["cases"] else f"{shown}: none")


@app.command("measure")
def measure_command(
    name: Annotated[
        str, typer.Argument(help="kpi6, kpi9, kpi10, fte, timeliness, education, disproportionality or workload.")
    ],
    from_: Annotated[str, typer.Option("--from", help="First day, such as 2025-10-01.")],
    to: Annotated[str, typer.Option("--to", help="Last day.")],
    group_by: Annotated[str | None, typer.Option(help="Split the answer by this.")] = None,
    url: Urls = None,
    role: As = Role.ANALYST,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """A measure over a period."""
    params = {"from": from_, "to": to, "group_by": group_by}
    reply = _client(url).get("reporting", f"/v1/measures/{name}", role=role, params=params)
    answer = found(reply, f"measure {name}", role)
    if as_json:
        OUT.print_json(data=answer)
    else:
        OUT.print(measure(name, answer))


@app.command()
def duties(
    as_of: Annotated[str | None, typer.Option("--as-of", help="The day, such as 2025-10-02. Default: today.")] = None,
    url: Urls = None,
    role: As = Role.SUPERVISOR,
    *,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only what is overdue.")] = False,
) -> None:
    """The daily sheet: what is due, overdue and met."""
    params = {"as_of": as_of, "overdue": "true" if overdue else None}
    reply = _client(url).get("reporting", "/v1/duties", role=role, params=params)
    answer = found(reply, "daily sheet", role)
    title = f"Duties on {answer['as_of']}"
    OUT.print(sheet(title, answer["duties"]) if answer["duties"] else f"{title}: none")


@app.command("document")
def document_command(
    stream: Annotated[str, typer.Argument(help="SERVICE/ID, such as disposal/1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11.")],
    name: Annotated[
        str, typer.Argument(help="ycc, yc, yrd, panel-pack, warning-letter, conference-agreement or closing-letter.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The PDF's file.")],
    lang: Annotated[str, typer.Option("--lang", help="en or cy.")] = "en",
    url: Urls = None,
    role: As = Role.SUPERVISOR,
) -> None:
    """Print a document into a file, and say its SHA-256, which its signature names."""
    if not out.absolute().parent.is_dir():
        _fail(f"There is no folder {out.absolute().parent}: make it (mkdir -p), or give another file with --out.")
    body = printed(_client(url), stream, name, lang, role)
    try:
        out.write_bytes(body)
    except OSError as error:
        _fail(f"{out} cannot be written ({error.strerror}): give another file with --out.")
    OUT.print(f"{out}: SHA-256 {sha256(body).hexdigest()}", markup=False, soft_wrap=True)


@app.command()
def token(url: Urls = None, role: As = Role.SUPERVISOR) -> None:
    """A token of the development issuer, for a request by hand: `curl -H "Authorization: Bearer $(ooc token)" …`."""
    OUT.print(_client(url).tokens.token(role).text, markup=False, soft_wrap=True)


@app.command()
def reactions(url: Urls = None, role: As = Role.AUDITOR) -> None:
    """Reactions that were refused and wait until their stream moves."""
    client = _client(url)
    rows = []
    for service in SOURCES:
        rows += found(client.get(service, "/v1/reactions", role=role), f"list of reactions of {service}", role)
    OUT.print(records("Reactions that wait", rows) if rows else "Reactions that wait: none")


def _fail(text: str) -> NoReturn:
    complain(text)
    raise typer.Exit(1)


def main() -> None:
    """Run a command; whatever goes wrong is said in a sentence, with exit code 1."""
    if not debugging():
        set_on_retry_hooks(())  # a person is told how it ends, not of every attempt
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if debugging():
            raise
        complain(said(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
