"""The refusal of a question that a measure cannot answer, for measures and returns alike."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.reporting.measures.period import BadQuestion
from shared.api.problems import Malformed
from shared.domain.policy import NoPolicy


@contextmanager
def refusing_bad_questions(field: str = "body") -> Iterator[None]:
    """Raise `Malformed` for a `BadQuestion`, of a field if it names none, and for a day before the first policy."""
    try:
        yield
    except BadQuestion as error:
        raise Malformed((error.field or field, str(error))) from error
    except NoPolicy:
        raise Malformed(
            ("to", "not every value that this measure needs is in force by then: give a later date")
        ) from None
