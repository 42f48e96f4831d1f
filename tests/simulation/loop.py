"""A deterministic event loop: time is a number, and a seed chooses which of the ready callbacks runs next.

Whatever the product awaits goes through here, so a run is a function of its seed, as in FoundationDB and in TigerBeetle.
A process is a context variable: every callback knows whose it is. Those of a killed process never run again, not even its
`finally`, as after kill -9; those of a paused one wait until it goes on, as after SIGSTOP.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import heapq
import itertools
import os
import random
import time
import warnings
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context, ContextVar, copy_context
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

T = TypeVar("T")

START: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""When each run begins."""

TRACED: Final = 400
"""How many of the last lines of a run are kept to show its failure."""


class Process:
    """What a kill, or a pause, strikes as one: a program of ours, or a server."""

    def __init__(self, loop: Loop, name: str) -> None:
        self.loop = loop
        self.name = name
        self.alive = True
        self.paused = False
        self.clock_error = 0.0
        """Seconds by which its clock is ahead."""
        self.on_kill: list[Callable[[], None]] = []
        """What notices its end from outside: whoever holds a connection to it."""
        self._held: list[asyncio.Handle] = []

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run something within the process."""
        context = copy_context()
        context.run(CURRENT.set, self)
        return self.loop.create_task(work, context=context)

    def now(self) -> datetime:
        """What its clock shows."""
        return START + timedelta(seconds=self.loop.time() + self.clock_error)

    def kill(self) -> None:
        """End it between two callbacks."""
        if self.alive:
            self.alive = False
            self._held.clear()
            self.loop.note(f"{self.name} is killed")
            for notice in self.on_kill:
                notice()

    def pause(self) -> None:
        """Stop it between two callbacks, until `resume`."""
        self.paused = True
        self.loop.note(f"{self.name} is paused")

    def resume(self) -> None:
        """Let it go on, with all that was due meanwhile."""
        if self.paused:
            self.paused = False
            self.loop.note(f"{self.name} goes on")
            self.loop.add(self._held)
            self._held = []

    def takes(self, handle: asyncio.Handle) -> bool:
        """Whether a callback of it runs now."""
        if self.paused and self.alive:
            self._held.append(handle)
        return self.alive and not self.paused

    def __repr__(self) -> str:
        return self.name


CURRENT: Final[ContextVar[Process | None]] = ContextVar("process", default=None)


def current() -> Process:
    """Return the process whose callback runs."""
    process = CURRENT.get()
    assert process is not None, "this is done within a process"
    return process


class _Numbered:
    """What is created in order: a set of such is walked by that, and not by where each happens to be in memory."""

    def __init__(self, *arguments: Any, number: int, **options: Any) -> None:
        self.number = number
        super().__init__(*arguments, **options)

    def __hash__(self) -> int:
        return self.number


class _Task(_Numbered, asyncio.Task[Any]):
    """A task of the loop."""


class _Future(_Numbered, asyncio.Future[Any]):
    """A future of the loop."""


class OutOfSteps(Exception):
    """A run that takes more steps than it may."""


class Loop(asyncio.BaseEventLoop):
    """The loop. `chance` is the one source of randomness of a run; `steps` counts the callbacks that have run."""

    def __init__(self, seed: int, most_steps: int = 2_000_000) -> None:
        super().__init__()
        self.chance = random.Random(seed)
        self.steps = 0
        self.trace: deque[str] = deque(maxlen=TRACED)
        self._most = most_steps
        self._error: Exception | None = None
        self._time = 0.0
        self._digest = hashlib.sha256()
        self._ready: list[asyncio.Handle] = []
        self._scheduled: list[Any]
        self._stopping: bool
        self._tasks: list[Any] = []
        self._count = itertools.count(1).__next__
        self.set_task_factory(self._make_task)
        self.set_exception_handler(self._note_error)

    def time(self) -> float:
        """Seconds since the run began."""
        return self._time

    def note(self, line: str) -> None:
        """Add a line to the trace of the run."""
        text = f"{self._time:10.4f} {self.steps:8d} {line}"
        self._digest.update(text.encode())
        self.trace.append(text)

    def end(self, error: Exception) -> None:
        """End the run with an error of the simulation itself, which the product would take for one of a server."""
        self._error = error

    @property
    def digest(self) -> str:
        """The SHA-256 of all that was noted: two runs of a seed have the same."""
        return self._digest.hexdigest()

    def add(self, handles: list[asyncio.Handle]) -> None:
        """Make callbacks ready."""
        self._ready += handles

    def _make_task(self, _loop: Any, work: Any, context: Context | None = None, **options: Any) -> asyncio.Task[Any]:
        task = _Task(work, number=self._count(), loop=self, context=context, **options)
        self._tasks.append(task)  # so that none ends, with its `finally`, when the garbage collector comes
        return task

    def create_future(self) -> asyncio.Future[Any]:
        """Create a future of the loop."""
        return _Future(number=self._count(), loop=self)

    def _note_error(self, _loop: Any, error: dict[str, Any]) -> None:
        self.note(f"{error['message']}: {error.get('exception')!r}")

    def _run_once(self) -> None:
        """Run one callback, of all that are ready; if there is none, let time pass until there is."""
        while True:
            self._take_due()
            while self._ready:
                at = int(self.chance.random() * len(self._ready))
                handle = self._ready[at]
                self._ready[at] = self._ready[-1]
                self._ready.pop()
                if handle._cancelled:
                    continue
                process = handle._context.get(CURRENT)  # type: ignore[attr-defined]
                if process is None or process.takes(handle):
                    self.steps += 1
                    if self.steps > self._most:
                        raise OutOfSteps(f"more than {self._most} steps")
                    handle._run()
                    if self._error is not None:
                        raise self._error
                    return
            if self._stopping:
                return
            if not self._scheduled:
                raise OutOfSteps("nobody waits for anything any more")
            self._time = max(self._time, self._scheduled[0]._when)

    def _take_due(self) -> None:
        while self._scheduled and (self._scheduled[0]._cancelled or self._scheduled[0]._when <= self._time):
            handle = heapq.heappop(self._scheduled)
            handle._scheduled = False
            if not handle._cancelled:
                self._ready.append(handle)

    def _write_to_self(self) -> None:
        """Nobody waits for input."""

    def abandon(self) -> None:
        """Close what still runs, and the loop."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a `finally` would still have awaited
            for task in self._tasks:
                if not task.done():
                    task._log_destroy_pending = False
                    with contextlib.suppress(BaseException):
                        task.get_coro().close()
                elif not task.cancelled():
                    task.exception()
            self._tasks.clear()
            self.close()
            gc.collect()


