"""A program for tests of the fork server: `python -m tests.integration.local.forked tell|sleep|fail|shrug`."""

import json
import os
import signal
import sys
import time
from pathlib import Path

VARIABLE = "TOLD_TO_ONE"
"""What only one program is told."""

IMPORTED = "fractions" in sys.modules
"""Whether somebody imported for us what this program does not."""


def main() -> None:
    """Do what the argument says."""
    match sys.argv[1:]:
        case ["tell", *more]:
            told = {
                "arguments": more,
                "imported": IMPORTED,
                "secret": os.environ.get(VARIABLE),
                "parent": os.getppid(),
                "files": [os.path.realpath(file) for file in Path("/proc/self/fd").iterdir()],
            }
            sys.stdout.write(json.dumps(told))
        case ["fail"]:
            sys.exit("a sentence that says why")
        case ["shrug"]:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(3600)
        case _:
            time.sleep(3600)


if __name__ == "__main__":
    main()
