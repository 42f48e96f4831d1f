"""The whole system as a person starts it: `ooc up` in a directory and on ports of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

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
            await eventually(lambda: (var / "system.json").exists() and ooc(var, "status").returncode == 0, 240)
            yield var
        finally:
            up.send_signal(signal.SIGINT)
            up.wait(120)


def ooc(var: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the console against the system in a directory."""
    environment = {**os.environ, "OOC_VAR": str(var), "COLUMNS": "400"}
    return subprocess.run([*OOC, *arguments], env=environment, capture_output=True, text=True, check=False)
