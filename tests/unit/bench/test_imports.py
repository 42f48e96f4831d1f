"""`make bench` has an environment of its own, with the peers and without what only tests need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHES = Path(__file__).parents[2] / "bench"
IMPORTED = """
import importlib, sys
sys.modules["pytest"] = None
for name in sys.argv[1:]:
    try:
        importlib.import_module(f"tests.bench.{name}")
    except ModuleNotFoundError as error:
        if error.name not in {"eventsourcing", "psycopg"}:
            raise
"""


def test_no_bench_needs_pytest() -> None:
    """Given no pytest, then each bench can be imported, but for a peer that is not installed here."""
    names = [file.stem for file in sorted(BENCHES.glob("*.py"))]
    ended = subprocess.run(
        [sys.executable, "-c", IMPORTED, *names], cwd=BENCHES.parents[1], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
