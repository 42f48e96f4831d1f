"""`python -m services.rj_conference api` or `worker`."""

from services.rj_conference.service import service
from shared.process import main

if __name__ == "__main__":
    main(service)
