"""Every alert fires for its condition and clears; a running system that Prometheus watches has its faults found within a minute."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import httpx2
import pytest
import yaml

from services.addresses import find_addresses, written
from shared.database import as_role
from tests import loopback
from tests.acknowledged import tell_story
from tests.collector import Collector, collector
from tests.failover.faults import FAULTS
from tests.ports import free_ports
from tests.whole_system import WholeSystem, client_of, running_system, wait_until
from tools.client.http import RESTART, NoAnswer
from tools.local.supervisor import running
from tools.reference.alerts import Alert, alerts
from tools.reference.dashboards import DASHBOARDS

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
    "PartStands": ('ooc_cycle_age_seconds{service="a", part="relay"}',),
    "StandbyLost": ('ooc_synchronous_standbys{service="a"}',),
    "ReplicaLost": ('ooc_in_sync_replicas{service="a", topic="t"}', 'ooc_replicas{service="a", topic="t"}'),
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
    "PartStands": ("30x8",),
    "StandbyLost": ("0x8",),
    "ReplicaLost": ("2x8", "3x8"),
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
    "PartStands": ("6x8",),
    "StandbyLost": ("1x8",),
    "ReplicaLost": ("3x8", "3x8"),
    "ClockOff": ("0.1x8",),
    "ServerErrors": ("7x8",),
    "BackupOld": ("172799x8",),
    "DrillOld": ("60x8",),
    "VerificationOld": ("691199x8",),
}
"""Their values while it does not."""


HERE: Final = {
    "ApiDown",
    "ConsumerStands",
    "NobodyHoldsTheLease",
    "PartStands",
    "RelayBehind",
    "ServerErrors",
    "StandbyLost",
}
"""The alerts that a running system fires in these tests."""


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


def test_each_fault_has_an_alert_and_each_alert_is_shown_by_a_fault() -> None:
    """Given the alerts, then what a fault of `make failover` causes has one, and each is shown by a fault or by an alarm's tests."""
    names = {alert.name for alert in alerts()} - {alert.name for alert in alerts() if "ooc_alarm{" in alert.holds}
    by_faults = {fault.alert for fault in FAULTS}
    assert by_faults <= names
    assert names - by_faults - HERE == {"BackupOld", "DrillOld", "VerificationOld"}, "only promtool waits for days"


def test_each_query_of_the_dashboards_is_one_that_prometheus_takes(tmp_path: Path) -> None:
    """Given the dashboards, then Prometheus parses each query, and each panel has a title of its own."""
    shown = [panel for _, panels in DASHBOARDS.values() for panel in panels]
    assert len({panel.title for panel in shown}) == len(shown)
    rules = [{"record": f"panel_{n}", "expr": panel.query} for n, panel in enumerate(shown)]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    checked = promtool("check", "rules", str(file))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def follow_a_trace(watched: Watched) -> None:
    """Record an attendance; its trace leads from the API over Kafka to the reaction of another service and to reporting."""
    with client_of(watched.system.var) as client:
        told = tell_story(client, lambda *_: None)

    def steps() -> set[tuple[str, str]]:
        spans = list(watched.collected.spans)
        traces = {one.trace for one in spans if one.name.startswith("react ")}
        own = {(one.process, one.name.partition(" ")[0]) for one in spans if one.trace in traces}
        return own | {(one.process, one.name.partition(" ")[0]) for one in spans if traces & {*one.links}}

    expected = {
        ("education-api", "POST"),
        ("education-api", "append"),
        ("education-worker", "send"),
        ("referral-worker", "process"),
        ("referral-worker", "react"),
        ("referral-worker", "append"),
        ("reporting-worker", "process"),
    }
    wait_until(lambda: expected <= steps(), 60, "the trace of an attendance")
    for secret in (told.case, told.referral, told.session):
        assert str(secret).encode() not in watched.collected.bytes


