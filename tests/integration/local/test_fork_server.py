"""Processes that are forked from one that has imported their modules: like others to whoever supervises them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.integration.local.waiting import eventually
from tools.local.errors import CannotStart
from tools.local.supervisor import Process, Supervisor, running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each process imports for itself")

IMPORTS = ("fractions", "tests.integration.local.forked")


def forked(name: str, *arguments: str, once: bool = False, **env: str) -> Process:
    argv = [sys.executable, "-m", "tests.integration.local.forked", *arguments]
    return Process(name=name, argv=argv, once=once, env=env)


def server_of(supervisor: Supervisor, name: str) -> psutil.Process:
    server = psutil.Process(supervisor.pid(name)).parent()
    assert server is not None
    assert server.pid != os.getpid()
    return server


def is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


async def test_a_program_has_its_arguments_its_environment_and_its_log(tmp_path: Path) -> None:
    """A forked program is told what its process says, finds its modules imported, and writes to its own log."""
    told = forked("told", "tell", "a", "b c", once=True, TOLD_TO_ONE="of one")
    async with Supervisor(tmp_path, [told, forked("sleeps", "sleep")], imports=IMPORTS) as supervisor:
        answer = json.loads((tmp_path / "log" / "told.log").read_text(encoding="utf-8"))
        server = server_of(supervisor, "sleeps")
        files = answer.pop("files")
        assert str(tmp_path / "log" / "told.log") in files
        assert str(tmp_path / "log" / "sleeps.log") not in files
        assert answer == {"arguments": ["a", "b c"], "imported": True, "secret": "of one", "parent": server.pid}
        await eventually(lambda: psutil.Process(supervisor.pid("sleeps")).name() == "sleeps")


async def test_the_server_is_told_only_what_every_program_is_told(tmp_path: Path) -> None:
    """A variable of one program, a key perhaps, is in no environment that another inherits."""
    processes = [
        forked("one", "sleep", TOLD_TO_ONE="of one", TOLD_TO_ALL="by all"),
        forked("two", "sleep", TOLD_TO_ALL="by all"),
    ]
    async with Supervisor(tmp_path, processes, imports=IMPORTS) as supervisor:
        server = server_of(supervisor, "one")
        environments = [program.environ() for program in (server, *server.children())]
        assert server.environ()["TOLD_TO_ALL"] == "by all"
    assert len(environments) > len(processes)
    assert not any("TOLD_TO_ONE" in environment for environment in environments)


async def test_a_program_that_fails_says_why(tmp_path: Path) -> None:
    """The exit code and the last words of a forked program reach whoever starts the system."""
    with pytest.raises(CannotStart, match=r"fails ended with exit code 1(.|\n)*a sentence that says why"):
        async with Supervisor(tmp_path, [forked("fails", "fail", once=True)], imports=IMPORTS):
            pass


async def test_a_module_that_cannot_be_imported_says_so(tmp_path: Path) -> None:
    """Where the server itself does not start, the system does not, and says why from the server's log."""
    with pytest.raises(CannotStart, match=r"fork server ended(.|\n)*fork_server\.log(.|\n)*no_such_module"):
        async with Supervisor(tmp_path, [forked("one", "sleep")], imports=["no_such_module"]):
            pass


async def test_a_program_that_is_killed_comes_back_from_the_same_server(tmp_path: Path) -> None:
    """A kill -9 of a forked program is followed by another."""
    async with Supervisor(tmp_path, [forked("one", "sleep")], imports=IMPORTS) as supervisor:
        first, server = supervisor.pid("one"), server_of(supervisor, "one")
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: supervisor.pid("one") not in {None, first})
        assert server_of(supervisor, "one") == server
        assert running(tmp_path) == {"one": supervisor.pid("one"), "fork_server": server.pid}


async def test_a_server_that_is_killed_is_followed_by_another(tmp_path: Path) -> None:
    """A kill -9 of the server ends its programs, whatever signals they ignore; all come back."""
    names = ("one", "two")
    async with Supervisor(tmp_path, [forked(name, "shrug") for name in names], imports=IMPORTS) as supervisor:
        before = {name: psutil.Process(supervisor.pid(name)) for name in names}
        server_of(supervisor, "one").kill()
        await eventually(lambda: not any(process.is_running() for process in before.values()))
        await eventually(lambda: all(supervisor.pid(name) not in {None, before[name].pid} for name in names))
        assert server_of(supervisor, "one") == server_of(supervisor, "two")


async def test_nothing_is_left_when_the_supervisor_is_left(tmp_path: Path) -> None:
    """The server and its programs end with the supervisor's body."""
    async with Supervisor(tmp_path, [forked("one", "sleep")], imports=IMPORTS) as supervisor:
        left = [psutil.Process(supervisor.pid("one")), server_of(supervisor, "one")]
    await eventually(lambda: not any(is_alive(process) for process in left))
    assert list((tmp_path / "run").iterdir()) == []
    assert running(tmp_path) == {}


SYSTEM = """
import asyncio
from pathlib import Path
from tests.integration.local.test_fork_server import IMPORTS, forked
from tools.local.supervisor import Supervisor

async def main():
    async with Supervisor(Path({var!r}), [forked("one", "shrug"), forked("two", "shrug")], imports=IMPORTS):
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_killed_supervisor_leaves_nothing_behind(tmp_path: Path) -> None:
    """A kill -9 of the supervisor ends the server, and with it programs that ignore SIGTERM."""
    with subprocess.Popen([sys.executable, "-c", SYSTEM.format(var=str(tmp_path))]) as supervisor:
        await eventually(lambda: len(running(tmp_path)) == 3)
        left = psutil.Process(supervisor.pid).children(recursive=True)
        assert len(left) == 4, "the server, its two programs, and the tracker that multiprocessing starts with a server"
        supervisor.kill()
    await eventually(lambda: not any(process.is_running() for process in left))
