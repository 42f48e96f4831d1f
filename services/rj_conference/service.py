"""The service as a declaration."""

from typing import Final

from services.disposal.events import EVENTS as DISPOSAL_EVENTS
from services.people.events import EVENTS as PEOPLE_EVENTS
from services.referral.events import EVENTS as REFERRAL_EVENTS
from services.rj_conference.documents import DOCUMENTS
from services.rj_conference.domain.commands import COMMANDS, DEFAULT_ROLES, ProposeConference
from services.rj_conference.domain.journeys import JOURNEYS, PURPOSES
from services.rj_conference.domain.state import Conference
from services.rj_conference.events import ConferenceProposed
from services.rj_conference.reactions import REACTIONS
from services.rj_conference.read_model import READ_MODEL
from services.trade.people import KEPT, organisations
from services.trade.vocabulary import INHERITED_LABELS
from services.trade.words import words_of
from shared.domain.service import Service

service: Final[Service[Conference]] = Service(
    commands=COMMANDS,
    words=words_of("rj_conference"),
    default_roles=DEFAULT_ROLES,
    journeys=JOURNEYS,
    purposes=PURPOSES,
    read_model=READ_MODEL,
    home=lambda opening: opening.case_id if isinstance(opening, ConferenceProposed | ProposeConference) else None,
    inherited_labels=INHERITED_LABELS,
    reactions=REACTIONS,
    published=(DISPOSAL_EVENTS, REFERRAL_EVENTS, PEOPLE_EVENTS),
    keeps=KEPT,
    nobody=organisations,
    documents=DOCUMENTS,
)
