"""What can be searched for: the fields of events by kind. Corrections of these fields are searched likewise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.disposal import events as disposal
from services.disposal.events import DisposalCaseOpened, ProceedingsInstituted, ProsecutorDecisionRecorded
from services.referral import events as referral
from services.referral.events import CrimeRecorded, MashReferralMade, PersonLinked, ReferralReceived
from services.vocabulary import SearchKind
from shared.domain.envelope import EventRegistry
from shared.domain.messages import Event

_PERSON: Final = {"details.name": SearchKind.NAME, "details.school_urn": SearchKind.SCHOOL}

SEARCHED: Final[Mapping[type[Event], Mapping[str, SearchKind]]] = {
    ReferralReceived: {"school_urn": SearchKind.SCHOOL},
    PersonLinked: _PERSON,
    CrimeRecorded: {"crime_number": SearchKind.CRIME_NUMBER},
    MashReferralMade: {"mash_ref": SearchKind.REFERENCE},
    DisposalCaseOpened: {**_PERSON, "crime_number": SearchKind.CRIME_NUMBER},
    ProsecutorDecisionRecorded: {"reference": SearchKind.REFERENCE},
    ProceedingsInstituted: {"reference": SearchKind.REFERENCE},
}
"""Event -> path of a field -> the kind of search that finds it. A path has the same kind in every event of a service."""

REGISTRIES: Final[tuple[EventRegistry, ...]] = (referral.EVENTS, disposal.EVENTS)
"""The events of the services whose records are found."""

KINDS: Final[Mapping[str, Mapping[str, SearchKind]]] = {
    registry.service: {path: kind for event in registry.events for path, kind in SEARCHED.get(event, {}).items()}
    for registry in REGISTRIES
}
"""Service -> path -> kind. A correction names the path alone."""
