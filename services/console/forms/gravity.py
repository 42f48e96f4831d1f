"""The form of a gravity score: the lines of the loaded matrix by title, then the factors of the chosen one as check boxes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Final

from services.console.forms.fields import MISSING, Answers, Field, Option, all_fields, day_in
from services.console.routing import first
from services.console.words import today
from services.disposal.domain.matrix import Line, Matrix
from services.disposal.events import Direction
from services.disposal.matrices import matrix_on
from services.reporting.projection.read_models import READ_MODELS

COMMAND: Final = "ScoreGravity"
OFFENCE: Final = "offence_code"
"""The code of the offence, among what a case knows."""
SHOWN: Final = "shown.line"
"""The line whose factors the form showed; the browser sends it back."""


def with_matrix(fields: Sequence[Field], answers: Answers) -> Sequence[Field]:
    """Offer the lines of the matrix of the day, and the factors of the chosen one; without a matrix the form stays."""
    matrix = matrix_on(_day(answers))
    if matrix is None:
        return fields
    line = _chosen(matrix, answers)
    drawn = []
    for field in fields:
        if field.name == "line":
            options = [Option(line.code, f"{line.title} ({line.code})") for line in matrix.lines.values()]
            help_ = "Its score is filled in, and its factors follow. Leave it empty for an offence that is not listed."
            drawn.append(replace(field, kind="choice", options=options, help=help_))
        elif field.name == "final_score" and line is not None:
            drawn.append(replace(field, help=f"{field.help} Left empty: moved by the factors that are ticked."))
        elif field.name != "factors":
            drawn.append(field)
        elif line is not None:
            words = {option.value: option.text for part in all_fields([field]) for option in part.options}
            drawn.append(replace(field, kind="ticks", options=_boxes(line, words), rows=()))
    return drawn


def of_offence(codes: Sequence[Option], answers: Answers) -> Answers:
    """Return the answers of the line of the offence of a case, for a form whose line nobody has chosen yet."""
    matrix = matrix_on(_day(answers))
    line = matrix.lines.get(codes[0].value) if matrix and len(codes) == 1 and "line" not in answers else None
    return {} if matrix is None or line is None else {"line": [line.code], **_answers_of(matrix, line)}


def with_score(answers: dict[str, list[str]]) -> dict[str, list[str]]:
    """Fill in a final score that was left empty: that of the line, a step away if factors of one direction are ticked."""
    matrix = matrix_on(_day(answers))
    line = _chosen(matrix, answers) if matrix else None
    if line is None or first(answers, "final_score"):
        return answers
    ways = {json.loads(factor)["direction"] for factor in answers.get("factors", ())}
    step = READ_MODELS["disposal"].policy.on(_day(answers)).number("gravity_steps_of_factors")
    moved = {frozenset(): 0, frozenset({Direction.UP}): step, frozenset({Direction.DOWN}): -step}.get(frozenset(ways))
    return answers if moved is None else {**answers, "final_score": [str(line.score + moved)]}


def show_line(answers: dict[str, list[str]]) -> bool:
    """Fill in version and score of a line whose factors the form did not show yet, and tell whether there is one."""
    matrix = matrix_on(_day(answers))
    code = first(answers, "line")
    if matrix is None or code == first(answers, SHOWN):
        return False
    answers[SHOWN], answers["factors"] = [code], []
    line = _chosen(matrix, answers)
    if line is None:
        return False
    answers |= _answers_of(matrix, line)
    return True


def _answers_of(matrix: Matrix, line: Line) -> dict[str, list[str]]:
    return {SHOWN: [line.code], "offence_score": [str(line.score)], "matrix_version": [matrix.version]}


def _boxes(line: Line, words: Mapping[str, str]) -> list[Option]:
    return [
        Option(
            json.dumps({"code": factor.code, "direction": factor.direction}),
            f"{words[factor.direction]}: {title} ({factor.code})",
        )
        for factor, title in line.factors.items()
    ]


def _chosen(matrix: Matrix, answers: Answers) -> Line | None:
    return matrix.lines.get(first(answers, "line"))


def _day(answers: Answers) -> date:
    """Return the day on which the offence is scored: what the form says, else today."""
    try:
        day = day_in("occurred_at", answers)
    except ValueError:
        return today()
    return today() if day is MISSING else day
