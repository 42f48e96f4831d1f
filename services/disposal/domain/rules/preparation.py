"""Before the decision: the child's age, the gravity score, the panel, the prosecutor."""

from __future__ import annotations

from services.disposal.domain.commands import (
    OpenDisposalCase,
    RecordPanelRecommendation,
    RecordProsecutorDecision,
    ScoreGravity,
)
from services.disposal.domain.rules.rulebook import rules
from services.disposal.domain.state import DisposalState
from services.vocabulary import Role
from shared.domain.dates import age_on
from shared.domain.rules import Context


@rules.forbids("R1", OpenDisposalCase, looks_at=("details", "offence"))
def old_enough_to_commit_an_offence(command: OpenDisposalCase, _state: DisposalState | None, context: Context) -> bool:
    """The child was under ten at the offence and cannot commit a crime: give early help and education, outcome 11.

    Source: CYPA 1933 s50
    """
    age = age_on(command.details.date_of_birth.value, command.offence.date)
    return age >= context.policy.number("criminal_responsibility_age")


@rules.forbids("G1", ScoreGravity, looks_at=("offence_score", "final_score"))
def score_is_on_the_scale(command: ScoreGravity, _state: DisposalState, context: Context) -> bool:
    """Gravity scores run from 1 to 5, and before October 2023 from 1 to 4: check the matrix of the day.

    Source: NPCC child gravity matrix; ACPO gravity matrix
    """
    scale = range(context.policy.number("gravity_score_lowest"), context.policy.number("gravity_score_highest") + 1)
    return command.offence_score in scale and command.final_score in scale


@rules.forbids("G1", ScoreGravity, looks_at=("offence_score", "final_score", "aggravating", "mitigating"))
def a_large_shift_has_factors(command: ScoreGravity, _state: DisposalState, context: Context) -> bool:
    """The final score differs from the offence score by more than one point: name the factors that move it.

    Source: NPCC child gravity matrix
    """
    shift = abs(command.final_score - command.offence_score)
    has_factors = bool(command.aggravating.value or command.mitigating.value)
    return has_factors or shift <= context.policy.number("gravity_shift_without_factors")


@rules.forbids("P1", RecordPanelRecommendation, looks_at=("attendees",))
def panel_had_its_quorum(command: RecordPanelRecommendation, _state: DisposalState, context: Context) -> bool:
    """The panel needs at least police and youth justice service: record a recommendation of a panel with both.

    Source: local policy on the disposal panel
    """
    # A sitting has judged its own quorum; one of those present may have abstained since.
    return context.actor.role == Role.SYSTEM or context.policy.codes("panel_quorum") <= frozenset(command.attendees)


@rules.forbids("R19", RecordProsecutorDecision, looks_at=("child_information_form",))
def child_information_form_was_sent(command: RecordProsecutorDecision, _state: DisposalState, context: Context) -> bool:
    """A case that goes to the prosecutor needs the child information form: send it, then record the decision.

    Source: NPCC and CPS, child information form, mandatory from 1 February 2025
    """
    return command.child_information_form or not context.policy.flag("child_information_form")
