"""The Docker engine, by its command line."""

import json
import os
import subprocess
from collections.abc import Mapping
from typing import Any, Final

SECONDS: Final = 1200
"""How long one command may take: the first build on a busy machine is the longest."""


class EngineError(Exception):
    """A command of the engine failed; the message has the command and the end of its output."""


def docker(*arguments: str, env: Mapping[str, str] | None = None, stdin: int | None = None) -> str:
    """Run `docker` with some arguments and return its standard output, with `env` added to the environment.

    Raises:
        EngineError: there is no `docker`, it failed, or it took longer than `SECONDS`.

    """
    try:
        ended = subprocess.run(
            ["docker", *arguments],
            env={**os.environ, **(env or {})},
            stdin=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    except FileNotFoundError:
        raise EngineError("There is no program docker: install Docker's command line.") from None
    except subprocess.TimeoutExpired:
        raise EngineError(f"docker {' '.join(arguments)} took longer than {SECONDS} seconds.") from None
    if ended.returncode != 0:
        last_lines = (ended.stdout + ended.stderr).strip().splitlines()[-25:]
        raise EngineError("\n".join([f"docker {' '.join(arguments)} failed:", *last_lines]))
    return ended.stdout


def inspect(name: str) -> dict[str, Any]:
    """Return what the engine knows of a container or an image. Raises `EngineError` where there is none."""
    found: list[dict[str, Any]] = json.loads(docker("inspect", name))
    return found[0]


def require_engine() -> None:
    """Raise `EngineError` unless an engine and Compose answer."""
    try:
        docker("version")
    except EngineError as error:
        raise EngineError(f"No Docker engine answers: start one, or name it in DOCKER_HOST.\n{error}") from None
    try:
        docker("compose", "version")
    except EngineError as error:
        raise EngineError(f"Docker Compose 2.20 or newer is needed, as the plugin `docker compose`.\n{error}") from None
