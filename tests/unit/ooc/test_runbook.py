"""The runbook: a page for each alarm, and every command in it is one that `ooc` takes."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import typer
from typer.core import TyperGroup

from ooc.main import app
from ooc.system.alarms import COMMANDS, DETAILS, alarm_line
from shared.messaging.consumer.alarms import ALARMS
from tests.as_one_test import as_one_test

ROOT = Path(__file__).parents[3]
RUNBOOK = ROOT / "docs" / "how-to" / "runbook"
PAGES = sorted(RUNBOOK.glob("*.md"))
PLACEHOLDERS = {"$ID": str(UUID(int=1)), "$CASE": str(UUID(int=2)), "$OFFSET": "3"}
PROGRAM: Any = typer.main.get_command(app)
USAGE_ERROR: Any = typer.BadParameter.__base__
BLOCK = re.compile(r"^ *```sh\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def commands() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for block in BLOCK.findall(page.read_text(encoding="utf-8")):
            for line in block.splitlines():
                yield page.stem, line.strip()


def accepts(line: str) -> None:
    """Let `ooc` read a command line without acting on it; raises `USAGE_ERROR` for what it does not take."""
    program, *arguments = shlex.split(line)
    assert program == "ooc", line
    words = [PLACEHOLDERS.get(argument, argument) for argument in arguments]
    command: Any = PROGRAM
    context: Any = None
    while isinstance(command, TyperGroup):
        context = command.make_context(command.name, words, parent=context)
        if command.invoke_without_command and not words:
            return
        _, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
        assert command is not None
    command.make_context(command.name, words, parent=context)


@as_one_test
@pytest.mark.parametrize(("page", "line"), list(commands()))
def test_each_command_of_the_runbook_is_one_that_ooc_takes(page: str, line: str) -> None:
    """Given a command of a page, when `ooc` reads it with an id in place of each placeholder, then it takes it."""
    accepts(line)


def test_a_command_that_ooc_does_not_take_is_noticed() -> None:
    """Given a command that does not exist, an option that does not, or an argument too few, then reading it fails."""
    for wrong in ("ooc heal", "ooc gaps close disposal $ID", "ooc gaps show disposal", "ooc status --loud"):
        with pytest.raises(USAGE_ERROR):
            accepts(wrong)


def named() -> Iterator[tuple[str, str]]:
    """Yield what each page says of a command in its sentences, such as `ooc migrate --check`."""
    for page in sorted(ROOT.glob("docs/how-to/**/*.md")):
        for line in re.findall(r"`(ooc [a-z][^`]*)`", page.read_text(encoding="utf-8")):
            yield page.stem, line


@as_one_test
@pytest.mark.parametrize(("page", "line"), list(named()))
def test_each_command_in_a_sentence_of_a_how_to_is_there(page: str, line: str) -> None:
    """Given a command without its arguments, then `ooc` has it, with each option that is named."""
    command: Any = PROGRAM
    for word in shlex.split(line)[1:]:
        if word.startswith("--"):
            assert word in {option for parameter in command.params for option in parameter.opts}, (page, line)
        elif isinstance(command, TyperGroup):
            assert word in command.commands, (page, line)
            command = command.commands[word]


def test_each_setting_that_a_page_names_is_read() -> None:
    """Given the settings in the how-tos, then a process reads each, or several that begin so."""
    read = set(re.findall(r"OOC_[A-Z_]+", (ROOT / "docs/reference/environment.md").read_text(encoding="utf-8")))
    for page in ROOT.glob("docs/how-to/**/*.md"):
        for name in re.findall(r"OOC_[A-Z_]*[A-Z]", page.read_text(encoding="utf-8")):
            assert any(setting.startswith(name) for setting in read), (page.name, name)


def test_there_is_a_page_for_each_alarm_and_each_says_what_an_operator_needs() -> None:
    """Given the registry of alarms, when it is held against the pages, then each has one, with all four parts."""
    index = (RUNBOOK / "README.md").read_text(encoding="utf-8")
    for name, kind in ALARMS.items():
        text = (ROOT / kind.runbook).read_text(encoding="utf-8")
        assert text.startswith(f"# {name}: "), name
        for part in ("## What still works", "## What to look at", "## What to do"):
            assert part in text, (name, part)
        assert f"[`{name}`]({name}.md)" in index
    assert {page.stem for page in PAGES} == {*ALARMS, "README", "consumer_stands", "fork", "full_disk"}


def test_links_between_pages_lead_somewhere() -> None:
    """Given the links of a page, when each is followed, then there is a file."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (RUNBOOK / target).is_file(), (page.stem, target)


def test_each_alarm_names_a_command_that_shows_more() -> None:
    """Given an alarm, when it is said in a line, then its meaning, a command that `ooc` takes and its page are in it."""
    assert set(COMMANDS) <= set(ALARMS)
    for name, kind in ALARMS.items():
        alarm = {"name": name, "consumer": "c", "place": "p", "meaning": kind.meaning, "runbook": kind.runbook}
        line = alarm_line("disposal", alarm)
        command = COMMANDS.get(name, DETAILS)
        assert kind.meaning in line
        assert f"`{command}`" in line
        assert kind.runbook in line
        accepts(command)
