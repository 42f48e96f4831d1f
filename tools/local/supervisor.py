"""A supervisor for one machine: starts processes in order, restarts what exits, and leaves nothing behind.

Each process logs to `var/log/<name>.log`, of which the last `OLD_LOGS` are kept beside it: one begins with each run of
the system, and with each `LOG_BYTES`. It has its id in `var/run/<name>.pid`. What exits is started again after
a back-off of a fifth of a second that doubles up to five and starts anew after a stable minute. The end is clean
(SIGTERM in reverse order, SIGKILL for what does not listen), and if the supervisor itself is killed, the kernel
ends its children on Linux (drop_privileges.py); elsewhere the next supervisor on the same directory does.

Once the system is up, no error of the supervisor's own (a log, a pid file or a process that cannot be made) ends its
care of a process: it is an attempt that failed, and is followed by another. While the disk is full nothing is started
again, since it would only end again. The listener and the last line of the process's log say what is waited for.
"""

import asyncio
import contextlib
import enum
import graphlib
import os
import shutil
import signal
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from logging.handlers import RotatingFileHandler
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
MOST_EXITS: Final = 6
"""Exits before ever being ready, after which the start is given up."""
OLD_LOGS: Final = 3
LOG_BYTES: Final = 20_000_000
LOG_POLL: Final = 10.0
"""Seconds between two looks at how long the log of a process is."""
NOTE: Final = "supervisor: "
"""Begins a line that the supervisor writes into the log of a process."""
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
        user: the user that it runs as when the supervisor is root; None: root.
        patience: seconds it may take to become ready at the first start, on a busy machine too.

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
    patience: float = 120.0


@dataclass
class _Life:
    """What the supervisor knows of a process while it runs it."""

    process: Process
    log: Path
    state: State = State.WAITING
    pid: int | None = None
    restarts: int = 0
    ever_up: bool = False
    came_up: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


Listener = Callable[[str, State], None]
"""Called on every change of state with the process's name and its new state."""


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
        """Check the processes; `var` is for logs and process ids, `listener` hears of every change of a process's state.

        `imports` are modules that a fork server imports once for all processes that are Python modules; without them
        each process imports for itself. Raises ValueError if names or their order are wrong.
        """
        self.var = var
        self._lives = {process.name: _Life(process, var / "log" / f"{process.name}.log") for process in processes}
        if len(self._lives) != len(processes):
            raise ValueError("two processes have the same name")
        _require_order(processes)
        self._listener = listener
        self._fork_server = _fork_server(var, processes, imports)
        self._stopping = False
        self._rising: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start everything and return when all are ready.

        Raises `CannotStart` if a port is taken, the disk is full, another supervisor runs here, or a process does not start.
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
        async def wait_for_all() -> None:
            for life in self._lives.values():
                await life.came_up.wait()

        self._rising = asyncio.create_task(wait_for_all())
        try:
            await self._rising
        except asyncio.CancelledError:
            if self._failure is not None:
                raise self._failure from None
            raise

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        if self._rising is not None:
            self._rising.cancel()

    def _becomes(self, life: _Life, state: State) -> None:
        life.state = state
        if state in {State.READY, State.DONE}:
            life.ever_up = True
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
            await self._keep_running(life)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller of `async with` must hear of it
            self._fail(error)
        finally:
            life.ended.set()

    async def _keep_running(self, life: _Life) -> None:
        process, pause = life.process, FIRST_PAUSE
        _begin_anew(life.log)
        self._becomes(life, State.STARTING)
        while True:
            started = time.monotonic()
            how = await self._attempt(life)
            if self._stopping:
                return
            if process.once and how == _in_words(0):
                self._becomes(life, State.DONE)
                return
            life.restarts += 1
            if not life.ever_up and (process.once or life.restarts >= MOST_EXITS):
                raise _cannot_start(f"{process.name} ended with {how}", life.log)
            if time.monotonic() - started > STABLE:
                pause = FIRST_PAUSE
            self._becomes(life, State.RESTARTING)
            _append(life.log, f"{process.name} ended with {how} and is started again")
            await asyncio.sleep(pause)
            await self._wait_for_room(life)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _attempt(self, life: _Life) -> str:
        """Run the process once; how it ended, or what kept a process that has been up from being started."""
        try:
            return await self._run(life)
        except Exception as error:
            if not life.ever_up:
                raise
            reason = f"{type(error).__name__}: {error}"
            _append(life.log, reason)
            return f"an error of its start ({reason.splitlines()[0]})"

    async def _wait_for_room(self, life: _Life) -> None:
        """Return when the disk has room to start a process again."""
        if short := shortage(self.var):
            self._becomes(life, State.OUT_OF_ROOM)
            _append(life.log, f"{life.process.name} waits for room: {short}")
            while shortage(self.var):  # noqa: ASYNC110 - a disk gives no sign when it has room again
                await asyncio.sleep(ROOM_POLL)

    async def _run(self, life: _Life) -> str:
        """Start the process once and wait for its end; how it ended."""
        process, watch = life.process, None
        if process.before is not None:
            await process.before()
        program = await self._start(process, life.log)
        life.pid = program.pid
        pid_file = self.var / "run" / f"{process.name}.pid"
        try:
            pid_file.write_text(f"{program.pid}\n", encoding="utf-8")
            if not process.once:
                watch = asyncio.create_task(self._watch(life))
            return _in_words(await program.wait())
        finally:
            if watch is not None:
                watch.cancel()
            with contextlib.suppress(ProcessLookupError):
                if program.returncode is None:
                    program.kill()
            await program.wait()
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(program.pid, signal.SIGKILL)  # whatever it started and left
            life.pid = None
            pid_file.unlink(missing_ok=True)

    async def _start(self, process: Process, log: Path) -> asyncio.subprocess.Process | ForkedProgram:
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

    async def _watch(self, life: _Life) -> None:
        """Ask whether it is ready until it is."""
        process = life.process
        until = time.monotonic() + process.patience
        while process.ready is not None and not await _says_yes(process.ready):
            if not life.ever_up and time.monotonic() > until:
                late = f"{process.name} was not ready within {process.patience:.0f} seconds"
                self._fail(_cannot_start(late, life.log))
                return
            await asyncio.sleep(POLL)
        self._becomes(life, State.READY)
        while True:
            await asyncio.sleep(LOG_POLL)
            with contextlib.suppress(OSError):  # such as a full disk: the log grows on
                if life.log.stat().st_size > LOG_BYTES:
                    await asyncio.to_thread(_begin_anew, life.log)

    # --- stopping ---------------------------------------------------------------------------

    async def _stop(self) -> None:
        self._stopping = True
        for life in self._lives.values():
            if life.pid is not None:
                self._becomes(life, State.STOPPING)
        await asyncio.gather(*(self._end(life) for life in self._lives.values()))

    async def _end(self, life: _Life) -> None:
        """End a process when nothing that needs it runs any more."""
        name = life.process.name
        for other in self._lives.values():
            if name in other.process.after:
                await other.ended.wait()
        if life.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(life.pid, life.process.stop_with)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(life.ended.wait(), life.process.grace)
        if life.task is not None:
            life.task.cancel()
            await asyncio.gather(life.task, return_exceptions=True)
        life.ended.set()
        if life.state is not State.DONE:
            self._becomes(life, State.STOPPED)


