"""A supervisor for one machine: starts processes in order, restarts what exits, and leaves nothing behind.

Each process logs to `var/log/<name>.log` and has its id in `var/run/<name>.pid`. What exits is started again after
a back-off of a fifth of a second that doubles up to five and starts anew after a stable minute. The end is clean
(SIGTERM in reverse order, SIGKILL for what does not listen), and if the supervisor itself is killed, the kernel
ends its children on Linux (drop_privileges.py); elsewhere the next supervisor on the same directory does.

Once the system is up, no error of the supervisor's own (a log, a pid file or a process that cannot be made) ends its
care of a process: it is an attempt that failed, and is followed by another. While the disk is full nothing is started
again, since it would only end again; the process's log, the listener and `run/<name>.waits` say what is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import psutil

from tools.local import ports
from tools.local.child_process import tied_to_parent
from tools.local.data_dir import lock_data_dir, require_disk_space, shortage
from tools.local.errors import CannotStart
from tools.local.forking import FORK_SERVER, ForkedProgram, ForkServer

POLL: Final = 0.1
"""Seconds between two looks at whether a process is ready."""
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 5.0
STABLE: Final = 60.0
"""Seconds after which an exit counts as the first again."""
PATIENCE: Final = 6
"""Exits before ever being ready, after which the start is given up."""
OLD_LOGS: Final = 3
ROOM_POLL: Final = 1.0
"""Seconds between two looks at whether there is room on the disk (again)."""


class State(enum.Enum):
    """Where a process is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    DONE = "done"
    RESTARTING = "restarting"
    OUT_OF_ROOM = "waiting for room on the disk"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process of the system.

    Attributes:
        name: names its log and pid file.
        argv: the program and its arguments.
        env: added to the supervisor's own environment.
        ready: tells whether it does its work yet; asked again until it says True. An OSError, or any other error,
            means no. Without it, a process is ready once it runs.
        after: the processes that must be ready, or done, before this one starts.
        once: it runs to its end, and is done when it exits with 0; anything else fails the start.
        before: run before every start, the first and each restart: make data directories, check files.
        ports: what it listens on; checked to be free before anything starts.
        stop_with: the signal that asks it to end in order.
        grace: seconds between asking and SIGKILL.
        orphan_with: the signal the kernel sends it when the supervisor has been killed.
        user: whom it runs as when the supervisor is root; None: as root.
        patience: seconds it may take to become ready at the first start.

    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], Awaitable[bool]] | None = None
    after: Collection[str] = ()
    once: bool = False
    before: Callable[[], Awaitable[None]] | None = None
    ports: Collection[int] = ()
    stop_with: signal.Signals = signal.SIGTERM
    grace: float = 10.0
    orphan_with: signal.Signals = signal.SIGKILL
    user: str | None = None
    patience: float = 60.0


@dataclass
class _Life:
    """What the supervisor knows of a process while it runs it."""

    process: Process
    state: State = State.WAITING
    pid: int | None = None
    restarts: int = 0
    came_up: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


Listener = Callable[[str, State], None]
"""Told of every change of state: the process's name and its new state."""


