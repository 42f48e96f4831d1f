"""A service is explored again only after something that it reads has changed."""

from pathlib import Path
from typing import Any

import pytest

from services.education.service import service as education
from services.registry import deciding_services
from shared.domain.service import Service
from tools.reference import explored_cache
from tools.reference.explored_cache import explored
from tools.reference.state_explorer import Explored, Move
from tools.scenario.in_memory import Memory


@pytest.fixture
def explorations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count explorations, each of which finds one move: the real one takes seconds, and has a test of its own."""
    counted: list[str] = []

    def count(service: Service[Any], _played: Memory) -> Explored:
        counted.append(service.name)
        return Explored([Move("A", "B", "Moved")], {service.commands[0]: {service.events.events[0]}})

    monkeypatch.setattr(explored_cache, "explore", count)
    return counted


@pytest.mark.parametrize(
    ("changed", "anew"),
    [
        ("services/education/domain/rules.py", True),
        ("services/education/domain/policy.toml", True),
        ("services/disposal/events.py", True),
        ("services/disposal/domain/rules.py", False),
        ("services/vocabulary.toml", True),
        ("shared/domain/guidance.py", True),
        ("tests/scenarios/01.yaml", True),
        ("tools/reference/state_explorer.py", True),
        ("docs/glossary.md", False),
    ],
)
def test_it_is_explored_again_after_a_change_of_what_it_reads(
    tmp_path: Path, explorations: list[str], changed: str, *, anew: bool
) -> None:
    """Given a service that was explored, when a file changes, then it is explored again if it reads that file; the answer is the same."""
    for name in ("state_explorer", "command_variants"):
        _write(tmp_path, f"tools/reference/{name}.py")
    _write(tmp_path, "requirements/run.txt")
    played = Memory(deciding_services())
    first = explored(education, played, tmp_path / "cache", tmp_path)
    assert explored(education, played, tmp_path / "cache", tmp_path) == first
    assert explorations == ["education"]
    _write(tmp_path, changed)
    assert explored(education, played, tmp_path / "cache", tmp_path) == first
    assert len(explorations) == 1 + anew


def test_a_broken_file_is_explored_anew(tmp_path: Path, explorations: list[str]) -> None:
    """Given a cache that cannot be read, then nothing is taken from it."""
    (tmp_path / "education.json").write_text("{", encoding="utf-8")
    explored(education, Memory(deciding_services()), tmp_path)
    assert explorations == ["education"]


def _write(root: Path, path: str) -> None:
    """Change a file."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("changed" if file.exists() else path, encoding="utf-8")
