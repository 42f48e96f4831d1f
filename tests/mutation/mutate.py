"""Break the rules of a service on purpose, one place at a time, and see whether its unit tests notice.

`make mutate` runs it; docs/explanation/mutation-testing.md explains it. Cosmic Ray makes the mutants in a copy of the
tree. For each, this process forks a child that has pytest and the commands loaded already, and that runs only the
tests which reached the changed lines.
"""

import argparse
import compileall
import gc
import importlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from pathlib import Path
from typing import Final

import pytest
from coverage import CoverageData

ROOT: Final = Path(__file__).resolve().parents[2]
SERVICES: Final = sorted(domain.parent.name for domain in ROOT.glob("services/*/domain"))
NOT_JUDGED: Final = frozenset({"__init__", "commands", "state", "case", "duties", "journeys"})
"""Modules of a domain that hold shapes, folds, duties and what stands where on pages, not rules or decisions."""

SECONDS_A_MUTANT: Final = 30

# Those that pyproject.toml sets up, and what pytest loads on its way: a child has them before it begins.
PLUGINS: Final = ("pytest_asyncio.plugin", "pytest_timeout", "_hypothesis_pytestplugin")
WARM: Final = (*PLUGINS, "hypothesis", "pdb", "unittest", "difflib", "gzip")

# What stays the same whatever the tests say: `|` between types, `is` against `==` where a value exists once.
ALIKE: Final = (
    r"core/ReplaceBinaryOperator_BitOr_.*",
    r"core/ReplaceComparisonOperator_(Is|IsNot)_(Eq|NotEq|Lt|LtE|Gt|GtE)$",
    r"core/ReplaceComparisonOperator_(Eq|NotEq|Lt|LtE|Gt|GtE)_(Is|IsNot)$",
)

# Asks the process at the socket; it stands alone so that it starts in a hundredth of a second.
ASK: Final = """
import socket, sys
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect(sys.argv[1])
    sys.exit(asked.recv(1) != b"0")
"""

Coverage = Mapping[str, Mapping[int, frozenset[str]]]
"""The tests that reached a line, by file and line; an import reaches it for all, as an empty name."""


def main() -> None:
    """Mutate the services named, or all, and print figures and survivors; exits with 1 below nine in ten."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("services", nargs="*", choices=(*SERVICES, []), help="all when none is named")
    parser.add_argument("--only", default="", help="a part of the paths of the modules to mutate: rules/chronology")
    arguments = parser.parse_args()
    enough = True
    for service in arguments.services or SERVICES:
        with tempfile.TemporaryDirectory(prefix=f"mutate-{service}-", ignore_cleanup_errors=True) as folder:
            process = os.fork()  # each service is imported into a process of its own
            if process == 0:
                os._exit(0 if _mutate(service, Path(folder), arguments.only) else 1)
            enough &= os.waitpid(process, 0)[1] == 0
    sys.exit(not enough)


def _mutate(service: str, tree: Path, only: str) -> bool:
    for name in ("ooc", "services", "shared", "tests", "tools"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "tests/conftest.py").unlink()  # it starts servers
    shutil.copy2(ROOT / "pyproject.toml", tree)
    os.chdir(tree)
    modules = {
        str(path.relative_to(tree)): path.read_text().splitlines()
        for path in sorted((tree / f"services/{service}/domain").rglob("*.py"))
        if path.stem not in NOT_JUDGED and only in str(path)
    }
    tests = sorted(
        str(path.relative_to(tree))
        for path in (tree / f"tests/unit/{service}").glob("test_*.py")
        if not path.stem.endswith("_any_sequence")  # what chance finds today it may miss tomorrow
    )
    coverage = _measure_coverage(tests, modules)
    compileall.compile_dir(str(tree), quiet=2)
    _session(sorted(modules))
    _answer(service, tests, modules, coverage)
    return _report(service)


def _measure_coverage(tests: list[str], modules: Mapping[str, list[str]]) -> Coverage:
    Path(".coveragerc").write_text(
        "[run]\ndynamic_context = test_function\nsource = services\ndata_file = .coverage\n", "ascii"
    )
    run = [sys.executable, "-m", "coverage", "run", "--rcfile=.coveragerc", "-m", "pytest", "-q", *tests]
    done = subprocess.run(run, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"The tests fail before anything is changed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    data = CoverageData(".coverage")
    data.read()
    return {
        module: {
            line: frozenset(contexts) for line, contexts in data.contexts_by_lineno(str(Path(module).resolve())).items()
        }
        for module in modules
    }


def _session(modules: list[str]) -> None:
    Path("ask.py").write_text(ASK, "ascii")
    Path("mutate.toml").write_text(
        f"""[cosmic-ray]
