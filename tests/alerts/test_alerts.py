"""Every alert fires for its condition and clears; faults of a running system are found within a minute, and told by Alertmanager."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import httpx2
import pytest
import yaml

from ooc.system.alerting import PROGRAMS, WATCHDOG, prometheus_config
from services.system.addresses import find_addresses, written
from shared.messaging.consumer.alarms import ALARMS
from shared.servers.database import as_role
from tests import loopback
from tests.acknowledged import tell_story
from tests.collector import Collector, collector
from tests.failover.faults import FAULTS
from tests.failover.quorum import FAKETIME
from tests.failover.rig import Rig, running_rig
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
    "CertificateEnds": ('ooc_certificate_ends_seconds{file="a"}',),
    "Watchdog": ("up",),
    "LogNotReceived": ('ooc_upkeep_age_seconds{service="reporting", kind="receiving"}',),
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
    "LogNotReceived": ("61x8",),
    "DrillOld": ("3024001x8",),
    "VerificationOld": ("691201x8",),
    "CertificateEnds": ("1209600x8",),
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
    "LogNotReceived": ("0x8",),
    "DrillOld": ("60x8",),
    "VerificationOld": ("691199x8",),
    "CertificateEnds": ("1300000x8",),
}
"""Their values while it does not."""


ALARMED: Final = {alert.name for alert in alerts() if "ooc_alarm{" in alert.holds}
HANGING_WORKER: Final = {"RelayBehind", "NobodyHoldsTheLease", "PartStands"}
HANGING_READER_AND_API: Final = {"ConsumerStands", "ApiDown"}
HANGING_BROKERS: Final = {"PartStands", "RelayBehind"}
LOST_BROKER: Final = {"ReplicaLost"}
LOST_STANDBY: Final = {"StandbyLost"}
REFUSED: Final = {"ServerErrors"}
WRONG_CLOCK: Final = {"ClockOff"}
FIRED: Final = ALARMED | HANGING_WORKER | HANGING_READER_AND_API | LOST_BROKER | LOST_STANDBY | REFUSED | WRONG_CLOCK
"""The alerts that a Prometheus fires in these tests."""

needs_prometheus = pytest.mark.skipif(
    not all(any(map(shutil.which, names)) for names in PROGRAMS.values()),
    reason="Prometheus and Alertmanager are not installed (Debian: prometheus prometheus-alertmanager): no system is watched",
)
ALWAYS: Final = "Watchdog"
"""The alert that always fires."""


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
    cases = [case(alert, BAD.get(alert.name, ("1x8",)), fires=True) for alert in alerts() if alert.name != ALWAYS]
    cases += [case(alert, GOOD.get(alert.name, ("0x8",)), fires=alert.name == ALWAYS) for alert in alerts()]
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
    """Given the alerts, then each fault of `make failover` has one, and a fault of this file fires each."""
    names = {alert.name for alert in alerts()}
    assert {fault.alert for fault in FAULTS} <= names
    waited_for = {ALWAYS, "BackupOld", "LogNotReceived", "DrillOld", "VerificationOld", "CertificateEnds"}
    assert names - FIRED == waited_for, "only promtool waits for days"


def test_each_query_of_the_dashboards_is_one_that_prometheus_takes(tmp_path: Path) -> None:
    """Given the dashboards, then Prometheus parses each query, and each panel has a title of its own."""
    shown = [panel for _, panels in DASHBOARDS.values() for panel in panels]
    assert len({panel.title for panel in shown}) == len(shown)
    rules = [{"record": f"panel_{n}", "expr": panel.query} for n, panel in enumerate(shown)]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    checked = promtool("check", "rules", str(file))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def follow_a_trace(system: WholeSystem, collected: Collector) -> None:
    """Record an attendance; its trace leads from the API over Kafka to the reaction of another service and to reporting."""
    with client_of(system.var) as client:
        told = tell_story(client, lambda *_: None)

    def steps() -> set[tuple[str, str]]:
        spans = list(collected.spans)
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
        assert str(secret).encode() not in collected.bytes


class Watched:
    """What a Prometheus scrapes, and what its Alertmanager tells."""

    def __init__(self, url: str, told: Told) -> None:
        self.told, self._url = told, url

    def see(self, alerts_: set[str], seconds: float = 60) -> None:
        """Wait until these fire; fail with those that do when they do not within so many seconds."""
        deadline = time.monotonic() + seconds
        while not alerts_ <= set(firing := self.firing()):
            assert time.monotonic() < deadline, f"after {seconds} seconds these fire: {firing}"
            time.sleep(0.5)
        wait_until(lambda: alerts_ <= self.told.names("firing"), 30, "a message for each")

    def see_none(self, seconds: float = 180) -> None:
        """Wait until none fires; fail with those that still do after so many seconds."""
        deadline = time.monotonic() + seconds
        while firing := self.firing():
            assert time.monotonic() < deadline, f"after {seconds} seconds these fire: {firing}"
            time.sleep(0.5)
        wait_until(lambda: self.told.names("firing") == self.told.names("resolved"), 30, "the end of each")

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
            if alert["state"] == "firing" and alert["labels"]["alertname"] != ALWAYS:
                labels = alert["labels"]
                names.setdefault(labels["alertname"], set()).add(labels.get("service", labels.get("instance", "")))
        return names


@contextmanager
def alerting(folder: Path, targets: list[str]) -> Iterator[Watched]:
    """Run Prometheus with our rules, and Alertmanager with the configuration that is shipped, at a quicker pace."""
    ports = free_ports(3)
    with receiver(ports[2]) as told:
        config = yaml.safe_load((ROOT / "deploy/alertmanager.yml").read_text(encoding="utf-8"))
        for each in config["receivers"]:
            each.pop("email_configs", None)
            each["webhook_configs"][0]["url"] = f"http://127.0.0.1:{ports[2]}/{each['name']}"
        config["route"] |= {"group_wait": "1s", "group_interval": "2s"}
        config["route"]["routes"][0] |= {"group_interval": "1s", "repeat_interval": "1s"}
        (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
        (folder / "prometheus.yml").write_text(yaml.safe_dump(prometheus_config(targets, f"127.0.0.1:{ports[1]}", 3)))
        more = {
            "prometheus": "--rules.alert.resend-delay=1s --storage.tsdb.path",
            "alertmanager": "--cluster.listen-address= --storage.path",
        }
        processes = []
        for (name, names), port in zip(PROGRAMS.items(), ports, strict=False):
            program = next(filter(None, map(shutil.which, names)))
            listen = (f"--config.file={folder / name}.yml", f"--web.listen-address=127.0.0.1:{port}")
            *others, storage = more[name].split(" ")
            with (folder / f"{name}.log").open("wb") as log:
                command = [program, *listen, *others, f"{storage}={folder / name}"]
                processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        try:
            for port in ports[:2]:
                wait_until(partial(answers, f"http://127.0.0.1:{port}"), 60, "Prometheus and Alertmanager to answer")
            yield Watched(f"http://127.0.0.1:{ports[0]}", told)
        finally:
            for process in processes:
                process.terminate()
                process.wait(30)


class Told:
    """The messages of Alertmanager: receiver, status, the alert's name, and the number of alerts in it."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, str, int]] = []

    def count(self, receiver_: str) -> int:
        """Return how many messages a receiver got."""
        return sum(to == receiver_ for to, *_ in self.messages)

    def names(self, status: str) -> set[str]:
        """Return the names of the alerts that people on call were told with a status."""
        return {name for to, each, name, _ in self.messages if (to, each) == ("on-call", status)}


