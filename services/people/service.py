"""People as a declaration: the kernel builds API, worker, relay and schema from it."""

from typing import Final

from services.people.domain.commands import COMMANDS, DEFAULT_ROLES
from services.people.domain.journeys import JOURNEYS, PURPOSES
from services.people.domain.state import Person
from services.people.events import EVENTS
from services.people.read_model import READ_MODEL
from services.referral.events import EVENTS as REFERRAL
from services.trade.vocabulary import INHERITED_LABELS
from services.trade.words import words_of
from shared.domain.service import Service

service: Final[Service[Person]] = Service(
    commands=COMMANDS,
    words=words_of("people"),
    default_roles=DEFAULT_ROLES,
    journeys=JOURNEYS,
    purposes=PURPOSES,
    read_model=READ_MODEL,
    inherited_labels=INHERITED_LABELS,
    published=(EVENTS, REFERRAL),
)