module-path = {json.dumps(modules)}
timeout = {SECONDS_A_MUTANT * 2}.0
excluded-modules = []
test-command = "{sys.executable} -ISE ask.py tests.socket"
distributor.name = "local"
[cosmic-ray.filters.operators-filter]
exclude-operators = {json.dumps(ALIKE)}
""",
        "ascii",
    )
    beside = Path(sys.executable).parent
    subprocess.run([beside / "cosmic-ray", "init", "mutate.toml", "mutate.sqlite"], check=True)
    subprocess.run([beside / "cr-filter-operators", "mutate.sqlite", "mutate.toml"], check=True)


def _answer(service: str, tests: list[str], modules: Mapping[str, list[str]], coverage: Coverage) -> None:
    """Run the tests of each mutant that Cosmic Ray puts in place, until it has no more."""
    sys.path.insert(0, str(Path.cwd()))
    sys.dont_write_bytecode = True
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    for name in (*WARM, "tests.command_spec", f"services.{service}.events", f"services.{service}.domain.commands"):
        importlib.import_module(name)
    for module in modules:
        assert _module(module) not in sys.modules, f"{module} is loaded too early"
    gc.freeze()
    gc.disable()
    with socket.socket(socket.AF_UNIX) as door:
        door.bind("tests.socket")
        door.listen()
        door.settimeout(1)
        run = [str(Path(sys.executable).parent / "cosmic-ray"), "exec", "mutate.toml", "mutate.sqlite"]
        with subprocess.Popen(run) as making:
            while making.poll() is None:
                try:
                    asker, _ = door.accept()
                except TimeoutError:
                    continue
                with asker:
                    asker.send(b"0" if _survives(tests, modules, coverage) else b"1")


def _survives(tests: list[str], modules: Mapping[str, list[str]], coverage: Coverage) -> bool:
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    signal.alarm(SECONDS_A_MUTANT)  # ends the child, which counts as noticed
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    wanted = set(_noticing(modules, coverage))
    if not wanted:
        os._exit(0)
    if "" not in wanted:
        tests = [test for test in tests if any(name.startswith(f"{_module(test)}.") for name in wanted)]
    options = ["-x", "-q", "--assert=plain", "-p", "no:cacheprovider", *(f"-p{name}" for name in PLUGINS), *tests]
    os._exit(pytest.main(options, plugins=[] if "" in wanted else [_Only(wanted)]))


def _module(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".")


def _noticing(modules: Mapping[str, list[str]], coverage: Coverage) -> Iterator[str]:
    """Yield the names of the tests that reached what is changed now."""
    for module, before in modules.items():
        now = Path(module).read_text().splitlines()
        if now == before:
            continue
        for what, start, end, _, _ in SequenceMatcher(None, before, now, autojunk=False).get_opcodes():
            if what != "equal":
                for line in range(start + 1, max(end, start + 1) + 1):
                    yield from coverage[module].get(line, ())
                yield from _of_the_statement(module, before, start, coverage)


def _of_the_statement(module: str, before: list[str], start: int, coverage: Coverage) -> Iterator[str]:
    """Yield the lines above a line in its block, since a statement may be counted at its first line."""
    for line in range(start + 1, 0, -1):
        yield from coverage[module].get(line, ())
        if before[line - 1].startswith(("def ", "class ", "@")) or line == 1:
            return


class _Only:
    """Leaves out the tests that cannot notice."""

    def __init__(self, wanted: set[str]) -> None:
        self._wanted = wanted

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the items whose function is wanted."""
        items[:] = [
            item for item in items if f"{_module(item.nodeid.partition('::')[0])}.{_function(item)}" in self._wanted
        ]


def _function(item: pytest.Item) -> str:
    return str(getattr(item, "originalname", item.name))


def _report(service: str) -> bool:
    with sqlite3.connect("mutate.sqlite") as session:
        rows = session.execute(
            "select module_path, start_pos_row, operator_name, worker_outcome, test_outcome, diff"
            " from mutation_specs join work_results using (job_id) order by 1, 2, 3"
        ).fetchall()
    tried = [row for row in rows if row[3] != "SKIPPED"]
    survived = [row for row in tried if row[4] != "KILLED"]
    for module, line, operator, _, outcome, diff in survived:
        changed = [text for text in (diff or "").splitlines() if text[:1] in "+-" and text[:3] not in {"---", "+++"}]
        sys.stdout.write("\n    ".join([f"{outcome} {module}:{line} {operator}", *changed]) + "\n")
    noticed = len(tried) - len(survived)
    sys.stdout.write(f"{service}: {noticed} of {len(tried)} mutants noticed ({noticed / max(len(tried), 1):.1%})\n")
    sys.stdout.flush()  # os._exit writes nothing out
    return noticed >= 0.9 * len(tried)


if __name__ == "__main__":
    main()
