"""`python -m services.disposal api` or `worker`."""

from services.disposal.service import service
from shared.process import main

if __name__ == "__main__":
    main(service)
