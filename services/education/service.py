"""Education as a declaration: the kernel builds API, worker, relay and schema from it."""

from typing import Any, Final

from services.education.domain.commands import COMMANDS, DEFAULT_ROLES
from services.education.domain.journeys import JOURNEYS, PURPOSES
from services.education.domain.state import Session
from services.education.events import Booking, CorrectedPlace, PlaceBooked, RecordCorrected
from services.education.read_model import READ_MODEL
from services.trade.shared_records import claim_of
from services.trade.vocabulary import INHERITED_LABELS
from services.trade.words import words_of
from shared.domain.envelope import Fact
from shared.domain.service import Claims, Service


def claims(_session: Session | None, fact: Fact[Any]) -> Claims | None:
    """Return the claim by which a session counts for a case that has had a place in it (E9)."""
    match fact.event:
        case PlaceBooked(case_id=case_id) | RecordCorrected(place=CorrectedPlace(after=Booking(case_id=case_id))):
            return None if case_id is None else claim_of("E9", case_id, fact)
    return None


service: Final[Service[Session]] = Service(
    commands=COMMANDS,
    words=words_of("education"),
    default_roles=DEFAULT_ROLES,
    journeys=JOURNEYS,
    purposes=PURPOSES,
    read_model=READ_MODEL,
    inherited_labels=INHERITED_LABELS,
    claims=claims,
    asks_marks_of=frozenset({"education"}),
)
