"""The plan of a deferred prosecution, for child and adult to sign. What is recorded after the agreement changes nothing of it."""

from collections.abc import Sequence

from services.disposal.documents.words import child, offence
from services.disposal.domain.state import DisposalState
from services.disposal.events import ProsecutionDeferred
from shared.domain.documents import DocumentData, NotAvailable, latest, personal_value
from shared.domain.envelope import Fact


def deferral_plan(state: DisposalState, facts: Sequence[Fact]) -> DocumentData | NotAvailable:
    """Fill the plan: what it is about, each step with its day, the review, and what follows."""
    deferral = state.deferral
    if deferral is None:
        return NotAvailable("No prosecution is deferred in this case: agree the plan before printing it (DP3).")
    steps = [
        {"kind": step.terms.kind.value, "text": personal_value(step.terms.text), "due": step.terms.due.isoformat()}
        for step in deferral.steps.values()
    ]
    values = {
        "child": child(state),
        "offence": offence(state),
        "steps": steps,
        "review_on": deferral.review_on.isoformat(),
    }
    return DocumentData(values, latest(facts, ProsecutionDeferred))