def _require_order(processes: Sequence[Process]) -> None:
    """Raise ValueError unless every `after` names a process and some order satisfies all."""
    needs = {process.name: process.after for process in processes}
    for name, after in needs.items():
        if unknown := set(after) - needs.keys():
            raise ValueError(f"{name} comes after {', '.join(sorted(unknown))}, which is not there")
    graphlib.TopologicalSorter(needs).prepare()


def _environment(process: Process) -> dict[str, str]:
    return {**os.environ, **process.env}


def _can_fork(process: Process) -> bool:
    return process.user is None and ForkServer.runs(process.argv)


def _fork_server(var: Path, processes: Sequence[Process], imports: Collection[str]) -> ForkServer | None:
    """Return the server that forks the processes that it can; None if that is none."""
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


def _begin_anew(log: Path) -> None:
    """Move what a log has to an older one. The file stays, since a process may write at its end."""

    def move(source: str, target: str) -> None:
        if Path(source).exists():
            shutil.copyfile(source, target)
            os.truncate(source, 0)

    handler = RotatingFileHandler(log, backupCount=OLD_LOGS, delay=True)
    handler.rotator = move
    handler.doRollover()


def _append(log: Path, note: str) -> None:
    """Write a line of the supervisor's into a log, as far as the disk takes it."""
    with contextlib.suppress(OSError), log.open("a", encoding="utf-8") as output:
        output.write(f"{NOTE}{note}\n")


def _last_lines(log: Path, count: int) -> list[str]:
    try:
        with log.open(encoding="utf-8", errors="replace") as lines:
            return [line.rstrip("\n") for line in deque(lines, maxlen=count)]
    except OSError:
        return []


def _in_words(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _cannot_start(what: str, log: Path) -> CannotStart:
    return CannotStart("\n".join([f"{what}. The end of {log}:", *(f"  {line}" for line in _last_lines(log, 15))]))


# --- finding what another run left ----------------------------------------------------------


def running(var: Path) -> dict[str, int]:
    """Return the processes of the system on `var` that run now: name to process id."""
    processes = {pid_file.stem: _of(pid_file) for pid_file in sorted((var / "run").glob("*.pid"))}
    return {name: process.pid for name, process in processes.items() if process is not None}


def restart_note(var: Path, name: str) -> str | None:
    """Return how a process that does not run has ended and what it waits for: the last line of its log, if we wrote it."""
    for line in _last_lines(var / "log" / f"{name}.log", 1):
        if NOTE in line:
            return line.partition(NOTE)[2]
    return None


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
    pid_files = list((var / "run").glob("*.pid"))
    left = [process for process in map(_of, pid_files) if process is not None]
    for pid_file in pid_files:
        pid_file.unlink(missing_ok=True)
    for end in (psutil.Process.terminate, psutil.Process.kill):
        for process in left:
            with contextlib.suppress(psutil.Error):
                end(process)
        _, left = await asyncio.to_thread(psutil.wait_procs, left, 10)


# --- signals --------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def until_signalled() -> AsyncIterator[None]:
    """Leave the body at SIGINT, SIGTERM or SIGHUP, as if it had ended.

    The signal cancels whatever the body awaits, so its own `async with` and `finally` run. Further signals while
    they do are ignored: stopping is bounded in time anyway.
    """
    loop, body, signalled = asyncio.get_running_loop(), asyncio.current_task(), False
    assert body is not None

    def stop() -> None:
        nonlocal signalled
        if not signalled:
            signalled = True
            body.cancel()

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup says to go on
        numbers.append(signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    except asyncio.CancelledError:
        if not signalled or body.uncancel():
            raise
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
