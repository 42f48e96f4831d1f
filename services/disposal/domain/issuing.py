"""What happens from the opening of a case to the giving of a disposal."""

from __future__ import annotations

from services.disposal.domain.commands import (
    CompleteAssessment,
    DecideDisposal,
    InformVictimOfRestorativeJustice,
    OpenDisposalCase,
    RecordVictimView,
    SignDocument,
)
from services.disposal.domain.completion import of_child
from services.disposal.domain.condition_set import ends_on, spent_on
from services.disposal.domain.signing import is_printed_here
from services.disposal.domain.state import DisposalState
from services.disposal.domain.time_limit import prosecution_time_limit
from services.disposal.events import (
    AssessmentCompleted,
    DisposalCaseOpened,
    DisposalDecided,
    DisposalIssued,
    DocumentSigned,
    VictimInformedOfRestorativeJustice,
    VictimViewSought,
)
from services.vocabulary import Disposal
from shared.domain.corrections import facts_of
from shared.domain.dates import age_on
from shared.domain.messages import NewEvents, event_from
from shared.domain.rules import Context


def decide_opening(command: OpenDisposalCase, context: Context) -> NewEvents:
    """The case opens, with what is computed once and then stays in clear: an age and a time limit."""
    age = age_on(command.details.date_of_birth.value, command.offence.date)
    limit = prosecution_time_limit(command.offence, context.policy)
    return (event_from(DisposalCaseOpened, command, age_at_offence=age, prosecution_time_limit=limit),)


def decide_victim_view(command: RecordVictimView, state: DisposalState) -> NewEvents:
    """A victim's view, with the case and the child whom it concerns."""
    opened_case = state.opened
    return (event_from(VictimViewSought, command, child_id=opened_case.person_id, case_id=opened_case.case_id),)


def decide_victim_information(command: InformVictimOfRestorativeJustice, state: DisposalState) -> NewEvents:
    """A victim was told, with the case that it concerns."""
    return (event_from(VictimInformedOfRestorativeJustice, command, case_id=state.opened.case_id),)


def decide_assessment(command: CompleteAssessment, state: DisposalState) -> NewEvents:
    """The assessment, with the child whose key seals its reason."""
    return (event_from(AssessmentCompleted, command, person_id=state.opened.person_id),)


def decide_decision(command: DecideDisposal, state: DisposalState, context: Context) -> NewEvents:
    """The decision, with whom it concerns and the age on its day."""
    return (event_from(DisposalDecided, command, **of_child(state), age=state.age_on(context.day)),)


def signed(command: SignDocument, state: DisposalState, context: Context) -> NewEvents:
    """The document was signed: the one that is printed here of what the case says, or another."""
    printed_here = is_printed_here(command.document_sha256, state.to_be_issued, facts_of(state), context)
    return (event_from(DocumentSigned, command, printed_here=printed_here),)


def decide_issue(state: DisposalState, context: Context) -> NewEvents:
    """The disposal is given. A restorative disposal without agreed actions is completed by that alone."""
    disposal, age, decision = state.to_be_issued, state.age_on(context.day), state.decision
    assert disposal is not None
    assert age is not None
    assert decision is not None
    offence = state.opened.offence
    conditions = [held.terms for held in state.conditions.values() if disposal is not Disposal.YC]
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
        deciding_officer=decision.by,
        investigating_officer=state.opened.investigating_officer,
    )
    return (event,)
