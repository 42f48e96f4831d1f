"""What is shown of a conference: the catalogue's state, clear values only."""

from typing_extensions import TypedDict

from services.rj_conference.domain.state import Conference
from shared.domain.members import described


@described
class ConferenceView(TypedDict):
    """What is shown of a conference."""

    state: str
    condition_id: str | None
    """The condition that it meets, of a disposal; null if none asked for it."""
    starts_at: str | None
    """As last scheduled (RFC 3339)."""
    mode: str | None
    """DIRECT or INDIRECT, from the scheduling on."""
    held_on: str | None
    consents: dict[str, bool]
    """By person: whether the consent stands. Everybody who ever gave or withdrew one is here."""
    terms: dict[str, str]
    """By term of the agreement: its status."""
    follow_up_due: str | None
    """Set when the conference was held."""


def view(conference: Conference) -> ConferenceView:
    """Return the state as the catalogue names it; `consents` has everybody who ever gave or withdrew one."""
    conference_held = conference.held
    return {
        "state": conference.stage.value,
        "condition_id": None if conference.condition_id is None else str(conference.condition_id),
        "starts_at": None if conference.schedule is None else conference.schedule.starts_at.isoformat(),
        "mode": None if conference.mode is None else conference.mode.value,
        "held_on": None if conference_held is None else conference_held.on.isoformat(),
        "consents": {str(person): conference.consent_of(person) is not None for person in conference.consents},
        "terms": {str(term_id): term.status.value for term_id, term in conference.terms.items()},
        "follow_up_due": None if conference_held is None else conference_held.follow_up_due.isoformat(),
    }
