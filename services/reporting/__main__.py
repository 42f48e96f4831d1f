"""`python -m services.reporting api` or `worker`."""

from shared.runtime.entrypoint import run_process
from shared.servers.settings import Settings


def api(settings: Settings) -> None:
    from services.reporting.api import reporting_api  # noqa: PLC0415 - each process imports what it needs
    from shared.runtime.application import serve  # noqa: PLC0415

    serve(reporting_api(settings), settings)


def worker(settings: Settings) -> None:
    """Consume events and project them."""
    from services.reporting.worker import run_worker  # noqa: PLC0415 - each process imports what it needs

    run_worker(settings)


if __name__ == "__main__":
    run_process("reporting", {"api": api, "worker": worker})
