"""Ports for the servers that tests and benches start: no two of them, and no connection, get the same."""

import fcntl
import os
import random
import tempfile
from pathlib import Path
from typing import Final

from tools.local.ports import PORTS_OF_A_SYSTEM, is_free

FIRST: Final = 10_100  # browsers, and fetch of Node, refuse 10080 (the "bad ports" of the Fetch standard)
# Linux takes the ports of connections from here to 60999, if nobody chose others (ip-sysctl.rst of its documentation).
DEFAULT_END: Final = 32_768
_RANGE_OF_CONNECTIONS: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_NEXT: Final = Path(tempfile.gettempdir(), f"ooc-test-ports-{os.getuid()}")


def free_ports(count: int) -> list[int]:
    """Return ports in a row on which nobody listens, and which no later call returns until all others have been.

    They lie below those from which the system takes one for each connection: a port that is free while its
    server restarts would else be taken by a client now and then. All test processes of a user share one
    counter, so that two of them choose different ports at the same moment.

    Args:
        count: how many, such as the 23 of one local system.

    Raises:
        AssertionError: where no row of so many is free.

    """
    end = _end()
    with _NEXT.open("a+", encoding="ascii") as counter:
        fcntl.flock(counter, fcntl.LOCK_EX)
        counter.seek(0)
        # Whoever begins to count begins anywhere: another user may have begun too.
        following = int(counter.read() or random.randrange(FIRST, end))
        for _ in range(FIRST, end):
            first = following if FIRST <= following <= end - count else FIRST
            ports = list(range(first, first + count))
            occupied = [port for port in ports if not is_free(port)]
            following = (occupied or ports)[-1] + 1
            if not occupied:
                counter.truncate(0)
                counter.write(str(following))
                return ports
    raise AssertionError(f"no {count} ports in a row are free from {FIRST} to {end}")


def free_base() -> int:
    """Return the base of the ports of a local system, all free: for OOC_PORT_BASE."""
    return free_ports(PORTS_OF_A_SYSTEM)[0]


def _end() -> int:
    try:
        lowest = int(_RANGE_OF_CONNECTIONS.read_text(encoding="ascii").split()[0])
    except FileNotFoundError:
        return DEFAULT_END
    return lowest if lowest > FIRST + 1_000 else DEFAULT_END
