"""Every alert fires for its condition and clears; a running system that Prometheus watches has its faults found within a minute."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import pytest
import yaml

from services.addresses import find_addresses
from tests import loopback
from tests.ports import free_ports
from tests.whole_system import WholeSystem, client_of, running_system, wait_until
from tools.local.supervisor import running
from tools.reference.alerts import Alert, alerts

ROOT: Final = Path(__file__).parents[2]
RULES: Final = ROOT / "docs/reference/alerts.yaml"
MET: Final = {
    "ApiDown": ('up{job="ooc", instance="a"}',),
    "RelayBehind": ('ooc_unrelayed_age_seconds{service="a"}',),
    "ConsumerStands": (
        'ooc_published_offset{service="a", topic="t", partition="0"}',
        'ooc_consumed_offset{service="b", topic="t", partition="0"}',
    ),
    "NobodyHoldsTheLease": ('ooc_lease_remaining_seconds{service="a", role="r"}',),
    "ClockOff": ('ooc_clock_offset_seconds{service="a"}',),
    "ServerErrors": ('ooc_requests_total{job="ooc", instance="a", status="503"}',),
    **{
        f"{kind.capitalize()}Old": (f'ooc_upkeep_age_seconds{{service="reporting", kind="{kind}"}}',)
        for kind in ("backup", "drill", "verification")
    },
}
"""The series that an alert without an alarm reads."""
BAD: Final = {
    "ApiDown": ("0x8",),
    "RelayBehind": ("30x8",),
    "ConsumerStands": ("100x8", "90x8"),
    "NobodyHoldsTheLease": ("0x8",),
    "ClockOff": ("-9x8",),
    "ServerErrors": ("0+60x8",),
    "BackupOld": ("172801x8",),
    "DrillOld": ("3024001x8",),
    "VerificationOld": ("691201x8",),
}
"""Their values while the condition holds, one every 15 seconds."""
GOOD: Final = {
    "ApiDown": ("1x8",),
    "RelayBehind": ("1x8",),
    "ConsumerStands": ("100+5x8", "90+5x8"),
    "NobodyHoldsTheLease": ("5x8",),
    "ClockOff": ("0.1x8",),
    "ServerErrors": ("7x8",),
    "BackupOld": ("172799x8",),
    "DrillOld": ("60x8",),
    "VerificationOld": ("691199x8",),
}
"""Their values while it does not."""


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run promtool, or skip the test where Prometheus is not installed."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("Prometheus is not installed (Debian: apt-get install prometheus): no alert rule is tried")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=120)


def case(alert: Alert, values: tuple[str, ...], *, fires: bool) -> dict[str, Any]:
    """Return promtool's test of an alert at the last value of its series."""
    step, count = (15, 8) if alert.seconds <= 60 else (240, 24)
    series = MET.get(alert.name) or (alert.holds.removesuffix(" == 1"),)
    return {
        "interval": f"{step}s",
        "input_series": [
            {"series": name, "values": each.replace("x8", f"x{count}")}
            for name, each in zip(series, values, strict=True)
        ],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{alert.name}", alertstate="firing"}})',
                "eval_time": f"{count * step}s",
                "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
            }
        ],
    }


@pytest.mark.slow
def test_each_alert_fires_for_its_condition_and_for_nothing_else(tmp_path: Path) -> None:
    """Given the series of each alert while its condition holds and while it does not, promtool finds it fires for the first alone."""
    assert set(MET) <= {alert.name for alert in alerts()}
    cases = [case(alert, BAD.get(alert.name, ("1x8",)), fires=True) for alert in alerts()]
    cases += [case(alert, GOOD.get(alert.name, ("0x8",)), fires=False) for alert in alerts()]
    file = tmp_path / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "15s", "tests": cases}))
    checked = promtool("check", "rules", str(RULES))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tried = promtool("test", "rules", str(file))
    assert tried.returncode == 0, tried.stdout + tried.stderr


