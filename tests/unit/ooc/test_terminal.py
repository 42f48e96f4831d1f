"""`ooc` for people and for programs: JSON, completion, no colour in a pipe, and events as they happen."""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import typer.main
from rich.console import Console
from typer.core import TyperCommand, TyperGroup
from typer.testing import CliRunner

from ooc.cases.reading import NotFound, require_found
from ooc.main import COMMANDS, app, main
from ooc.system.status import _address
from ooc.tables import standings
from services.system.addresses import SERVICES, Addresses
from services.system.registry import DECIDING
from tests.unit.ooc.test_console_http import serving
from tests.unit.ooc.test_ooc import ooc
from tools.client.http import Client, Reply
from tools.local import postgres_programs
from tools.local.errors import CannotStart

CASE = UUID(int=5)
ACTS = frozenset(
    {
        *("up", "sandbox", "demo", "migrate", "topics", "scenario run", "scenario check"),
        *("forget", "forget-again", "restrict", "lift", "hold", "release", "retention keep"),
        *("messages retry", "messages withdraw", "messages apply", "messages skip"),
        *("reactions retry", "reactions close", "quarantine retry", "quarantine release", "quarantine close"),
        *("gaps retry", "gaps release", "alarms acknowledge", "alarms attend", "keys rotate", "keys destroy"),
        *(
            "restore database",
            "restore event-store",
            "restore loss",
            "backup follow",
            "backup identity",
            "backup keys",
            "backup make",
        ),
        *("load-matrix", "load-practitioners", "load-tables", "webhooks add", "webhooks remove", "webhooks replay"),
        *(
            "subject-access",
            "export case",
            "export return",
            "evidence checkpoints",
            "evidence keys",
            "verify receipt",
            "token",
        ),
    }
)
"""Commands that do something, write a file, or print one line as it is to be used."""


def commands(group: TyperGroup, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def test_every_command_that_shows_something_gives_json() -> None:
    """Each command has --json, or is one of those that act."""
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    found = dict(commands(root))
    without = {name for name, command in found.items() if "--json" not in {o for p in command.params for o in p.opts}}
    assert without == ACTS & without
    assert set(found) >= ACTS


def test_what_it_starts_finds_its_modules_beside_a_folder_of_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a folder that has a `shared` of its own, when `ooc` starts a process there, then that finds ours."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONSAFEPATH", "")  # it is put back afterwards
    monkeypatch.delenv("PYTHONSAFEPATH")
    monkeypatch.setattr(sys, "argv", ["ooc", "--version"])
    with pytest.raises(SystemExit):
        main()
    started = [sys.executable, "-c", "import shared.servers.version"]
    assert subprocess.run(started, env=dict(os.environ), check=False).returncode == 0


def test_the_list_of_commands_says_of_each_what_its_help_says() -> None:
    """Given the first sentence of each command's help as the list has it, then it is that of the command itself."""
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    for name, sentence in COMMANDS.items():
        listed = TyperCommand(name, help=sentence).get_short_help_str(limit=1000)
        assert root.commands[name].get_short_help_str(limit=1000) == listed, name


@pytest.mark.slow
def test_the_list_of_commands_loads_no_command() -> None:
    """Given `ooc --help`, then the module of no command is loaded, and neither is a client, a database or a service."""
    code = "import sys\nfrom ooc.main import app\ntry: app(['--help'])\nexcept SystemExit: print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "ooc.main" in loaded
    assert not {"ooc.options", "ooc.tables", "services", "pydantic", "httpx2", "asyncpg", "rich.table"} & set(loaded)


