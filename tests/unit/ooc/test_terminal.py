"""`ooc` for people and for programs: JSON, completion, no colour in a pipe, and events as they happen."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import typer.main
from typer.core import TyperCommand, TyperGroup

from ooc.cases.reading import NotFound
from ooc.cases.watch import Watcher, line_of, watch
from ooc.main import COMMANDS, app
from services.addresses import SERVICES, Addresses
from services.lags import SOURCES
from tests.unit.ooc.test_console_http import serving
from tests.unit.ooc.test_ooc import ooc
from tools.client.http import Client

CASE = UUID(int=5)
EVENT = {
    "event_id": str(UUID(int=8)),
    "service": "referral",
    "position": 12,
    "sentence": "Referral acknowledged",
    "occurred_at": "2026-06-01T09:00:00+00:00",
    "recorded_at": "2026-06-01T10:00:00+00:00",
    "actor": {"id": str(UUID(int=1)), "role": "SUPERVISOR", "organisation": "DORSET_POLICE"},
}
ACTS = frozenset(
    {
        *("up", "demo", "migrate", "topics", "seed", "scenario run", "scenario check"),
        *("forget", "forget-again", "restrict", "lift", "hold", "release", "retention keep", "sign"),
        *("reactions retry", "reactions close", "quarantine retry", "quarantine release", "quarantine close"),
        *("gaps retry", "gaps release", "alarms acknowledge", "keys rotate", "keys destroy", "returns freeze"),
        *("restore event-store", "backup follow", "backup identity", "backup keys", "backup make"),
        "load-matrix",
        *(
            "document",
            "subject-access",
            "export case",
            "returns export",
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
        ("complete_bash", {"COMP_WORDS": "ooc ca", "COMP_CWORD": "1"}, {"case", "cases"}),
        ("complete_bash", {"COMP_WORDS": "ooc keys ", "COMP_CWORD": "2"}, {"list", "rotate", "check", "destroy"}),
        ("complete_bash", {"COMP_WORDS": "ooc cases --as SUP", "COMP_CWORD": "3"}, {"SUPERVISOR"}),
    ],
)
def test_the_shell_completes_commands_and_values(
    tmp_path: Path, shell: str, asked: dict[str, str], offered: set[str]
) -> None:
    """What a shell asks for completion is answered with the names that fit."""
    found = ooc(tmp_path, _OOC_COMPLETE=shell, **asked)
    assert set(found.stdout.split()) == offered


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["status"], ["status", "--json"], ["cases", "--nonsense"], ["--help"]])
def test_nothing_is_coloured_in_a_pipe(tmp_path: Path, arguments: list[str]) -> None:
    """Given a colourful terminal and a pipe, then neither output nor complaints have escape sequences."""
    result = ooc(tmp_path, *arguments, TERM="xterm-256color", COLORTERM="truecolor")
    assert result.stdout or result.stderr
    assert "\x1b" not in result.stdout + result.stderr


def status(consumed: int) -> tuple[int, Any]:
    return 200, {
        "position": 11,
        "time": "2026-06-01T09:59:00+00:00",
        "consumed": {"ooc.referral.events": {"0": consumed}},
    }


def cases(*ids: UUID) -> tuple[int, Any]:
    return 200, {"cases": [{"case_id": str(id_)} for id_ in ids], "page_size": 50, "total": len(ids)}


def changes(*events: Any) -> tuple[int, Any]:
    return 200, {"events": list(events), "next": {"referral": 12}, "more": False}


def client(url: str) -> Client:
    return Client(Addresses(url, dict.fromkeys(SERVICES, url)), patience=5.0)


def test_events_are_shown_as_they_are_recorded() -> None:
    """Reporting is read only after something was projected, each case from the place where it was read last."""
    begin = [status(1)] * len(SOURCES)
    answers = [*begin, status(1), cases(), status(1), status(1), status(2), cases(CASE), changes(EVENT), status(3)]
    with serving(*answers, cases(CASE), changes(EVENT)) as (url, server):
        pauses: list[float] = []
        found = list(watch(Watcher(client(url), "SUPERVISOR"), 2, pauses.append))
    assert found == [(CASE, EVENT)] * 2
    assert len(pauses) == 4
    reads = [path for _, path, headers, _ in server.requests if "Authorization" in headers]
    names = [path.partition("?")[0].rpartition("/")[2] for path in reads]
    assert names == ["cases", "cases", "changes", "cases", "changes"]
    assert all("sort=changed" in path for path in reads if path.startswith("/v1/cases?"))
    first, second = (path for path in reads if "changes" in path)
    assert first.count("after=") == len(SOURCES)
    assert second.endswith("?after=referral%3A12")


def test_one_case_is_watched_without_the_list() -> None:
    """Given the id of a case, then no other is read, and a case that may not be seen ends it with a sentence."""
    begin = [status(1)] * len(SOURCES)
    with serving(*begin, status(1), changes(EVENT)) as (url, server):
        assert list(watch(Watcher(client(url), "SUPERVISOR", CASE), 1)) == [(CASE, EVENT)]
        reads = [path for _, path, headers, _ in server.requests if "Authorization" in headers]
        assert [path.partition("?")[0] for path in reads] == [f"/v1/cases/{CASE}/changes"]
    with (
        serving(*begin, status(1), (403, {"detail": "your role may not read it"})) as (url, _),
        pytest.raises(NotFound, match="your role may not read it"),
    ):
        list(watch(Watcher(client(url), "SCHOOL", CASE), 1))


def test_an_event_is_a_line() -> None:
    """It says when and what, in which role and where, with both times in Europe/London."""
    assert line_of(CASE, EVENT) == (
        "2026-06-01 11:00:00  Referral acknowledged (SUPERVISOR, happened 2026-06-01 10:00:00; referral:12,"
        f" case {CASE})"
    )
    assert "\n" not in json.dumps(EVENT)


@pytest.mark.slow
def test_completion_can_be_installed(tmp_path: Path) -> None:
    """`ooc --install-completion` and `--show-completion` are there."""
    shown = ooc(tmp_path, "--help").stdout
    assert "--install-completion" in shown
    assert "--show-completion" in shown
