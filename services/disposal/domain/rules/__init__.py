"""The rules of out-of-court disposals, along the seams of the law: `rules` is the book that holds them all.

R28 (one live disposal for one child and one offence) reaches across cases, so it is no function here but a claim of
the service's declaration; a claim that is lost is the refusal.
"""

from services.disposal.domain.rules import (  # noqa: F401 - each module registers its rules
    attendance,
    breach,
    chronology,
    conditions,
    decision,
    deferral,
    issuing,
    outcomes,
    people,
    preparation,
    state_machine,
)
from services.disposal.domain.rules.rulebook import rules

__all__ = ["rules"]
