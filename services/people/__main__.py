"""`python -m services.people api` or `worker`."""

from services.people.service import service
from services.system.registry import deciding_services
from shared.runtime.entrypoint import run_service

if __name__ == "__main__":
    run_service(service, deciding_services)
