"""The policy of a day: a service's dated values, and the bank holidays."""

from datetime import date
from typing import Any

from fastapi import FastAPI, Request

from shared.api.parameters import a_day
from shared.api.request import Caller, read_day, read_query, today
from shared.api.routes import declared
from shared.api.schemas import PolicyView
from shared.domain.dates import bank_holidays
from shared.domain.policy import PolicyBook

_AS_OF = a_day("as_of", "The day that is judged; today if it is left out.")


def add_policy(app: FastAPI, book: PolicyBook) -> None:
    """Add the route of a service's policy, for every token. It describes no person, so reads are not logged."""

    @app.get("/v1/policy", tags=["policy"], response_model=PolicyView, **declared((_AS_OF,)))
    async def policy(request: Request, _actor: Caller) -> dict[str, Any]:
        """Return the policy values in force on a day, with their sources, and the bank holidays of England and Wales."""
        day: date = read_day(read_query(request), _AS_OF.name) or today()
        in_force = book.on(day)
        return {
            "as_of": day,
            "edition": in_force.edition,
            "values": [
                {
                    "name": term.name,
                    "unit": term.unit,
                    "source": term.source,
                    "since": next(entry.since for entry in reversed(term.entries) if entry.since <= day),
                    "value": in_force.values[term.name],
                }
                for term in book.terms.values()
                if term.name in in_force.values
            ],
            "bank_holidays": sorted(bank_holidays()),
        }
