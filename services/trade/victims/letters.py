"""The letters to a victim, which referral and disposal print: restorative justice, and what was decided and why.

The reasons are those that the law gives for a decision of its kind, never the words of the officer: these describe the child.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from services.trade.vocabulary import Disposal, OutcomeCode, Recommendation

FOLDER: Final = Path(__file__).parent / "documents"

DECIDED: Final[Mapping[OutcomeCode | Recommendation | Disposal, str]] = {
    OutcomeCode.C1: "charged",
    OutcomeCode.C1A: "charged",
    OutcomeCode.C2: "caution",
    OutcomeCode.C2A: "caution",
    OutcomeCode.C8: "resolution",
    OutcomeCode.C9: "not_in_the_public_interest",
    OutcomeCode.C10: "not_in_the_public_interest",
    OutcomeCode.C11: "under_ten",
    OutcomeCode.C14: "no_evidence",
    OutcomeCode.C15: "no_evidence",
    OutcomeCode.C16: "no_evidence",
    OutcomeCode.C18: "no_evidence",
    OutcomeCode.C20: "passed_on",
    OutcomeCode.C21: "not_in_the_public_interest",
    OutcomeCode.C22: "diverted",
    OutcomeCode.C23: "plan_completed",
    Recommendation.CHARGE: "charged",
    Recommendation.NO_FURTHER_ACTION: "not_in_the_public_interest",
    Recommendation.OUTCOME_21: "not_in_the_public_interest",
    Recommendation.OUTCOME_22: "diverted",
    Recommendation.DEFERRED_PROSECUTION: "deferred",
    Disposal.YRD: "resolution",
    Disposal.YC: "caution",
    Disposal.YCC: "caution",
}
"""The text of a decision: what it is, and why such a decision is taken. Any other has the text `other`."""


def letter_about(decision: OutcomeCode | Recommendation | Disposal, **values: Any) -> dict[str, Any]:
    """Return the values of a letter about a decision."""
    return {"decision": DECIDED.get(decision, "other"), **values}
