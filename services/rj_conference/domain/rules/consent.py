"""Whether the parties consent (rules C2 and C6): each for themselves, informed, for this mode, on this day."""

from datetime import date, datetime
from uuid import UUID

from services.rj_conference.domain.state import Conference, Consent
from services.rj_conference.events import EVENTS, ParticipantRole
from services.trade.people import birth_date_of
from services.trade.vocabulary import ConferenceMode, Role
from shared.domain.dates import age_on
from shared.domain.permissions import marks_of
from shared.domain.rules import Context


def all_consent(
    conference: Conference, mode: ConferenceMode, day: date, context: Context, *, after: datetime | None = None
) -> bool:
    """Whether each party's own consent stands at the time of the command, for this mode and day."""
    return all(_consents(conference, person, mode, day, context, after) for person in conference.parties)


def _consents(
    conference: Conference, person: UUID, mode: ConferenceMode, day: date, context: Context, after: datetime | None
) -> bool:
    consent = conference.consent_of(person, context.occurred_at)
    if consent is None or mode not in consent.scope or (after is not None and consent.at <= after):
        return False
    in_time = consent.valid_until is None or day <= consent.valid_until
    agreed = consent.parental_agreement or not _needs_parent(conference, person, day, context)
    meets_all = person not in conference.harmed or conference.met_by(person, consent) == conference.harmers
    return in_time and agreed and meets_all and _was_informed(conference, person, consent)


def is_under_age(conference: Conference, person: UUID, day: date, context: Context) -> bool | None:
    """Whether a person linked in the case is too young, on a day, to consent alone; None without a date of birth.

    A facilitator who chose themselves is answered by today's age: asking day by day tells them no birthday.
    """
    born = birth_date_of(person, context)
    judged_on = context.day if chose_themselves(conference, context) else day
    return None if born is None else age_on(born, judged_on) < context.policy.number("parental_agreement_under_age")


def chose_themselves(conference: Conference, context: Context) -> bool:
    """Whether a facilitator acts who proposed this, and whom nobody else chose (ADR 87)."""
    if context.actor.role != Role.RJ_FACILITATOR:
        return False
    marks = {mark for fact in conference.record or () for mark in marks_of(EVENTS, fact)}
    return f"PROPOSER:{context.actor.id}" in marks and f"CHOSEN:{context.actor.id}" not in marks


def _needs_parent(conference: Conference, person: UUID, day: date, context: Context) -> bool:
    """By the date of birth that the case holds, or else as was said when the person was proposed or invited."""
    computed = is_under_age(conference, person, day, context)
    if computed is not None:
        return computed
    if person == conference.harmer:
        return conference.harmer_age < context.policy.number("parental_agreement_under_age")
    return conference.participants[person].under_16


def _was_informed(conference: Conference, person: UUID, consent: Consent) -> bool:
    """Say whether a harmed party had been informed before they consented; nobody else needs to be."""
    participant = conference.participants.get(person)
    if participant is None or participant.role is not ParticipantRole.HARMED:
        return True
    informed_at = conference.informed.get(person)
    return informed_at is not None and informed_at <= consent.at
