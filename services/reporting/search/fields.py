"""What can be searched for or compared: the fields of events by kind. Corrections of these fields are read likewise."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from services.disposal import events as disposal
from services.disposal.events import (
    DisposalAnnulled,
    DisposalCaseOpened,
    ProceedingsInstituted,
    ProsecutorDecisionRecorded,
)
from services.referral import events as referral
from services.referral.events import CrimeRecorded, MashReferralMade, PersonLinked, ReferralReceived
from services.trade.vocabulary import SearchKind
from shared.domain.envelope import EventRegistry
from shared.domain.messages import Event


class Compared(StrEnum):
    """What is compared between the records of a person, beside name and birth date, and found by no search."""

    ETHNICITY = "ethnicity"


Kind = SearchKind | Compared

_PERSON: Final[Mapping[str, Kind]] = {
    "details.name": SearchKind.NAME,
    "details.school_urn": SearchKind.SCHOOL,
    "details.telephone": SearchKind.TELEPHONE,
    "details.date_of_birth": SearchKind.DATE_OF_BIRTH,
    "details.ethnicity": Compared.ETHNICITY,
}

SEARCHED: Final[Mapping[type[Event], Mapping[str, Kind]]] = {
    ReferralReceived: {"school_urn": SearchKind.SCHOOL},
    PersonLinked: _PERSON,
    CrimeRecorded: {"crime_number": SearchKind.CRIME_NUMBER},
    MashReferralMade: {"mash_ref": SearchKind.REFERENCE},
    DisposalCaseOpened: {**_PERSON, "crime_number": SearchKind.CRIME_NUMBER},
    ProsecutorDecisionRecorded: {"reference": SearchKind.REFERENCE},
    ProceedingsInstituted: {"reference": SearchKind.REFERENCE},
    DisposalAnnulled: {"reference": SearchKind.REFERENCE},
}
"""Event -> path of a field -> the kind of search that finds it, or of comparison. A path has the same kind in every event of a service."""

REGISTRIES: Final[tuple[EventRegistry, ...]] = (referral.EVENTS, disposal.EVENTS)
"""The events of the services whose records are found."""

KINDS: Final[Mapping[str, Mapping[str, Kind]]] = {
    registry.service: {path: kind for event in registry.events for path, kind in SEARCHED.get(event, {}).items()}
    for registry in REGISTRIES
}
"""Service -> path -> kind. A correction names the path alone."""
