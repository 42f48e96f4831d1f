"""The tables of returns that the partnership loads: how they are checked, kept and read."""

from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ooc.matrices import app
from services.reporting.measures import MEASURES, Dataset, answer, policy
from services.reporting.measures.period import Period
from shared.domain.policy import PolicyBook
from tests.unit.reporting.summaries_of import case

SAMPLE = Path(policy.__file__).parent / "sample.toml"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(policy.SETTING, str(tmp_path / "tables"))
    return tmp_path / "tables"


def load(file: Path, since: str = "2026-01-01") -> str:
    """Load a version; return what is printed, or why it is refused."""
    done = CliRunner().invoke(app, ["load-tables", str(file), "--from", since])
    return done.output if done.exception is None else str(done.exception)


def test_a_loaded_population_gives_a_rate(folder: Path) -> None:
    """Given the made-up sample, when it is loaded, then a rate is known from its day on, and before it is not."""
    assert "children_10_17" in load(SAMPLE)
    assert [file.name for file in folder.iterdir()] == ["2026-01-01.toml"]
    # This process has read its own already.
    book = PolicyBook(policy.SHIPPED.terms, policy.loaded)
    child = case("YC", prior_cautions=0)
    quarters = Period(date(2026, 1, 1), date(2026, 3, 31)), Period(date(2025, 10, 1), date(2025, 12, 31))
    asked = [answer(MEASURES["fte_yjb"], Dataset([child], policy=book), period, {}) for period in quarters]
    assert [found["rate"] for found in asked] == [round(100_000 / 74210, 1), None]
    assert book.on(date(2026, 2, 1)).number("child_age_to") == 17


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("children = 1", "children is none of child_age_from"),
        ('children_10_17 = "many"', "children_10_17 is 'many': write it as the shipped one, 0"),
        ("children_10_17 =", "wrong.toml: Invalid value"),
        ("", "name at least one value"),
    ],
)
def test_a_wrong_table_is_refused_by_its_fault(folder: Path, tmp_path: Path, text: str, why: str) -> None:
    """Given a table with a fault, when it is loaded, then the fault is named, and nothing is kept."""
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(text, encoding="utf-8")
    assert why in load(wrong)
    assert not folder.exists()
