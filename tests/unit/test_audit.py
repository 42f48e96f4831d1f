"""`make audit` says what an advisory source knows, and plainly when none was reachable."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tools.audit import KNOWN, LOCKS, SOURCES, UNREACHABLE, VULNERABLE, ask, audit, audit_npm, vendored_packages

SOUND: Mapping[str, Any] = {"name": "asyncpg", "version": "0.32.0", "vulns": []}
BROKEN: Mapping[str, Any] = {
    "name": "jinja2",
    "version": "2.0",
    "vulns": [{"id": "CVE-1", "fix_versions": ["2.1"]}, {"id": "CVE-2", "fix_versions": []}],
}
SKIPPED: Mapping[str, Any] = {"name": "ours", "skip_reason": "it is on no index"}


def audited(**answers: Sequence[Mapping[str, Any]] | str) -> tuple[int, str]:
    """Audit with sources that answer, or complain, so."""
    said: list[str] = []

    def answer_of(source: str, _locks: Sequence[Path]) -> tuple[str, str]:
        answer = answers[source]
        return ("", answer) if isinstance(answer, str) else (json.dumps({"dependencies": list(answer)}), "")

    code = audit(answer_of, [], said.append)
    return code, "\n".join(said)


def test_where_nothing_is_known_it_says_by_whom() -> None:
    """The first source that answers is believed, and the next is not asked."""
    assert audited(osv=[SOUND, SKIPPED]) == (
        0,
        "ours was not asked about: it is on no index\n2 packages, 0 known vulnerabilities, by the advisory source osv.",
    )


def test_each_vulnerability_is_named_with_what_fixes_it() -> None:
    """A vulnerable package is an error, whichever source knows it."""
    code, said = audited(osv="no route to host", pypi=[SOUND, BROKEN])
    assert code == VULNERABLE
    assert "osv did not answer: no route to host" in said
    assert "jinja2 2.0: CVE-1, fixed in 2.1\njinja2 2.0: CVE-2, fixed in no version yet" in said


def test_that_no_source_was_reachable_is_no_clean_result() -> None:
    """Silence, complaints, and an answer that skipped every package all count as no answer, with an exit code of their own."""
    for nothing in ("", "Traceback\nConnectionError: refused", [SKIPPED]):
        code, said = audited(osv=nothing, pypi=nothing)
        assert code == UNREACHABLE
        assert code not in {0, VULNERABLE}
        assert "No advisory source was reachable" in said
        assert ("osv knows none of the 1 packages" in said) == isinstance(nothing, list)


def test_every_lock_is_asked_about() -> None:
    """The locks are where the audit looks for them, its own among them."""
    assert {"run", "local", "test", "audit"} <= {lock.stem for lock in LOCKS.glob("*.txt")}
    assert len(set(SOURCES)) == len(SOURCES)


def test_a_package_of_two_locks_is_asked_about_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given locks that name the same package, which pip-audit refuses in one call, then each is asked about alone."""

    def pip_audit(command: Sequence[str], **_: object) -> subprocess.CompletedProcess[str]:
        _program, *files = " ".join(command).split("--requirement ")
        refused = "" if len(files) == 1 else "asyncpg has duplicate requirements"
        found = [SOUND, {**BROKEN, "version": files[0]}]
        return subprocess.CompletedProcess(command, 0, "" if refused else json.dumps({"dependencies": found}), refused)

    monkeypatch.setattr(subprocess, "run", pip_audit)
    answer, complaint = ask("pypi", [Path("run.txt"), Path("test.txt")])
    assert complaint == ""
    assert [package["version"] for package in json.loads(answer)["dependencies"]] == ["0.32.0", "run.txt", "test.txt"]


def audited_npm(answer: object, complaint: str = "") -> tuple[int, str]:
    """Audit the console's stylesheets with a source that answers, or complains, so."""
    said: list[str] = []
    asked_about: list[Mapping[str, str]] = []

    def answer_of(packages: Mapping[str, str]) -> tuple[str, str]:
        asked_about.append(packages)
        return json.dumps(answer), complaint

    code = audit_npm(answer_of, vendored_packages(), said.append)
    assert asked_about == [{**vendored_packages(), KNOWN[0]: KNOWN[1]}]
    return code, "\n".join(said)


def test_the_stylesheets_of_npm_are_asked_about() -> None:
    """Given a source that knows the vulnerable package, then it is believed, and each of ours that it names is an error."""
    known = {KNOWN[0]: {"severity": "critical", "via": [{"title": "Prototype pollution"}]}}
    code, said = audited_npm({"vulnerabilities": known})
    assert (code, said) == (0, f"{len(vendored_packages())} packages, 0 vulnerable, by the advisory source of npm.")
    ours = {"govuk-frontend": {"severity": "high", "via": [{"title": "Injection"}, "nunjucks"]}}
    code, said = audited_npm({"vulnerabilities": known | ours})
    assert code == VULNERABLE
    assert f"govuk-frontend {vendored_packages()['govuk-frontend']}: Injection, severity high" in said


def test_a_source_of_npm_that_cannot_know_is_no_clean_result() -> None:
    """An error, no JSON and an answer that lacks a package known to be vulnerable all count as no answer."""
    assert audited_npm({"message": "405"}, "npm warn audit 405\nmore") == (
        UNREACHABLE,
        "The advisory source of npm did not answer: npm warn audit 405. Nothing was learned of the console's stylesheets.",
    )
    assert audited_npm(None)[0] == UNREACHABLE
    code, said = audited_npm({"vulnerabilities": {}})
    assert code == UNREACHABLE
    assert "not a real one" in said
