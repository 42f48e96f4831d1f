"""Programs that do one thing and end, on the way to starting a server; none outlives us."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence

from tools.local import drop_privileges
from tools.local.errors import CannotStart


def tied_to_parent(
    argv: Sequence[str], *, signal_of_death: signal.Signals = signal.SIGKILL, user: str | None = None
) -> list[str]:
    """Return the command that runs `argv` tied to this process: as `user` when we are root, and ended with us (drop_privileges.py)."""
    whom = user if user is not None and os.geteuid() == 0 else "-"
    return [
        sys.executable,
        "-I",
        "-S",
        drop_privileges.__file__,
        str(os.getpid()),
        str(int(signal_of_death)),
        whom,
        *argv,
    ]


@contextlib.asynccontextmanager
async def run_program(
    argv: Sequence[str], *, user: str | None = None, env: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program as long as the body does, with its output (and errors) to be read from `stdout`; `env` adds variables."""
    program = await asyncio.create_subprocess_exec(
        *tied_to_parent(argv, user=user),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **(env or {})},
    )
    try:
        yield program
    finally:
        if program.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                program.kill()
            await program.wait()


async def run(
    argv: Sequence[str], *, otherwise: str, user: str | None = None, env: Mapping[str, str] | None = None
) -> None:
    """Run a program to its end. Raises `CannotStart` if it fails, with `otherwise` and what it printed."""
    async with run_program(argv, user=user, env=env) as program:
        output, _ = await program.communicate()
    if program.returncode != 0:
        raise CannotStart(f"{otherwise}\n{output.decode(errors='replace').strip()}")
