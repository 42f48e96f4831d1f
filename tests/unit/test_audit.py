"""`make audit` asks about every lock, and no package that was not answered about passes for a sound one."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STYLES, CLIENT = "tools/styles", "clients/typescript"


def program(path: Path, asked_about: str, failing: str) -> None:
    """Write a program that notes what it is asked about, and fails for one of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'#!/bin/sh\necho "{asked_about} $*" >> "$LOG"\ncase "{asked_about}" in *{failing}) exit 1;; esac\n'
    )
    path.chmod(0o755)


@pytest.mark.parametrize("failing", ["run.txt", "test.txt", STYLES, CLIENT, "nothing"])
def test_every_lock_is_asked_about_and_one_that_fails_is_an_error(tmp_path: Path, failing: str) -> None:
    """Given a lock that is vulnerable, or of which a source knows nothing, then the others are asked about, and make fails."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for folder in ("requirements", STYLES, CLIENT):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("run", "test", "audit"):
        (tmp_path / "requirements" / f"{name}.txt").touch()
    program(tmp_path / ".venv-audit/bin/pip-audit", "$7", failing)
    program(tmp_path / "npm/npm", "$PWD", failing)
    (tmp_path / ".venv-audit/.installed").touch()
    log = tmp_path / "log"
    environment = {"PATH": f"{tmp_path / 'npm'}:{os.environ['PATH']}", "LOG": str(log)}
    ended = subprocess.run(
        ["make", "audit"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    asked = log.read_text()
    assert [asked.count(f"{name} --strict") for name in ("run.txt", "test.txt", "audit.txt")] == [1, 1, 1]
    assert [asked.count(f"{folder} audit") for folder in (STYLES, CLIENT)] == [1, 1]
    assert asked.count("--strict --require-hashes") == 3, "else a package that PyPI does not know passes"
    assert (ended.returncode != 0) == (failing != "nothing"), ended.stderr


def test_the_locks_of_npm_are_there() -> None:
    """What `make audit` names are locks."""
    assert all((ROOT / folder / "package-lock.json").is_file() for folder in (STYLES, CLIENT))
