"""The letter to a victim of what was decided. A disposal case does not hold the victim's name: it has a line for it."""

from collections.abc import Sequence

from services.disposal.domain.state import DisposalState
from services.trade.victims.letters import letter_about
from services.trade.vocabulary import Recommendation
from shared.domain.documents import DocumentData, NotAvailable
from shared.domain.envelope import Fact


def victim_letter(state: DisposalState, _facts: Sequence[Fact]) -> DocumentData | NotAvailable:
    """Fill the letter about the latest decision of which victims are told."""
    if not state.decided_at or (state.issue is None and state.decision is None):
        return NotAvailable("Nothing is decided of which a victim is told: print it when the disposal is given.")
    decided = state.required_decision.what if state.issue is None else state.issue.disposal
    values = letter_about(
        decided if state.proceedings_at is None else Recommendation.CHARGE,
        completed=state.completed_on is not None,
        name=None,
        address=None,
        happened_on=state.opened.offence.date.isoformat(),
        reference=state.opened.crime_number,
    )
    if state.annulment is not None:
        values |= {"decision": "annulled", "completed": False}
    return DocumentData(values, max(state.decided_at))
