"""A service's processes by the command line: `python -m services.NAME api` or `worker`.

Each kind imports what it needs when it is chosen: an API needs no Faust and a worker no FastAPI, and half a second of
imports in each of ten processes counts where the system must be ready in thirty.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from shared.privacy.keyring import InvalidKeyEncryptionKeys
from shared.runtime.logs import log_to_stderr
from shared.runtime.service import Service
from shared.runtime.settings import NoPassword, Settings


def run_service(service: Service[Any]) -> None:
    """Run one process of a deciding service."""

    def api(settings: Settings) -> None:
        from shared.api import serve, service_api  # noqa: PLC0415 - see above

        serve(service_api(service, settings), settings)

    def worker(settings: Settings) -> None:
        from shared.runtime.worker import run, worker_components  # noqa: PLC0415 - see above

        run(lambda: worker_components(service, settings))

    run_process(service.name, {"api": api, "worker": worker})


def run_process(name: str, kinds: Mapping[str, Callable[[Settings], None]]) -> None:
    """Run the kind of process that the one argument names; exits 1 with a sentence where that cannot be."""
    if len(sys.argv) != 2 or sys.argv[1] not in kinds:
        sys.exit(f"say what to run: python -m services.{name} {'|'.join(kinds)}")
    log_to_stderr(f"{name}-{sys.argv[1]}")
    try:
        kinds[sys.argv[1]](Settings())
    except (InvalidKeyEncryptionKeys, NoPassword) as error:
        sys.exit(str(error))
