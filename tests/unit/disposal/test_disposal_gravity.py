"""Gravity by the matrix: what the rules ask of a score, and how a matrix is read and loaded."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner

from ooc.main import app
from services.disposal.domain.matrix import WrongLine, read_matrix
from services.disposal.events import GravityScored
from services.disposal.matrices import SAMPLE, read_folder
from shared.servers.settings import InvalidSetting
from tests.policy_books import with_matrices
from tests.unit.disposal.stories import POLICE, CaseStory, scored

AT: Final = "2026-03-09T12:00:00+00:00"
VERSION: Final = "2023-10-01"
HEADINGS: Final = "code,title,score,aggravating,mitigating\n"
GOOD: Final = HEADINGS + "TH68010,Theft from a shop,2,A1 It was planned; A2 Of high value,M1 Returned\n"


@pytest.fixture
def with_matrix(case: CaseStory) -> CaseStory:
    """Return a case of a service that has loaded the sample, and another matrix from 2026-04-01 on."""
    later = read_matrix(date(2026, 4, 1), GOOD.replace(",2,", ",3,"), range(1, 6))
    policy = with_matrices(case.service.policy, *read_folder(SAMPLE), later)
    case.service = replace(case.service, read_model=replace(case.service.read_model, policy=policy))
    case.opened()
    return case


@pytest.mark.parametrize(
    ("ticked", "final", "stands"),
    [
        ((), 3, True),
        ((), 4, False),
        ((), 2, False),
        (("+A1",), 4, True),
        (("+A1",), 3, True),
        (("+A1",), 2, False),
        (("+A1", "+A2"), 5, False),
        (("-M1",), 2, True),
        (("-M1",), 4, False),
        (("+A1", "-M1"), 4, True),
        (("+A1", "-M1"), 2, True),
        (("+A1", "-M1"), 1, False),
    ],
)
def test_factors_move_the_score_by_one_step(
    case: CaseStory, ticked: Sequence[str], final: int, *, stands: bool
) -> None:
    """Given ticked factors, then the score moves by one step in their direction, and otherwise G2 asks why."""
    case.opened()
    command = scored(3, final, line="TH68006", ticked=ticked)
    if not stands:
        assert case.warned(command, by=POLICE, at=AT) == {"G2"}
        command = command.model_copy(update={"rationale": {"G2": "The panel knows the family."}})
    case.ask(command, by=POLICE, at=AT)


def test_a_factor_in_words_moves_the_score_too(case: CaseStory) -> None:
    """Given a factor that the line lacks, when it is written down, then it moves the score as a ticked one does."""
    case.opened()
    assert case.warned(scored(3, 4, line="TH68006"), by=POLICE, at=AT) == {"G2"}
    case.ask(scored(3, 4, "planned", line="TH68006"), by=POLICE, at=AT)


def test_a_score_off_the_paper_is_judged_as_before(case: CaseStory) -> None:
    """Given neither line nor factors, as an older client sends it, then G2 asks nothing and the event says null."""
    case.opened()
    case.ask(scored(3, 4), by=POLICE, at=AT)
    event = case.last(GravityScored)
    assert (event.line, event.factors) == (None, None)


@pytest.mark.parametrize(
    ("line", "score", "ticked", "refused"),
    [
        ("TH68010", 2, ("+A1", "-M1"), False),
        ("TH68010", 3, (), True),
        ("TH99999", 2, (), True),
        ("TH68010", 2, ("+A8",), True),
        ("TH68010", 2, ("-A1",), True),
    ],
)
def test_a_line_is_that_of_the_loaded_matrix(
    with_matrix: CaseStory, line: str, score: int, ticked: Sequence[str], *, refused: bool
) -> None:
    """Given a loaded matrix, when a score names it, then line, score and factors are the matrix's, or G1 refuses."""
    command = scored(score, score, line=line, ticked=ticked).model_copy(update={"matrix_version": VERSION})
    if refused:
        assert with_matrix.refused(command, by=POLICE, at=AT) == {"G1"}
    else:
        with_matrix.ask(command, by=POLICE, at=AT)


