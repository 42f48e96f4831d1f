"""`python -m tools.audit`: ask advisory sources about every pinned package, of Python and of npm; for `make audit`.

Exit codes: 0 nothing known, 1 something is vulnerable, 3 a source was not reachable and so nothing is known of its packages.
pip-audit asks about requirements/*.txt, npm about the stylesheets that the console took from npm's packages; both install
nothing, since every version and hash is pinned. Kafka's jars are not asked about: they are for development and tests, and
pinned by SHA-256.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

SOURCES: Final = ("osv", "pypi")
"""Advisory sources as pip-audit names them, in the order in which they are asked; the first that answers is believed."""

VULNERABLE: Final = 1
UNREACHABLE: Final = 3

LOCKS: Final = Path(__file__).parents[1] / "requirements"

ORIGIN: Final = Path(__file__).parents[1] / "services" / "console" / "static" / "origin.toml"
"""Names the npm packages from which the console's stylesheets are."""

KNOWN: Final = ("minimist", "0.0.8")
"""A package of npm, vulnerable since 2020 (CVE-2020-7598), that is asked about too: a source that does not know it knows nothing."""

Ask = Callable[[str, Sequence[Path]], tuple[str, str]]
"""Ask a source about some locks: what it answered, and what it complained of."""


def ask(source: str, locks: Sequence[Path]) -> tuple[str, str]:
    """Run pip-audit on one lock after another, with one source: it refuses a package that two of its files name."""
    options = ["--vulnerability-service", source, "--format", "json", "--progress-spinner", "off", "--timeout", "15"]
    command = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip", *options, "--requirement"]
    asked = {}
    for lock in locks:
        done = subprocess.run([*command, str(lock)], capture_output=True, text=True, check=False)
        if (packages := _packages(done.stdout)) is None:
            return "", done.stderr
        asked.update({(package["name"], package.get("version")): package for package in packages})
    return json.dumps({"dependencies": list(asked.values())}), ""


def audit(ask: Ask, locks: Sequence[Path], say: Callable[[str], None]) -> int:
    """Ask the sources in turn until one answers, say what it knows, and return the exit code."""
    for source in SOURCES:
        answer, complaint = ask(source, locks)
        packages = _packages(answer)
        if packages is None:
            last = (complaint.strip().splitlines() or ["it said nothing"])[-1]
            say(f"The advisory source {source} did not answer: {last}")
            continue
        if all("skip_reason" in package for package in packages):
            # pip-audit calls this "No known vulnerabilities found".
            say(f"The advisory source {source} knows none of the {len(packages)} packages, so it is not a real one.")
            continue
        known = [(package, vulnerability) for package in packages for vulnerability in package.get("vulns", ())]
        for package, vulnerability in known:
            fixed = ", ".join(vulnerability.get("fix_versions", ())) or "no version yet"
            say(f"{package['name']} {package['version']}: {vulnerability['id']}, fixed in {fixed}")
        for package in packages:
            if "skip_reason" in package:
                say(f"{package['name']} was not asked about: {package['skip_reason']}")
        say(f"{len(packages)} packages, {len(known)} known vulnerabilities, by the advisory source {source}.")
        return VULNERABLE if known else 0
    say("No advisory source was reachable: nothing was learned of any package. Try again from where one is.")
    return UNREACHABLE


def vendored_packages(origin: Path = ORIGIN) -> dict[str, str]:
    """Return the npm packages from which files were taken, with their versions."""
    files = tomllib.loads(origin.read_text(encoding="utf-8")).values()
    return {file["package"]: file["version"] for file in files}


def ask_npm(packages: Mapping[str, str]) -> tuple[str, str]:
    """Run `npm audit` on some packages, which need not be installed: what it answered, and what it complained of."""
    project = {"name": "audited", "version": "0.0.0", "dependencies": dict(packages)}
    places = {f"node_modules/{name}": {"version": version} for name, version in packages.items()}
    lock = {**project, "lockfileVersion": 3, "requires": True, "packages": {"": project, **places}}
    with tempfile.TemporaryDirectory() as folder:
        for name, content in {"package.json": project, "package-lock.json": lock}.items():
            (Path(folder) / name).write_text(json.dumps(content), encoding="utf-8")
        try:
            done = subprocess.run(["npm", "audit", "--json"], cwd=folder, capture_output=True, text=True, check=False)
        except OSError as error:
            return "", f"npm cannot be run ({error.strerror})"
    return done.stdout, done.stderr


def audit_npm(
    asked: Callable[[Mapping[str, str]], tuple[str, str]], packages: Mapping[str, str], say: Callable[[str], None]
) -> int:
    """Ask npm's advisory source about packages, say what it knows, and return the exit code."""
    answer, complaint = asked({**packages, KNOWN[0]: KNOWN[1]})
    try:
        known: Mapping[str, Any] = json.loads(answer)["vulnerabilities"]
    except (ValueError, KeyError, TypeError):
        first = (complaint.strip().splitlines() or ["it said nothing"])[0]
        say(f"The advisory source of npm did not answer: {first}. Nothing was learned of the console's stylesheets.")
        return UNREACHABLE
    if KNOWN[0] not in known:
        say(f"The advisory source of npm does not know of {KNOWN[0]} {KNOWN[1]}, so it is not a real one.")
        return UNREACHABLE
    vulnerable = {name: known[name] for name in packages if name in known}
    for name, package in vulnerable.items():
        titles = "; ".join(via["title"] for via in package["via"] if isinstance(via, dict))
        say(f"{name} {packages[name]}: {titles or 'vulnerable by what it depends on'}, severity {package['severity']}")
    say(f"{len(packages)} packages, {len(vulnerable)} vulnerable, by the advisory source of npm.")
    return VULNERABLE if vulnerable else 0


def _packages(answer: str) -> list[Mapping[str, Any]] | None:
    """Return the packages in an answer; None if it is no answer."""
    try:
        packages: list[Mapping[str, Any]] = json.loads(answer)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return None
    return packages


def main() -> int:
    """Ask about everything; a vulnerability outweighs a source that was not reachable."""

    def say(line: str) -> None:
        print(line, flush=True)

    codes = {audit(ask, sorted(LOCKS.glob("*.txt")), say), audit_npm(ask_npm, vendored_packages(), say)}
    return next(code for code in (VULNERABLE, UNREACHABLE, 0) if code in codes)


if __name__ == "__main__":
    sys.exit(main())
