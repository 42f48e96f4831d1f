"""PostgreSQL, Kafka and an identity provider on a bare machine, and a supervisor for what runs on them.

For development, tests and the demonstration; the servers are the real ones. `system` runs everything, `servers` the
two servers alone; `found` tells where the system of a directory answers. Nothing here knows what the system is for.
"""

from __future__ import annotations

from shared.local.failure import CannotStart
from shared.local.machine import SERVERS, Addresses, System, found, servers, system
from shared.local.ports import Ports, free_ports
from shared.local.readiness import http_ok
from shared.local.supervise import Process, State, Supervisor, running, until_signalled

__all__ = [
    "SERVERS",
    "Addresses",
    "CannotStart",
    "Ports",
    "Process",
    "State",
    "Supervisor",
    "System",
    "found",
    "free_ports",
    "http_ok",
    "running",
    "servers",
    "system",
    "until_signalled",
]
