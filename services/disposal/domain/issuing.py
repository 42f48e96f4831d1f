"""Issues the disposal: the signature under its document, and the issue itself."""

from services.disposal.domain.commands import IssueDisposal, SignDocument
from services.disposal.domain.derived import of_issue
from services.disposal.domain.signing import is_printed_here
from services.disposal.domain.state import DisposalState
from services.disposal.events import CaseHandedOver, DisposalIssued, DocumentSigned
from shared.domain.corrections import facts_of, required
from shared.domain.decisions import NewEvents
from shared.domain.messages import model_from
from shared.domain.rules import Context


def decide_signature(command: SignDocument, state: DisposalState, context: Context) -> NewEvents:
    """Record the signature, and whether the document is the one that this system prints of the case."""
    printed_here = is_printed_here(command.document_sha256, state, facts_of(state), context)
    return (model_from(DocumentSigned, command, printed_here=printed_here),)


def decide_issue(command: IssueDisposal, state: DisposalState, context: Context) -> NewEvents:
    """Issue the disposal with all that others need, and hand the case to its case manager.

    A restorative disposal without agreed actions is then complete.
    """
    disposal = required(state.to_be_issued, state, "no disposal is decided")
    required(state.age_on(context.day), state, "the date of birth is forgotten")
    issued = DisposalIssued(**of_issue(state, disposal, context.day, context.policy), issued_on=context.day)
    manager = command.case_manager_id
    return (issued, CaseHandedOver(to=manager)) if manager not in {None, state.officer_id} else (issued,)
