"""The gravity matrix: what each offence scores by itself, and the factors that move it. The partnership loads it.

Its table is CSV, one offence a line, its factors separated by semicolons, each with its code first:

    code,title,score,aggravating,mitigating
    TH68010,Theft from a shop,2,A1 It was planned; A2 The value was high,M1 The goods were returned
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from pydantic import TypeAdapter, ValidationError

from services.disposal.events import Direction, Factor, MatrixCode
from shared.domain.policy import PolicyOn

POLICY_VALUE: Final = "gravity_matrix"
COLUMNS: Final = ("code", "title", "score", "aggravating", "mitigating")
_CODE: Final[TypeAdapter[str]] = TypeAdapter(MatrixCode)


class WrongLine(ValueError):
    """A wrong line of a table: its number, from 1, and what to do."""

    def __init__(self, number: int, fault: str) -> None:
        super().__init__(f"line {number}: {fault}")


@dataclass(frozen=True)
class Line:
    """An offence of the matrix with its score and the factors that may move it, each with its title."""

    code: str
    title: str
    score: int
    factors: Mapping[Factor, str]


@dataclass(frozen=True)
class Matrix:
    """A version of the matrix; its name is the first day on which it is in force."""

    version: str
    lines: Mapping[str, Line]

    def __str__(self) -> str:
        return f"{len(self.lines)} offences, version {self.version}"


def loaded_matrix(version: str, policy_on: PolicyOn) -> Matrix | None:
    """Return a version of the matrix; None if it is not loaded."""
    try:
        matrix: Matrix | None = policy_on(date.fromisoformat(version)).values.get(POLICY_VALUE)
    except ValueError:
        return None
    return matrix if matrix is not None and matrix.version == version else None


def read_matrix(since: date, table: str, scale: Sequence[int]) -> Matrix:
    """Read the version that is in force from a day, whose scores are on a scale. Raises `WrongLine`."""
    rows = csv.reader(table.removeprefix("\ufeff").splitlines(keepends=True), strict=True)
    lines: dict[str, Line] = {}
    try:
        heading = tuple(cell.strip().lower() for cell in next(rows, ()))
        if heading != COLUMNS:
            raise WrongLine(1, f"its headings must be {','.join(COLUMNS)}")
        for cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            line = _line(rows.line_num, cells, scale)
            if line.code in lines:
                raise WrongLine(rows.line_num, f"{line.code} stands in an earlier line: give each offence one line")
            lines[line.code] = line
    except csv.Error as error:
        raise WrongLine(rows.line_num, f"it is no CSV: {error}") from error
    if not lines:
        raise WrongLine(2, "it has no offence")
    return Matrix(since.isoformat(), lines)


def _line(number: int, cells: Sequence[str], scale: Sequence[int]) -> Line:
    if len(cells) != len(COLUMNS):
        raise WrongLine(number, f"it has {len(cells)} cells, not {len(COLUMNS)}: quote a text that has a comma")
    code, title, score, aggravating, mitigating = (" ".join(cell.split()) for cell in cells)
    if not title:
        raise WrongLine(number, "the offence has no title")
    if score not in {str(number) for number in scale}:
        raise WrongLine(number, f"the score is {score!r}, and must be from {scale[0]} to {scale[-1]}")
    factors: dict[Factor, str] = {}
    for direction, cell in ((Direction.UP, aggravating), (Direction.DOWN, mitigating)):
        for factor, words in _factors(number, cell, direction):
            if any(factor.code == other.code for other in factors):
                raise WrongLine(number, f"the factor {factor.code} stands twice")
            factors[factor] = words
    return Line(_code(number, code), title, int(score), factors)


def _factors(number: int, cell: str, direction: Direction) -> Iterable[tuple[Factor, str]]:
    for text in filter(None, (part.strip() for part in cell.split(";"))):
        code, _, words = text.partition(" ")
        if not words:
            raise WrongLine(number, f"the factor {text!r} needs a code and a title, such as A1 It was planned")
        yield Factor(code=_code(number, code), direction=direction), words


def _code(number: int, code: str) -> str:
    try:
        return _CODE.validate_python(code)
    except ValidationError:
        raise WrongLine(
            number, f"{code!r} is no code: use letters and a number, or words such as these: TH68010, A1, WEAPON_USED"
        ) from None
