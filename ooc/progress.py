"""Telling a person what happens while it happens, and what went wrong in a sentence, never in a traceback."""

import os
import time
from collections.abc import Awaitable
from typing import Final

from ooc.cases.reading import NotFound
from ooc.scenarios import Differs
from ooc.tables import OUT, complain
from services.console.supervisors.import_table import UnreadableRegister
from services.system.addresses import VAR, NoSystem
from tools.client.http import NoAnswer
from tools.client.idle import NotIdle
from tools.client.tokens import NoToken
from tools.local.errors import CannotStart
from tools.local.supervisor import State
from tools.scenario.backend import BackendError
from tools.scenario.yaml_text import BadFile

SENTENCES: Final = (
    NoSystem,
    NotIdle,
    NotFound,
    NoAnswer,
    Differs,
    BackendError,
    BadFile,
    NoToken,
    CannotStart,
    UnreadableRegister,
)
"""What is said as it stands: each names its cause and what to do."""


class Progress:
    """Prints a line when a process is ready, and when it has to be started again."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._been_up: set[str] = set()
        self._stopping = False

    def __call__(self, name: str, state: State) -> None:
        """Hear of a change in a process's life."""
        match state:
            case State.READY | State.DONE:
                again = " again" if name in self._been_up else ""
                self._been_up.add(name)
                OUT.print(f"  {time.monotonic() - self._began:5.1f} s  {name} {state.value}{again}", style="dim")
            case State.RESTARTING:
                OUT.print(f"  {name} has ended and is started again: see {VAR / 'log' / name}.log", style="yellow")
            case State.OUT_OF_ROOM:
                OUT.print(f"  {name} waits for room on the disk that holds {VAR.absolute()}: free some", style="yellow")
            case State.STOPPING if not self._stopping:
                self._stopping = True
                OUT.print(
                    "Stopping: each process ends its work under way, the servers last. This takes up to a minute."
                )
            case _:
                pass


def error_text(error: BaseException) -> str:
    """Return an error as a sentence."""
    if isinstance(error, SENTENCES):
        return str(error)
    return f"{type(error).__name__}: {error}\nThis is a fault of the program: please report it. OOC_DEBUG=1 shows where it happened."


async def report_failure(work: Awaitable[None]) -> int:
    """0 when the work is done, 1 when it failed and that was said."""
    try:
        await work
    except Exception as error:
        if os.environ.get("OOC_DEBUG"):
            raise
        complain(error_text(error))
        return 1
    return 0
