"""Before the decision: the child's age, the gravity score, the panel, the prosecutor."""

from datetime import date

from services.disposal.domain.commands import (
    OpenDisposalCase,
    ReclassifyOffence,
    RecordPanelRecommendation,
    RecordProsecutorDecision,
    ScoreGravity,
)
from services.disposal.domain.matrix import POLICY_VALUE, loaded_matrix
from services.disposal.domain.opening import known_details
from services.disposal.domain.rules.rulebook import rules
from services.disposal.domain.state import DisposalState
from services.disposal.events import Direction
from services.trade.vocabulary import Role
from shared.domain.dates import age_on
from shared.domain.rules import Context


@rules.forbids("R1", ReclassifyOffence, looks_at=("offence",), since=date(2013, 4, 8))
def old_enough_on_the_day_of_that_offence(command: ReclassifyOffence, state: DisposalState, context: Context) -> bool:
    """The child was under ten on the day of that offence and cannot commit a crime: withdraw the case, and give early help.

    Source: CYPA 1933 s50
    """
    age = state.age_on(command.offence.date)
    return age is None or age >= context.policy.number("criminal_responsibility_age")


@rules.forbids("R1", OpenDisposalCase, looks_at=("person_id", "details", "offence"))
def old_enough_to_commit_an_offence(command: OpenDisposalCase, _state: DisposalState | None, context: Context) -> bool:
    """The child was under ten at the offence and cannot commit a crime: give early help and education, outcome 11.

    Source: CYPA 1933 s50
    """
    known = known_details(command, context)
    details = command.details or known
    if details is None:
        return True  # S1 refuses it
    return age_on(details.date_of_birth.value, command.offence.date) >= context.policy.number(
        "criminal_responsibility_age"
    )


@rules.forbids("G1", ScoreGravity, looks_at=("offence_score", "final_score"))
def score_is_on_the_scale(command: ScoreGravity, _state: DisposalState, context: Context) -> bool:
    """Gravity scores run from 1 to 5, and before October 2023 from 1 to 4: check the matrix of the day.

    Source: NPCC child gravity matrix; ACPO gravity matrix
    """
    scale = range(context.policy.number("gravity_score_lowest"), context.policy.number("gravity_score_highest") + 1)
    return command.offence_score in scale and command.final_score in scale


@rules.forbids("G1", ScoreGravity, looks_at=("offence_score", "final_score", "factors", "aggravating", "mitigating"))
def a_large_shift_has_factors(command: ScoreGravity, _state: DisposalState, context: Context) -> bool:
    """The final score differs from the offence score by more than one point: name the factors that move it.

    Source: NPCC child gravity matrix
    """
    shift = abs(command.final_score - command.offence_score)
    return bool(_directions(command)) or shift <= context.policy.number("gravity_shift_without_factors")


@rules.forbids("G1", ScoreGravity, looks_at=("line", "factors", "offence_score", "matrix_version"))
def score_is_that_of_the_loaded_matrix(command: ScoreGravity, _state: DisposalState, context: Context) -> bool:
    """The loaded gravity matrix of that day is another, or has no such line, or another score or other factors in it:
    choose them from the matrix of the day.

    Source: NPCC child gravity matrix
    """
    matrix = loaded_matrix(command.matrix_version, context.policy_on)
    if matrix is None or command.line is None:
        return True
    line = matrix.lines.get(command.line)
    return (
        matrix is context.policy.values.get(POLICY_VALUE)
        and line is not None
        and line.score == command.offence_score
        and set(command.factors or ()) <= line.factors.keys()
    )


@rules.warns(
    "G2", ScoreGravity, looks_at=("offence_score", "final_score", "line", "factors", "aggravating", "mitigating")
)
def factors_move_the_score(command: ScoreGravity, _state: DisposalState, context: Context) -> bool:
    """The factors move the score of the line by one step at most, in their direction, and nothing else does: say why the
    final score is another.

    Source: NPCC child gravity matrix (the one step is practice, unconfirmed)
    """
    if command.line is None and command.factors is None:
        return True
    step, directions = context.policy.number("gravity_steps_of_factors"), _directions(command)
    lowest = command.offence_score - step * (Direction.DOWN in directions)
    highest = command.offence_score + step * (Direction.UP in directions)
    return lowest <= command.final_score <= highest


def _directions(command: ScoreGravity) -> frozenset[Direction]:
    """Return the directions in which the factors move the score: those that are ticked, and those in words."""
    ticked = {factor.direction for factor in command.factors or ()}
    in_words = {Direction.UP: command.aggravating.value, Direction.DOWN: command.mitigating.value}
    return frozenset(ticked | {direction for direction, factors in in_words.items() if factors})


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
