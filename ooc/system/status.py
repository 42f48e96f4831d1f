"""The status of the system: each process and its lag, the quarantine, and the alarms."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from ooc.system.alarms import alarm_line
from services.system.addresses import SERVICES, VAR, written
from services.system.lags import lags_of
from services.system.registry import FOLLOWERS
from services.trade.vocabulary import Role
from tools.client.http import Client, NoAnswer
from tools.client.tokens import NoToken
from tools.local.data_dir import holder, shortage
from tools.local.supervisor import restart_note, running

NAMED: Final = 3
"""How many streams in quarantine are named; the command that lists them knows all."""

API: Final = "api"
WORKER: Final = "worker"
KINDS: Final = (API, WORKER)
"""The processes of a service, as their names end, or go on with a number."""


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """Rows for people, and the reasons why the system is not ready and caught up (none if it is).

    A row says the process, its id, its state, how far it is, and its address.
    """

    rows: list[tuple[str, str, str, str, str]]
    reasons: list[str]


def system_status(client: Client, var: Path = VAR, *, local: bool = True) -> ProcessStatus:
    if local and holder(var) is None:
        return ProcessStatus([], [_nobody_at_home(var)])
    reasons: list[str] = []
    answers: dict[str, Mapping[str, Any]] = {}
    for service in client.addresses.watched:
        try:
            if (ready := client.open(service, "/health/ready").status) != 200:
                raise NoAnswer(f"{service} is not ready (HTTP {ready}).")
            answers[service] = client.open(service, "/status").body
        except NoAnswer as error:
            reasons.append(str(error).partition(" Is the system up?")[0])
    pids = running(var) if local else {}
    noted = (written(var) or {}) if local else {}
    names = noted.get("processes", ()) if local else [f"{s}-{k}" for s in SERVICES for k in KINDS]
    rows: list[tuple[str, str, str, str, str]] = []
    for name in names:
        kind = next((k for k in KINDS if f"-{k}" in name), "")
        service, pid = name.partition("-")[0], pids.get(name)
        answer = answers.get(service)
        if local and kind != API:
            state = "running" if pid else "not running"
        else:
            state = "does not answer" if answer is None else "ready" if kind == API else ""
        if local and pid is None:
            reasons.append(_why_not_running(var, name))
        lags = [lag.words for lag in lags_of(service, answers)] if kind == WORKER else []
        where = _address(name, noted) if local else client.addresses.services.get(service, "") if kind == API else ""
        rows.append((name, str(pid or ""), state, "; ".join(lags) or _position(kind, answer), where))
        reasons += [words for words in lags if words not in reasons]
    for service, status in answers.items():
        # An alarm stands until it is mended: what it stopped does not go on by itself.
        reasons += [alarm_line(service, alarm) for alarm in status.get("alarms") or ()]
        reasons += _quarantined(client, service, int(status.get("quarantined") or 0))
    return ProcessStatus(rows, reasons)


def _address(process: str, noted: Mapping[str, Any]) -> str:
    """Return where a process of this machine answers; nothing for a worker."""
    service, _, kind = process.partition("-")
    if kind.startswith(API):
        return str(noted["services"].get(service, ""))
    postgres, witness = urlsplit(noted["postgres"]).netloc, noted["witness"].get("OOC_WITNESS_URL")
    return str({**noted, "postgres": postgres, "witness": witness}.get(process, ""))


def _nobody_at_home(var: Path) -> str:
    left = ", ".join(f"{name} ({pid})" for name, pid in running(var).items())
    also = f" What it left still runs: {left}." if left else ""
    return (
        f"The system on {var.absolute()} does not run: the process that started it ended without stopping it.{also}"
        " Start it again with `ooc up`: it goes on from what was recorded."
    )


def _why_not_running(var: Path, name: str) -> str:
    short = shortage(var)
    why = f"{name} waits for room: {short}." if short else restart_note(var, name)
    return f"{name} does not run. {why}" if why else f"{name} does not run: see {var / 'log' / name}.log."


def _quarantined(client: Client, service: str, count: int) -> Iterator[str]:
    """Yield the streams in quarantine, by name if a token can be had, and the command that shows them."""
    if not count:
        return
    if service in FOLLOWERS:
        yield f"{service}: {count} streams in quarantine. More: `ooc messages held`"
        return
    named = ""
    try:
        reply = client.get(service, "/v1/quarantine", role=Role.AUDITOR)
        if reply.status == 200:
            more = f" and {len(reply.body) - NAMED} more" if len(reply.body) > NAMED else ""
            named = ": " + ", ".join(f"{stream['stream']} ({stream['cause']})" for stream in reply.body[:NAMED]) + more
    except (NoAnswer, NoToken):
        pass
    yield f"{service}: {count} streams in quarantine{named}. More: `ooc quarantine list`"


def _position(kind: str, status: Mapping[str, Any] | None) -> str:
    if status is None:
        return ""
    if kind == WORKER:
        waits = [f"{status[what]} {what}" for what in ("parked", "quarantined") if status.get(what)]
        waits += [f"{count} messages {state.lower()}" for state, count in (status.get("messages") or {}).items()]
        return ", ".join(["an alarm stands" if status.get("alarms") else "caught up", *waits])
    return f"position {status['position']}" if kind == API and "position" in status else ""
