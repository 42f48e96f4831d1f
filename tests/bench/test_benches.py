"""Each bench runs for a second: what it measures is there, whatever the figures."""

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PYTHON: Final = ROOT / ".venv-bench/bin/python"
BENCHES: Final = re.findall(r'Bench\("([\w-]+)"', (ROOT / "tests/bench/__main__.py").read_text(encoding="utf-8"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason="`make bench` makes the environment of the benches"),
]


@pytest.mark.parametrize("name", [name for name in BENCHES if name != "pages"])  # that of pages-1000 with more cases
def test_a_bench_runs(name: str, tmp_path: Path) -> None:
    """Given a bench, when it runs for a second, then it ends with figures."""
    figures = tmp_path / "figures.json"
    command = [str(PYTHON), "-m", "tests.bench", name, "--seconds", "1", "--rounds", "1", "--json", str(figures)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert figures.exists()
