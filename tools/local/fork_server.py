"""Ready the fork server of a local system: `multiprocessing` imports this module there, and nothing else does.

Importing it makes the process end with its supervisor, write to its own log and import what OOC_FORK_IMPORTS names. An
import that fails ends the process, since `multiprocessing` would go on without it.
"""

import gc
import importlib
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Final

from tools.local.drop_privileges import tie_to
from tools.local.forking import FORK_SERVER, write_to

PID: Final = os.getpid()
"""The process id of the server, in its children too."""


def _import(modules: list[str]) -> None:
    """Import modules, and keep what they make out of the garbage collector's way: it would copy pages that children share."""
    gc.disable()
    for module in modules:
        importlib.import_module(module)
    if threading.active_count() > 1:
        sys.exit(f"one of {', '.join(modules)} starts a thread, which no child would have")
    gc.freeze()


tie_to(os.getppid(), signal.SIGKILL)
_VAR = Path(os.environ["OOC_VAR"])
write_to(_VAR / "log" / f"{FORK_SERVER}.log")
(_VAR / "run" / f"{FORK_SERVER}.pid").write_text(f"{PID}\n", encoding="utf-8")
try:
    _import(os.environ["OOC_FORK_IMPORTS"].split())
except Exception:  # noqa: BLE001 - whatever it is
    traceback.print_exc()
    sys.exit(1)
