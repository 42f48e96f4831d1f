"""The letters to a victim, which referral and disposal print: restorative justice, and what was decided and why.

The reasons are those that the law gives for a decision of its kind, never the words of the officer: these describe the child.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from services.trade.vocabulary import Disposal, OutcomeCode, Recommendation

FOLDER: Final = Path(__file__).parent / "documents"

DECIDED: Final[Mapping[OutcomeCode | Recommendation | Disposal, str]] = {
    OutcomeCode.C1: "charged",
    OutcomeCode.C1A: "charged",
    OutcomeCode.C2: "caution",
    OutcomeCode.C2A: "caution",
    OutcomeCode.C3: "caution",
    OutcomeCode.C3A: "caution",
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


NO_EVIDENCE: Final = "no_evidence"
NO_OUTCOME: Final = "no_outcome"
"""A suspect about whom nothing is decided, beside others."""


@dataclass(frozen=True)
class Suspect:
    """One of the suspects of a crime, of whom a letter says no more than this. `is_child` is None for the crime itself."""

    outcome: OutcomeCode | None
    is_child: bool | None = True


def letter_about_each(suspects: Sequence[Suspect], *, may_have_admitted: bool, **values: Any) -> dict[str, Any]:
    """Return the values of a letter about every suspect of a crime, by number and not by name.

    If somebody may have admitted it, the letter does not say that evidence is lacking.
    """
    lines, reasons, numbers = list[dict[str, Any]](), dict[str, None](), Counter[bool | None]()
    for suspect in suspects:
        decision = NO_OUTCOME if suspect.outcome is None else DECIDED.get(suspect.outcome, "other")
        kind = "adult" if suspect.is_child is False else "child"
        number = ("another" if numbers[suspect.is_child] else "one") if len(suspects) > 1 else "only"
        numbers[suspect.is_child] += 1
        plain = suspect.is_child is None or (number == "only" and suspect.is_child)
        lines.append({"decision": decision, "who": None if plain else f"{number}_{kind}"})
        if suspect.outcome is not None:
            reasons["other" if decision == NO_EVIDENCE and may_have_admitted else decision] = None
    first = next(suspect.outcome for suspect in suspects if suspect.outcome is not None)
    return letter_about(first, completed=False, each=lines, reasons=list(reasons), **values)


def letter_about(decision: OutcomeCode | Recommendation | Disposal, **values: Any) -> dict[str, Any]:
    return {"decision": DECIDED.get(decision, "other"), **values}
