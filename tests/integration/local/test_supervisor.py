"""The supervisor: order, restarts, a clean end, and nothing left behind."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from tests.integration.local.waiting import eventually
from tools.local.data_dir import require_disk_space
from tools.local.errors import CannotStart
from tools.local.supervisor import OLD_LOGS, Process, State, Supervisor, restart_note, running

SLEEPS = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(3600)"]
SHRUGS = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(3600)",
]


def exits(code: int, saying: str = "") -> list[str]:
    return [sys.executable, "-c", f"import sys; print({saying!r}); sys.exit({code})"]


async def test_what_is_killed_comes_back_under_another_number(tmp_path: Path) -> None:
    """When a process is killed, another takes its place, and the pid file names it."""
    async with Supervisor(tmp_path, [Process(name="one", argv=SLEEPS)]) as supervisor:
        first = supervisor.pid("one")
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: supervisor.pid("one") not in {None, first})
        await supervisor.ready("one")
        assert supervisor.restarts("one") == 1
        assert running(tmp_path) == {"one": supervisor.pid("one")}
    assert running(tmp_path) == {}


async def test_each_starts_when_what_it_needs_is_ready_and_ends_before_it(tmp_path: Path) -> None:
    """Processes start in the order of `after`, and end in the reverse."""
    transitions: list[tuple[str, State]] = []
    opened = asyncio.Event()

    async def ready() -> bool:
        opened.set()
        return len(transitions) > 1

    processes = [
        Process(name="api", argv=SLEEPS, after=("database", "migrate")),
        Process(name="migrate", argv=exits(0), once=True, after=("database",)),
        Process(name="database", argv=SLEEPS, ready=ready),
        Process(name="other", argv=SLEEPS),
    ]
    async with Supervisor(tmp_path, processes, listener=lambda name, state: transitions.append((name, state))):
        assert opened.is_set()

    def index_of(name: str, state: State) -> int:
        return transitions.index((name, state))

    assert index_of("database", State.READY) < index_of("migrate", State.STARTING)
    assert index_of("migrate", State.DONE) < index_of("api", State.STARTING)
    assert index_of("api", State.STOPPED) < index_of("database", State.STOPPED)
    assert ("migrate", State.STOPPED) not in transitions


async def test_a_log_that_grows_begins_anew_and_keeps_what_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a process writes without end, its log stays short, the lines before are beside it, and no more than are kept."""
    monkeypatch.setattr("tools.local.supervisor.LOG_BYTES", 1000)
    monkeypatch.setattr("tools.local.supervisor.LOG_POLL", 0.05)
    chatters = "import itertools, time\nfor number in itertools.count(): print(number, flush=True); time.sleep(0.0002)"
    log = tmp_path / "log"
    async with Supervisor(tmp_path, [Process(name="one", argv=[sys.executable, "-c", chatters])]) as supervisor:
        await eventually(lambda: len(list(log.glob("one.log.*"))) == OLD_LOGS)
        assert supervisor.restarts("one") == 0
    older = (log / "one.log.1").read_text(encoding="utf-8").splitlines()
    assert len(older) > 100
    assert int((log / "one.log").read_text(encoding="utf-8").split()[0]) >= int(older[-1])


async def test_what_ignores_the_request_to_end_is_killed_after_its_grace(tmp_path: Path) -> None:
    """A process deaf to SIGTERM is given its grace, and then SIGKILL."""

    async def is_up() -> bool:
        return (tmp_path / "log" / "deaf.log").read_text(encoding="utf-8") == "up\n"

    async with Supervisor(tmp_path, [Process(name="deaf", argv=SHRUGS, grace=0.3, ready=is_up)]) as supervisor:
        deaf = psutil.Process(supervisor.pid("deaf"))
        began = time.monotonic()
    assert 0.3 <= time.monotonic() - began < Process.grace, "its own, and not the usual one"
    assert not deaf.is_running()


async def never() -> bool:
    return False


