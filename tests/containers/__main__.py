"""`make containers`: docker-compose.yml, run for real on a Docker engine, with the development issuer and with Keycloak.

The images are those that Dockerfile and docker-compose.yml name, or stand-ins for them; which is said first.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Final

import pyrage

from services.system.addresses import SERVICES
from tests.containers.compose import ROOT, System, build, make_secrets, ports, positions
from tests.containers.engine import EngineError, require_engine
from tests.containers.images import KAFKA, KEYCLOAK, POSTGRES, PYTHON, provide
from tests.containers.people import ISSUER, People
from tests.maven import NotFetched
from tools.local.errors import CannotStart

STORIES: Final = tuple(
    ROOT / "tests" / "scenarios" / name for name in ("01-shoplifting-ycc.yaml", "13-workshop-register.yaml")
)

LOGS: Final = ROOT / "var" / "containers" / "logs.txt"
"""Where the logs of containers are kept when a run fails."""


class Failed(Exception):
    """The system in containers does not do what it should; the message says what."""


def main() -> None:
    """Run the system twice; exit 1, saying what went wrong, where something did."""
    begun = time.monotonic()
    try:
        require_engine()
        for name in (PYTHON, POSTGRES, KAFKA, KEYCLOAK):
            print(provide(name), flush=True)
        _say("building the project's images")
        build()
        make_secrets()
        backed_up = {"OOC_BACKUP_RECIPIENT": str(pyrage.x25519.Identity.generate().to_public())}
        _say("with the development issuer")
        _try(System(backed_up, ("backup",)), lambda: {"OOC_ISSUER": ports()["issuer"]})
        _say("with Keycloak")
        people = People(STORIES)
        _try(System({"OOC_ISSUER": ISSUER}, ("keycloak",)), people.tokens)
    except (EngineError, Failed, NotFetched, CannotStart) as error:
        sys.exit(f"\n{error}")
    print(f"\nThe system in containers does what it should ({time.monotonic() - begun:.0f} s).")


def _try(system: System, tokens: Callable[[], dict[str, str]]) -> None:
    """Start, play, verify, kill, restart and verify again; take all down, whatever happened."""
    system.down(with_data=True)
    try:
        _say(f"all healthy after {system.up():.0f} s")
        _play(tokens())
        _verify(system)
        for service in system.running():
            _say(f"{service} was killed, and healthy again after {system.kill(service):.0f} s")
        _play(tokens())
        _verify(system)
        before = positions()
        if killed := system.stop():
            raise Failed(f"These did not end when they were told to, and were killed: {', '.join(killed)}.")
        system.down(with_data=False)
        _say(f"everything was stopped, removed and started, and is healthy after {system.up():.0f} s")
        if positions() != before:
            raise Failed(f"The event stores held {before} before the restart, and hold {positions()} now.")
        _verify(system)
        _play(tokens())
    except (EngineError, Failed, AssertionError):
        system.write_logs(LOGS)
        _say(f"what the containers logged is in {LOGS}")
        raise
    finally:
        system.down(with_data=True)


def _play(tokens: dict[str, str]) -> None:
    """Play the scenarios through the published ports. Raises `Failed` where a step differs."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OOC_")}
    with tempfile.TemporaryDirectory() as nothing:
        environment |= {
            "OOC_VAR": nothing,
            "OOC_URL": " ".join(f"{name}={ports()[name]}" for name in SERVICES),
            **tokens,
        }
        ended = subprocess.run(
            [sys.executable, "-m", "ooc.main", "scenario", "run", "--quiet", *map(str, STORIES)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
    if ended.returncode != 0:
        raise Failed(f"A scenario went wrong:\n{ended.stdout}{ended.stderr}")
    for line in ended.stdout.splitlines():
        if "agree" in line:
            _say(line.partition(" (run")[0])


def _verify(system: System) -> None:
    """Run `ooc verify` inside. Raises `Failed` where it finds nothing at all, and `EngineError` at a break."""
    findings = system.verify()
    if not findings:
        raise Failed("`ooc verify` looked at nothing.")
    _say(f"verified: {len(findings)} findings, nothing broken")


def _say(text: str) -> None:
    print(f"- {text}", flush=True)


if __name__ == "__main__":
    main()
