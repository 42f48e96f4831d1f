"""What a sitting prints: its minutes, with one extract for each case; and the extract of one case by itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from services.panel.documents.minutes import facts_of_case, minutes
from services.panel.domain.commands import DEFAULT_ROLES
from services.panel.domain.state import Sitting
from services.trade.partnership import YJS
from shared.domain.documents import Document, Items

FOLDER: Final = Path(__file__).parent
PRINTERS: Final = frozenset(role.value for role in DEFAULT_ROLES)

DOCUMENTS: Final[Mapping[str, Document[Sitting]]] = {
    "minutes": Document(FOLDER, minutes, PRINTERS, sender=YJS),
    "extract": Document(
        FOLDER, minutes, PRINTERS, items=Items(lambda sitting: sitting.agenda, facts_of_case), sender=YJS
    ),
}
