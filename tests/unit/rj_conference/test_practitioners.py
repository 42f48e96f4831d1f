"""The register of training: how it is read and loaded, and that C5 judges by it where one is loaded."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner

from ooc.matrices import app
from services.console.forms.fields import Field, Option
from services.console.forms.special import Sketch, special_form
from services.console.officers.my_day import _lapsing
from services.console.sessions import Session, Tokens
from services.console.words import today
from services.rj_conference.events import Sensitivity
from services.rj_conference.service import service
from services.trade.practitioners import POLICY_VALUE, SETTING, as_policy, registers
from tests.unit.rj_conference.stories import (
    DECIDER,
    FACILITATOR,
    SCHEDULED_AT,
    STRANGER,
    ConferenceStory,
    facilitator,
    schedule,
)

HEADINGS: Final = "officer,level,until\n"
BY: Final = "RJ_FACILITATOR"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Name a directory of registers, and forget what this process has read; the service itself keeps what it had at its start."""
    assert POLICY_VALUE not in service.policy.terms
    monkeypatch.setenv(SETTING, str(tmp_path / "registers"))
    registers.cache_clear()
    yield tmp_path / "registers"
    registers.cache_clear()


def load(folder: Path, lines: str, since: str = "2020-01-01") -> str:
    """Load a register by `ooc load-practitioners`; return what it prints, or why it refuses."""
    file = folder.parent / "practitioners.csv"
    file.write_text(HEADINGS + lines, encoding="utf-8")
    answer = CliRunner().invoke(app, ["load-practitioners", str(file), "--from", since])
    registers.cache_clear()
    return answer.output if answer.exception is None else str(answer.exception)


@pytest.mark.parametrize(
    ("line", "sensitive", "fits"),
    [
        (f"{FACILITATOR},TRAINED,2025-11-28", False, True),
        (f"{FACILITATOR},TRAINED,2025-11-27", False, False),
        (f"{STRANGER},ACCREDITED,2030-01-01", False, False),
        (f"{FACILITATOR},TRAINED,2030-01-01", True, False),
        (f"{FACILITATOR},ACCREDITED,2030-01-01", True, True),
    ],
)
def test_a_loaded_register_says_who_leads(
    conference: ConferenceStory, folder: Path, line: str, *, sensitive: bool, fits: bool
) -> None:
    """Given a loaded register, when somebody is assigned, then it says whether they may lead on that day, and no tick does."""
    assert "1 practitioners" in load(folder, line)
    book, (value,) = conference.service.policy, as_policy()
    policy = type(book)({**book.terms, POLICY_VALUE: value})
    conference.service = replace(conference.service, read_model=replace(conference.service.read_model, policy=policy))
    conference.proposed(Sensitivity.SEXUAL if sensitive else Sensitivity.NONE)
    for ticked in (True, False):
        command = facilitator(trained=ticked, accredited=ticked)
        if fits:
            conference.ask(command, by=BY, at=SCHEDULED_AT)
        else:
            assert conference.refused(command, by=BY, at=SCHEDULED_AT) == {"C5"}
    assert ("C5" in conference.refused(schedule(), by=BY, at=SCHEDULED_AT)) is not fits


def test_the_form_offers_whom_the_register_names(folder: Path) -> None:
    """Given a register, then the form offers who is trained today, and until when; without one in force, everybody."""
    options = [Option(str(FACILITATOR), "Grace Lund"), Option(str(STRANGER), "Ken Abara")]
    sketch = Sketch([Field("facilitator_id", "id", "Facilitator", options=options)], {}, {}, {})
    form = special_form("AssignFacilitator")
    load(folder, f"{STRANGER},TRAINED,2199-03-31", since="2199-01-01")
    assert form.draw(sketch) == (sketch.fields, {})
    yesterday = today() - timedelta(days=1)
    load(folder, f"{FACILITATOR},TRAINED,2199-03-31\n{STRANGER},TRAINED,{yesterday}")
    (field,), _ = form.draw(sketch)
    assert [option.text for option in field.options] == ["Grace Lund: trained, until 31 March 2199"]


def test_a_training_that_ends_soon_stands_on_the_day_of_supervisors(folder: Path) -> None:
    """Given trainings that have ended, end in 60 days, or later, then a supervisor sees the first two, and nobody else any."""
    days = {STRANGER: 60, FACILITATOR: -1, DECIDER: 61}
    load(folder, "\n".join(f"{person},TRAINED,{today() + timedelta(days=n)}" for person, n in days.items()))
    tokens = Tokens("access", 0.0, None)
    found = {role: _lapsing(Session("", "", role, "", "", tokens)) for role in ("SUPERVISOR", "RJ_FACILITATOR")}
    assert [one.officer for one in found["SUPERVISOR"]] == [FACILITATOR, STRANGER]
    assert not found["RJ_FACILITATOR"]


def test_a_register_is_read_line_by_line_and_loaded_once(folder: Path) -> None:
    """Given a wrong table, or another for the same day, then the refusal names the line, or the day; a later version follows."""
    line = f"{FACILITATOR},TRAINED,2027-03-31\n"
    assert "line 3: ['level']" in load(folder, line + f"{STRANGER},EXPERT,2027-03-31")
    assert "each officer one line" in load(folder, line * 2)
    assert "line 2: ['until']" in load(folder, f"{FACILITATOR},TRAINED,soon")
    assert "name at least one" in load(folder, "")
    load(folder, line)
    assert "a day of its own" in load(folder, f"{STRANGER},TRAINED,2027-03-31")
    load(folder, line, since="2199-01-01")
    assert [str(since) for since in registers()] == ["2020-01-01", "2199-01-01"]