def test_each_alert_links_a_page_of_the_runbook() -> None:
    """Given the alerts, then each has a name of its own and a page that exists."""
    assert len({alert.name for alert in alerts()}) == len(alerts())
    for alert in alerts():
        assert (ROOT / alert.page).is_file(), alert


class Watched:
    """A running system, and the Prometheus that scrapes it each second."""

    def __init__(self, system: WholeSystem, url: str) -> None:
        self.system, self._url = system, url

    def firing(self) -> dict[str, set[str]]:
        """Return the alerts that fire now, each with the services or addresses for which it does."""
        with loopback.blocking_client() as http:
            found = http.get(f"{self._url}/api/v1/alerts").json()["data"]["alerts"]
        names: dict[str, set[str]] = {}
        for alert in found:
            if alert["state"] == "firing":
                labels = alert["labels"]
                names.setdefault(labels["alertname"], set()).add(labels.get("service", labels.get("instance", "")))
        return names


@contextmanager
def prometheus(folder: Path, targets: list[str]) -> Iterator[str]:
    """Run Prometheus with our rules: its address."""
    program = shutil.which("prometheus")
    assert program is not None
    (port,) = free_ports(1)
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": "ooc", "static_configs": [{"targets": targets}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    listen, data = f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={folder / 'data'}"
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [program, f"--config.file={folder / 'prometheus.yml'}", listen, data], stdout=log, stderr=log
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    if shutil.which("prometheus") is None:
        pytest.skip("Prometheus is not installed (Debian: apt-get install prometheus): no system is watched")
    with running_system(tmp_path) as system:
        targets = [urlsplit(url).netloc for url in find_addresses((), {}, system.var).services.values()]
        with prometheus(tmp_path, targets) as url:
            wait_until(lambda: answers(url), 60, "Prometheus to answer")
            yield Watched(system, url)


def answers(url: str) -> bool:
    """Whether Prometheus answers."""
    try:
        with loopback.blocking_client() as http:
            return http.get(f"{url}/-/ready").is_success
    except (OSError, httpx2.HTTPError):
        return False


def plan_session(system: WholeSystem) -> None:
    """Record one event of education."""
    body = {"type": "PlanSession", "occurred_at": datetime.now(UTC).isoformat(), "kind": "WORKSHOP", "topic": "RETAIL"}
    later = {"starts_at": "2027-05-04T10:00:00+01:00", "hours": "2", "place": "The library"}
    with client_of(system.var) as client:
        path = f"/v1/sessions/{uuid4()}/commands"
        reply = client.post("education", path, role="SAFE_SCHOOLS_OFFICER", body=body | later, key=str(uuid4()))
        assert reply.status == 201, reply.body


@contextmanager
def hanging(system: WholeSystem, process: str) -> Iterator[None]:
    """Stop a process as a debugger does, and let it go on afterwards."""
    id_ = running(system.var)[process]
    os.kill(id_, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(id_, signal.SIGCONT)


@pytest.mark.slow
@pytest.mark.timeout(480)
def test_what_hangs_is_seen_within_a_minute_and_no_longer_once_it_goes_on(watched: Watched) -> None:
    """Given a system that Prometheus watches, when processes hang without a word, their alerts fire within a minute, and clear."""
    plan_session(watched.system)
    time.sleep(5)
    assert watched.firing() == {}
    with hanging(watched.system, "education-worker"):
        plan_session(watched.system)
        wait_until(lambda: "RelayBehind" in watched.firing(), 60, "the alert about a relay that hangs")
    with hanging(watched.system, "reporting-worker"), hanging(watched.system, "referral-api"):
        plan_session(watched.system)
        wait_until(lambda: {"ConsumerStands", "ApiDown"} <= set(watched.firing()), 60, "the alerts about what hangs")
        assert watched.firing()["ConsumerStands"] == {"reporting"}
    wait_until(lambda: not watched.firing(), 90, "the alerts to clear")