@pytest.mark.slow
def test_a_short_command_loads_no_service() -> None:
    """The module of the questions about cases loads neither the services' declarations nor a web framework."""
    code = "import sys, ooc.main, ooc.cases.commands; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {
        "fastapi",
        "faust",
        "aiokafka",
        "services.reporting.projection.fold",
        "services.disposal.service",
    } & set(loaded)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shell", "asked", "offered"),
    [
        ("complete_bash", {"COMP_WORDS": "ooc ca", "COMP_CWORD": "1"}, {"case"}),
        ("complete_bash", {"COMP_WORDS": "ooc keys ", "COMP_CWORD": "2"}, {"list", "rotate", "check", "destroy"}),
        ("complete_bash", {"COMP_WORDS": "ooc case --as SUP", "COMP_CWORD": "3"}, {"SUPERVISOR"}),
    ],
)
def test_the_shell_completes_commands_and_values(
    tmp_path: Path, shell: str, asked: dict[str, str], offered: set[str]
) -> None:
    """What a shell asks for completion is answered with the names that fit."""
    found = ooc(tmp_path, _OOC_COMPLETE=shell, **asked)
    assert set(found.stdout.split()) == offered


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["status"], ["status", "--json"], ["case", "--nonsense"], ["--help"]])
def test_nothing_is_coloured_in_a_pipe(tmp_path: Path, arguments: list[str]) -> None:
    """Given a colourful terminal and a pipe, then neither output nor complaints have escape sequences."""
    result = ooc(tmp_path, *arguments, TERM="xterm-256color", COLORTERM="truecolor")
    assert result.stdout or result.stderr
    assert "\x1b" not in result.stdout + result.stderr


def client(url: str) -> Client:
    return Client(Addresses(url, dict.fromkeys(SERVICES, url)), patience=5.0)


@pytest.mark.slow
def test_completion_can_be_installed(tmp_path: Path) -> None:
    """`ooc --install-completion` and `--show-completion` are there."""
    shown = ooc(tmp_path, "--help").stdout
    assert "--install-completion" in shown
    assert "--show-completion" in shown


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["-h"], ["case", "-h"], ["keys", "list", "-h"]])
def test_the_short_option_shows_help_too(tmp_path: Path, arguments: list[str]) -> None:
    """`-h` is `--help`, for a group as for a command."""
    assert "Usage: ooc" in ooc(tmp_path, *arguments).stdout


@pytest.mark.slow
def test_words_of_a_search_are_not_taken_from_the_command_line(tmp_path: Path) -> None:
    """Whoever puts them there is told that they are asked for, and why."""
    refused = ooc(tmp_path, "search", "Robin", "Doe")
    assert refused.returncode == 2
    assert "no history keeps them" in refused.stderr


def test_the_people_of_a_case_are_shown_with_their_ids() -> None:
    """An id is what data rights ask for: each person of a referral stands in the table with their role."""
    wide = Console(width=160, file=StringIO())
    wide.print(standings("Case", {"referrals": [{"id": str(CASE), "people": {str(UUID(int=7)): "SUSPECT"}}]}))
    assert isinstance(wide.file, StringIO)
    assert re.search(rf"person +│ {UUID(int=7)} │ SUSPECT", wide.file.getvalue())


def test_who_is_no_person_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an id that no record names as a person, such as a case's, then that is said, and nothing is done."""
    nothing: tuple[int, Any] = 200, {"records": [], "ids": [], "forgotten": None}
    with serving(*[nothing] * len(DECIDING)) as (url, server):
        monkeypatch.setattr("ooc.data_rights.commands.client_of", lambda *_, **__: client(url))
        asked = CliRunner().invoke(app, ["forget", str(CASE), "--basis", "RETENTION_ENDED", "--yes"])
        assert all("dry_run=true" in path for _, path, _, _ in server.requests)
    assert isinstance(asked.exception, NotFound)
    assert str(asked.exception) == f"No record of any service names the person {CASE}: check the id."


@pytest.mark.parametrize("action", ["restrict", "hold", "lift", "release", "retention keep", "forget"])
def test_what_is_decided_of_one_id_is_decided_of_all(monkeypatch: pytest.MonkeyPatch, action: str) -> None:
    """Given a person whose ids are merged, when something is decided of one id, then each service is asked about both, and the ids are named first."""
    other = UUID(int=8)
    answer = {"records": [{"id": "r", "home": "h", "state": "CLOSED"}], "ids": [str(other), str(CASE)], "holds": []}
    answer |= {"restricted": False, "forgotten": False, "texts_stay": [], "waits_for": [], "backups_until": None}
    options = {"hold": ("--kind", "LEGAL"), "release": ("--kind", "LEGAL"), "retention keep": ("--until", "2060-05-04")}
    options |= dict.fromkeys(("restrict", "forget"), ("--basis", "COURT_ORDER"))
    rehearsals = 2 if action == "forget" else 1
    with serving(*[(200, answer)] * (2 * (rehearsals + 1) * len(DECIDING))) as (url, server):
        monkeypatch.setattr("ooc.data_rights.commands.client_of", lambda *_, **__: client(url))
        yes = ["--yes"] if action == "forget" else []
        done = CliRunner().invoke(app, [*action.split(), str(CASE), *options.get(action, ()), *yes])
        asked = [path for _, path, _, _ in server.requests if "dry_run=false" in path]
    assert done.exit_code == 0, done.exception
    assert [sum(str(id_) in path for path in asked) for id_ in (CASE, other)] == [len(DECIDING)] * 2
    assert "merged into one person" in " ".join(done.stdout.split())