async def test_an_error_of_the_supervisor_s_own_is_followed_by_another_attempt(tmp_path: Path) -> None:
    """When a log cannot be written any more, the process is started as soon as it can."""
    log = tmp_path / "log" / "one.log"
    async with Supervisor(tmp_path, [Process(name="one", argv=SLEEPS)]) as supervisor:
        first = supervisor.pid("one")
        assert first is not None
        log.unlink()
        log.mkdir()
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: supervisor.restarts("one") > 1)
        log.rmdir()
        await supervisor.ready("one")
        assert supervisor.pid("one") not in {None, first}
        assert running(tmp_path) == {"one": supervisor.pid("one")}


async def test_what_keeps_a_process_from_its_start_is_in_its_log(tmp_path: Path) -> None:
    """When what comes before a start fails, the process's log says why, and that it is started again."""
    broken = False

    async def before() -> None:
        if broken:
            raise OSError(5, "a data directory that is gone")

    async with Supervisor(tmp_path, [Process(name="one", argv=SLEEPS, before=before)]) as supervisor:
        broken = True
        os.kill(supervisor.pid("one") or 0, signal.SIGKILL)
        await eventually(lambda: "a data directory that is gone" in (restart_note(tmp_path, "one") or ""))
        broken = False
        await supervisor.ready("one")


async def test_a_listener_that_cannot_print_stops_nothing(tmp_path: Path) -> None:
    """When whoever is told of a change has no room for its line, the process is started again all the same."""

    def listener(_name: str, _state: State) -> None:
        raise OSError(28, "No space left on device")

    async with Supervisor(tmp_path, [Process(name="one", argv=SLEEPS)], listener=listener) as supervisor:
        first = supervisor.pid("one")
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: supervisor.pid("one") not in {None, first})


async def test_what_never_comes_up_says_why_and_takes_the_rest_with_it(tmp_path: Path) -> None:
    """A process that ends again and again before it is ready fails the start, with the end of its log."""
    broken = Process(name="broken", argv=exits(3, "no key in the environment"), ready=never)
    processes = [Process(name="one", argv=SLEEPS), broken]
    with pytest.raises(CannotStart, match=r"broken ended with exit code 3.*\n.*no key in the environment"):
        async with Supervisor(tmp_path, processes):
            raise AssertionError("it must not come so far")
    assert running(tmp_path) == {}


async def test_a_step_that_fails_stops_the_start(tmp_path: Path) -> None:
    """A step that exits with an error fails the start, and what comes after it never starts."""
    processes = [
        Process(name="migrate", argv=exits(1, "relation exists"), once=True),
        Process(name="api", argv=SLEEPS, after=("migrate",)),
    ]
    with pytest.raises(CannotStart, match=r"migrate ended with exit code 1(.|\n)*relation exists"):
        async with Supervisor(tmp_path, processes):
            raise AssertionError("it must not come so far")


async def test_what_is_not_ready_in_time_says_so(tmp_path: Path) -> None:
    """A process that runs but is never ready fails the start."""
    with pytest.raises(CannotStart, match="slow was not ready within 0 seconds"):
        async with Supervisor(tmp_path, [Process(name="slow", argv=SLEEPS, ready=never, patience=0.2)]):
            raise AssertionError("it must not come so far")


