"""A full disk: whatever ends for want of room comes back by itself when there is room, and nothing is lost."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from starlette.requests import Request
from starlette.types import Message

from services.console.supervisors.import_pages import MAX_FILE, read_upload
from services.console.supervisors.workbook import rows_of
from tests import loopback
from tests.integration.api.test_service_api import PLAN
from tests.integration.local.waiting import eventually
from tests.unit.console.test_workbook import workbook
from tests.unit.documents.paper import printed
from tests.unit.documents.test_documents import STORIES
from tests.whole_system import WholeSystem, ooc, status_reasons
from tools.local.data_dir import NEEDED, NEEDED_AGAIN, shortage
from tools.local.local_system import SERVERS
from tools.local.supervisor import Process, State, Supervisor, running

SLEEPS = [sys.executable, "-c", "import time; time.sleep(3600)"]


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Yield a file system of its own of so many bytes, in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = getattr(request, "param", NEEDED + NEEDED_AGAIN)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False) if os.geteuid() == 0 else None
    if mounted is None or mounted.returncode != 0:
        why = "needs root" if mounted is None else f"is not allowed here: {mounted.stderr.strip()}"
        pytest.skip(f"mounting a small file system {why}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Take every byte that is left; the file that holds them."""
    ballast = disk / "ballast"
    with ballast.open("wb") as output, contextlib.suppress(OSError):
        while True:
            output.write(bytes(1_000_000))
            output.flush()
    with ballast.open("ab", buffering=0) as output, contextlib.suppress(OSError):
        while True:
            output.write(bytes(512))
    return ballast


async def test_what_ends_on_a_full_disk_is_started_again_when_there_is_room(small_disk: Path) -> None:
    """Given a full disk, when a process is killed, then the supervisor says what it waits for, and starts it once there is room."""
    transitions: list[tuple[str, State]] = []
    supervisor = Supervisor(
        small_disk, [Process(name="one", argv=SLEEPS)], listener=lambda name, state: transitions.append((name, state))
    )
    async with supervisor:
        ballast = fill(small_disk)
        first = supervisor.pid("one")
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: supervisor.state("one") is State.OUT_OF_ROOM)
        assert ("one", State.OUT_OF_ROOM) in transitions
        short = shortage(small_disk)
        assert short is not None
        assert "Free some" in short
        assert running(small_disk) == {}
        with ballast.open("ab") as output:
            output.truncate(ballast.stat().st_size - NEEDED_AGAIN // 2)
        assert shortage(small_disk) is not None, "half of the room is not enough"
        ballast.unlink()
        await supervisor.ready("one")
        await eventually(lambda: running(small_disk) == {"one": supervisor.pid("one")})
        assert shortage(small_disk) is None


LOGGING = """
import logging, structlog
from shared.runtime.logs import log_to_stderr
log_to_stderr("worker")
for _ in range(2000):
    structlog.get_logger("relay").warning("relay_starts_again", error="x" * 200)
    logging.getLogger("aiokafka").error("no room")
print("goes on")
"""


def test_a_log_without_room_stops_no_process() -> None:
    """Given a process whose log is on a full disk, when it logs, then it goes on without its lines."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", LOGGING], stdout=subprocess.PIPE, stderr=full, text=True, check=True
        )
    assert done.stdout == "goes on\n"


async def ooc_succeeds(var: Path, *arguments: str) -> bool:
    done = await asyncio.to_thread(ooc, var, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return True


async def is_caught_up(var: Path) -> bool:
    assert await asyncio.to_thread(status_reasons, var) == []
    return await ooc_succeeds(var, "status")


STORY = Path(__file__).parents[2] / "ooc/stories/01-shoplifting-ycc.yaml"


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("small_disk", [1_500_000_000], indirect=True)
async def test_a_whole_system_comes_back_from_a_full_disk_by_itself(small_disk: Path, tmp_path: Path) -> None:
    """Given PostgreSQL, Kafka and all services on a disk that fills up, when there is room again, then all is up and whole."""
    system = WholeSystem(small_disk, log=tmp_path / "up.log")
    var = system.var
    await asyncio.to_thread(system.start)
    try:
        await eventually(lambda: ooc_succeeds(var, "scenario", "run", "--quiet", str(STORY)), within=600)
        await eventually(lambda: is_caught_up(var))
        pids = {name: pid for name, pid in running(var).items() if name in SERVERS}
        ballast = fill(small_disk)
        await eventually(lambda: cannot_record(var))
        # What is asked of a broker without room ends it; what it had acknowledged it keeps.
        for name in ("kafka", "referral-worker", "reporting-worker"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(running(var).get(name, pids.get(name, -1)), signal.SIGKILL)
        await eventually(lambda: "waits for room" in system.log.read_text(encoding="utf-8"))
        status = await asyncio.to_thread(ooc, var, "status")
        assert status.returncode == 1
        assert "MB free" in status.stderr
        ballast.unlink()
        await eventually(lambda: is_caught_up(var), within=900)
        assert system.up is not None
        assert system.up.poll() is None
        await eventually(lambda: ooc_succeeds(var, "scenario", "run", "--quiet", str(STORY)))
        await ooc_succeeds(var, "verify")
    finally:
        system.stop()
    said = system.log.read_text(encoding="utf-8")
    assert f"The data are in {var}" in said
    assert "Stopping: each process ends its work" in said


async def cannot_record(var: Path) -> bool:
    """Whether commands are refused for want of room: PostgreSQL needs a file that it cannot make."""
    noted = json.loads((var / "system.json").read_text(encoding="utf-8"))
    form = {
        "grant_type": "client_credentials",
        "sub": str(uuid4()),
        "role": "SAFE_SCHOOLS_OFFICER",
        "organisation": "DORSET_POLICE",
        "area": "DORSET",
    }
    async with loopback.client(timeout=30) as client:
        token = (await client.post(f"{noted['issuer']}/token", data=form)).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        address = f"{noted['services']['education']}/v1/sessions"
        for _ in range(200):
            answer = await client.post(
                f"{address}/{uuid4()}/commands", json=PLAN, headers=headers | {"Idempotency-Key": str(uuid4())}
            )
            if answer.status_code in {500, 503}:
                return True
            assert answer.status_code == 201, answer.text
    return False


@pytest.mark.parametrize("small_disk", [1_000_000], indirect=True)
async def test_a_full_disk_of_temporary_files_alone_stops_nothing(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given no room for temporary files, then an upload of the largest size is read, a workbook too, and a paper is printed: none needs one."""
    fill(small_disk)
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    monkeypatch.setenv("TMPDIR", str(small_disk))
    with tempfile.TemporaryFile(buffering=0) as file, pytest.raises(OSError, match="No space left"):
        file.write(bytes(100_000))

    content = os.urandom(MAX_FILE)
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="register.csv"\r\n\r\n'
    headers = [(b"content-type", b"multipart/form-data; boundary=x")]
    body = head + content + b"\r\n--x--\r\n"

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    form = await read_upload(Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive))
    assert b64decode(form["file"][0]) == content
    assert rows_of(workbook(("a", "b"), ("1", "2"))) == [["a", "b"], ["1", "2"]]
    assert printed(STORIES["yc"](), "yc").body.startswith(b"%PDF")
