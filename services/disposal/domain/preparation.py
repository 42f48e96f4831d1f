"""Prepares and takes the decision: victims, the assessment, and what the police decide."""

from __future__ import annotations

from services.disposal.domain.commands import (
    CompleteAssessment,
    DecideDisposal,
    InformVictimOfRestorativeJustice,
    RecordVictimView,
)
from services.disposal.domain.completion import of_child
from services.disposal.domain.state import DisposalState
from services.disposal.events import (
    AssessmentCompleted,
    DisposalDecided,
    VictimInformedOfRestorativeJustice,
    VictimViewSought,
)
from shared.domain.decisions import NewEvents
from shared.domain.messages import event_from
from shared.domain.rules import Context


def decide_victim_view(command: RecordVictimView, state: DisposalState) -> NewEvents:
    """Record a victim's view with the case and the child whom it concerns."""
    opened_case = state.opened
    return (event_from(VictimViewSought, command, child_id=opened_case.person_id, case_id=opened_case.case_id),)


def decide_victim_information(command: InformVictimOfRestorativeJustice, state: DisposalState) -> NewEvents:
    """Record that a victim was told of restorative justice, with the case that it concerns."""
    return (event_from(VictimInformedOfRestorativeJustice, command, case_id=state.opened.case_id),)


def decide_assessment(command: CompleteAssessment, state: DisposalState) -> NewEvents:
    """Record the assessment with the child whose key seals its reason."""
    return (event_from(AssessmentCompleted, command, person_id=state.opened.person_id),)


def decide_decision(command: DecideDisposal, state: DisposalState, context: Context) -> NewEvents:
    """Record the decision with the child whom it concerns and the age on its day (whole years)."""
    return (event_from(DisposalDecided, command, **of_child(state), age=state.age_on(context.day)),)
