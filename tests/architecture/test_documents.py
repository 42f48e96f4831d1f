"""The pages lead to what is there, and the decisions are short and complete."""

import re
from functools import cache
from pathlib import Path

import pytest

from tests.as_one_test import as_one_test

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".venv") or part in {"var", "node_modules"} for part in path.relative_to(ROOT).parts)
)
DECISIONS = sorted(ROOT.glob("docs/adr/0*.md"))
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`[^`\n]*`")
CITED = re.compile(r"\bADR (\d+)|\badr/(\d{4})")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the anchors of a page's headings, as GitHub names them, and those that it sets itself."""
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ +(.+)$", text, re.MULTILINE)
    plain = (re.sub(r"\]\([^)]*\)|[^\w\s-]", "", heading).strip().lower().replace(" ", "-") for heading in headings)
    return frozenset([*plain, *re.findall(r'<a (?:id|name)="([^"]+)"', text)])


@as_one_test
@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Each link to a file of the repository names one that is there, and a heading of it."""
    broken = []
    for link in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        name, _, anchor = link.partition("#")
        if re.match(r"\w+:", link):
            continue
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(link)
    assert not broken, f"{relative(page)}: mend these links: {broken}"


@as_one_test
@pytest.mark.parametrize("page", DECISIONS, ids=relative)
def test_a_decision_is_short_and_complete(page: Path) -> None:
    """A decision has at most 300 words: context, the decision, consequences and the tests that check it."""
    text = page.read_text(encoding="utf-8")
    assert len(text.split()) <= 300, "say it in 300 words"
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences", "Tests"]


def test_every_decision_that_is_cited_is_there() -> None:
    """Each number that code, tests and pages cite is that of a decision; a superseded one is cited no more."""
    numbers = {int(page.name[:4]) for page in DECISIONS}
    suffixes = {".md", ".py", ".sql", ".toml", ".yml", ".html"}
    folders = ("ooc", "shared", "services", "tools", "tests", "docs", "deploy", "examples")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in suffixes]
    unknown = {
        f"{relative(path)}: {number}"
        for path in [*files, *ROOT.glob("*.md"), *ROOT.glob("*.yml")]
        for found in CITED.findall(path.read_text(encoding="utf-8"))
        if int(number := found[0] or found[1]) not in numbers
    }
    assert not unknown, f"docs/adr has no such decision: {sorted(unknown)}"


def test_each_promise_of_security_says_what_is_not_promised_and_which_tests_hold_it() -> None:
    """SECURITY.md is one page of ten promises, each with its limits and with tests that are there (the links are checked above)."""
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert len(page.split()) <= 1_300, "say it on one page"
    promises = page.split("\n## ")[1:]
    assert len(promises) == 10
    for promise in promises:
        what, limits, tests = (promise.partition("\nNot promised: ")[0], *promise.rpartition("\nTests: ")[::2])
        assert what, promise
        assert "\nNot promised: " in limits, promise
        assert all(link.startswith("tests/") for link in LINK.findall(tests)), promise
        assert LINK.findall(tests), promise