class Supervisor:
    """Runs processes until it is left: `async with Supervisor(var, processes): …`.

    Entering returns when all are ready; leaving, when all are gone.
    """

    def __init__(
        self,
        var: Path,
        processes: Sequence[Process],
        *,
        listener: Listener | None = None,
        imports: Collection[str] = (),
    ) -> None:
        """Check the processes.

        Args:
            var: the directory of logs and process ids.
            processes: what to run.
            listener: told of every change of a process's state.
            imports: the modules that a fork server imports, once, for every process that is a Python module;
                none: each is a program that imports for itself.

        Raises:
            ValueError: a name is used twice, or `after` names a missing one or goes in a circle.

        """
        self.var = var
        self._lives = {process.name: _Life(process) for process in processes}
        if len(self._lives) != len(processes):
            raise ValueError("two processes have the same name")
        _require_order(processes)
        self._listener = listener
        self._fork_server = _fork_server(var, processes, imports)
        self._stopping = False
        self._failed = asyncio.Event()
        self._failure: BaseException | None = None
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start everything and return when all are ready.

        Raises:
            CannotStart: a port is taken, the disk is full, another supervisor runs here, or a process does not come up.

        """
        require_disk_space(self.var)
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(lock_data_dir(self.var))
            for folder in ("log", "run"):
                (self.var / folder).mkdir(exist_ok=True)
            await _end_left_overs(self.var)
            ports.require_free(
                (life.process.name, port) for life in self._lives.values() for port in life.process.ports
            )
            if self._fork_server is not None:
                stack.callback(self._fork_server.close)
            stack.push_async_callback(self._stop)
            for life in self._lives.values():
                life.task = asyncio.create_task(self._live(life), name=life.process.name)
            await self._all_up()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop everything, in reverse order."""
        await self._stack.aclose()

    def state(self, name: str) -> State:
        """Where the process is in its life."""
        return self._lives[name].state

    def pid(self, name: str) -> int | None:
        """Return the process's id while it runs."""
        return self._lives[name].pid

    def restarts(self, name: str) -> int:
        """How often it has been started again."""
        return self._lives[name].restarts

    async def ready(self, name: str) -> None:
        """Wait until the process is ready (again)."""
        await self._lives[name].came_up.wait()

    # --- starting ---------------------------------------------------------------------------

    async def _all_up(self) -> None:
        async def up() -> None:
            for life in self._lives.values():
                await life.came_up.wait()

        either = [asyncio.create_task(up()), asyncio.create_task(self._failed.wait())]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in either:
                task.cancel()
            await asyncio.gather(*either, return_exceptions=True)
        if self._failure is not None:
            raise self._failure

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
            self._failed.set()

    def _becomes(self, life: _Life, state: State) -> None:
        life.state = state
        if state in {State.READY, State.DONE}:
            life.came_up.set()
        else:
            life.came_up.clear()
        if self._listener is not None:
            with contextlib.suppress(OSError):  # a terminal that is gone, or its file on a full disk
                self._listener(life.process.name, state)

    async def _live(self, life: _Life) -> None:
        """One process from its first start to the end of the system."""
        try:
            for name in life.process.after:
                await self._lives[name].came_up.wait()
            await self._start_again_and_again(life)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller of `async with` must hear of it
            self._fail(error)
        finally:
            life.ended.set()

    async def _start_again_and_again(self, life: _Life) -> None:
        process, pause, ever_up = life.process, FIRST_PAUSE, False
        log = self.var / "log" / f"{process.name}.log"
        _rotate(log)
        self._becomes(life, State.STARTING)
        while True:
            started = time.monotonic()
            how = await self._attempt(life, log, ever_up=ever_up)
            if self._stopping:
                return
            if process.once and how == _in_words(0):
                self._becomes(life, State.DONE)
                return
            ever_up = ever_up or life.came_up.is_set()
            life.restarts += 1
            if not ever_up and (process.once or life.restarts >= PATIENCE):
                raise _cannot_start(f"{process.name} ended with {how}", log)
            if time.monotonic() - started > STABLE:
                pause = FIRST_PAUSE
            self._becomes(life, State.RESTARTING)
            self._note_waiting(life, log, f"{process.name} ended with {how} and is started again")
            await asyncio.sleep(pause)
            await self._wait_for_room(life, log)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _attempt(self, life: _Life, log: Path, *, ever_up: bool) -> str:
        """Run the process once; how it ended, or what kept a process that has been up from being started."""
        try:
            return await self._run(life, log, ever_up=ever_up)
        except Exception as error:
            if not ever_up:
                raise
            reason = f"{type(error).__name__}: {error}"
            _append(log, f"supervisor: {reason}")
            return f"an error of its start ({reason.splitlines()[0]})"

    async def _wait_for_room(self, life: _Life, log: Path) -> None:
        """Return when the disk has room to start a process again."""
        short = shortage(self.var)
        if short is not None:
            self._becomes(life, State.OUT_OF_ROOM)
        reported = False
        while short is not None:
            reported = reported or self._note_waiting(life, log, f"{life.process.name} is not started again: {short}")
            await asyncio.sleep(ROOM_POLL)
            short = shortage(self.var)

    def _note_waiting(self, life: _Life, log: Path, why: str) -> bool:
        """Write down what a process waits for, for `waiting` and in its log; whether the disk took it."""
        if not _written(_waits_file(self.var, life.process.name), why + "\n"):
            return False
        _append(log, f"supervisor: {why}")
        return True

    async def _run(self, life: _Life, log: Path, *, ever_up: bool) -> str:
        """Start the process once and wait for its end; how it ended."""
        process = life.process
        if process.before is not None:
            await process.before()
        running = await self._start(process, log)
        pid_file = self.var / "run" / f"{process.name}.pid"
        life.pid = running.pid
        beside = [asyncio.create_task(_write_when_possible(pid_file, f"{running.pid}\n"))]
        try:
            if not process.once:
                beside.append(asyncio.create_task(self._watch(life, log, ever_up=ever_up)))
            return _in_words(await running.wait())
        finally:
            for task in beside:
                task.cancel()
            if running.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    running.kill()
                await running.wait()
            # Whatever the process started and left in its group.
            _signal_group(running.pid, signal.SIGKILL)
            life.pid = None
            with contextlib.suppress(OSError):
                pid_file.unlink(missing_ok=True)

    async def _start(self, process: Process, log: Path) -> asyncio.subprocess.Process | ForkedProgram:
        """Start the process, in a session of its own."""
        if self._fork_server is not None and _can_fork(process):
            try:
                return await self._fork_server.start(process.name, process.argv, _environment(process), log)
            except (OSError, EOFError):
                raise _cannot_start(
                    f"The fork server ended when {process.name} was due", log.with_name(f"{FORK_SERVER}.log")
                ) from None
        with log.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                *tied_to_parent(process.argv, signal_of_death=process.orphan_with, user=process.user),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=_environment(process),
                start_new_session=True,
            )

    async def _watch(self, life: _Life, log: Path, *, ever_up: bool) -> None:
        """Ask whether it is ready until it is."""
        process = life.process
        until = time.monotonic() + process.patience
        while process.ready is not None and not await _says_yes(process.ready):
            if not ever_up and time.monotonic() > until:
                late = f"{process.name} was not ready within {process.patience:.0f} seconds"
                self._fail(_cannot_start(late, log))
                return
            await asyncio.sleep(POLL)
        with contextlib.suppress(OSError):
            _waits_file(self.var, process.name).unlink(missing_ok=True)
        self._becomes(life, State.READY)

    # --- stopping ---------------------------------------------------------------------------

    async def _stop(self) -> None:
        """End everything, and do not be hurried: a cancellation waits until nothing runs any more."""
        self._stopping = True
        for life in self._lives.values():
            if life.pid is not None:
                self._becomes(life, State.STOPPING)
        ending = asyncio.gather(*(self._end(life) for life in self._lives.values()))
        cancelled = False
        while not ending.done():
            try:
                await asyncio.shield(ending)
            except asyncio.CancelledError:
                cancelled = True
        ending.result()
        if cancelled:
            raise asyncio.CancelledError

    async def _end(self, life: _Life) -> None:
        """End a process when nothing that needs it runs any more."""
        name = life.process.name
        for other in self._lives.values():
            if name in other.process.after:
                await other.ended.wait()
        if life.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(life.pid, life.process.stop_with)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(life.ended.wait(), life.process.grace)
        if life.task is not None:
            life.task.cancel()
            await asyncio.gather(life.task, return_exceptions=True)
        life.ended.set()
        if life.state is not State.DONE:
            self._becomes(life, State.STOPPED)


