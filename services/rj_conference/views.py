"""What is shown of a conference: the catalogue's state, clear values only."""

from datetime import date
from uuid import UUID

from typing_extensions import TypedDict

from services.rj_conference.domain.state import Conference
from services.rj_conference.events import Present
from services.trade.vocabulary import ConferenceMode
from shared.domain.dates import local_day
from shared.domain.members import described


@described
class ConsentView(TypedDict):
    """What a party said last of taking part."""

    given: bool
    """False: withdrawn."""
    on: str
    scope: list[str]
    """The modes in which they would take part."""
    valid_until: str | None


@described
class ParticipantView(TypedDict):
    """A person who takes part, and how far they are."""

    role: str
    """HARMER, or as they were invited."""
    informed_on: str | None
    """The day on which a harmed person was first told what restorative justice is."""
    consent: ConsentView | None
    prepared_on: str | None
    """The day of their last preparation meeting."""
    took_part: bool | None
    """Set when the conference was held, for those who were expected."""
    followed_up_on: str | None
    """The day on which they were last asked how it was."""
    satisfaction: int | None
    """What they answered then, from 0 to 10."""


@described
class TermView(TypedDict):
    """A term of the agreement."""

    due: str
    status: str
    field: str
    """The path of its text in the event of the agreement."""


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
    scheduled_mode: str | None
    """As last scheduled; `mode` is another one if it was converted since."""
    held_on: str | None
    consents: dict[str, bool]
    """By person: whether the consent stands. Everybody who ever gave or withdrew one is here."""
    terms: dict[str, str]
    """By term of the agreement: its status."""
    follow_up_due: str | None
    """Set when the conference was held."""
    participants: dict[str, ParticipantView]
    """By person: the harmer, everybody invited, and whoever else was expected."""
    facilitator_id: str | None
    risk: str | None
    """The level of the latest assessment."""
    risk_approved_on: str | None
    """Set when that assessment is approved."""
    agreed_terms: dict[str, TermView]
    """By term of the agreement."""
    told_by: dict[str, int]
    """The version of the event that counts, of PROPOSED, RESPONSIBILITY, FACILITATOR, RISK, OUTCOME and AGREEMENT."""


def view(conference: Conference) -> ConferenceView:
    """Return the state as the catalogue names it; `consents` has everybody who ever gave or withdrew one."""
    conference_held, risk = conference.held, conference.risk
    present = {} if conference_held is None else {person.person_id: person for person in conference_held.present}
    return {
        "state": conference.stage.value,
        "condition_id": None if conference.condition_id is None else str(conference.condition_id),
        "starts_at": None if conference.schedule is None else conference.schedule.starts_at.isoformat(),
        "mode": None if conference.mode is None else conference.mode.value,
        "scheduled_mode": None if conference.schedule is None else conference.schedule.mode.value,
        "held_on": None if conference_held is None else conference_held.on.isoformat(),
        "consents": {str(person): conference.consent_of(person) is not None for person in conference.consents},
        "terms": {str(term_id): term.status.value for term_id, term in conference.terms.items()},
        "follow_up_due": None if conference_held is None else conference_held.follow_up_due.isoformat(),
        "participants": {
            str(person): _participant(conference, person, present.get(person))
            for person in dict.fromkeys((*conference.everyone, *present))
        },
        "facilitator_id": None if conference.facilitator is None else str(conference.facilitator.facilitator_id),
        "risk": None if risk is None else risk.level.value,
        "risk_approved_on": None if risk is None or risk.approved_at is None else _day(local_day(risk.approved_at)),
        "agreed_terms": {
            str(term_id): {"due": term.due.isoformat(), "status": term.status.value, "field": f"terms.{place}.text"}
            for place, (term_id, term) in enumerate(conference.terms.items())
        },
        "told_by": _told_by(conference),
    }


def _participant(conference: Conference, person: UUID, present: Present | None) -> ParticipantView:
    role = conference.role_of(person) or (None if present is None else present.role)
    informed, meetings = conference.informed.get(person), conference.preparations.get(person)
    said, answers = conference.consents.get(person), conference.follow_ups.get(person)
    return {
        "role": "" if role is None else role.value,
        "informed_on": None if informed is None else _day(local_day(informed)),
        "consent": None
        if not said
        else {
            "given": said[-1].given,
            "on": local_day(said[-1].at).isoformat(),
            "scope": [mode.value for mode in ConferenceMode if mode in said[-1].scope],
            "valid_until": _day(said[-1].valid_until),
        },
        "prepared_on": _day(local_day(max(meetings))) if meetings else None,
        "took_part": None if present is None else present.attended,
        "followed_up_on": _day(answers[-1].on) if answers else None,
        "satisfaction": answers[-1].satisfaction if answers else None,
    }


def _told_by(conference: Conference) -> dict[str, int]:
    versions = {
        "PROPOSED": 1,
        "RESPONSIBILITY": None if conference.responsibility is None else conference.responsibility.version,
        "FACILITATOR": None if conference.facilitator is None else conference.facilitator.version,
        "RISK": None if conference.risk is None else conference.risk.version,
        "OUTCOME": conference.outcome_version,
        "AGREEMENT": conference.agreement_version,
    }
    return {name: version for name, version in versions.items() if version is not None}


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
