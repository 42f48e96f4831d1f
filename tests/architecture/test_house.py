"""The rules of the house that no linter knows."""

import ast
import builtins
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from services.system.registry import DECIDING, FOLLOWERS, SERVICES

ROOT = Path(__file__).parents[2]
DOMAIN = sorted(ROOT.glob("services/*/domain/**/*.py"))
KERNEL = sorted(path for path in ROOT.glob("shared/**/*.py") if path.name != "verify_bundle.py")
"""The kernel, but for the offline check, which shares no code with it and knows the whole format of a bundle."""
CODE = sorted(path for top in ("ooc", "services", "tools") for path in ROOT.glob(f"{top}/**/*.py"))
TESTS = sorted(ROOT.glob("tests/**/test_*.py"))
IMPURE = {
    "time",
    "random",
    "secrets",
    "os",
    "logging",
    "structlog",
    "asyncio",
    "httpx2",
    "asyncpg",
    "aiokafka",
    "faust",
    "socket",
}
PATTERNS = {"utils", "util", "manager", "helper", "helpers", "base", "common", "misc"}

TRADE = re.compile(
    r"\b(youths?|child|children|cautions?|offences?|offenders?|suspects?|victims?|conferences?|panels?|breach(?:es)?|crimes?"
    r"|convictions?|penalty|penalties|disposals?|referrals?|education|reporting|police|officers?|probation|prosecut\w+|schools?"
    r"|areas?|dorset|partnership|safeguarding|y[jo]t|ycc|yjs|yrd)\b"
)
"""Words of youth justice and names of services, which have no place in the kernel."""


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_a_domain_is_pure() -> None:
    """No clock, no randomness, no logger and no input or output in a domain: they come in as values."""
    impure = re.compile(r"\b(now|utcnow|today|uuid1|uuid4|urandom|open|print)$")
    for path in DOMAIN:
        assert not {name.split(".")[0] for name in imported(path)} & IMPURE, path
        calls = [ast.unparse(node.func) for node in nodes(path) if isinstance(node, ast.Call)]
        assert not [call for call in calls if impure.search(call)], path


def test_the_kernel_speaks_no_word_of_the_trade() -> None:
    """The kernel contains no word of youth justice: it knows streams, homes and labels only."""
    spoken = {relative(path): set(TRADE.findall(path.read_text(encoding="utf-8").lower())) for path in KERNEL}
    assert not {path: words for path, words in spoken.items() if words}


def test_modules_are_named_for_what_they_do() -> None:
    """No module is a drawer for everything."""
    assert not [relative(path) for path in (*KERNEL, *CODE) if path.stem in PATTERNS]


def test_every_test_says_in_a_sentence_what_it_shows() -> None:
    """A test's docstring is the behaviour, for whoever reads a failure."""
    tests = [
        (relative(path), node)
        for path in TESTS
        for node in nodes(path)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")
    ]
    assert not [(path, test.name) for path, test in tests if not (ast.get_docstring(test) or "").strip()]


def test_no_file_carries_an_address_of_a_registry_or_a_path_of_a_machine() -> None:
    """Lock files hold names and hashes only, so that they work with any package registry."""
    locks = [*ROOT.glob("requirements/*"), ROOT / "tools/local/kafka-jars.txt"]
    assert not [relative(path) for path in locks if re.search(r"https?://", path.read_text(encoding="utf-8"))]


def test_a_docstring_names_only_classes_that_exist() -> None:
    """Each class in backticks in a docstring, such as the error that a function raises, is in the code under that name."""
    trees = {
        path: ast.parse(path.read_text(encoding="utf-8")) for path in (*KERNEL, *CODE, *ROOT.glob("examples/**/*.py"))
    }
    names = set(dir(builtins))
    for tree in trees.values():
        for node in ast.walk(tree):
            match node:
                case ast.ClassDef(name=name) | ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                    names.add(name.rpartition(".")[2])
                case _:
                    pass
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    unknown = {
        f"{path.relative_to(ROOT)}: {name}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, documented)
        for name in re.findall(r"`([A-Z][a-z]+[A-Za-z]*)`", ast.get_docstring(node) or "")
    }
    unknown = {line for line in unknown if line.rpartition(" ")[2] not in names}
    assert not unknown, f"rename these in the docstrings: {sorted(unknown)}"


def test_the_import_contracts_name_every_service() -> None:
    """A service that is registered is held apart from the others, and its layers are checked."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    every = {f"services.{name}" for name in (*(entry.name for entry in SERVICES), *FOLLOWERS)}
    deciding = {f"services.{entry.name}" for entry in DECIDING}
    (independent,) = (set(contract["modules"]) for contract in contracts if contract["type"] == "independence")
    (layered,) = (
        set(contract["containers"]) for contract in contracts if "services.referral" in contract.get("containers", ())
    )
    (unaware,) = (
        set(one["source_modules"]) for one in contracts if one.get("forbidden_modules") == ["services.system.registry"]
    )
    assert (independent, layered, unaware) == (every, deciding, deciding), (
        "pyproject.toml: name the service in the contracts of [tool.importlinter]: `modules` (independence),"
        " `source_modules` of the one that forbids services.system.registry, and `containers` (layers)"
    )
