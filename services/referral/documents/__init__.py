"""What a referral prints: the letter that closes it, those to a victim, and each message that went as a letter. The layout has the texts of its name in LANGUAGE.toml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from services.referral.documents.closing import closing_letter
from services.referral.documents.messages import facts_of_message, letters, message_letter
from services.referral.documents.victims import facts_of_victim, victim_decision, victim_information
from services.referral.domain.commands import WITH_VICTIMS
from services.referral.domain.state import Referral
from services.trade.partnership import POLICE, YJS
from services.trade.victims.letters import FOLDER
from services.trade.vocabulary import Role
from shared.domain.documents import Document, Items

VICTIMS: Final[Items[Referral]] = Items(lambda referral: referral.victims, facts_of_victim)

DOCUMENTS: Final[Mapping[str, Document[Referral]]] = {
    "closing-letter": Document(
        Path(__file__).parent,
        closing_letter,
        frozenset({Role.SAFE_SCHOOLS_OFFICER.value, Role.INTERNET_SAFETY_OFFICER.value, Role.SUPERVISOR.value}),
        layout=2,
        sender=POLICE,
    ),
    "message-letter": Document(
        Path(__file__).parent,
        message_letter,
        frozenset(WITH_VICTIMS),
        items=Items(letters, facts_of_message),
        sender=YJS,
    ),
    "victim-information": Document(
        FOLDER, victim_information, frozenset(WITH_VICTIMS), layout=2, items=VICTIMS, sender=YJS
    ),
    "victim-decision": Document(
        FOLDER, victim_decision, frozenset(WITH_VICTIMS), layout=2, items=VICTIMS, sender=POLICE
    ),
}
