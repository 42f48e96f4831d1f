"""The panel as a declaration: the kernel builds API, worker, relay and schema from it."""

from typing import Any, Final

from services.disposal.events import EVENTS as DISPOSAL_EVENTS
from services.panel.documents import DOCUMENTS
from services.panel.domain.commands import COMMANDS, DEFAULT_ROLES
from services.panel.domain.journeys import JOURNEYS, PURPOSES
from services.panel.domain.state import Sitting
from services.panel.events import CaseAddedToAgenda
from services.panel.read_model import READ_MODEL
from services.trade.shared_records import claim_of
from services.trade.vocabulary import INHERITED_LABELS
from services.trade.words import words_of
from shared.domain.envelope import Fact
from shared.domain.service import Claims, Service


def claims(_sitting: Sitting | None, fact: Fact[Any]) -> Claims | None:
    """Return the claim by which a sitting counts for a case that was on its agenda (P7)."""
    return claim_of("P7", fact.event.case_id, fact) if isinstance(fact.event, CaseAddedToAgenda) else None


service: Final[Service[Sitting]] = Service(
    commands=COMMANDS,
    words=words_of("panel"),
    default_roles=DEFAULT_ROLES,
    journeys=JOURNEYS,
    purposes=PURPOSES,
    read_model=READ_MODEL,
    inherited_labels=INHERITED_LABELS,
    claims=claims,
    published=(DISPOSAL_EVENTS,),
    asks_marks_of=frozenset({"disposal"}),
    documents=DOCUMENTS,
)
