"""The rules of out-of-court disposals, along the seams of the law: `rules` is the book that holds them all.

R28 (one live disposal for one child and one offence in an area) reaches across cases: under one id of the child a claim
of the service's declaration holds it, under several ids the function in `people`.
"""

from services.disposal.domain.rules import (  # noqa: F401 - each module registers its rules
    attendance,
    breach,
    chronology,
    conditions,
    decision,
    deferral,
    issuing,
    lawfulness,
    outcomes,
    people,
    preparation,
    state_machine,
)
from services.disposal.domain.rules.rulebook import rules

__all__ = ["rules"]
