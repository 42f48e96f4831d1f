"""A whole system: its own servers unless the environment names others, and what runs on them."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.integration.local.waiting import eventually
from tests.ports import free_base
from tools.local.errors import CannotStart
from tools.local.local_system import SERVERS, Addresses, Interrupted, local_system
from tools.local.ports import Ports
from tools.local.supervisor import Process, State, running

NAMED = {
    "OOC_DATABASE_URL": "postgresql://elsewhere:5432",
    "OOC_KAFKA": "elsewhere:9092",
    "OOC_ISSUER": "http://elsewhere",
}
TELLS = "import json, os; print(json.dumps({k: v for k, v in os.environ.items() if k.startswith('OOC_')}))"


async def test_what_the_environment_names_is_used_and_not_started(tmp_path: Path) -> None:
    """Given all three servers by the environment, nothing but the extra process runs, and it is told of them."""

    def extra(addresses: Addresses) -> Sequence[Process]:
        tell = [sys.executable, "-c", TELLS]
        return [Process(name="told", argv=tell, env={"OOC_PORT": "1"}, once=True, after=SERVERS)]

    transitions: list[tuple[str, State]] = []
    async with local_system(
        tmp_path, 20077, extra, environment=NAMED, listener=lambda name, state: transitions.append((name, state))
    ) as addresses:
        assert {name for name, _ in transitions} == {"told"}
        assert addresses.database_url == NAMED["OOC_DATABASE_URL"]
    environment = json.loads((tmp_path / "log" / "told.log").read_text(encoding="utf-8"))
    assert {name: environment[name] for name in (*NAMED, "OOC_PORT", "OOC_MODE", "OOC_VAR")} == {
        **NAMED,
        "OOC_PORT": "1",
        "OOC_MODE": "local",
        "OOC_VAR": str(tmp_path),
    }


async def test_without_an_environment_all_three_start_and_a_signal_ends_them(tmp_path: Path) -> None:
    """Given nothing, PostgreSQL, Kafka and the issuer come up on one base port, and SIGTERM ends the body quietly."""
    async with local_system(tmp_path, free_base(), environment={}):
        assert set(running(tmp_path)) == set(SERVERS)
        asyncio.get_running_loop().call_later(0.1, os.kill, os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()
    assert running(tmp_path) == {}


async def test_a_signal_before_all_is_up_is_told(tmp_path: Path) -> None:
    """When SIGINT comes while a process is not ready yet, everything ends and the caller learns that it never was up."""

    async def never() -> bool:
        return False

    def extra(_: Addresses) -> Sequence[Process]:
        return [Process(name="slow", argv=[sys.executable, "-c", "import time; time.sleep(60)"], ready=never)]

    asyncio.get_running_loop().call_later(0.5, os.kill, os.getpid(), signal.SIGINT)
    with pytest.raises(Interrupted):
        async with local_system(tmp_path, 20077, extra, environment=NAMED):
            raise AssertionError("it must not come so far")
    assert running(tmp_path) == {}


def test_a_base_port_that_makes_no_sense_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """OOC_PORT_BASE must be a number that leaves room for all ports."""
    for nonsense in ("http", "80", "65530"):
        monkeypatch.setenv("OOC_PORT_BASE", nonsense)
        with pytest.raises(CannotStart, match="OOC_PORT_BASE"):
            Ports.from_environment()


async def test_make_reset_asks_whether_someone_is_at_home(tmp_path: Path) -> None:
    """While a system uses the directory, the check of `make reset` fails and names the process."""
    check = [sys.executable, "-c", f"from tools.local.data_dir import main; main({str(tmp_path)!r})"]
    async with local_system(tmp_path, 20077, environment=NAMED):
        refused = await asyncio.to_thread(subprocess.run, check, capture_output=True, text=True, check=False)
        assert refused.returncode == 1
        assert f"process {os.getpid()}" in refused.stderr
    await eventually(lambda: subprocess.run(check, check=False).returncode == 0)
