"""What happens from the opening of a case to the giving of a disposal."""

from __future__ import annotations

from services.disposal.domain.case import DisposalState
from services.disposal.domain.commands import (
    CompleteAssessment,
    DecideDisposal,
    InformVictimOfRestorativeJustice,
    OpenDisposalCase,
    RecordVictimView,
)
from services.disposal.domain.completion import of_child
from services.disposal.domain.condition_set import ends_on, spent_on
from services.disposal.domain.time_limit import prosecution_time_limit
from services.disposal.events import (
    AssessmentCompleted,
    DisposalCaseOpened,
    DisposalDecided,
    DisposalIssued,
    VictimInformedOfRestorativeJustice,
    VictimViewSought,
)
from services.vocabulary import Disposal
from shared.messages import Decided, event_of
from shared.rules import Occasion
from shared.working_days import age_on


def opened(command: OpenDisposalCase, occasion: Occasion) -> Decided:
    """The case opens, with what is computed once and then stays in clear: an age and a time limit."""
    age = age_on(command.details.date_of_birth.value, command.offence.date)
    limit = prosecution_time_limit(command.offence, occasion.policy)
    return (event_of(DisposalCaseOpened, command, age_at_offence=age, prosecution_time_limit=limit),)


def victim_asked(command: RecordVictimView, state: DisposalState) -> Decided:
    """A victim's view, with the case and the child whom it concerns."""
    opened_case = state.opened
    return (event_of(VictimViewSought, command, child_id=opened_case.person_id, case_id=opened_case.case_id),)


def victim_informed(command: InformVictimOfRestorativeJustice, state: DisposalState) -> Decided:
    """A victim was told, with the case that it concerns."""
    return (event_of(VictimInformedOfRestorativeJustice, command, case_id=state.opened.case_id),)


def assessed(command: CompleteAssessment, state: DisposalState) -> Decided:
    """The assessment, with the child whose key seals its reason."""
    return (event_of(AssessmentCompleted, command, person_id=state.opened.person_id),)


def decided(command: DecideDisposal, state: DisposalState, occasion: Occasion) -> Decided:
    """The decision, with whom it concerns and the age on its day."""
    return (event_of(DisposalDecided, command, **of_child(state), age=state.age_on(occasion.day)),)


def issued(state: DisposalState, occasion: Occasion) -> Decided:
    """The disposal is given. A restorative disposal without agreed actions is completed by that alone."""
    disposal, age, decision = state.to_be_issued, state.age_on(occasion.day), state.decision
    assert disposal is not None
    assert age is not None
    assert decision is not None
    offence = state.opened.offence
    conditions = [held.terms for held in state.conditions.values() if disposal is not Disposal.YC]
    agreed_end = ends_on(conditions)
    event = DisposalIssued(
        **of_child(state),
        disposal=disposal,
        issued_on=occasion.day,
        age_at_offence=state.opened.age_at_offence,
        age_at_issue=age,
        conditions=tuple(condition.terms for condition in conditions),
        ends_on=agreed_end,
        spent_on=spent_on(disposal, occasion.day, agreed_end, occasion.policy),
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
