"""PostgreSQL, Kafka and an identity provider on a bare machine, and a supervisor for what runs on them.

For development, tests and the demonstration; the servers are the real ones. `local_system` runs everything, `servers` the
two servers alone. Nothing here knows what the system is for.
"""

from __future__ import annotations

from tools.local.data_dir import holder, shortage
from tools.local.errors import CannotStart
from tools.local.local_system import (
    SERVERS,
    Addresses,
    Interrupted,
    local_system,
    own_servers,
    servers,
)
from tools.local.ports import Ports, is_free
from tools.local.readiness import http_ok
from tools.local.supervisor import (
    Process,
    State,
    Supervisor,
    restart_note,
    running,
    until_signalled,
)

__all__ = [
    "SERVERS",
    "Addresses",
    "CannotStart",
    "Interrupted",
    "Ports",
    "Process",
    "State",
    "Supervisor",
    "holder",
    "http_ok",
    "is_free",
    "local_system",
    "own_servers",
    "restart_note",
    "running",
    "servers",
    "shortage",
    "until_signalled",
]
