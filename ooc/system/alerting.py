"""Prometheus and Alertmanager beside a local system, if OOC_ALERTMANAGER names a configuration: who is told of a fault.

They see what no process can say of itself, such as that it hangs. Alertmanager groups, silences and repeats.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from tools.local.errors import CannotStart
from tools.local.local_system import Addresses
from tools.local.ports import HOST
from tools.local.readiness import http_ok
from tools.local.supervisor import Process

CONFIGURATION: Final = "OOC_ALERTMANAGER"
PROMETHEUS: Final = "prometheus"
ALERTMANAGER: Final = "alertmanager"
PROGRAMS: Final = {PROMETHEUS: (PROMETHEUS,), ALERTMANAGER: (ALERTMANAGER, f"prometheus-{ALERTMANAGER}")}
"""The names of each program; Debian has its own for the second."""

RULES: Final = (Path(__file__).parents[2] / "docs/reference/alerts.yaml", Path(__file__).with_name("alerts.yaml"))
"""The rules, in a checkout and in a wheel."""

WATCHDOG: Final = "dead-mans-switch"
"""The receiver of the alert that always fires, which tells nobody of a fault."""


def who_is_told(environment: Mapping[str, str]) -> str:
    """Say in a sentence who is told of a fault of a local system, or that nobody is and what to do. Raises `CannotStart`."""
    configuration = environment.get(CONFIGURATION)
    if not configuration:
        return f"Nobody is told of a fault: name a copy of deploy/alertmanager.yml in {CONFIGURATION}."
    if missing := [name for name, path in _programs().items() if path is None]:
        return (
            f"Nobody is told of a fault: {' and '.join(missing)} must be on PATH"
            " (Debian: apt-get install prometheus prometheus-alertmanager)."
        )
    told = [each for name, receiver in _receivers(configuration) if name != WATCHDOG for each in _addresses(receiver)]
    if not told:
        return f"Nobody is told of a fault: {configuration} names no receiver."
    return f"Faults are told to {', '.join(told)} ({configuration})."


def alerting(addresses: Addresses, environment: Mapping[str, str], targets: Sequence[str]) -> list[Process]:
    """Return Prometheus, which asks the targets (host:port), and Alertmanager; none unless configured and installed."""
    configuration, programs = environment.get(CONFIGURATION), _programs()
    prometheus, alertmanager = programs[PROMETHEUS], programs[ALERTMANAGER]
    if not configuration or prometheus is None or alertmanager is None:
        return []
    ports = addresses.ports
    folder = addresses.var / PROMETHEUS
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(prometheus_config(targets, f"{HOST}:{ports.alertmanager}")), encoding="utf-8")
    return [
        _server(
            ALERTMANAGER, alertmanager, ports.alertmanager, Path(configuration), folder, "--cluster.listen-address="
        ),
        _server(PROMETHEUS, prometheus, ports.prometheus, config, folder, "--storage.tsdb.retention.size=512MB"),
    ]


def prometheus_config(targets: Sequence[str], alertmanager: str, seconds: int = 5) -> dict[str, Any]:
    """Return what Prometheus asks every so many seconds, and whom it tells."""
    return {
        "global": {"scrape_interval": f"{seconds}s", "scrape_timeout": f"{seconds}s", "evaluation_interval": "1s"},
        "rule_files": [str(next(path for path in RULES if path.exists()))],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [{"job_name": "ooc", "static_configs": [{"targets": list(targets)}]}],
    }


def _server(name: str, program: str, port: int, config: Path, folder: Path, *more: str) -> Process:
    storage = "--storage.tsdb.path" if name == PROMETHEUS else "--storage.path"
    argv = [
        program,
        f"--config.file={config}",
        f"--web.listen-address={HOST}:{port}",
        f"{storage}={folder / name}",
        *more,
    ]
    return Process(name=name, argv=argv, ready=http_ok(f"http://{HOST}:{port}/-/ready"), ports=(port,))


def _programs() -> dict[str, str | None]:
    """Return the path of each program, None if it is not installed."""
    return {name: next(filter(None, map(shutil.which, names)), None) for name, names in PROGRAMS.items()}


def _receivers(configuration: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        read = yaml.safe_load(Path(configuration).read_text(encoding="utf-8"))
        yield from ((receiver["name"], receiver) for receiver in read["receivers"])
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        raise CannotStart(f"{CONFIGURATION}: {configuration} is no configuration of Alertmanager: {error}") from error


def _addresses(receiver: Mapping[str, Any]) -> Iterator[str]:
    """Yield the addresses of a receiver: of a webhook its host alone, since the rest may be a secret."""
    for kind, entries in receiver.items():
        for entry in entries if kind.endswith("_configs") else ():
            yield entry.get("to") or urlsplit(entry.get("url", "")).hostname or kind.removesuffix("_configs")
