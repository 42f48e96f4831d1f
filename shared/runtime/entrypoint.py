"""A service's processes by the command line: `python -m services.NAME api` or `worker`.

Each kind imports what it needs when it is chosen: an API needs no Faust and a worker no FastAPI, and half a second of
imports in each of ten processes counts if the system must be ready in thirty.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from shared.domain.dates import BadCalendar, bank_holidays, local_day
from shared.domain.service import Service
from shared.observing.tracing import start_tracing
from shared.privacy.keyring import InvalidKeyEncryptionKeys
from shared.privacy.signed_note import BadNote, InvalidSigningKey
from shared.runtime.logs import log_to_stderr
from shared.servers.settings import InvalidSetting, NoPassword, Settings


def run_service(service: Service[Any], deciding_services: Callable[[], Iterable[Service[Any]]]) -> None:
    """Run one process of a deciding service; `deciding_services` gives the declarations of all."""

    def api(settings: Settings) -> None:
        # Name a wrong line of the operator's files now.
        service.policy.on(today := local_day(datetime.now(UTC)))
        for document in service.documents.values():
            document.sender(today, "en")
        from shared.runtime.application import serve, service_api  # noqa: PLC0415 - see above

        serve(service_api(service, settings, deciding_services), settings)

    def worker(settings: Settings) -> None:
        service.policy.on(local_day(datetime.now(UTC)))  # reactions are judged by it
        from shared.runtime.worker import run_worker  # noqa: PLC0415 - see above

        run_worker(service, settings)

    run_process(service.name, {"api": api, "worker": worker})


def run_process(name: str, kinds: Mapping[str, Callable[[Settings], None]]) -> None:
    """Run the kind of process that the one argument names; exits 1 with a sentence if there is no such kind."""
    if len(sys.argv) != 2 or sys.argv[1] not in kinds:
        sys.exit(f"say what to run: python -m services.{name} {'|'.join(kinds)}")
    process = f"{name}-{sys.argv[1]}"
    log_to_stderr(process)
    start_tracing(process)
    try:
        bank_holidays()
        kinds[sys.argv[1]](Settings())
    except (BadNote, InvalidKeyEncryptionKeys, InvalidSetting, InvalidSigningKey, NoPassword, BadCalendar) as error:
        sys.exit(str(error))
