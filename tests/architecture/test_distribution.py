"""Which process runs which test."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCHEDULED = "from tests.conftest import pytest_xdist_make_scheduler as pytest_xdist_make_scheduler\n"
TESTS = "import pytest\n\n@pytest.mark.parametrize('number', range(8))\ndef test_a_number(number):\n    pass\n"


def test_the_tests_of_a_file_share_a_process(tmp_path: Path) -> None:
    """Given two processes, each file runs whole in one of them, and files that share something run in the same one."""
    together = (
        (
            "tests/architecture/test_declarations.py",
            "tests/architecture/test_reference.py",
            "tests/unit/guidance/test_guidance_agrees.py",
        ),
        ("tests/integration/console/test_a.py", "tests/integration/console/test_b.py"),
        ("tests/integration/partner/test_e.py", "tests/integration/relay/test_restarts.py"),
        (
            "tests/chaos/test_c.py",
            "tests/hostile/test_full_disk.py",
            "tests/integration/local/test_what_waits.py",
            "tests/integration/program/test_d.py",
            "tests/scenarios/test_over_http.py",
        ),
    )
    files = (*chain(*together), "tests/unit/test_b.py", "tests/unit/test_c.py")
    (tmp_path / "conftest.py").write_text(SCHEDULED, encoding="utf-8")
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(TESTS, encoding="utf-8")
    (tmp_path / "pytest.ini").touch()
    command = [sys.executable, "-m", "pytest", "-v", "-n", "2", "-p", "no:cacheprovider", "--import-mode=importlib"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    ended = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=540,  # seconds: three processes on a machine that does other work too
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    ran = re.findall(r"\[(gw\d)\] .*PASSED (\S+?)::", ended.stdout)
    processes = {file: {worker for worker, tested in ran if tested == file} for file in files}
    assert len(ran) == 8 * len(files)
    assert all(len(workers) == 1 for workers in processes.values()), processes
    assert all(len(set().union(*(processes[file] for file in group))) == 1 for group in together), processes
