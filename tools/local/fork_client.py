"""Starts Python programs as children of a process that has imported their modules already: fork_server.py.

The processes of a system import much the same modules: a second of processor time and 60 MB for each. Here they are imported
once (docs/adr/0051).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from tools.local import drop_privileges
from tools.local.child_process import tied_to_parent

AVAILABLE: Final = drop_privileges.LINUX
"""Whether this machine forks safely, and ends the children of a server that was killed."""

PYTHON_MODULE: Final = (sys.executable, "-m")
"""How the command line of a program begins that can be forked: it goes on with the module and its arguments."""

NAME: Final = "fork_server"
"""Names its log and its pid file."""

SERVER: Final = "tools.local.fork_server"
"""Its module; importing it here would make Python warn that it is run a second time."""


class ForkedProgram:
    """A program in a child of the server; tells what `asyncio.subprocess.Process` tells of a child of our own.

    Attributes:
        pid: its process id, which is also its process group's.
        returncode: None while it runs; then its exit code, or minus the number of the signal that ended it.

    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = asyncio.Event()

    async def wait(self) -> int:
        """Wait for its end and return `returncode`."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def note_end(self, code: int) -> None:
        """Note how it has ended: for the server that started it."""
        self.returncode = code
        self._ended.set()


class ForkServer:
    """The server, started when the first program is, and again if it ended; `close` ends it and its programs."""

    def __init__(self, modules: Collection[str], env: Mapping[str, str], var: Path) -> None:
        """Start nothing yet.

        Args:
            modules: what it imports before it forks.
            env: its whole environment, which a module may read as it is imported: only what every program is told too.
            var: the directory of the system, for its log and its process id.

        """
        self._modules = sorted(modules)
        self._env = env
        self.log = var / "log" / f"{NAME}.log"
        self._pid_file = var / "run" / f"{NAME}.pid"
        self._lock = asyncio.Lock()
        self._control: socket.socket | None = None
        self._listening: asyncio.Task[None] | None = None
        self._asked: asyncio.Future[ForkedProgram] | None = None
        self._programs: dict[int, ForkedProgram] = {}

    @staticmethod
    def runs(argv: Sequence[str]) -> bool:
        """Whether it can run a command: a Python module on this interpreter, on a machine that forks safely."""
        return AVAILABLE and tuple(argv[: len(PYTHON_MODULE)]) == PYTHON_MODULE

    async def start(
        self, name: str, argv: Sequence[str], *, env: Mapping[str, str], output: int, signal_of_death: signal.Signals
    ) -> ForkedProgram:
        """Start a program in a session of its own.

        Args:
            name: how the system's list of processes shows it (15 characters of it).
            argv: a command that it `runs`.
            env: its whole environment.
            output: the file descriptor of its standard output and error.
            signal_of_death: what the kernel sends it when the server has ended.

        Raises:
            ConnectionError: the server ended; the next start makes another.
            OSError: nothing can be started now.

        """
        module, *arguments = argv[len(PYTHON_MODULE) :]
        program = {
            "name": name,
            "module": module,
            "arguments": arguments,
            "env": dict(env),
            "signal_of_death": int(signal_of_death),
        }
        async with self._lock:
            if self._listening is None or self._listening.done():
                await self._serve()
            assert self._control is not None
            asked = self._asked = asyncio.get_running_loop().create_future()
            with os.fdopen(os.memfd_create("program"), "wb") as told:
                told.write(json.dumps(program).encode())
                told.flush()
                told.seek(0)
                socket.send_fds(self._control, [b"+"], [told.fileno(), output])
            # Whoever is cancelled now must not leave a program behind that nobody knows.
            try:
                return await asyncio.shield(asked)
            except asyncio.CancelledError:
                with contextlib.suppress(ConnectionError, ProcessLookupError):
                    os.kill((await asked).pid, signal.SIGKILL)
                raise

    async def close(self) -> None:
        """End the server, and by it what still runs."""
        async with self._lock:
            if self._listening is not None and self._control is not None:
                with contextlib.suppress(OSError):  # it ended by itself
                    self._control.shutdown(socket.SHUT_RDWR)
                await self._listening

    async def _serve(self) -> None:
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        with theirs, self.log.open("ab") as log:
            server = await asyncio.create_subprocess_exec(
                *tied_to_parent([*PYTHON_MODULE, SERVER, str(theirs.fileno()), *self._modules]),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                env=self._env,
                start_new_session=True,
            )
        with contextlib.suppress(OSError):  # the disk is full: only a list of processes misses it
            self._pid_file.write_text(f"{server.pid}\n", encoding="utf-8")
        self._control = ours
        self._listening = asyncio.create_task(self._listen(server, ours))

    async def _listen(self, server: asyncio.subprocess.Process, control: socket.socket) -> None:
        """Take note of what the server says, until it ends."""
        reader, writer = await asyncio.open_connection(sock=control.dup())
        try:
            with contextlib.suppress(ConnectionError):
                async for line in reader:
                    word, pid, *code = line.decode().split()
                    if word == "ended":
                        self._programs.pop(int(pid)).note_end(int(*code))
                    elif self._asked is not None:
                        self._programs[int(pid)] = ForkedProgram(int(pid))
                        self._asked.set_result(self._programs[int(pid)])
        finally:
            writer.close()
            control.close()
            with contextlib.suppress(ProcessLookupError):
                server.kill()
            await server.wait()
            with contextlib.suppress(OSError):
                self._pid_file.unlink(missing_ok=True)
            if self._asked is not None and not self._asked.done():
                self._asked.set_exception(ConnectionResetError("the fork server ended"))
            for program in self._programs.values():
                program.note_end(-signal.SIGKILL)  # the kernel ends them with it
            self._programs.clear()
