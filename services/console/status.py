"""How the system stands: each process, how far it has come, and what waits."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.console.addresses import SERVICES, VAR
from services.console.client import Client, NoAnswer
from services.console.idle import SOURCES, consumers_behind, relays_behind
from services.console.system import MIGRATE, TOPICS
from tools.local import SERVERS, running


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """Rows for people, and the reasons why the system is not ready and caught up (none where it is)."""

    rows: list[tuple[str, str, str, str]]
    reasons: list[str]


def system_status(client: Client, var: Path = VAR, *, local: bool = True) -> ProcessStatus:
    """Look at every process once."""
    pids = running(var) if local else {}
    rows: list[tuple[str, str, str, str]] = []
    reasons: list[str] = []
    seen: dict[str, Mapping[str, Any]] = {}
    for service in SERVICES:
        try:
            if (ready := client.open(service, "/health/ready").status) != 200:
                raise NoAnswer(f"{service} is not ready (HTTP {ready}).")
            seen[service] = client.open(service, "/status").body
        except NoAnswer as error:
            reasons.append(str(error))
    behind = _behind(seen)
    for name in [*(SERVERS if local else ()), *(f"{s}-{kind}" for s in SERVICES for kind in ("api", "worker"))]:
        service, _, kind = name.rpartition("-")
        pid = pids.get(name)
        if kind == "api":
            state = "ready" if service in seen else "does not answer"
        else:
            state = "running" if pid or not local else "not running"
        if local and pid is None and not _provided(name):
            reasons.append(f"{name} does not run.")
        lag = behind.get(service, []) if kind == "worker" else []
        rows.append((name, str(pid or ""), state, "; ".join(lag) or _position(name, seen)))
        reasons += lag
    for service, status in seen.items():
        # An alarm stands until a person has looked: what it stopped does not go on by itself.
        reasons += [f"{service}: alarm {alarm['name']} at {alarm['place']}" for alarm in status.get("alarms") or ()]
    return ProcessStatus(rows, reasons)


def _behind(seen: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """What each service's worker has still to do, in words."""
    sources = [service for service in SOURCES if service in seen]
    goal = {service: int(seen[service]["position"]) for service in sources}
    offsets = {service: (seen[service].get("relayed") or {}).get("offsets") or {} for service in sources}
    behind: dict[str, list[str]] = {}
    for service in seen:
        relays = list(relays_behind(seen, {service: goal[service]})) if service in goal else []
        consumers = list(consumers_behind({service: seen[service]}, offsets))
        if relays + consumers:
            behind[service] = relays + consumers
    return behind


def _position(name: str, seen: Mapping[str, Mapping[str, Any]]) -> str:
    service, _, kind = name.rpartition("-")
    status = seen.get(service)
    if status is None:
        return ""
    if kind == "worker":
        waits = [f"{status[what]} {what}" for what in ("parked", "quarantined") if status.get(what)]
        return ", ".join(["caught up", *waits])
    return f"position {status['position']}" if "position" in status else ""


def _provided(name: str) -> bool:
    """Whether a server comes from the environment, so that it has no process here."""
    named = dict(zip(SERVERS, ("OOC_DATABASE_URL", "OOC_KAFKA", "OOC_ISSUER"), strict=True))
    return name in {MIGRATE, TOPICS} or bool(os.environ.get(named.get(name, ""), ""))
