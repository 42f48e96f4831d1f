"""The system of docker-compose.yml, as a project of its own on the engine."""

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx2
import yaml

from services.system.addresses import SERVICES
from shared.servers.version import version
from tests.containers.engine import EngineError, docker, inspect

ROOT: Final = Path(__file__).parents[2]
FILE: Final = ROOT / "docker-compose.yml"
PROJECT: Final = "ooc-trial"
"""Not the project `ooc` of whoever tries the system out on this machine, whose data stay untouched."""

BACK_SECONDS: Final = 400.0
"""How long a killed container may take until it is healthy again."""

IMAGE: Final = f"ooc:{version()}"
KILL: Final = "import os, sys; os.kill(int(sys.argv[1]), 9)"


@dataclass(frozen=True)
class System:
    """The containers of docker-compose.yml, with the variables that it reads and the profiles that are wanted."""

    variables: Mapping[str, str] = field(default_factory=dict)
    profiles: Sequence[str] = ()

    def compose(self, *arguments: str) -> str:
        """Run `docker compose` on the system. Raises `EngineError`."""
        profiles = [f"--profile={profile}" for profile in self.profiles]
        # A variable of this shell, such as OOC_ISSUER for `ooc`, does not reach the containers.
        variables = {"OOC_ISSUER": "", **self.variables}
        return docker("compose", "--project-name", PROJECT, f"--file={FILE}", *profiles, *arguments, env=variables)

    def up(self) -> float:
        """Start what does not run and wait until all is healthy; return the seconds that it took. Raises `EngineError`."""
        begun = time.monotonic()
        try:
            # Without --build: `build` did it, on the network of this machine.
            self.compose("up", "--detach", "--no-build", "--wait", "--wait-timeout", "1200")
        except EngineError as error:
            raise EngineError(f"{error}\n{self.compose('ps', '--all')}\n{self._logs()}") from None
        return time.monotonic() - begun

    def down(self, *, with_data: bool) -> None:
        """Stop and remove the containers, and their volumes `with_data`."""
        self.compose("--profile=*", "down", "--timeout", "60", *(["--volumes"] if with_data else []))

    def verify(self) -> list[str]:
        """Run `ooc verify` in a container of its own and return its findings; raises `EngineError` at a break."""
        return [line.strip() for line in self.compose("run", "--rm", "verify").splitlines() if "whole" in line]

    def running(self) -> list[str]:
        """Return the names of the services that have a running container."""
        return sorted(self.compose("ps", "--services", "--status", "running").split())

    def kill(self, service: str) -> float:
        """Kill the first process of a service's first container and return the seconds until the engine has it back, and healthy.

        The process is killed from outside, by the number that it has on the engine's machine: the engine takes a
        container that `docker kill` ended for stopped on purpose, and leaves it so.

        Raises:
            EngineError: it did not come back within `BACK_SECONDS`.

        """
        container = self.compose("ps", "--quiet", service).split()[0]
        pid = inspect(container)["State"]["Pid"]
        begun = time.monotonic()
        options = ("--rm", "--pid=host", "--user=root", "--entrypoint=python")
        docker("run", *options, IMAGE, "-c", KILL, str(pid))
        while time.monotonic() < begun + BACK_SECONDS:
            state = inspect(container)["State"]
            is_healthy = state.get("Health", {}).get("Status", "healthy") == "healthy"
            if state["Running"] and state["Pid"] != pid and is_healthy:
                return time.monotonic() - begun
            time.sleep(0.25)
        raise EngineError(
            f"{service} was killed and has not come back within {BACK_SECONDS:.0f} seconds.\n{self._logs()}"
        )

    def stop(self) -> list[str]:
        """Stop everything, and return the names of the containers that had to be killed (exit code 137)."""
        containers = self.compose("ps", "--quiet").split()
        self.compose("stop", "--timeout", "60")
        ended = [inspect(container) for container in containers]
        return sorted(found["Name"].lstrip("/") for found in ended if found["State"]["ExitCode"] == 137)

    def write_logs(self, file: Path) -> None:
        """Write everything that the containers logged to a file, before they are removed."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.compose("logs", "--timestamps"), encoding="utf-8")

    def _logs(self) -> str:
        return self.compose("logs", "--tail", "15")


def ports() -> dict[str, str]:
    """Return the published address of each API, and of the development issuer."""
    services = yaml.safe_load(FILE.read_text(encoding="utf-8"))["services"]
    published = {service: services[f"{service}-api"]["ports"][0] for service in SERVICES}
    published["issuer"] = services["issuer"]["ports"][0]
    return {name: "http://" + port.rpartition(":")[0] for name, port in published.items()}


def positions() -> dict[str, int]:
    """Return the position of each event store: how many events it holds."""
    found: dict[str, int] = {}
    for service in SERVICES[:-1]:
        answer = httpx2.get(f"{ports()[service]}/status", timeout=30, trust_env=False).raise_for_status()
        found[service] = json.loads(answer.text)["position"]
    return found


def make_secrets() -> None:
    """Make the secrets that are missing, as an operator does."""
    subprocess.run(["sh", str(ROOT / "deploy" / "passwords.sh")], check=True)


def build() -> None:
    """Build the project's two images. Names are resolved as on this machine, since a build's own network may have none."""
    docker("build", "--network=host", "--tag", IMAGE, str(ROOT))
    file = ROOT / "deploy/backup/Dockerfile"
    docker("build", "--network=host", "--tag", f"ooc-backup:{version()}", "--file", str(file), str(ROOT))
