"""What is shown of a conference: the catalogue's state, clear values only."""

from datetime import date, datetime
from uuid import UUID

from typing_extensions import TypedDict

from services.rj_conference.domain.state import Conference
from services.rj_conference.events import Present
from services.trade.vocabulary import ConferenceMode
from shared.domain.dates import local_day
from shared.domain.members import described, shown


@described
class ConsentView(TypedDict):
    """What a party said last of taking part."""

    given: bool
    """False: withdrawn."""
    on: str
    scope: list[str]
    """The modes in which they would take part."""
    valid_until: str | None
    meets: list[str]
    """Of a harmed person: the harmers whom they will meet."""


@described
class ParticipantView(TypedDict):
    """A person who takes part, and how far they are."""

    role: str
    """HARMER, or as they were invited."""
    of_whom: str | None
    """The person for whom a supporter, representative, appropriate adult or interpreter comes, if that was said."""
    accepts: bool | None
    """Whether a harmer accepts responsibility and disputes no core fact; null: not heard, or no harmer."""
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
    """By person: the harmer, everybody invited, and anyone else who was expected."""
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
    held, risk, schedule = conference.held, conference.risk, conference.schedule
    present = {} if held is None else {person.person_id: person for person in held.present}
    terms = conference.terms.items()
    return shown(
        ConferenceView,
        conference,
        state=conference.stage,
        starts_at=schedule and schedule.starts_at,
        scheduled_mode=schedule and schedule.mode,
        held_on=held and held.on,
        consents={person: conference.consent_of(person) is not None for person in conference.consents},
        terms={term_id: term.status for term_id, term in terms},
        follow_up_due=held and held.follow_up_due,
        participants={
            person: _participant(conference, person, present.get(person))
            for person in dict.fromkeys((*conference.everyone, *present))
        },
        facilitator_id=conference.facilitator and conference.facilitator.facilitator_id,
        risk=risk and risk.level,
        risk_approved_on=_day(None if risk is None else risk.approved_at),
        agreed_terms={
            term_id: shown(TermView, term, field=f"terms.{place}.text") for place, (term_id, term) in enumerate(terms)
        },
        told_by=_told_by(conference),
    )


def _participant(conference: Conference, person: UUID, present: Present | None) -> ParticipantView:
    said, answers = conference.consents.get(person), conference.follow_ups.get(person)
    last, answer = said[-1] if said else None, answers[-1] if answers else None
    invited = conference.participants.get(person)
    return shown(
        ParticipantView,
        answer,
        role=conference.role_of(person) or ("" if present is None else present.role),
        of_whom=invited and invited.of_whom,
        accepts=conference.accepts(person) if person in conference.responsibilities else None,
        informed_on=_day(conference.informed.get(person)),
        consent=last
        and shown(
            ConsentView,
            last,
            on=_day(last.at),
            scope=[mode for mode in ConferenceMode if mode in last.scope],
            meets=conference.met_by(person, last),
        ),
        prepared_on=_day(max(conference.preparations.get(person, ()), default=None)),
        took_part=present and present.attended,
        followed_up_on=answer and answer.on,
    )


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


def _day(at: datetime | None) -> date | None:
    return None if at is None else local_day(at)