def test_each_service_that_stops_a_restriction_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given records that the officer may not read, then each service that has one says so, and nothing is done."""
    closed: tuple[int, Any] = 403, {"detail": "a record of this person is beyond your reach"}
    open_: tuple[int, Any] = 200, {"records": [], "ids": [], "forgotten": None}
    first, *others, last = (one.name for one in DECIDING)
    with serving(closed, *[open_] * len(others), closed) as (url, server):
        monkeypatch.setattr("ooc.data_rights.commands.client_of", lambda *_, **__: client(url))
        asked = CliRunner().invoke(app, ["restrict", str(CASE), "--basis", "COURT_ORDER"])
        assert all("dry_run=true" in path for _, path, _, _ in server.requests)
    said = [f"{name}: a record of this person is beyond your reach" for name in (first, last)]
    assert str(asked.exception).splitlines() == ["Refused.", *said]


def test_an_export_says_how_it_is_checked_and_where_the_keys_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Given a case file, then the line after it names the program that checks it, and the command that prints the keys."""
    part: tuple[int, Any] = 200, {"events": {"entries": ["an event"]}}
    with serving(*[part] * len(SERVICES)) as (url, _):
        monkeypatch.setattr("ooc.evidence.export.client_of", lambda *_, **__: client(url))
        done = CliRunner().invoke(app, ["export", "case", str(CASE), "--out", str(tmp_path / "file.json")])
    assert done.exit_code == 0, done.exception
    said = " ".join(done.stdout.split())  # where a line ends follows from the length of the file's path
    assert "shared/evidence/verify_bundle.py FILE --keys KEYS (`ooc evidence keys > KEYS`)" in said


def test_the_servers_of_the_status_have_their_addresses() -> None:
    """Console and witness stand there as PostgreSQL and Kafka do, and no password does; a witness elsewhere does not."""
    noted = {
        "console": "http://127.0.0.1:8118",
        "kafka": "127.0.0.1:8121",
        "postgres": "postgresql://127.0.0.1:8120/postgres",
        "witness": {"OOC_WITNESS_URL": "http://127.0.0.1:8119", "OOC_WITNESS_KEY": "key"},
    }
    shown = {name: _address(name, noted) for name in noted}
    assert shown == {**noted, "postgres": "127.0.0.1:8120", "witness": "http://127.0.0.1:8119"}
    of_another_party = {**noted, "witness": {}}
    assert _address("kafka", of_another_party) == "127.0.0.1:8121"


def test_the_first_command_is_of_today() -> None:
    """The page for a first command asks the machine for the day: a day in it would pass, and a duty be overdue."""
    page = Path("docs/how-to/first-command.md").read_text(encoding="utf-8")
    commands = "".join(page.split("```")[1::2])
    assert "TODAY=$(date +%Y-%m-%d)" in commands
    assert not re.search(r"20\d\d-\d\d", commands)


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (
            404,
            {"detail": "Nothing is known of the case 1: check the id."},
            "Nothing is known of the case 1: check the id.",
        ),
        (404, None, "There is no case 1: check the id."),
        (422, {"errors": [{"field": "as_of", "message": "a date"}]}, "as_of: a date"),
    ],
)
def test_a_refusal_is_said_once(status: int, body: Any, sentence: str) -> None:
    """Given what a service says of a refusal, then that is the sentence; the terminal adds no second one that says the same."""
    with pytest.raises(NotFound) as refused:
        require_found(Reply(status, body), "case 1", "SUPERVISOR")
    assert str(refused.value) == sentence


def test_what_a_local_system_lacks_comes_from_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an installation without servers, then pip is told the checkout's folder, never a name that an index may have."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(CannotStart, match=r"pip install '\.\[local\]'"):
        postgres_programs._installed()
