"""Referral as a declaration: the kernel builds API, worker, relay and schema from it."""

from typing import Final

from services.disposal.events import EVENTS as DISPOSAL
from services.education.events import EVENTS as EDUCATION
from services.people.events import EVENTS as PEOPLE
from services.referral.documents import DOCUMENTS
from services.referral.domain.commands import COMMANDS, DEFAULT_ROLES, ReceiveReferral
from services.referral.domain.journeys import JOURNEYS, PURPOSES
from services.referral.domain.likeness import likeness
from services.referral.domain.state import Referral
from services.referral.events import PersonLinked, ReferralCorrected, ReferralReceived
from services.referral.reactions import REACTIONS
from services.referral.read_model import READ_MODEL
from services.rj_conference.events import EVENTS as RJ_CONFERENCE
from services.trade.people import organisations
from services.trade.vocabulary import INHERITED_LABELS, Role
from services.trade.words import words_of
from shared.domain.service import Service

service: Final[Service[Referral]] = Service(
    commands=COMMANDS,
    words=words_of("referral"),
    importers=frozenset({Role.SUPERVISOR}),
    default_roles=DEFAULT_ROLES,
    journeys=JOURNEYS,
    purposes=PURPOSES,
    read_model=READ_MODEL,
    home=lambda opening: opening.case_id if isinstance(opening, ReferralReceived | ReceiveReferral) else None,
    home_field="case_id",
    inherited_labels=INHERITED_LABELS,
    reactions=REACTIONS,
    published=(EDUCATION, DISPOSAL, RJ_CONFERENCE, PEOPLE),
    nobody=organisations,
    asks_marks_of=frozenset({"disposal"}),
    documents=DOCUMENTS,
    likeness=likeness,
    likeness_of=(PersonLinked, ReferralCorrected),
)
