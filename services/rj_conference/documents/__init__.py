"""What a conference prints: its agreement. The layout has the texts of its name in LANGUAGE.toml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from services.rj_conference.documents.agreement import conference_agreement
from services.rj_conference.domain.state import Conference
from services.trade.partnership import YJS
from services.trade.vocabulary import Role
from shared.domain.documents import Document

DOCUMENTS: Final[Mapping[str, Document[Conference]]] = {
    "conference-agreement": Document(
        Path(__file__).parent,
        conference_agreement,
        frozenset({Role.RJ_FACILITATOR.value, Role.SUPERVISOR.value}),
        sender=YJS,
    )
}
