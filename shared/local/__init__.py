"""PostgreSQL, Kafka and an identity provider on a bare machine, and a supervisor for what runs on them.

For development, tests and the demonstration; the servers are the real ones. `system` runs everything, `servers` the
two servers alone; `found` tells where the system of a directory answers. Nothing here knows what the system is for.
"""

from __future__ import annotations

from shared.local.failure import CannotStart
from shared.local.machine import SERVERS, Addresses, Interrupted, System, found, servers, system
from shared.local.ports import Ports, free_ports, is_free
from shared.local.readiness import http_ok
from shared.local.supervise import Process, State, Supervisor, running, until_signalled

__all__ = [
    "SERVERS",
    "Addresses",
    "CannotStart",
    "Interrupted",
    "Ports",
    "Process",
    "State",
    "Supervisor",
    "System",
    "found",
    "free_ports",
    "http_ok",
    "is_free",
    "running",
    "servers",
    "system",
    "until_signalled",
]
