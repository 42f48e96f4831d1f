"""`ooc` for people and for programs: JSON, completion, and no colour in a pipe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.core import TyperGroup

from services.console.main import app
from tests.unit.console.test_ooc import ooc

ACTS = frozenset(
    {
        *("up", "demo", "migrate", "topics", "seed", "scenario run", "scenario check"),
        *("forget", "forget-again", "restrict", "lift", "hold", "release", "retention keep", "sign"),
        *("reactions retry", "reactions close", "quarantine retry", "quarantine release", "quarantine close"),
        *("gaps retry", "gaps release", "alarms acknowledge", "keys rotate", "keys destroy", "returns freeze"),
        *(
            "document",
            "subject-access",
            "export case",
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shell", "asked", "offered"),
    [
        ("complete_bash", {"COMP_WORDS": "ooc ca", "COMP_CWORD": "1"}, {"case", "cases"}),
        ("complete_bash", {"COMP_WORDS": "ooc keys ", "COMP_CWORD": "2"}, {"list", "rotate", "destroy"}),
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


@pytest.mark.slow
def test_completion_can_be_installed(tmp_path: Path) -> None:
    """`ooc --install-completion` and `--show-completion` are there."""
    shown = ooc(tmp_path, "--help").stdout
    assert "--install-completion" in shown
    assert "--show-completion" in shown
