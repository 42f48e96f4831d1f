"""`python -m services.education api` or `worker`."""

from services.education.service import service
from shared.process import main

if __name__ == "__main__":
    main(service)
