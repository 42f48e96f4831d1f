"""The panel as a declaration: the kernel builds API, worker, relay and schema from it."""

from typing import Final

from services.disposal.events import EVENTS as DISPOSAL_EVENTS
from services.panel.documents import DOCUMENTS
from services.panel.domain.commands import COMMANDS, DEFAULT_ROLES
from services.panel.domain.journeys import JOURNEYS, PURPOSES
from services.panel.domain.state import Sitting
from services.panel.read_model import READ_MODEL
from services.vocabulary import INHERITED_LABELS
from services.words import words_of
from shared.domain.service import Service

service: Final[Service[Sitting]] = Service(
    commands=COMMANDS,
    words=words_of("panel"),
    default_roles=DEFAULT_ROLES,
    journeys=JOURNEYS,
    purposes=PURPOSES,
    read_model=READ_MODEL,
    inherited_labels=INHERITED_LABELS,
    followers=("disposal",),
    published=(DISPOSAL_EVENTS,),
    asks_marks_of=frozenset({"disposal"}),
    documents=DOCUMENTS,
)
