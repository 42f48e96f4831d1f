"""Where everything listens: one base port, from which every other port follows."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import psutil

from tools.local.errors import CannotStart

HOST: Final = "127.0.0.1"
DEFAULT_BASE: Final = 8100
APIS: Final = 17
PORTS_OF_A_SYSTEM: Final = 25
_HIGHEST_BASE: Final = 65_536 - PORTS_OF_A_SYSTEM


class _After:
    """A port so many after the base."""

    def __init__(self, nth: int) -> None:
        self._nth = nth

    def __get__(self, ports: Ports, _: type[Ports]) -> int:
        return ports.base + self._nth


@dataclass(frozen=True)
class Ports:
    """The ports of one local system: issuer, APIs, console, witness, PostgreSQL, Kafka and its controller, alerting."""

    base: int = DEFAULT_BASE

    issuer = _After(0)
    """The development identity provider."""
    console = _After(18)
    witness = _After(19)
    """The witness of the checkpoints."""
    postgres = _After(20)
    kafka = _After(21)
    kafka_controller = _After(22)
    """Kafka's own controller quorum, of one."""
    prometheus = _After(23)
    alertmanager = _After(24)

    def __post_init__(self) -> None:
        """Refuse a base that leaves no room above or needs root below."""
        if not 1024 <= self.base <= _HIGHEST_BASE:
            raise CannotStart(f"OOC_PORT_BASE is {self.base}: choose one from 1024 to {_HIGHEST_BASE}, such as 8100.")

    @classmethod
    def from_environment(cls) -> Ports:
        """Return the base that OOC_PORT_BASE names, else 8100."""
        text = os.environ.get("OOC_PORT_BASE", "") or str(DEFAULT_BASE)
        if not text.isdecimal():
            raise CannotStart(f"OOC_PORT_BASE is {text!r}: it must be a port number, such as 8100.")
        return cls(int(text))

    def api(self, nth: int) -> int:
        """Return the nth service's API, counted from 0."""
        if not 0 <= nth < APIS:
            raise ValueError(f"there is room for {APIS} APIs, asked for number {nth}")
        return self.base + 1 + nth


def is_free(port: int) -> bool:
    """Whether a server could listen on the port of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do: a connection in TIME_WAIT is no obstacle, a listener is.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def unused(count: int) -> list[int]:
    """Return so many ports on which nobody listens now."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]


def require_free(wanted: Iterable[tuple[str, int]]) -> None:
    """Raise `CannotStart` unless each (name, port) can be listened on: it names each port taken, by whom, and what to do."""
    occupied = [(name, port) for name, port in wanted if not is_free(port)]
    if not occupied:
        return
    lines = [f"Port {port}, which {name} needs, is taken{_holder(port)}." for name, port in occupied]
    lines += [
        "Another local system may be running (`ooc status`), or another program uses it (`ss -ltnp` lists who).",
        f"Stop it, or choose another range: OOC_PORT_BASE=9100 make run (the default is {DEFAULT_BASE}; {PORTS_OF_A_SYSTEM} ports follow).",
    ]
    raise CannotStart("\n".join(lines))


def _holder(port: int) -> str:
    """Return who listens on a port, in words; nothing if that can't be told."""
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
            if listens and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    return ""