def _require_order(processes: Sequence[Process]) -> None:
    """Raise ValueError unless every `after` names a process and some order satisfies all."""
    waiting = {process.name: set(process.after) for process in processes}
    for name, after in waiting.items():
        if unknown := after - waiting.keys():
            raise ValueError(f"{name} comes after {', '.join(sorted(unknown))}, which is not there")
    while waiting:
        free = {name for name, after in waiting.items() if not after & waiting.keys()}
        if not free:
            raise ValueError(f"these wait for each other: {', '.join(sorted(waiting))}")
        waiting = {name: after for name, after in waiting.items() if name not in free}


def _environment(process: Process) -> dict[str, str]:
    return {**os.environ, **process.env}


def _can_fork(process: Process) -> bool:
    return process.user is None and ForkServer.runs(process.argv)


def _fork_server(var: Path, processes: Sequence[Process], imports: Collection[str]) -> ForkServer | None:
    """Return the server that forks the processes that it can; None where that is none."""
    environments = [_environment(process).items() for process in processes if _can_fork(process)]
    if not imports or not environments:
        return None
    told_to_all = dict(set.intersection(*map(set, environments)))
    return ForkServer(imports, told_to_all, var)


async def _says_yes(ready: Callable[[], Awaitable[bool]]) -> bool:
    try:
        async with asyncio.timeout(5):
            return await ready()
    except Exception:  # noqa: BLE001 - a server that is starting answers in every wrong way there is
        return False


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _rotate(log: Path) -> None:
    """Keep the logs of the last few runs: name.log, name.log.1 and so on."""
    for age in range(OLD_LOGS - 1, -1, -1):
        old = log.with_name(f"{log.name}.{age}") if age else log
        if old.exists():
            old.replace(log.with_name(f"{log.name}.{age + 1}"))


