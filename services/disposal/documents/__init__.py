"""What a disposal case prints: the caution's document, notices, agreement and plan, the panel's pack, the warning, the letter to a victim.

Each layout NAME.typ has the texts of its name in LANGUAGE.toml; what fills it is a function of the state and its facts.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from services.disposal.documents.cautions import (
    caution_notice,
    conditional_caution,
    conditional_caution_notice,
    restorative_disposal,
    until_annulled,
)
from services.disposal.documents.deferral import deferral_plan
from services.disposal.documents.panel import panel_pack
from services.disposal.documents.victims import victim_letter
from services.disposal.documents.warning import warning_letter
from services.disposal.documents.words import condition_texts
from services.disposal.domain.state import DisposalState
from services.trade.partnership import POLICE, YJS
from services.trade.victims.letters import FOLDER as LETTERS
from services.trade.vocabulary import Role
from shared.domain.documents import Document

FOLDER: Final = Path(__file__).parent
OFFICERS: Final = frozenset({Role.POLICE_DECISION_MAKER.value, Role.SUPERVISOR.value, Role.YJS_CASE_MANAGER.value})
MONITORS: Final = OFFICERS | {Role.SAFE_SCHOOLS_OFFICER.value}
"""Those who record attendance also write to the child who did not come."""

DOCUMENTS: Final[Mapping[str, Document[DisposalState]]] = {
    "ycc": Document(FOLDER, until_annulled(conditional_caution), OFFICERS, condition_texts, layout=2, sender=POLICE),
    "ycc-notice": Document(
        FOLDER, until_annulled(conditional_caution_notice), OFFICERS, condition_texts, layout=2, sender=POLICE
    ),
    "yc": Document(FOLDER, until_annulled(caution_notice), OFFICERS, condition_texts, layout=2, sender=POLICE),
    "yrd": Document(FOLDER, until_annulled(restorative_disposal), OFFICERS, condition_texts, layout=2, sender=POLICE),
    "deferral-plan": Document(FOLDER, deferral_plan, OFFICERS, sender=YJS),
    "panel-pack": Document(FOLDER, panel_pack, OFFICERS, condition_texts, layout=2, sender=YJS),
    "victim-letter": Document(
        LETTERS,
        victim_letter,
        MONITORS - {Role.POLICE_DECISION_MAKER.value} | {Role.VICTIM_WORKER.value},
        sender=POLICE,
    ),
    "warning-letter": Document(FOLDER, warning_letter, MONITORS, condition_texts, layout=2, sender=YJS),
}
