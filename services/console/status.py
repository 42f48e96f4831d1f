"""The status of the system: each process and its lag, the quarantine, and the alarms."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.console.addresses import SERVICES, VAR, written
from services.console.alarms import alarm_line
from services.console.client import Client, NoAnswer
from services.console.idle import SOURCES, consumers_behind, relays_behind
from services.console.system import MIGRATE, TOPICS, worker_names
from services.console.tokens import NoToken
from services.vocabulary import Role
from tools.local import (
    SERVERS,
    holder,
    running,
    shortage,
    waiting,
)

NAMED = 3
"""How many streams in quarantine are named; the command that lists them knows all."""

Statuses = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """Rows for people, and the reasons why the system is not ready and caught up (none where it is)."""

    rows: list[tuple[str, str, str, str]]
    reasons: list[str]


def system_status(client: Client, var: Path = VAR, *, local: bool = True) -> ProcessStatus:
    """Look at every process once."""
    if local and holder(var) is None:
        return ProcessStatus([], [_nobody_at_home(var)])
    pids = running(var) if local else {}
    rows: list[tuple[str, str, str, str]] = []
    reasons: list[str] = []
    answers: dict[str, Mapping[str, Any]] = {}
    for service in SERVICES:
        try:
            if (ready := client.open(service, "/health/ready").status) != 200:
                raise NoAnswer(f"{service} is not ready (HTTP {ready}).")
            answers[service] = client.open(service, "/status").body
        except NoAnswer as error:
            reasons.append(str(error).partition(" Is the system up?")[0])
    behind = _behind(answers)
    workers = int((written(var) or {}).get("workers") or 1) if local else 1
    named = [(s, name) for s in SERVICES for name in (f"{s}-api", *worker_names(s, workers))]
    for service, name in [*(("", name) for name in SERVERS if local), *named]:
        kind = "" if not service else "api" if name.endswith("-api") else "worker"
        pid = pids.get(name)
        if kind == "api" or not local:
            state = "ready" if kind == "api" and service in answers else "" if service in answers else "does not answer"
        else:
            state = "running" if pid else "not running"
        if local and pid is None and not _provided(name):
            reasons.append(_why_not_running(var, name))
        lag = behind.get(service, []) if kind == "worker" else []
        rows.append((name, str(pid or ""), state, "; ".join(lag) or _position(kind, answers.get(service))))
        reasons += [one for one in lag if one not in reasons]
    for service, status in answers.items():
        # An alarm stands until it is mended: what it stopped does not go on by itself.
        reasons += [alarm_line(service, alarm) for alarm in status.get("alarms") or ()]
        reasons += _quarantined(client, service, int(status.get("quarantined") or 0))
    return ProcessStatus(rows, reasons)


def _nobody_at_home(var: Path) -> str:
    left = ", ".join(f"{name} ({pid})" for name, pid in running(var).items())
    also = f" What it left still runs: {left}." if left else ""
    return (
        f"The system on {var.absolute()} does not run: whoever started it has ended without stopping it.{also}"
        " Start it again with `ooc up`: it goes on from what was recorded."
    )


def _why_not_running(var: Path, name: str) -> str:
    why = waiting(var).get(name)
    if why is None and (short := shortage(var)) is not None:
        why = f"{name} is not started again: {short}"
    return f"{name} does not run. {why}" if why else f"{name} does not run: see {var / 'log' / name}.log."


def _quarantined(client: Client, service: str, count: int) -> Iterator[str]:
    """Yield the streams in quarantine, by name if a token can be had, and the command that shows them."""
    if not count:
        return
    named = ""
    try:
        reply = client.get(service, "/v1/quarantine", role=Role.AUDITOR)
        if reply.status == 200:
            more = f" and {len(reply.body) - NAMED} more" if len(reply.body) > NAMED else ""
            named = ": " + ", ".join(f"{one['stream']} ({one['cause']})" for one in reply.body[:NAMED]) + more
    except (NoAnswer, NoToken):
        pass
    yield f"{service}: {count} streams in quarantine{named}. More: `ooc quarantine list`"


def _behind(answers: Statuses) -> dict[str, list[str]]:
    """Return the outstanding work of each service's worker, in words."""
    sources = [service for service in SOURCES if service in answers]
    goal = {service: int(answers[service]["position"]) for service in sources}
    offsets = {service: (answers[service].get("relayed") or {}).get("offsets") or {} for service in sources}
    behind: dict[str, list[str]] = {}
    for service in answers:
        relays = list(relays_behind(answers, {service: goal[service]})) if service in goal else []
        consumers = list(consumers_behind({service: answers[service]}, offsets))
        if relays + consumers:
            behind[service] = relays + consumers
    return behind


def _position(kind: str, status: Mapping[str, Any] | None) -> str:
    if status is None:
        return ""
    if kind == "worker":
        waits = [f"{status[what]} {what}" for what in ("parked", "quarantined") if status.get(what)]
        return ", ".join(["an alarm stands" if status.get("alarms") else "caught up", *waits])
    return f"position {status['position']}" if "position" in status else ""


def _provided(name: str) -> bool:
    """Whether a server comes from the environment, so that it has no process here."""
    named = dict(zip(SERVERS, ("OOC_DATABASE_URL", "OOC_KAFKA", "OOC_ISSUER"), strict=True))
    return name in {MIGRATE, TOPICS} or bool(os.environ.get(named.get(name, ""), ""))
