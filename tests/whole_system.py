"""A whole system as a person starts it: `ooc up` in a directory and on ports of its own."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from ooc.system.status import system_status
from services.system.addresses import find_addresses, written
from tests import loopback
from tests.forked_ooc import SCRIPT, run_command
from tests.ports import free_base
from tools.client.http import RESTART, Client

OOC: Final = [str(SCRIPT)]
START_SECONDS: Final = 600
END_SECONDS: Final = 300


class WholeSystem:
    """A system that `ooc up` runs.

    Args:
        folder: for its directory `var`.
        workers: how many workers each service has.
        log: the file for what `ooc up` says, by default beside the directory.
        variables: more of its environment; those that name servers are not inherited, so that it starts its own.

    """

    def __init__(
        self, folder: Path, *, workers: int = 1, log: Path | None = None, variables: Mapping[str, str] | None = None
    ) -> None:
        self.var = folder / "var"
        self.log = log if log is not None else folder / "up.log"
        self.up: subprocess.Popen[bytes] | None = None
        self.port_base = free_base()
        self._command = [*OOC, "up", "--workers", str(workers)]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("OOC_")}
        own = {"OOC_VAR": str(self.var), "OOC_PORT_BASE": str(self.port_base)}
        self._environment = {**inherited, **own, **(variables or {})}

    def start(self) -> None:
        """Start it, and return when it is ready and caught up. What does not come up is stopped."""
        up = self.launch()

        def is_up() -> bool:
            assert up.poll() is None, self.log.read_text(encoding="utf-8")
            return caught_up(self.var)

        try:
            wait_until(is_up, START_SECONDS, "the system to be ready")
        except BaseException:
            self.stop()
            raise

    def launch(self) -> subprocess.Popen[bytes]:
        """Start it, and wait for nothing."""
        with self.log.open("ab") as log:
            self.up = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)
        return self.up

    def stop(self, by: signal.Signals = signal.SIGINT) -> int | None:
        """Tell it to end, by default as Ctrl-C does, and wait until it has; return its exit code, none where it was never started."""
        if self.up is None:
            return None
        self.up.send_signal(by)
        return self.up.wait(END_SECONDS)


@contextlib.contextmanager
def running_system(folder: Path, variables: Mapping[str, str] | None = None) -> Iterator[WholeSystem]:
    """Start a system, and stop it afterwards."""
    system = WholeSystem(folder, variables=variables)
    system.start()
    try:
        yield system
    finally:
        system.stop()


@contextlib.contextmanager
def client_of(var: Path, *, patience: float = RESTART, reason: str = "TEST") -> Iterator[Client]:
    """Yield a client of the system in a directory, and close its connections."""
    with loopback.blocking_client(timeout=30.0) as http:
        yield Client(find_addresses((), {}, var), http=http, patience=patience, reason=reason)


def ooc(var: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the console against the system in a directory."""
    environment = {**os.environ, "OOC_VAR": str(var), "COLUMNS": "400"}
    return run_command(arguments, environment, timeout=600)


def status_reasons(var: Path) -> list[str]:
    """Return why the system in a directory is not ready, caught up and without alarm: what `ooc status` says.

    It is asked in this process, since a process of the console takes a second of processor time to start.
    """
    if written(var) is None:
        return ["The system is not up yet."]
    with client_of(var, patience=0) as client:
        return system_status(client, var).reasons


def caught_up(var: Path) -> bool:
    """Whether every process is ready, caught up and without alarm."""
    return not status_reasons(var)


def wait_until(holds: Callable[[], bool], seconds: float, what: str, pause: float = 0.2) -> None:
    """Return when something holds; fail when it does not within so many seconds. It looks again after each `pause`."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited {seconds} seconds for {what}"
        time.sleep(pause)