class WallLoop(Loop):
    """The loop that runs anyway, with what the simulated servers ask of theirs: for tests of these servers."""

    def __init__(self) -> None:
        """Begin nothing: there is one."""
        self.chance = random.Random(1)

    def __getattribute__(self, name: str) -> Any:
        """Return what the running loop has, where it has it."""
        running_loop = asyncio.get_running_loop()
        own = name in {"chance", "note", "__class__"} or not hasattr(running_loop, name)
        return object.__getattribute__(self, name) if own else getattr(running_loop, name)

    def note(self, line: str) -> None:
        """Keep no trace."""

    def __del__(self) -> None:
        """Close nothing."""


@contextlib.contextmanager
def running(loop: Loop) -> Iterator[None]:
    """Let the loop's time and chance be those of everything that is called."""
    seeded = random.Random(loop.chance.random())
    originals = [(module, name, getattr(module, name)) for module, name in _CLOCKS]
    urandom, state = os.urandom, random.getstate()
    with warnings.catch_warnings():
        # Whoever was killed has left coroutines that nobody awaits.
        warnings.simplefilter("ignore", RuntimeWarning)
        gc.collect()
    gc.disable()
    for module, name, _ in originals:
        setattr(module, name, loop.time)
    os.urandom = seeded.randbytes
    random.seed(seeded.random())
    try:
        yield
    finally:
        os.urandom = urandom
        random.setstate(state)
        for module, name, original in originals:
            setattr(module, name, original)
        gc.enable()


_CLOCKS: Final = ((time, "monotonic"), (time, "perf_counter"), (time, "time"))
