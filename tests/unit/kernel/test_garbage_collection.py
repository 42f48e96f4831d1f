"""What a process does with its memory before it serves."""

import subprocess
import sys


def test_what_was_loaded_is_not_collected_again() -> None:
    """Given a process that has loaded its code, then none of its objects is looked at by a later collection."""
    code = (
        "import gc, services.system.registry\n"
        "from shared.runtime.garbage_collection import exempt_from_collection\n"
        "exempt_from_collection()\n"
        "print(len(gc.get_objects()) < gc.get_freeze_count() / 100)"
    )
    assert _printed(code) == "True"


def test_young_objects_are_seldom_looked_at() -> None:
    """Given a process that has loaded its code, when it makes some thousand objects, then no collection looks at them."""
    code = (
        "import gc\n"
        "from shared.runtime.garbage_collection import exempt_from_collection\n"
        "exempt_from_collection()\n"
        "collections = []\n"
        "gc.callbacks.append(lambda phase, info: collections.append(info))\n"
        "made = [[] for _ in range(5_000)]\n"
        "print(len(made), len(collections))"
    )
    assert _printed(code) == "5000 0"


def _printed(code: str) -> str:
    """Return the line that a new process prints."""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return ended.stdout.rstrip("\n")
