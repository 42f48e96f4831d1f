"""Processes of the last release beside those of this one, on the same servers: in every order of upgrade, and back."""

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import psutil
import pytest

from shared.runtime.provision import SQUASHED_AFTER
from tests.acknowledged import Writers, check_histories
from tests.whole_system import WholeSystem, client_of, ooc, status_reasons, wait_until

ROOT: Final = Path(__file__).parents[2]
BEFORE: Final = os.environ.get("OOC_FAILOVER_BEFORE", "")
SECONDS: Final = 900
"""A deadline for a busy machine."""

pytestmark = pytest.mark.slow


def last_release() -> str:
    """Return the commit of the last release, whose databases this one migrates; or what OOC_FAILOVER_BEFORE names."""
    (squashed,) = re.findall(r"commit (\w+)", SQUASHED_AFTER)
    asked = ["git", "log", "-1", "--format=%H", "-G^version = ", f"{squashed}..", "--", "pyproject.toml"]
    found = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    return BEFORE or found or squashed


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """Return the code of the last release, with an environment of its own if it pins other packages."""
    archive = subprocess.run(["git", "archive", last_release()], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(tmp_path, filter="data")
    pins = "requirements/local.txt"
    if (tmp_path / pins).read_bytes() != (ROOT / pins).read_bytes():
        subprocess.run([sys.executable, "-m", "venv", tmp_path / ".venv"], check=True)
        python = tmp_path / ".venv" / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "-q", "--require-hashes", "-r", pins], cwd=tmp_path, check=True)
    return tmp_path


class Release(WholeSystem):
    """A system that the code in a folder runs, on servers that others run too."""

    def __init__(self, code: Path, folder: Path, variables: dict[str, str]) -> None:
        folder.mkdir()
        super().__init__(folder, variables=variables)
        declared = tomllib.loads((code / "pyproject.toml").read_text(encoding="utf-8"))
        module, _, function = declared["project"]["scripts"]["ooc"].partition(":")
        own = code / ".venv" / "bin" / "python"
        python = str(own if own.exists() else sys.executable)
        self._command = [python, "-c", f"from {module} import {function}; {function}()", "up"]
        self._environment["PYTHONPATH"] = str(code)
        self._code = code

    def launch(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            self.up = subprocess.Popen(self._command, cwd=self._code, env=self._environment, stdout=log, stderr=log)
        return self.up

    def run(self, command: Sequence[str]) -> None:
        """Run a command of the release on the servers; it must succeed."""
        admin = {"OOC_MODE": "local", "OOC_ADMIN_DATABASE_URL": self._environment["OOC_DATABASE_URL"]}
        program = [*self._command[:-1], *command]
        done = subprocess.run(
            program, cwd=self._code, env=self._environment | admin, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def until_ready(self) -> None:
        """Wait until each of its processes has been ready: then it is written down where it answers."""

        def is_up() -> bool:
            assert self.up is not None
            assert self.up.poll() is None, self.log.read_text(encoding="utf-8")
            return (self.var / "system.json").exists()

        wait_until(is_up, SECONDS, "the release to be up")

    @contextlib.contextmanager
    def without(self, kind: str) -> Iterator[None]:
        """Freeze its processes of a kind (api, worker) meanwhile, as if they had not been replaced yet, or had been."""
        files = sorted((self.var / "run").glob(f"*-{kind}*.pid"))
        frozen = [psutil.Process(int(path.read_text(encoding="ascii"))) for path in files]
        for process in frozen:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in frozen:
                with contextlib.suppress(psutil.NoSuchProcess):  # whoever watches it may have replaced it
                    process.send_signal(signal.SIGCONT)


@pytest.mark.timeout(4 * SECONDS)
def test_two_releases_work_beside_each_other_in_every_order(
    before: Path, folder: Path, postgres_url: str, kafka_bootstrap: str
) -> None:
    """Given people at work on both releases, whichever workers run, then nothing is lost or doubled, nobody gets a fault, and all is whole after it."""
    servers = {"OOC_DATABASE_URL": postgres_url, "OOC_KAFKA": kafka_bootstrap, "OOC_KAFKA_REPLICATION": "1"}
    old = Release(before, folder / "old", servers)
    new = Release(ROOT, folder / "new", servers)
    try:
        old.launch()
        old.until_ready()
        new._environment |= _shared(old.var)
        steps = _steps("1")
        assert ["migrate"] in steps
        for command in (*steps, ["migrate", "--check"]):
            new.run(command)
        new.launch()
        new.until_ready()
        writers = [Writers(system.var, 2, patience=SECONDS) for system in (old, new)]
        told = [0, 0]
        # The workers first, then the APIs, and back: each side works alone and beside the other.
        for system in (None, old, new):
            with contextlib.nullcontext() if system is None else system.without("worker"):
                for n, writing in enumerate(writers):
                    _tells(writing, told[n] + 2)
                    told[n] = len(writing.stories)
        for writing in writers:
            writing.end()
            assert not writing.statuses[500], writing.statuses
        wait_until(lambda: not status_reasons(new.var), SECONDS, "everything to be caught up", pause=1)
        with client_of(new.var, patience=SECONDS) as client:
            for story in (*writers[0].stories, *writers[1].stories):
                check_histories(client, story)
        old.stop()
        for command in (*_steps("2"), ["verify"]):
            done = ooc(new.var, *command)
            assert done.returncode == 0, done.stdout + done.stderr
    finally:
        new.stop()
        old.stop()


def _steps(number: str) -> list[list[str]]:
    """Return the commands of a step of the how-to."""
    page = (ROOT / "docs/how-to/failover.md").read_text(encoding="utf-8")
    (step,) = re.findall(rf"^{number}\. (.*)$", page.partition("## Upgrade")[2], re.MULTILINE)
    return [line.split() for line in re.findall(r"`ooc ([^`]+)`", step)]


def _tells(writers: Writers, stories: int) -> None:
    def have_told() -> bool:
        writers.require_success()
        return len(writers.stories) >= stories

    wait_until(have_told, SECONDS, "stories to be told to their end", pause=1)


def _shared(var: Path) -> dict[str, str]:
    """Return what the second system takes from the first: keys, the issuer, the witness."""
    noted = json.loads((var / "system.json").read_text(encoding="utf-8"))
    keys = {"OOC_KEK_FILE": "kek", "OOC_SIGNING_KEY_FILE": "signing", "OOC_CONSOLE_KEY_FILE": "console"}
    files = {name: str(var / "keys" / file) for name, file in keys.items()}
    return {"OOC_ISSUER": noted["issuer"], **noted.get("witness", {}), **files}
