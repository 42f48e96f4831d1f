"""`python -m services.referral api` or `worker`."""

from services.referral.service import service
from shared.process import main

if __name__ == "__main__":
    main(service)