async def test_a_taken_port_is_named_with_who_holds_it_and_the_way_out(tmp_path: Path) -> None:
    """Given a port that another program listens on, the refusal names port, program and another range."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CannotStart) as refusal:
            async with Supervisor(tmp_path, [Process(name="api", argv=SLEEPS, ports=(port,))]):
                raise AssertionError("it must not come so far")
    assert f"Port {port}, which api needs, is taken by" in str(refusal.value)
    assert f"(process {os.getpid()})" in str(refusal.value)
    assert "OOC_PORT_BASE=" in str(refusal.value)


async def test_a_second_system_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    """A second system in the same directory is refused, with the name of the first, until that ends."""
    async with Supervisor(tmp_path, [Process(name="one", argv=SLEEPS)]):
        with pytest.raises(CannotStart, match=f"already running.*process {os.getpid()}"):
            async with Supervisor(tmp_path, [Process(name="one", argv=SLEEPS)]):
                raise AssertionError("it must not come so far")
    async with Supervisor(tmp_path, [Process(name="one", argv=SLEEPS)]):
        pass


def test_a_full_disk_says_how_much_is_missing(tmp_path: Path) -> None:
    """With too little disk space, the message says how much is free, and how to use another directory."""
    with pytest.raises(CannotStart, match=r"almost full(.|\n)*OOC_VAR="):
        require_disk_space(tmp_path, needed=2**62)


def test_a_directory_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    """A directory that cannot be written is told, and how to go elsewhere."""
    (tmp_path / "file").write_text("not a directory", encoding="utf-8")
    with pytest.raises(CannotStart, match=r"cannot be used(.|\n)*OOC_VAR="):
        require_disk_space(tmp_path / "file" / "var")


def test_processes_that_wait_for_each_other_or_for_nobody_are_a_mistake(tmp_path: Path) -> None:
    """An impossible order is found before anything starts."""

    def named(name: str, *after: str) -> Process:
        return Process(name=name, argv=SLEEPS, after=after)

    with pytest.raises(ValueError, match="cycle"):
        Supervisor(tmp_path, [named("a", "b"), named("b", "a")])
    with pytest.raises(ValueError, match="not there"):
        Supervisor(tmp_path, [named("a", "b")])
    with pytest.raises(ValueError, match="same name"):
        Supervisor(tmp_path, [named("a"), named("a")])


SYSTEM = """
import asyncio, sys
from pathlib import Path
from tools.local.supervisor import OLD_LOGS, Process, Supervisor, until_signalled

async def main():
    processes = [Process(name=name, argv={argv!r}) for name in ("one", "two")]
    async with until_signalled(), Supervisor(Path({var!r}), processes):
        await asyncio.Event().wait()
    print("ended in order")

asyncio.run(main())
"""


def supervised_elsewhere(var: Path, argv: Sequence[str]) -> subprocess.Popen[str]:
    """Start a supervisor in a process of its own, so that it can be killed."""
    program = SYSTEM.format(argv=list(argv), var=str(var))
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


async def test_a_signal_ends_everything_in_order(tmp_path: Path) -> None:
    """SIGTERM ends the body and then the processes, and the program goes on to its own end."""
    with supervised_elsewhere(tmp_path, SLEEPS) as supervisor:
        await eventually(lambda: len(running(tmp_path)) == 2)
        supervisor.send_signal(signal.SIGTERM)
        output, _ = supervisor.communicate(timeout=120)
    assert (supervisor.returncode, output) == (0, "ended in order\n")
    assert running(tmp_path) == {}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
async def test_a_killed_supervisor_leaves_nothing_behind(tmp_path: Path) -> None:
    """When the supervisor is killed, even children that ignore SIGTERM end."""
    with supervised_elsewhere(tmp_path, SHRUGS) as supervisor:
        await eventually(lambda: len(running(tmp_path)) == 2)
        children = psutil.Process(supervisor.pid).children(recursive=True)
        assert len(children) == 2
        supervisor.kill()
    await eventually(lambda: not any(child.is_running() for child in children))


async def test_what_a_killed_supervisor_left_all_the_same_is_ended_by_the_next(tmp_path: Path) -> None:
    """A process that an earlier pid file means is ended before its successor starts."""
    (tmp_path / "run").mkdir()
    with subprocess.Popen(SLEEPS, stdout=subprocess.DEVNULL) as left:
        (tmp_path / "run" / "one.pid").write_text(f"{left.pid}\n", encoding="utf-8")
        async with Supervisor(tmp_path, [Process(name="one", argv=SLEEPS)]) as supervisor:
            assert left.poll() is not None
            assert supervisor.pid("one") != left.pid


async def test_a_number_that_another_program_has_now_is_left_alone(tmp_path: Path) -> None:
    """A process younger than the pid file that has its number is a stranger, and goes on."""
    (tmp_path / "run").mkdir()
    note = tmp_path / "run" / "one.pid"
    with subprocess.Popen(SLEEPS, stdout=subprocess.DEVNULL) as stranger:
        note.write_text(f"{stranger.pid}\n", encoding="utf-8")
        an_hour_ago = time.time() - 3600
        os.utime(note, (an_hour_ago, an_hour_ago))
        async with Supervisor(tmp_path, [Process(name="one", argv=SLEEPS)]):
            assert stranger.poll() is None
        stranger.kill()
