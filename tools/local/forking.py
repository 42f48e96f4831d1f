"""Python programs as children of a process that has imported their modules: the fork server of `multiprocessing`.

The processes of a system import much the same modules: a second of processor time and 60 MB for each. Here they are imported
once (docs/adr/0052).
"""

import asyncio
import contextlib
import gc
import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Final

from tools.local import drop_privileges

AVAILABLE: Final = drop_privileges.LINUX
"""Whether this machine forks safely, and ends the children of a server that was killed."""

PYTHON_MODULE: Final = (sys.executable, "-m")
"""How the command line of a program begins that can be forked: it goes on with the module and its arguments."""

FORK_SERVER: Final = "fork_server"
"""Names the server's module, its log and its pid file."""

TERMINAL: Final = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)
"""What a terminal sends to everything that was started there; the server does not hear it, so that programs end in order."""

PR_SET_NAME: Final = 15


class ForkedProgram:
    """A program in a child of the server; has what `asyncio.subprocess.Process` has for a child of our own.

    Attributes:
        pid: its process id, which is also its process group's.
        returncode: None while it runs; then its exit code, or minus the number of the signal that ended it, or 255 if
            the server ended, and the program with it.

    """

    def __init__(self, process: ForkServerProcess, lock: asyncio.Lock) -> None:
        assert process.pid is not None
        self.pid = process.pid
        self.returncode: int | None = None
        self._process = process
        self._lock = lock

    async def wait(self) -> int:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._process.sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        async with self._lock:  # a start looks at all programs, too, and the code can be read once
            self.returncode = self._process.exitcode
        assert self.returncode is not None
        return self.returncode

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


class ForkServer:
    """The server, started with the first program, and again if it ended; `multiprocessing` has one for this process."""

    def __init__(self, modules: Collection[str], env: Mapping[str, str], var: Path) -> None:
        """Start nothing yet.

        Args:
            modules: what it imports before it forks.
            env: its environment, which a module may read as it is imported: only what every program is told too.
            var: the directory of the system, for its log and its process id.

        """
        self._env = {**env, "OOC_FORK_IMPORTS": " ".join(modules), "OOC_VAR": str(var)}
        self._pid_file = var / "run" / f"{FORK_SERVER}.pid"
        self._lock = asyncio.Lock()

    @staticmethod
    def runs(argv: Sequence[str]) -> bool:
        """Whether it can run a command: a Python module on this interpreter, on a machine that forks safely."""
        return AVAILABLE and tuple(argv[: len(PYTHON_MODULE)]) == PYTHON_MODULE

    async def start(self, name: str, argv: Sequence[str], env: Mapping[str, str], log: Path) -> ForkedProgram:
        """Start a program that it `runs`, in a session of its own.

        Args:
            name: how the system's list of processes shows it (15 characters of it).
            argv: its command.
            env: its whole environment.
            log: the file that its standard output and error go to.

        Raises:
            OSError, EOFError: the server ended; the next start makes another.

        """
        module, *arguments = argv[len(PYTHON_MODULE) :]
        context = multiprocessing.get_context("forkserver")
        process = context.Process(target=_run, name=name, args=(name, module, arguments, dict(env), log))
        async with self._lock:
            self._serve()
            await asyncio.to_thread(process.start)  # it waits until the modules are imported
        return ForkedProgram(process, self._lock)

    def close(self) -> None:
        """End the server, and by it what still runs."""
        server: Any = forkserver._forkserver  # noqa: SLF001 - there is no other way to end it
        if server._forkserver_pid is not None:  # noqa: SLF001
            with contextlib.suppress(ProcessLookupError):
                os.kill(server._forkserver_pid, signal.SIGKILL)  # noqa: SLF001
            server._stop()  # noqa: SLF001 - waits for its end, as the tests of CPython do
        self._pid_file.unlink(missing_ok=True)

    def _serve(self) -> None:
        """Start the server if it does not run, deaf to the terminal and without what only some programs are told."""
        multiprocessing.get_context("forkserver").set_forkserver_preload([f"tools.local.{FORK_SERVER}"])
        with _environment(self._env):
            resource_tracker.ensure_running()  # before the mask, which it would undo
            before = signal.pthread_sigmask(signal.SIG_BLOCK, TERMINAL)
            forkserver.ensure_running()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _environment(env: Mapping[str, str]) -> Iterator[None]:
    """Have exactly this environment for a moment; what is in both is there all the time, for other threads."""
    ours = dict(os.environ)
    for name in ours.keys() - env.keys():
        del os.environ[name]
    os.environ.update(env)
    try:
        yield
    finally:
        for name in env.keys() - ours.keys():
            del os.environ[name]
        os.environ.update(ours)


def write_to(log: Path) -> None:
    """Let this process's standard output and error go to the end of a file."""
    with log.open("ab") as output:
        for descriptor in (1, 2):
            os.dup2(output.fileno(), descriptor)


def _run(name: str, module: str, arguments: Sequence[str], env: Mapping[str, str], log: Path) -> None:
    """Become a program, in a child of the server."""
    from tools.local import fork_server  # noqa: PLC0415 - the server has imported it, and nobody else must

    os.setsid()
    drop_privileges.tie_to(fork_server.PID, signal.SIGKILL)
    drop_privileges.LIBC.prctl(PR_SET_NAME, name.encode(), 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    write_to(log)
    os.environ.clear()
    os.environ.update(env)
    gc.enable()
    if not hasattr(sys.modules.get(module), "__path__"):
        sys.modules.pop(module, None)  # it was imported for what it imports, and is executed now
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)