def _append(log: Path, line: str) -> None:
    """Write a line into a log, as far as the disk takes it."""
    with contextlib.suppress(OSError), log.open("a", encoding="utf-8") as output:
        output.write(f"{line}\n")


def _written(file: Path, text: str) -> bool:
    """Whether a file could be written."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError:
        return False
    return True


async def _write_when_possible(file: Path, text: str) -> None:
    """Write a file as soon as there is room for it."""
    while not _written(file, text):  # noqa: ASYNC110 - a disk gives no sign when it has room again
        await asyncio.sleep(ROOM_POLL)


def _waits_file(var: Path, name: str) -> Path:
    return var / "run" / f"{name}.waits"


def _in_words(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _cannot_start(what: str, log: Path) -> CannotStart:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:] if log.exists() else []
    return CannotStart("\n".join([f"{what}. The end of {log}:", *(f"  {line}" for line in lines)]))


# --- finding what another run left ----------------------------------------------------------


def running(var: Path) -> dict[str, int]:
    """Return the processes of the system on `var` that run now: name to process id."""
    found = {}
    for pid_file in sorted((var / "run").glob("*.pid")):
        process = _of(pid_file)
        if process is not None:
            found[pid_file.stem] = process.pid
    return found


def waiting(var: Path) -> dict[str, str]:
    """Return what the supervisor on `var` waits for before it restarts a process: name to a sentence."""
    found = {}
    for file in sorted((var / "run").glob("*.waits")):
        with contextlib.suppress(OSError):
            found[file.stem] = file.read_text(encoding="utf-8").strip()
    return found


def _of(pid_file: Path) -> psutil.Process | None:
    """Return the process that a pid file means; None if it is gone, also when another has its number now."""
    try:
        written = pid_file.stat().st_mtime
        process = psutil.Process(int(pid_file.read_text(encoding="utf-8")))
        # The file is written just after the process was made; a later owner of the number is younger than the file.
        ours = process.create_time() <= written + 1 and process.status() != psutil.STATUS_ZOMBIE
    except (OSError, ValueError, psutil.Error):
        return None
    return process if ours else None


async def _end_left_overs(var: Path) -> None:
    """End what a killed supervisor left: on Linux the kernel has done it, or is about to."""
    left = []
    for pid_file in (var / "run").glob("*.pid"):
        process = _of(pid_file)
        if process is not None:
            left.append(process)
        pid_file.unlink(missing_ok=True)
    for note in (var / "run").glob("*.waits"):
        note.unlink(missing_ok=True)
    for end in (psutil.Process.terminate, psutil.Process.kill):
        for process in left:
            with contextlib.suppress(psutil.Error):
                end(process)
        _, left = await asyncio.to_thread(psutil.wait_procs, left, 10)


# --- signals --------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def until_signalled() -> AsyncIterator[asyncio.Event]:
    """Leave the body at SIGINT, SIGTERM or SIGHUP, as if it had ended; the event says that it was so.

    The signal cancels whatever the body awaits, so its own `async with` and `finally` run. Further signals while
    they do are ignored: stopping is bounded in time anyway.
    """
    loop, body, signalled = asyncio.get_running_loop(), asyncio.current_task(), asyncio.Event()
    assert body is not None

    def stop() -> None:
        if not signalled.is_set():
            signalled.set()
            body.cancel()

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup says to go on
        numbers.append(signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield signalled
    except asyncio.CancelledError:
        if not signalled.is_set() or body.uncancel():
            raise
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
