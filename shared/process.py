"""A service's processes by the command line: `python -m services.NAME api` or `worker`.

Each kind imports what it needs when it is chosen: an API needs no Faust and a worker no FastAPI, and half a second of
imports in each of ten processes counts where the system must be ready in thirty.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from shared.keyring import BadKek
from shared.service import Service
from shared.settings import Settings
from shared.telemetry import log_to_stderr


def main(service: Service[Any]) -> None:
    """Run one process of a deciding service."""

    def api(settings: Settings) -> None:
        from shared.api import serve, service_api  # noqa: PLC0415 - see above

        serve(service_api(service, settings), settings)

    def worker(settings: Settings) -> None:
        from shared.worker import parts_of, run  # noqa: PLC0415 - see above

        run(lambda: parts_of(service, settings))

    choose(service.name, {"api": api, "worker": worker})


def choose(name: str, kinds: Mapping[str, Callable[[Settings], None]]) -> None:
    """Run the kind of process that the one argument names; exits 1 with a sentence where that cannot be."""
    if len(sys.argv) != 2 or sys.argv[1] not in kinds:
        sys.exit(f"say what to run: python -m services.{name} {'|'.join(kinds)}")
    log_to_stderr(f"{name}-{sys.argv[1]}")
    try:
        kinds[sys.argv[1]](Settings())
    except BadKek as error:
        sys.exit(str(error))
