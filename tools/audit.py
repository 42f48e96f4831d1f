"""`python -m tools.audit`: ask an advisory source about every package that requirements/*.txt pin; for `make audit`.

Exit codes: 0 nothing known, 1 something is vulnerable, 3 no advisory source was reachable and so nothing is known at all.
pip-audit asks; it installs nothing, since every version and hash is in the locks. Kafka's jars are not asked about: they
are for development and tests, and pinned by SHA-256.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

SOURCES: Final = ("osv", "pypi")
"""Advisory sources as pip-audit names them, in the order in which they are asked; the first that answers is believed."""

VULNERABLE: Final = 1
UNREACHABLE: Final = 3

LOCKS: Final = Path(__file__).parents[1] / "requirements"

Ask = Callable[[str, Sequence[Path]], tuple[str, str]]
"""Ask a source about some locks: what it answered, and what it complained of."""


def ask(source: str, locks: Sequence[Path]) -> tuple[str, str]:
    """Run pip-audit on some locks with one source."""
    options = ["--vulnerability-service", source, "--format", "json", "--progress-spinner", "off", "--timeout", "15"]
    files = [argument for lock in locks for argument in ("--requirement", str(lock))]
    command = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip", *options, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout, done.stderr


def audit(asked: Ask, locks: Sequence[Path], say: Callable[[str], None]) -> int:
    """Ask the sources in turn until one answers, say what it knows, and return the exit code."""
    for source in SOURCES:
        answer, complaint = asked(source, locks)
        packages = _packages(answer)
        if packages is None:
            last = (complaint.strip().splitlines() or ["it said nothing"])[-1]
            say(f"The advisory source {source} did not answer: {last}")
            continue
        if all("skip_reason" in package for package in packages):
            # pip-audit calls this "No known vulnerabilities found".
            say(f"The advisory source {source} knows none of the {len(packages)} packages, so it is not a real one.")
            continue
        known = [(package, found) for package in packages for found in package.get("vulns", ())]
        for package, found in known:
            fixed = ", ".join(found.get("fix_versions", ())) or "no version yet"
            say(f"{package['name']} {package['version']}: {found['id']}, fixed in {fixed}")
        for package in packages:
            if "skip_reason" in package:
                say(f"{package['name']} was not asked about: {package['skip_reason']}")
        say(f"{len(packages)} packages, {len(known)} known vulnerabilities, by the advisory source {source}.")
        return VULNERABLE if known else 0
    say("No advisory source was reachable: nothing was learned of any package. Try again from where one is.")
    return UNREACHABLE


def _packages(answer: str) -> list[Mapping[str, Any]] | None:
    """Return the packages that an answer tells of; None where it is no answer."""
    try:
        found: list[Mapping[str, Any]] = json.loads(answer)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return None
    return found


if __name__ == "__main__":
    sys.exit(audit(ask, sorted(LOCKS.glob("*.txt")), lambda line: print(line, flush=True)))
