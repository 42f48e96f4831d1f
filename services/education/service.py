"""Education as a declaration: the kernel builds API, worker, relay and schema from it."""

from typing import Final

from services.education.domain.commands import COMMANDS, DEFAULT_ROLES
from services.education.domain.journeys import JOURNEYS, PURPOSES
from services.education.domain.state import Session
from services.education.read_model import READ_MODEL
from services.vocabulary import INHERITED_LABELS
from services.words import words_of
from shared.domain.service import Service

service: Final[Service[Session]] = Service(
    commands=COMMANDS,
    words=words_of("education"),
    default_roles=DEFAULT_ROLES,
    journeys=JOURNEYS,
    purposes=PURPOSES,
    read_model=READ_MODEL,
    inherited_labels=INHERITED_LABELS,
    followers=("disposal", "referral"),
)
