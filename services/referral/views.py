"""What is shown of a referral: the catalogue's state, in clear JSON values."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from typing_extensions import TypedDict

from services.referral.domain.state import Referral, Stage
from services.referral.policy import POLICY
from services.trade.relations import last_bar
from services.trade.victims import Progress, VictimLogLine, log_view
from shared.domain.members import described, shown

PROGRESS: Final[Mapping[Stage, Progress]] = {
    Stage.TRIAGED: Progress.UNDER_WAY,
    Stage.ALLOCATED: Progress.UNDER_WAY,
    Stage.IN_PROGRESS: Progress.UNDER_WAY,
    Stage.WITH_INVESTIGATION: Progress.WITH_THE_POLICE,
    Stage.SCHOOL_LED: Progress.LEFT_TO_THE_SCHOOL,
    Stage.REJECTED: Progress.ENDED,
    Stage.CLOSED: Progress.ENDED,
}
"""How far each stage is for a victim; any other is being considered."""


@described
class VictimOfReferral(TypedDict):
    """What is known of a victim of an incident, and what was done for them. Null: nobody has said."""

    enhanced_rights: bool
    """By law, or as recorded."""
    contact_is_safe: bool | None
    wants_updates: bool | None
    wants_support: bool | None
    preference: str | None
    """How they wish to be contacted, as last recorded."""
    details_told_by: int | None
    """The version of the event with the details that count: its sealed texts say how to reach them."""
    log: list[VictimLogLine]


@described
class AlertView(TypedDict):
    """An alert that holds."""

    person_id: str
    kind: str
    review_on: str


@described
class ContactView(TypedDict):
    """How somebody may be written to. Null: nobody has said."""

    is_harmed: bool
    """Then nothing is sent unless the contact is safe."""
    contact_is_safe: bool | None
    wants_updates: bool | None
    messages_wanted: bool | None
    preferred_channel: str | None
    language: str | None


@described
class MessageView(TypedDict):
    """A message to a person, as it last stood."""

    person_id: str
    about: str
    """The event that was its reason."""
    channel: str
    template: str
    template_version: int
    status: str
    """SENT, FAILED or DELIVERED."""
    at: str
    """When it came to that status."""
    sent_version: int | None
    """The version of the record that has its text; null: it was never sent."""
    why: str | None
    """Why it failed, if it last did."""


@described
class NoContactView(TypedDict):
    """Two people of the referral of whom the one may have no contact with the other."""

    adult: str
    child: str
    why: str
    """NONE: the team's own decision; ORDER: a court's."""
    until: str | None
    """The last day of it; null: for good."""


@described
class ReferralView(TypedDict):
    """What is shown of a referral."""

    state: str
    incident_type: str
    reported_at: str
    happened_on: str
    setting: str
    crime_number: str | None
    """Set when a crime is recorded."""
    triage_outcome: str | None
    """Set at the triage."""
    outcome: str | None
    """The crime outcome: the highest of `outcomes` (Home Office Counting Rules)."""
    outcomes: dict[str, str]
    """By suspect, and by the referral for the crime itself: the outcome, as assigned here or carried from a disposal."""
    people: dict[str, str]
    """By person who is linked: their category."""
    victims: dict[str, VictimOfReferral]
    """By person who was harmed."""
    progress: str
    """How far it is, for a victim."""
    alerts: dict[str, AlertView]
    """By alert: those that have not ended."""
    mash_decision: str | None
    """The local authority's answer, as last recorded."""
    advice_given: int
    """How often advice was given."""
    no_contact: list[NoContactView]
    """Who may have no contact with whom, as last recorded, also if it has ended."""
    contacts: dict[str, ContactView]
    """By person: how they may be written to."""
    messages: dict[str, MessageView]
    """By message: those that were sent, and those that failed."""


def view(state: Referral) -> ReferralView:
    """Return the state of a referral; people by id, and victims with what was done for them."""
    outcome = state.outcome(POLICY.on)
    return {
        "state": state.stage.value,
        "incident_type": state.incident_type.value,
        "reported_at": state.reported_at.isoformat(),
        "happened_on": state.happened_on.isoformat(),
        "setting": state.setting,
        "crime_number": state.crime_number,
        "triage_outcome": None if state.triage_outcome is None else state.triage_outcome.value,
        "outcome": None if outcome is None else outcome.value,
        "outcomes": {str(suspect): code.value for suspect, code in state.outcomes(POLICY.on).items()},
        "people": {str(person_id): person.category.value for person_id, person in state.people.items()},
        "victims": {str(victim): _victim(state, victim) for victim in state.victims},
        "progress": PROGRESS.get(state.stage, Progress.BEING_CONSIDERED).value,
        "alerts": {str(alert_id): shown(AlertView, alert) for alert_id, alert in state.open_alerts.items()},
        "mash_decision": state.mash_decision,
        "advice_given": state.advice_given,
        "no_contact": [
            shown(NoContactView, bar)
            for adult in state.people
            for child in state.people
            if (bar := last_bar(adult, child, state.known)) is not None
        ],
        "contacts": {str(person): _contact(state, person) for person in state.named},
        "messages": {str(message_id): shown(MessageView, message) for message_id, message in state.messages.items()},
    }


def _victim(state: Referral, victim: UUID) -> VictimOfReferral:
    """Return what is known of a victim and was done for them. None: nobody has said."""
    details, wish = state.victim_details.get(victim), state.wishes.get(victim)
    return {
        "enhanced_rights": state.has_enhanced_rights(victim),
        "contact_is_safe": None if details is None else details.contact_is_safe,
        "wants_updates": None if details is None else details.wants_updates,
        "wants_support": None if details is None else details.wants_support,
        "preference": None if wish is None else wish.preference,
        "details_told_by": None if details is None else details.version,
        "log": log_view(state.log, victim),
    }


def _contact(state: Referral, person: UUID) -> ContactView:
    part, details = state.people.get(person), state.victim_details.get(person)
    said = state.preferences.get(person)
    channel = None if part is None else part.preferred_channel
    if said is not None and said.preferred_channel is not None:
        channel = said.preferred_channel
    return {
        "is_harmed": state.is_victim(person),
        "contact_is_safe": None if details is None else details.contact_is_safe,
        "wants_updates": None if details is None else details.wants_updates,
        "messages_wanted": None if said is None else said.messages_wanted,
        "preferred_channel": None if channel is None else channel.value,
        "language": None if said is None or said.language is None else said.language.value,
    }
