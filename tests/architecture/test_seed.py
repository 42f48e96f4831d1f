"""What the team does: each sentence is played by the role that the page names, on a page of the console."""

import re
from pathlib import Path
from typing import Final

import pytest

from services.console.application import routes
from tools.scenario.parser import read_scenario
from tools.scenario.story import CommandStep, Result

ROOT: Final = Path(__file__).parents[2]
ROWS: Final = re.findall(
    r"^\| (\d+)\. .+ \| `(\w+)` \| `(\w+)` \| `(\S+)` \| (\d+) \|$",
    (ROOT / "docs/explanation/seed.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


def test_each_sentence_has_a_line() -> None:
    """Each of the seventeen sentences has one line."""
    assert [int(number) for number, *_ in ROWS] == [*range(1, 18)]


@pytest.mark.parametrize(("role", "command", "page", "story"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_sentence_is_played_by_its_role(role: str, command: str, page: str, story: str) -> None:
    """In the story, somebody of the role sends the command, which is accepted; and the console has the page."""
    (path,) = (ROOT / "tests/scenarios").glob(f"{story}-*.yaml")
    played = [
        step
        for step in read_scenario(path).steps
        if isinstance(step, CommandStep) and step.command == command and role in step.by.role.split()
    ]
    assert any(step.expected.word is Result.ACCEPTED for step in played)
    assert page in {getattr(route, "path", None) for route in routes()}