@contextmanager
def receiver(port: int) -> Iterator[Told]:
    """Take the webhooks of Alertmanager."""
    told = Told()

    class Taken(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = body["groupLabels"]["alertname"]
            told.messages.append((self.path.strip("/"), body["status"], name, len(body["alerts"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", port), Taken) as server, ThreadPoolExecutor(1) as threads:
        threads.submit(server.serve_forever)
        try:
            yield told
        finally:
            server.shutdown()


@contextmanager
def watching(system: WholeSystem, folder: Path) -> Iterator[Watched]:
    """Have a Prometheus scrape a running system."""
    named = written(system.var)
    assert named is not None
    addresses = (*find_addresses((), {}, system.var).services.values(), named["console"])
    with alerting(folder, [urlsplit(url).netloc for url in addresses]) as watched:
        yield watched


@pytest.mark.slow
@needs_prometheus
def test_one_message_tells_all_alarms_of_a_kind_and_one_their_end(tmp_path: Path) -> None:
    """Given ten alarms of one kind, people on call get one message and one when they end, and the dead man's switch one a turn."""
    standing = [True]

    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            lines = [f'ooc_alarm{{service="referral",name="gap",place="topic/{n}"}} 1' for n in range(10)]
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            self.wfile.write("".join(f"{line}\n" for line in lines if standing[0]).encode())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    (port,) = free_ports(1)
    with ThreadingHTTPServer(("127.0.0.1", port), Metrics) as server, ThreadPoolExecutor(1) as threads:
        threads.submit(server.serve_forever)
        try:
            with alerting(tmp_path, [f"127.0.0.1:{port}"]) as watched:
                watched.see({"Gap"})
                standing[0] = False
                watched.see_none()
                wait_until(lambda: watched.told.count(WATCHDOG) > 2, 60, "the dead man's switch again and again")
        finally:
            server.shutdown()
    told = [each for each in watched.told.messages if each[0] == "on-call"]
    assert told == [("on-call", "firing", "Gap", 10), ("on-call", "resolved", "Gap", 10)]


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
@needs_prometheus
def test_what_hangs_is_seen_within_a_minute_and_no_longer_once_it_goes_on(tmp_path: Path) -> None:
    """Given a system that Prometheus watches, when processes hang without a word, their alerts fire within a minute, and clear."""
    with (
        collector() as collected,
        running_system(tmp_path, {"OTEL_EXPORTER_OTLP_ENDPOINT": collected.address}) as system,
        watching(system, tmp_path) as watched,
    ):
        plan_session(system)
        time.sleep(5)
        assert watched.firing() == {}
        follow_a_trace(system, collected)
        wait_until(lambda: not watched.without_data(), 60, "data for every panel")
        with every_alarm(system):
            watched.see(ALARMED)
        with hanging(system, "education-worker"):
            plan_session(system)
            watched.see(HANGING_WORKER)
        with hanging(system, "reporting-worker"), hanging(system, "referral-api"):
            plan_session(system)
            watched.see(HANGING_READER_AND_API)
            assert watched.firing()["ConsumerStands"] == {"reporting"}
        watched.see_none()


@contextmanager
def every_alarm(system: WholeSystem) -> Iterator[None]:
    """Raise an alarm of each kind in a database."""
    named = written(system.var)
    assert named is not None
    address = as_role(named["postgres"], "postgres")

    async def execute(statement: str, *places: Any) -> None:
        owner = await asyncpg.connect(address, database="ooc_notifications")
        try:
            await owner.executemany(statement, [*places])
        finally:
            await owner.close()

    raised = [("test", name, "here", "") for name in ALARMS]
    asyncio.run(execute("insert into alarm (consumer, name, place, detail) values ($1, $2, $3, $4)", *raised))
    try:
        yield
    finally:
        asyncio.run(execute("delete from alarm where consumer = $1", ("test",)))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@needs_prometheus
@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed (Debian: apt-get install faketime)")
async def test_faults_of_servers_are_seen_within_a_minute_and_no_longer_once_they_end() -> None:
    """Given a system on three brokers and three databases, each fault of servers and clocks is seen within a minute, and clears."""
    with tempfile.TemporaryDirectory(prefix="ooc-alerts-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        async with running_rig(Path(folder), writers=0) as rig:
            with watching(rig.system, Path(folder)) as watched:
                await asyncio.to_thread(watched.see_none)
                for fault, expected in FAULTS_OF_SERVERS.items():
                    async with fault(rig):
                        await asyncio.to_thread(watched.see, expected)
                    await asyncio.to_thread(watched.see_none)


@asynccontextmanager
async def brokers_hang(rig: Rig) -> AsyncIterator[None]:
    for node in rig.brokers.nodes:
        node.send(signal.SIGSTOP)
    await asyncio.to_thread(plan_session, rig.system)
    yield
    for node in rig.brokers.nodes:
        node.send(signal.SIGCONT)


@asynccontextmanager
async def broker_is_lost(rig: Rig) -> AsyncIterator[None]:
    node = rig.brokers.nodes[0]
    await node.end()
    yield
    await rig.brokers.back(node)


@asynccontextmanager
async def standby_is_lost(rig: Rig) -> AsyncIterator[None]:
    await rig.quorum.synchronous.destroy()
    yield
    await rig.quorum.synchronous.start()


@asynccontextmanager
async def commands_are_refused(rig: Rig) -> AsyncIterator[None]:
    """Ask without pause while no standby is there; it begins with the first answer, for which an API waits fifteen seconds."""
    async with standby_is_lost(rig):
        people = ThreadPoolExecutor(12)
        try:
            first, *_ = [people.submit(refused_session, rig.system) for _ in range(120)]
            await asyncio.wrap_future(first)
            yield
        finally:
            await asyncio.to_thread(people.shutdown, cancel_futures=True)


@asynccontextmanager
async def clock_is_wrong(rig: Rig) -> AsyncIterator[None]:
    await rig.quorum.primary.restart(ahead=9)
    yield
    rig.quorum.primary.set_clock(0)


FAULTS_OF_SERVERS: Final = {
    brokers_hang: HANGING_BROKERS,
    broker_is_lost: LOST_BROKER,
    standby_is_lost: LOST_STANDBY,
    commands_are_refused: REFUSED,
    clock_is_wrong: WRONG_CLOCK,
}
"""What is done to servers, and the alerts that it fires."""


def refused_session(system: WholeSystem) -> None:
    """Ask for a session, whatever becomes of it."""
    with suppress(AssertionError, NoAnswer):
        plan_session(system, patience=0)
