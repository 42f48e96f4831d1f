"""Run a witness: `python -m tools.witness --state FOLDER --logs FILE [--name NAME] [--host HOST] [--port PORT]`."""

import argparse
import sys
from pathlib import Path

import uvicorn

from shared.api.connections import ConnectionLimits, with_limits
from shared.privacy.signed_note import BadNote
from shared.runtime.server import run
from tools.witness.application import witness_application
from tools.witness.state import MemoryLost, WitnessState, read_log_keys, witness_key


def main() -> None:
    """Serve until SIGTERM; ends with a message if a file is missing or malformed."""
    parser = argparse.ArgumentParser(prog="python -m tools.witness", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="the folder of its key and of what it has seen")
    parser.add_argument("--logs", type=Path, required=True, help="a file with the public keys of the logs, one a line")
    parser.add_argument("--name", default="witness.local", help="its name, which stands in its signatures")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8119)
    chosen = parser.parse_args()
    try:
        logs = read_log_keys(chosen.logs)
    except (OSError, UnicodeDecodeError, BadNote) as error:
        sys.exit(f"The keys of the logs cannot be read from {chosen.logs}: {error}")
    try:
        application = witness_application(witness_key(chosen.state, chosen.name), logs, WitnessState(chosen.state))
    except MemoryLost as error:
        sys.exit(str(error))
    http = with_limits(ConnectionLimits())
    run(uvicorn.Config(application, chosen.host, chosen.port, http=http, log_level="warning", server_header=False))


if __name__ == "__main__":
    main()
