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
    bars = (last_bar(adult, child, state.known) for adult in state.people for child in state.people)
    return shown(
        ReferralView,
        state,
        state=state.stage,
        advice_given=len(state.advice),
        outcome=state.outcome(POLICY.on),
        outcomes=state.outcomes(POLICY.on),
        people={person: part.category for person, part in state.people.items()},
        victims={victim: _victim(state, victim) for victim in state.victims},
        progress=PROGRESS.get(state.stage, Progress.BEING_CONSIDERED),
        alerts={alert_id: shown(AlertView, alert) for alert_id, alert in state.open_alerts.items()},
        no_contact=[shown(NoContactView, bar) for bar in bars if bar is not None],
        contacts={person: _contact(state, person) for person in state.named},
        messages={message_id: shown(MessageView, message) for message_id, message in state.messages.items()},
    )


def _victim(state: Referral, victim: UUID) -> VictimOfReferral:
    """Return what is known of a victim and was done for them. None: nobody has said."""
    details, wish = state.victim_details.get(victim), state.wishes.get(victim)
    return shown(
        VictimOfReferral,
        details,
        enhanced_rights=state.has_enhanced_rights(victim),
        preference=wish and wish.preference,
        details_told_by=details and details.version,
        log=log_view(state.log, victim),
    )


def _contact(state: Referral, person: UUID) -> ContactView:
    part, details, said = state.people.get(person), state.victim_details.get(person), state.preferences.get(person)
    return shown(
        ContactView,
        said,
        is_harmed=state.is_victim(person),
        contact_is_safe=details and details.contact_is_safe,
        wants_updates=details and details.wants_updates,
        preferred_channel=(said and said.preferred_channel) or (part and part.preferred_channel),
    )
