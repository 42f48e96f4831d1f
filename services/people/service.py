"""People as a declaration: the kernel builds API, worker, relay and schema from it."""

from typing import Any, Final

from services.people.domain.commands import COMMANDS, DEFAULT_ROLES
from services.people.domain.journeys import JOURNEYS, PURPOSES
from services.people.domain.state import Person
from services.people.events import EVENTS, PersonMerged, PersonSeparated
from services.people.read_model import READ_MODEL
from services.referral.events import EVENTS as REFERRAL
from services.trade.vocabulary import INHERITED_LABELS
from services.trade.words import words_of
from shared.domain.envelope import Fact
from shared.domain.service import Claims, Service


def claims(_person: Person | None, fact: Fact[Any]) -> Claims | None:
    """Return the claim of an id that is given up, until it is separated: nobody is merged into it meanwhile (ID1)."""
    given_up = f"merged/{fact.stream_id}"
    match fact.event:
        case PersonMerged(into=into):
            kept = f"merged/{into}"
            return Claims("ID1", take=(given_up, kept), release=(kept,))
        case PersonSeparated():
            return Claims("ID1", release=(given_up,))
    return None


service: Final[Service[Person]] = Service(
    commands=COMMANDS,
    words=words_of("people"),
    default_roles=DEFAULT_ROLES,
    journeys=JOURNEYS,
    purposes=PURPOSES,
    read_model=READ_MODEL,
    inherited_labels=INHERITED_LABELS,
    claims=claims,
    published=(EVENTS, REFERRAL),
)
