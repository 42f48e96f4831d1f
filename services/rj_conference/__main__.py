"""`python -m services.rj_conference api` or `worker`."""

from services.registry import services_named
from services.rj_conference.service import service
from shared.runtime.entrypoint import run_service

if __name__ == "__main__":
    run_service(service, services_named)
