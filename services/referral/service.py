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
from services.trade.partnership import partnership_on
from services.trade.people import organisations
from services.trade.vocabulary import INHERITED_LABELS, Role
from services.trade.words import words_of
from shared.domain.dates import local_day
from shared.domain.messages import Command
from shared.domain.service import Service


def _area_of(command: Command) -> dict[str, str]:
    """Return the area in which a report of the public begins a referral, if the partnership names one."""
    if not isinstance(command, ReceiveReferral) or command.source != "PUBLIC":
        return {}
    area = partnership_on(local_day(command.reported_at)).area
    return {"area": area} if area else {}


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
    opens_in=_area_of,
    inherited_labels=INHERITED_LABELS,
    reactions=REACTIONS,
    published=(EDUCATION, DISPOSAL, RJ_CONFERENCE, PEOPLE),
    nobody=organisations,
    asks_marks_of=frozenset({"disposal"}),
    documents=DOCUMENTS,
    likeness=likeness,
    likeness_of=(PersonLinked, ReferralCorrected),
)