class Watched:
    """A running system, and the Prometheus that scrapes it each second."""

    def __init__(self, system: WholeSystem, url: str, collected: Collector) -> None:
        self.system, self._url, self.collected = system, url, collected

    def see(self, alerts_: set[str], seconds: float = 60) -> None:
        """Wait until these fire; fail with those that do when they do not within so many seconds."""
        deadline = time.monotonic() + seconds
        while not alerts_ <= set(firing := self.firing()):
            assert time.monotonic() < deadline, f"after {seconds} seconds these fire: {firing}"
            time.sleep(0.5)

    def without_data(self) -> list[str]:
        """Return the titles of the panels whose query finds nothing, though a sound system has such series."""
        with loopback.blocking_client() as http:
            return [
                panel.title
                for _, panels in DASHBOARDS.values()
                for panel in panels
                if not panel.may_be_empty
                and not http.get(f"{self._url}/api/v1/query", params={"query": panel.query}).json()["data"]["result"]
            ]

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
        "global": {"scrape_interval": "3s", "scrape_timeout": "3s", "evaluation_interval": "1s"},
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
    with (
        collector() as collected,
        running_system(tmp_path, {"OTEL_EXPORTER_OTLP_ENDPOINT": collected.address}) as system,
    ):
        named = written(system.var)
        assert named is not None
        addresses = (*find_addresses((), {}, system.var).services.values(), named["console"])
        targets = [urlsplit(url).netloc for url in addresses]
        with prometheus(tmp_path, targets) as url:
            wait_until(lambda: answers(url), 60, "Prometheus to answer")
            yield Watched(system, url, collected)


def answers(url: str) -> bool:
    """Whether Prometheus answers."""
    try:
        with loopback.blocking_client() as http:
            return http.get(f"{url}/-/ready").is_success
    except (OSError, httpx2.HTTPError):
        return False


def plan_session(system: WholeSystem, patience: float = RESTART) -> None:
    """Record one event of education."""
    body = {"type": "PlanSession", "occurred_at": datetime.now(UTC).isoformat(), "kind": "WORKSHOP", "topic": "RETAIL"}
    later = {"starts_at": "2027-05-04T10:00:00+01:00", "hours": "2", "place": "The library"}
    with client_of(system.var, patience=patience) as client:
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
    follow_a_trace(watched)
    wait_until(lambda: not watched.without_data(), 60, "data for every panel")
    with hanging(watched.system, "education-worker"):
        plan_session(watched.system)
        wait_until(lambda: "RelayBehind" in watched.firing(), 60, "the alert about a relay that hangs")
    with hanging(watched.system, "reporting-worker"), hanging(watched.system, "referral-api"):
        plan_session(watched.system)
        wait_until(lambda: {"ConsumerStands", "ApiDown"} <= set(watched.firing()), 60, "the alerts about what hangs")
        assert watched.firing()["ConsumerStands"] == {"reporting"}
    wait_until(lambda: not watched.firing(), 90, "the alerts to clear")


@contextmanager
def without_standby(system: WholeSystem) -> Iterator[None]:
    """Demand a synchronous standby, where there is none."""

    async def demand(standbys: str) -> None:
        named = written(system.var)
        assert named is not None
        owner = await asyncpg.connect(as_role(named["postgres"], "postgres"), database="postgres")
        await owner.execute(f"alter system set synchronous_standby_names = '{standbys}'")
        await owner.execute("select pg_reload_conf()")
        await owner.close()

    asyncio.run(demand("nobody"))
    try:
        yield
    finally:
        asyncio.run(demand(""))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif("OOC_ALERTS" not in os.environ, reason="some minutes more: make alerts")
def test_faults_of_servers_are_seen_within_a_minute_and_no_longer_once_they_end(watched: Watched) -> None:
    """Given a system that Prometheus watches, when the broker hangs, or the standby is gone, then that is seen, and clears."""
    plan_session(watched.system)
    wait_until(lambda: not watched.firing(), 60, "no alert at the beginning")
    with hanging(watched.system, "kafka"):
        plan_session(watched.system)
        expected = {"PartStands", "RelayBehind", "NobodyHoldsTheLease"}
        watched.see({"PartStands", "RelayBehind"})
        assert set(watched.firing()) <= expected | {"RelayStuck"}
    wait_until(lambda: not watched.firing(), 180, "these to clear")
    with without_standby(watched.system), ThreadPoolExecutor(12) as people:
        asked = [people.submit(refused_session, watched.system) for _ in range(120)]
        watched.see({"StandbyLost"})
        watched.see({"ServerErrors"})  # an API waits for fifteen seconds before it refuses
        for one in asked:
            one.cancel()
    wait_until(lambda: not watched.firing(), 180, "these to clear")


def refused_session(system: WholeSystem) -> None:
    """Ask for a session, whatever becomes of it."""
    with suppress(AssertionError, NoAnswer):
        plan_session(system, patience=0)
