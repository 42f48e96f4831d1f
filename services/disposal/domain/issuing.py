"""Issues the disposal: the signature under its document, and the issue itself."""

from __future__ import annotations

from services.disposal.domain.commands import SignDocument
from services.disposal.domain.completion import of_child
from services.disposal.domain.condition_set import ends_on, spent_on
from services.disposal.domain.signing import is_printed_here
from services.disposal.domain.state import DisposalState
from services.disposal.events import DisposalIssued, DocumentSigned
from services.vocabulary import Disposal
from shared.domain.corrections import facts_of, required
from shared.domain.decisions import NewEvents
from shared.domain.messages import event_from
from shared.domain.rules import Context


def decide_signature(command: SignDocument, state: DisposalState, context: Context) -> NewEvents:
    """Record the signature, and whether the document is the one that this system prints of the case."""
    printed_here = is_printed_here(command.document_sha256, state, facts_of(state), context)
    return (event_from(DocumentSigned, command, printed_here=printed_here),)


def decide_issue(state: DisposalState, context: Context) -> NewEvents:
    """Issue the disposal with all that others need. A restorative disposal without agreed actions is then complete."""
    disposal = required(state.to_be_issued, state, "no disposal is decided")
    age = required(state.age_on(context.day), state, "the date of birth is forgotten")
    offence = state.opened.offence
    conditions = [proposed.terms for proposed in state.conditions.values() if disposal is not Disposal.YC]
    agreed_end = ends_on(conditions)
    event = DisposalIssued(
        **of_child(state),
        disposal=disposal,
        issued_on=context.day,
        age_at_offence=state.opened.age_at_offence,
        age_at_issue=age,
        conditions=tuple(condition.terms for condition in conditions),
        ends_on=agreed_end,
        spent_on=spent_on(disposal, context.day, agreed_end, context.policy),
        offence_code=offence.code,
        offence_category=offence.category,
        offence_date=offence.date,
        trial_mode=offence.trial_mode,
        recordable=offence.recordable,
        gravity_score=state.gravity,
        yjb_seriousness_score=state.yjb_seriousness,
        prior=state.opened.prior,
        victims=state.victims,
        deciding_officer=state.required_decision.by,
        investigating_officer=state.opened.investigating_officer,
    )
    return (event,)