def test_the_matrix_is_that_of_the_day(with_matrix: CaseStory) -> None:
    """Given two loaded matrices, then each scores its own days, and one that is not loaded is not judged."""
    earlier = scored(2, 2, line="TH68010").model_copy(update={"matrix_version": VERSION})
    later = scored(3, 3, line="TH68010").model_copy(update={"matrix_version": "2026-04-01"})
    assert with_matrix.refused(later, by=POLICE, at="2026-03-31T23:59:00+01:00") == {"G1"}
    with_matrix.ask(earlier, by=POLICE, at="2026-03-31T23:59:00+01:00")
    assert with_matrix.refused(earlier, by=POLICE, at="2026-04-01T00:00:00+01:00") == {"G1"}
    with_matrix.ask(later, by=POLICE, at="2026-04-01T00:00:00+01:00")
    with_matrix.ask(scored(4, 4, line="TH68010"), by=POLICE, at="2026-04-01T00:00:00+01:00")


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        (GOOD.replace("title,", "name,"), "line 1: .*code,title,score"),
        (HEADINGS, "line 2: .*no offence"),
        (GOOD + "TH68010,Again,2,,\n", "line 3: TH68010 stands in an earlier line"),
        (GOOD.replace(",2,", ",6,"), "line 2: the score is '6'.*from 1 to 5"),
        (GOOD.replace(",2,", ",,"), "line 2: the score is ''"),
        (GOOD.replace("Theft from a shop", " "), "line 2: the offence has no title"),
        (GOOD.replace("A2 Of high value", "A2"), "line 2: the factor 'A2' needs a code and a title"),
        (GOOD.replace("M1 Returned", "A1 Returned"), "line 2: the factor A1 stands twice"),
        (GOOD.replace("Theft from", "Theft, from"), "line 2: it has 6 cells, not 5"),
        (GOOD.replace("TH68010", "shop lifting"), "line 2: 'shop lifting' is no code"),
        (GOOD.replace("A1 It", "LEO_HART It"), "line 2: 'LEO_HART' is no code"),
        (GOOD + '"CD71039,open', "line 3: it is no CSV"),
        (GOOD + '\n"CD71039","Criminal\ndamage",9,,\n', "line 5: the score is '9'"),
    ],
)
def test_a_wrong_line_is_named(table: str, fault: str) -> None:
    """Given a table with a fault, when it is read, then the error says which line, and what to do."""
    with pytest.raises(WrongLine, match=fault):
        read_matrix(date(2025, 9, 1), table, range(1, 6))


@pytest.mark.parametrize("code", ["WEAPON_USED", "AGG-1", "M_2", "SHOP-THEFT"])
def test_a_factor_may_be_called_by_words_of_the_matter(code: str) -> None:
    """Given a table whose factor has a code of words or with a hyphen, when it is read, then the factor has that code."""
    (line,) = read_matrix(date(2025, 9, 1), GOOD.replace("A1 It", f"{code} It"), range(1, 6)).lines.values()
    assert code in {factor.code for factor in line.factors}


def test_the_sample_says_in_each_line_that_it_is_made_up() -> None:
    """Given the sample, then it has a dozen lines, and the title of each says what it is."""
    (matrix,) = read_folder(SAMPLE)
    assert (matrix.version, len(matrix.lines)) == (VERSION, 12)
    assert all(line.title.endswith("(made-up sample)") for line in matrix.lines.values())


@pytest.mark.parametrize("process", ["services.disposal api", "services.disposal worker", "services.console"])
def test_a_process_says_the_wrong_line_when_it_starts(tmp_path: Path, process: str) -> None:
    """Given a matrix with a score off the scale, when a process that judges or shows scores starts, then it exits with the line."""
    file = tmp_path / "2025-09-01.csv"
    file.write_text(GOOD.replace(",2,", ",9,"), encoding="utf-8")
    started = subprocess.run(
        [sys.executable, "-m", *process.split()],
        env={**os.environ, "OOC_GRAVITY_MATRICES": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode == 1
    assert f"{file}, line 2: the score is '9'" in started.stderr


def refusal(command: Sequence[str]) -> str:
    """Return what a command says that ends with 1."""
    ended = CliRunner().invoke(app, command, catch_exceptions=False)
    assert ended.exit_code == 1
    return ended.stderr


def test_a_matrix_is_loaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a table, when it is loaded, then it is kept by its day; another one for that day is refused."""
    folder, file = tmp_path / "matrices", tmp_path / "table.csv"
    file.write_text(GOOD, encoding="utf-8")
    load = ["load-matrix", str(file), "--from", "2025-09-01"]
    monkeypatch.delenv("OOC_GRAVITY_MATRICES", raising=False)
    assert "OOC_GRAVITY_MATRICES" in refusal(load)
    monkeypatch.setenv("OOC_GRAVITY_MATRICES", str(folder))
    for _ in range(2):
        answer = CliRunner().invoke(app, load, catch_exceptions=False)
        assert re.search("1 offences?, version 2025-09-01", answer.output)
    assert [matrix.version for matrix in read_folder(folder)] == ["2025-09-01"]
    file.write_text(GOOD.replace(",2,", ",9,"), encoding="utf-8")
    assert f"{file}, line 2: the score is '9'" in refusal(load)
    file.write_text(GOOD.replace(",2,", ",3,"), encoding="utf-8")
    assert "a day of its own" in refusal(load)
    (folder / "soon.csv").write_text(GOOD, encoding="utf-8")
    with pytest.raises(InvalidSetting, match=r"soon\.csv: name it by its first day"):
        read_folder(folder)


def test_no_past_day_gets_another_matrix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a matrix in force, then another from a past day after it is refused; one before it, or from today on, is loaded."""
    table = tmp_path / "table.csv"
    table.write_text(GOOD, encoding="utf-8")
    monkeypatch.setenv("OOC_GRAVITY_MATRICES", str(tmp_path / "matrices"))

    def from_day(day: str) -> list[str]:
        return ["load-matrix", str(table), "--from", day]

    CliRunner().invoke(app, from_day("2025-09-01"), catch_exceptions=False)
    assert "2025-09-01 is in force on 2025-10-01" in refusal(from_day("2025-10-01"))
    for day in ("2019-03-01", "2025-09-01", "2199-01-01"):
        CliRunner().invoke(app, from_day(day), catch_exceptions=False)
    assert [matrix.version for matrix in read_folder(tmp_path / "matrices")] == [
        "2019-03-01",
        "2025-09-01",
        "2199-01-01",
    ]
