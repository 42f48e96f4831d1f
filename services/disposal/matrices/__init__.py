"""The versions of the gravity matrix that the partnership has loaded, from the directory that `OOC_GRAVITY_MATRICES` names.

Each is a file DAY.csv, in force from that day on; it never changes, since scores and papers name it. Without a directory a
system of a single machine has the made-up sample beside this module, and any other none: scores are then typed by hand.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Final

from services.disposal.domain.matrix import POLICY_VALUE, Line, Matrix, WrongLine, read_matrix
from services.disposal.events import Direction, Factor
from services.trade.versions import read_versions
from shared.domain.policy import Entry, PolicyBook, PolicyValue
from shared.servers.settings import InvalidSetting, Settings

SAMPLE: Final = Path(__file__).parent
POLICY: Final = PolicyBook.load(SAMPLE.parent / "domain" / "policy.toml")


class MatrixSettings(Settings):
    """Where the matrices are, beside the settings of every process."""

    gravity_matrices: Path | None = None
    """A directory with a file DAY.csv for each version; None: the sample in local mode, else no matrix."""

    @property
    def matrices(self) -> Path | None:
        return self.gravity_matrices or (SAMPLE if self.mode == "local" else None)


def read_file(file: Path, since: date) -> Matrix:
    """Read a table that is in force from a day on. Raises `InvalidSetting` with the line that is wrong."""
    policy = POLICY.on(since)
    scale = range(policy.number("gravity_score_lowest"), policy.number("gravity_score_highest") + 1)
    try:
        return read_matrix(since, file.read_text(encoding="utf-8"), scale)
    except WrongLine as error:
        raise InvalidSetting(f"{file}, {error}") from error
    except (OSError, ValueError) as error:
        raise InvalidSetting(f"{file}: {error}") from error


def read_folder(folder: Path) -> tuple[Matrix, ...]:
    """Read every version in a directory, the earliest first. Raises `InvalidSetting`."""
    return tuple(read_versions(folder, "OOC_GRAVITY_MATRICES", read_file).values())


@cache
def gravity_matrices() -> tuple[Matrix, ...]:
    """Read the matrices of this process, the earliest first. Raises `InvalidSetting`."""
    folder = MatrixSettings().matrices
    return () if folder is None else read_folder(folder)


def matrix_on(day: date) -> Matrix | None:
    """Return the version in force on a day; None if none is loaded."""
    return next((matrix for matrix in reversed(gravity_matrices()) if matrix.version <= day.isoformat()), None)


def line_in_words(version: str, code: str | None) -> str | None:
    """Return a line of a version by title and code; by code alone if it is not loaded. None: no line was picked."""
    line = _line(version, code)
    return f"{line.title} ({line.code})" if line else code


def factors_in_words(version: str, line: str | None, factors: Iterable[Factor], direction: Direction) -> list[str]:
    """Return the factors of a line that move the score in a direction, by title and code, as `line_in_words` does."""
    known = _line(version, line)
    titles = known.factors if known else {}
    return [
        f"{titles[factor]} ({factor.code})" if factor in titles else factor.code
        for factor in factors
        if factor.direction is direction
    ]


def _line(version: str, code: str | None) -> Line | None:
    matrix = next((matrix for matrix in gravity_matrices() if matrix.version == version), None)
    return None if matrix is None or code is None else matrix.lines.get(code)


def as_policy() -> Sequence[PolicyValue]:
    """Return the matrices as a dated value of policy, which rules read; none if none is loaded."""
    entries = tuple(Entry(date.fromisoformat(matrix.version), matrix) for matrix in gravity_matrices())
    return (PolicyValue(POLICY_VALUE, "matrix", "NPCC child gravity matrix, as loaded", entries),) if entries else ()
