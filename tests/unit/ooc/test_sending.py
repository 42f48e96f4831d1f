"""Sending a command from the terminal: what is malformed is said before a system is looked for, and answers are tables."""

from pathlib import Path

import pytest

from ooc.commands.sending import _complaints, _foreseen
from tests.unit.ooc.test_ooc import ooc, printed

RULE = {"id": "E1", "text": "Give the day of the session.", "source": "local policy"}


@pytest.mark.slow
@pytest.mark.parametrize("text", ["", "[]", '{"type": '])
def test_a_file_that_holds_no_command_is_said(tmp_path: Path, text: str) -> None:
    """Given a file without a JSON object, then a sentence says what to write, and nothing is sent."""
    file = tmp_path / "command.json"
    file.write_text(text, encoding="utf-8")
    result = ooc(tmp_path, "send", "education/1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11", str(file))
    assert result.returncode == 1
    assert "holds no command" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_dry_run_is_shown_as_tables() -> None:
    """A dry run prints events, duties, documents and commands under headings, and omits empty ones."""
    foreseen = _foreseen(
        {
            "outcome": "accepted",
            "version": 0,
            "events": [{"version": 1, "type": "SessionPlanned", "occurred_at": "2026-05-08T08:00:00Z"}],
            "duties": [{"change": "opened", "duty": "ATTENDANCE_RECORDED", "due": "2026-05-26"}],
            "documents": [],
            "commands": [],
        }
    )
    text = "".join(map(printed, foreseen.tables))
    assert "It would record, after version 0" in text
    assert "SessionPlanned" in text
    assert "ATTENDANCE_RECORDED" in text
    assert "Other services" not in text
    assert not foreseen.complaints


def test_a_refusal_and_its_dry_run_are_complained_of_alike() -> None:
    """Each rule is one line with its text and source, whether the command or its dry run was refused."""
    dry = _foreseen({"outcome": "refused", "version": 1, "rules": [RULE]}).complaints
    assert list(dry) == list(_complaints({"rules": [RULE], "needs_rationale": False, "detail": "Refused by E1"}))
    assert list(dry) == ["E1: Give the day of the session. (local policy)"]
