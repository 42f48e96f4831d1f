"""The whole system as a person starts it: `ooc up` in a directory and on ports of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx

from services.console.addresses import find_addresses, written
from services.console.client import Client
from services.console.status import system_status
from tests.integration.local.waiting import eventually
from tests.ports import free_base

OOC = [sys.executable, "-m", "services.console.main"]


@asynccontextmanager
async def running_system(folder: Path, *, workers: int = 1, **more: str) -> AsyncIterator[Path]:
    """Start the system, with more variables of the environment, and stop it afterwards; yields its directory when it is ready."""
    var = folder / "var"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OOC_")}
    environment = inherited | {"OOC_VAR": str(var), "OOC_PORT_BASE": str(free_base())} | more
    with (folder / "up.log").open("wb") as log:
        up = subprocess.Popen([*OOC, "up", "--workers", str(workers)], env=environment, stdout=log, stderr=log)
        try:
            await eventually(partial(caught_up, var), 240)
            yield var
        finally:
            up.send_signal(signal.SIGINT)
            up.wait(120)


def ooc(var: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the console against the system in a directory."""
    environment = {**os.environ, "OOC_VAR": str(var), "COLUMNS": "400"}
    return subprocess.run([*OOC, *arguments], env=environment, capture_output=True, text=True, check=False)


def status_reasons(var: Path) -> list[str]:
    """Return why the system in a directory is not ready, caught up and without alarm: what `ooc status` says.

    It is asked in this process while one waits: a process of the console takes a second of processor time to start.
    """
    if written(var) is None:
        return ["The system is not up yet."]
    with httpx.Client(timeout=30.0, trust_env=False) as http:
        return system_status(Client(find_addresses((), {}, var), http=http, patience=0), var).reasons


def caught_up(var: Path) -> bool:
    """Whether `ooc status` finds every process ready, caught up and without alarm."""
    return not status_reasons(var) and ooc(var, "status").returncode == 0
