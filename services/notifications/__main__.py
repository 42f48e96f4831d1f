"""`python -m services.notifications worker`."""

from services.notifications.worker import run_worker
from shared.runtime.entrypoint import run_process

if __name__ == "__main__":
    run_process("notifications", {"worker": run_worker})
