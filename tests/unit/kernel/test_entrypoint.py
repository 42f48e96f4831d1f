"""What a process does before it serves."""

from __future__ import annotations

import subprocess
import sys


def test_what_was_loaded_is_not_collected_again() -> None:
    """Given a process that has loaded its code, then none of its objects is looked at by a later collection."""
    code = (
        "import gc, services.registry\n"
        "from shared.runtime.entrypoint import exempt_from_collection\n"
        "exempt_from_collection()\n"
        "print(len(gc.get_objects()) < gc.get_freeze_count() / 100)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout == "True\n"
