"""The declaration of the disposal service: its parts by name, from which the kernel builds API, worker and schema."""

from typing import Any, Final

from services.disposal.documents import DOCUMENTS
from services.disposal.domain.commands import COMMANDS, DEFAULT_ROLES, OpenDisposalCase
from services.disposal.domain.conditions import DEFINITIONS
from services.disposal.domain.corrections import CORRECTIONS
from services.disposal.domain.evolve import evolve
from services.disposal.domain.history import claims_its_area
from services.disposal.domain.journeys import JOURNEYS, PURPOSES
from services.disposal.domain.state import TAKEN_BACK, DisposalState, Stage
from services.disposal.events import (
    EVENTS,
    CaseWithdrawn,
    DisposalAnnulled,
    DisposalCaseOpened,
    DisposalDecided,
    DiversionEnded,
    OffenceReclassified,
    RecordCorrected,
)
from services.disposal.reactions import REACTIONS
from services.disposal.read_model import READ_MODEL
from services.education import events as education
from services.panel import events as panel
from services.people import events as people
from services.referral import events as referral
from services.rj_conference import events as rj_conference
from services.trade.people import KEPT, organisations
from services.trade.vocabulary import INHERITED_LABELS
from services.trade.words import words_of
from shared.domain.envelope import Fact
from shared.domain.permissions import labelled
from shared.domain.service import Claims, Service
from shared.printing.documents import is_print


def uniqueness_key(state: DisposalState | None) -> tuple[str, ...]:
    """Return what bars another case of the area (R28): child, offence and its day; nothing if it is closed or taken back."""
    if state is None or state.stage in {Stage.CLOSED, *TAKEN_BACK}:
        return ()
    opened = state.opened
    area = labelled("", state.opening.labels, INHERITED_LABELS) if claims_its_area(state.opening) else ""
    return (f"{opened.person_id}/{opened.offence.code}/{opened.offence.date.isoformat()}{area}",)


def claims(state: DisposalState | None, fact: Fact[Any]) -> Claims | None:
    """Return the claim of an event: opening takes it, closing releases it, a correction may move it."""
    match fact.event:
        case (
            DisposalCaseOpened()
            | DisposalDecided()
            | DisposalAnnulled()
            | CaseWithdrawn()
            | OffenceReclassified()
            | DiversionEnded()
        ):
            after = evolve(state, fact)
        case RecordCorrected() as correction:
            assert state is not None
            after = CORRECTIONS.applied(state, correction)
        case _:
            return None
    keys_before, keys_after = uniqueness_key(state), uniqueness_key(after)
    if keys_before == keys_after:
        return None
    return Claims(
        "R28",
        take=tuple(key for key in keys_after if key not in keys_before),
        release=tuple(key for key in keys_before if key not in keys_after),
    )


service: Final[Service[DisposalState]] = Service(
    commands=COMMANDS,
    words=words_of(
        "disposal", {"ConditionType": {code: definition.english for code, definition in DEFINITIONS.items()}}
    ),
    default_roles=DEFAULT_ROLES,
    journeys=JOURNEYS,
    purposes=PURPOSES,
    read_model=READ_MODEL,
    home=lambda opening: opening.case_id if isinstance(opening, DisposalCaseOpened | OpenDisposalCase) else None,
    inherited_labels=INHERITED_LABELS,
    reactions=REACTIONS,
    claims=claims,
    published=(EVENTS, referral.EVENTS, education.EVENTS, rj_conference.EVENTS, panel.EVENTS, people.EVENTS),
    keeps=KEPT,
    nobody=organisations,
    documents=DOCUMENTS,
    is_print=is_print,
)
