"""The state of a referral: the classes that `evolve` folds facts into."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from services.referral import events
from services.referral.domain.commands import LinkPerson
from services.trade.victims import INFORMED, Elsewhere, Log, first_day, nobody_told
from services.trade.vocabulary import (
    AlertKind,
    Category,
    Channel,
    Flag,
    IncidentType,
    Language,
    MessageTemplate,
    OutcomeCode,
    PersonRole,
    TriageOutcome,
)
from shared.domain.corrections import PastFacts
from shared.domain.dates import local_day
from shared.domain.persons import NOTHING_KNOWN, Known
from shared.domain.policy import PolicyOn
from shared.domain.sealing import Sealed


class Stage(StrEnum):
    """The stage of a referral."""

    RECEIVED = "RECEIVED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    SAFEGUARDING_HOLD = "SAFEGUARDING_HOLD"
    TRIAGED = "TRIAGED"
    ALLOCATED = "ALLOCATED"
    IN_PROGRESS = "IN_PROGRESS"
    WITH_PANEL = "WITH_PANEL"
    WITH_MASH = "WITH_MASH"
    WITH_INVESTIGATION = "WITH_INVESTIGATION"
    SCHOOL_LED = "SCHOOL_LED"
    REJECTED = "REJECTED"
    CLOSED = "CLOSED"


@dataclass(frozen=True)
class LinkedPerson:
    """A person's part in the incident. The age is in years on the day of the incident; the birth date stays sealed."""

    role: PersonRole
    category: Category
    age_at_incident: int | None
    date_of_birth: Sealed[date] | None
    is_organisation: bool
    linked_on: date
    is_harmed: bool = False
    child_at_report: bool | None = None
    """Whether the person was under age on the day of the report; None: that is not said."""
    did_harm: bool = False
    preferred_channel: Channel | None = None
    resembles: tuple[UUID, ...] = ()
    """Persons of the same name and birth date whom the one who linked this person could not find."""
    parent_of: tuple[UUID, ...] | None = None
    """Whose parent or carer the person is; None: that is not said."""


def born_on(date_of_birth: Sealed[date] | None) -> date | None:
    """Return the day of birth; None if it is forgotten, and of an organisation."""
    return None if date_of_birth is None else date_of_birth.or_else(None)


def fits_its_kind(linked: events.PersonLinked | LinkPerson) -> bool:
    """Whether somebody linked is a person who was born, or an organisation that was not and did no harm."""
    details, role, category = linked.details, linked.role, linked.category
    if not details.is_organisation:
        return details.date_of_birth is not None
    did_harm = role is PersonRole.HARMER or category in events.OF_AN_OFFENDER | {Category.CHILD_UNDER_10}
    return details.date_of_birth is None and not did_harm


@dataclass(frozen=True)
class Concern:
    """A safeguarding concern, and the day on which MASH was told or a supervisor said why not."""

    raised_at: datetime
    answered_on: date | None = None


@dataclass(frozen=True)
class Alert:
    """An alert on a person, with the day on which it was ended, or another of its kind took its place."""

    person_id: UUID
    kind: AlertKind
    raised_at: datetime
    review_on: date
    ended_on: date | None = None


@dataclass(frozen=True)
class Feedback:
    """What somebody said of how the case was handled: whether it asks for an answer, and the day on which it had one."""

    given_at: datetime
    asks: bool
    answered_on: date | None = None


@dataclass(frozen=True)
class MashReferral:
    """A referral to MASH, and the day on which the local authority's answer was recorded."""

    made_at: datetime
    answered_on: date | None = None


@dataclass(frozen=True)
class Screening:
    """The screening of nude imagery: when it was done, and whether any answer was a Yes."""

    completed_at: datetime
    any_yes: bool


@dataclass(frozen=True)
class Wish:
    """The wish of a harmed person, or of a parent for them."""

    preference: events.Preference
    recorded_at: datetime


@dataclass(frozen=True)
class VictimDetails:
    """What is known of how to reach a harmed person, and of what they want to hear. `wanted_support_on` is the first day."""

    recorded_at: datetime
    enhanced_rights: bool | None
    contact_is_safe: bool
    wants_updates: bool
    wants_support: bool
    wanted_support_on: date | None
    version: int
    """The version of the event that says it."""


@dataclass(frozen=True)
class Preferences:
    """Whether somebody wants to be written to, how, and in which language. None: they have not said."""

    recorded_at: datetime
    messages_wanted: bool
    preferred_channel: Channel | None
    language: Language | None


class MessageStatus(StrEnum):
    """How far a message is."""

    SENT = "SENT"
    FAILED = "FAILED"
    DELIVERED = "DELIVERED"


@dataclass(frozen=True)
class SentMessage:
    """A message to a person, because of the event `about`, as it last stood."""

    person_id: UUID
    about: UUID
    channel: events.MessageChannel
    template: MessageTemplate
    template_version: int
    status: MessageStatus
    at: datetime
    """When it came to that status."""
    sent_version: int | None = None
    """The version of the record by which it was last sent."""
    why: events.WhyMessageFailed | None = None
    """Why it failed, if it last did."""
    failed_at: datetime | None = None
    """The latest time at which it failed, even if it was sent again since."""


@dataclass(frozen=True)
class AssignedOutcome:
    """An outcome of one suspect, or without one of the crime itself, and when it was assigned."""

    code: OutcomeCode
    suspect: UUID | None
    at: datetime
    is_carried: bool
    """Whether a disposal decided it."""


@dataclass(frozen=True)
class Triage:
    """A triage of the referral: its outcome, and the Europe/London day."""

    outcome: TriageOutcome
    on: date


@dataclass(frozen=True)
class Referral:
    """The state of a referral, folded from its facts."""

    referral_id: UUID
    stage: Stage
    since: datetime
    """The latest time at which a fact brought it to a stage: the next stage follows no earlier."""
    received_at: datetime
    reported_at: datetime
    happened_at: datetime
    incident_type: IncidentType
    setting: events.Setting
    flags: frozenset[Flag]
    acknowledged_on: date | None = None
    people: Mapping[UUID, LinkedPerson] = field(default_factory=dict)
    concerns: tuple[Concern, ...] = ()
    alerts: Mapping[UUID, Alert] = field(default_factory=dict)
    latest_of_kind: Mapping[tuple[UUID, AlertKind], UUID] = field(default_factory=dict)
    feedback: Mapping[UUID, Feedback] = field(default_factory=dict)
    mash_referrals: tuple[MashReferral, ...] = ()
    mash_decision: events.MashDecision | None = None
    nrm_referred_on: tuple[date, ...] = ()
    nrm_decided_on: date | None = None
    """The first day on which the competent authority decided on reasonable grounds."""
    screening: Screening | None = None
    yjs_referred_on: date | None = None
    crime_number: str | None = None
    crime_recorded_at: datetime | None = None
    wishes: Mapping[UUID, Wish] = field(default_factory=dict)
    victim_details: Mapping[UUID, VictimDetails] = field(default_factory=dict)
    preferences: Mapping[UUID, Preferences] = field(default_factory=dict)
    requested: tuple[tuple[int, events.MessageRequested], ...] = ()
    """What somebody is to be sent, each by the version of the record that asks for it."""
    messages: Mapping[UUID, SentMessage] = field(default_factory=dict)
    absences: Mapping[tuple[UUID, UUID], datetime] = field(default_factory=dict)
    """When people said that they cannot come: by the person, and the event that asks them to."""
    elsewhere: Elsewhere = field(default_factory=nobody_told)
    """When victims of the case were told in any record of it."""
    log: Log = field(default_factory=dict)
    """What was done for each person, of which a victim's is shown."""
    triages: tuple[Triage, ...] = ()
    moves: tuple[int, ...] = ()
    """The versions of the record by which it was triaged or closed."""
    triage_outcome: TriageOutcome | None = None
    reopened: bool = False
    """Whether it was opened again and not triaged since."""
    officer_id: UUID | None = None
    advice: tuple[tuple[date, events.AdviceGiven], ...] = ()
    """The advice that was given, each with its day."""
    contacted_on: date | None = None
    """The first day on which somebody was reached."""
    activities: tuple[datetime, ...] = ()
    school_confirmed: bool = False
    assigned: Mapping[UUID, AssignedOutcome] = field(default_factory=dict)
    """The outcomes that stand: by the disposal that decided it, else by the suspect, else by the referral."""
    decided_at: tuple[datetime, ...] = ()
    """When outcomes were assigned here, and not by a disposal."""
    closed_on: date | None = None
    compared: Mapping[tuple[UUID, UUID], date] = field(default_factory=dict)
    """Each person and another with whom they were compared, and the day of that."""
    known: Known = field(default=NOTHING_KNOWN, compare=False, repr=False)
    """What is known of those who are named."""
    record: PastFacts[events.ReferralEvent] | None = field(default=None, compare=False, repr=False)

    @property
    def reported_on(self) -> date:
        """The day of the report, in Europe/London."""
        return local_day(self.reported_at)

    @property
    def concern_at(self) -> datetime | None:
        """The first time at which somebody raised a safeguarding concern or told MASH; None: nobody has."""
        raised = (concern.raised_at for concern in self.concerns)
        return min((*raised, *(referral.made_at for referral in self.mash_referrals)), default=None)

    @property
    def received_on(self) -> date:
        """The Europe/London day on which the team received it."""
        return local_day(self.received_at)

    @property
    def happened_on(self) -> date:
        """The Europe/London day of the incident."""
        return local_day(self.happened_at)

    @property
    def nude_imagery(self) -> bool:
        """Whether a nude image of a child is part of it: the flags say so, or somebody answered the five questions."""
        return Flag.NUDE_IMAGERY in self.flags or self.screening is not None

    @property
    def victims(self) -> tuple[UUID, ...]:
        """Those who were harmed: linked so, or named as victims by their details alone."""
        linked = (person for person, part in self.people.items() if part.is_harmed)
        unlinked = (person for person in self.victim_details if person not in self.people)
        return (*linked, *unlinked)

    @property
    def children_of_parents(self) -> Mapping[UUID, tuple[UUID, ...]]:
        """The parents and carers who are linked, each with the children: those that are said, else all of the incident."""
        parts = {PersonRole.HARMER, PersonRole.HARMED, PersonRole.WITNESS}
        children = tuple(
            id_ for id_, part in self.people.items() if part.child_at_report and (part.role in parts or part.did_harm)
        )
        return {
            id_: children if part.parent_of is None else part.parent_of
            for id_, part in self.people.items()
            if part.role is PersonRole.PARENT_CARER
        }

    def parents_of(self, child: UUID) -> tuple[UUID, ...]:
        """Return the parents and carers of a child, in the order in which they were linked."""
        return tuple(adult for adult, children in self.children_of_parents.items() if child in children)

    def is_victim(self, person: UUID) -> bool:
        """Whether somebody is one of `victims`."""
        part = self.people.get(person)
        return person in self.victim_details if part is None else part.is_harmed

    @property
    def suspects(self) -> tuple[UUID, ...]:
        """Those who are said to have done harm, each under one id."""
        return tuple(dict.fromkeys(self.linked_as(person) for person, part in self.people.items() if part.did_harm))

    def linked_as(self, person: UUID) -> UUID:
        """Return the id under which a person is linked first: of several that are merged it stands for all."""
        same = self.known.same_as(person)
        return next((id_ for id_ in self.people if id_ in same), person)

    def suspect_of(self, outcome: AssignedOutcome) -> UUID | None:
        """Return whose outcome it is, under one id; None: the crime's own."""
        return None if outcome.suspect is None else self.linked_as(outcome.suspect)

    @property
    def is_under_ten(self) -> bool:
        """Whether everybody who is said to have done harm was under ten on the day."""
        suspects = [part for part in self.people.values() if part.did_harm]
        return bool(suspects) and all(suspect.category is Category.CHILD_UNDER_10 for suspect in suspects)

    @property
    def is_of_a_knife(self) -> bool:
        """Whether it is marked as an incident with a knife, and not known as one of children under ten alone."""
        return Flag.KNIFE in self.flags and not self.is_under_ten

    @property
    def may_have_been_admitted(self) -> bool:
        """Whether a suspect may have admitted it: only disposal cases, to which a panel leads, ask for admissions."""
        to_panel = any(triage.outcome is TriageOutcome.REFER_DISPOSAL_PANEL for triage in self.triages)
        return to_panel or any(outcome.is_carried for outcome in self.assigned.values())

    def outcomes(self, policy_on: PolicyOn) -> Mapping[UUID, OutcomeCode]:
        """Return the outcome of each suspect, and under the referral's id that of the crime itself: of several the highest."""
        by_suspect: dict[UUID, list[OutcomeCode]] = defaultdict(list)
        for outcome in self.assigned.values():
            by_suspect[self.suspect_of(outcome) or self.referral_id].append(outcome.code)
        return {suspect: self._highest(codes, policy_on) for suspect, codes in by_suspect.items()}

    def outcome(self, policy_on: PolicyOn) -> OutcomeCode | None:
        """Return the outcome of the crime: the highest of its outcomes; None without one (Home Office Counting Rules)."""
        codes = [outcome.code for outcome in self.assigned.values()]
        return self._highest(codes, policy_on) if codes else None

    def _highest(self, codes: Iterable[OutcomeCode], policy_on: PolicyOn) -> OutcomeCode:
        """Return the code that is first in the order of the day on which an outcome was assigned last."""
        day = local_day(max(outcome.at for outcome in self.assigned.values()))
        order: Sequence[str] = policy_on(day).value("outcome_order")
        return min(codes, key=order.index)

    @property
    def named(self) -> tuple[UUID, ...]:
        """The people who are linked, or have victim details or preferences, each once."""
        return tuple(dict.fromkeys((*self.people, *self.victim_details, *self.preferences)))

    @property
    def interpreters_wanted(self) -> Mapping[UUID, datetime]:
        """Who would like a language in which no message is written, and when they said so last."""
        said = self.preferences.items()
        return {person: one.recorded_at for person, one in said if one.language is Language.ANOTHER_LANGUAGE}

    def informed_on(self, victim: UUID) -> date | None:
        """Return the day on which a victim was first told of restorative justice, in any record of the case."""
        here = first_day(self.log, victim, INFORMED)
        days = map(local_day, self.elsewhere[INFORMED].get(victim, ()))
        return min([*days, *([] if here is None else [here])], default=None)

    def has_enhanced_rights(self, victim: UUID) -> bool:
        """Whether a victim has enhanced rights: by law, under age on the day of the report, or as recorded."""
        part, details = self.people.get(victim), self.victim_details.get(victim)
        return bool(part and part.child_at_report) or bool(details and details.enhanced_rights)

    @property
    def open_alerts(self) -> Mapping[UUID, Alert]:
        return {alert_id: alert for alert_id, alert in self.alerts.items() if alert.ended_on is None}

    @property
    def unanswered_feedback(self) -> Mapping[UUID, Feedback]:
        """What was said of how the case was handled, and has no answer, by its id."""
        return {feedback_id: said for feedback_id, said in self.feedback.items() if said.answered_on is None}

    def open_alert(self, alert_id: UUID) -> Alert | None:
        """Return an alert that holds; None if none of this id does."""
        alert = self.alerts.get(alert_id)
        return alert if alert is not None and alert.ended_on is None else None

    @property
    def failures(self) -> tuple[tuple[UUID, SentMessage, datetime], ...]:
        """Each message that failed, even if it was sent again since: its id, the message, and when it failed last."""
        return tuple((id_, sent, sent.failed_at) for id_, sent in self.messages.items() if sent.failed_at is not None)

    @property
    def exploited_on(self) -> date | None:
        """The day on which the flags or an alert first said that a child may be exploited."""
        alerts = [local_day(alert.raised_at) for alert in self.alerts.values() if alert.kind is AlertKind.EXPLOITATION]
        return min([*alerts, *([self.received_on] if Flag.EXPLOITATION in self.flags else [])], default=None)

    @property
    def unanswered(self) -> tuple[MashReferral, ...]:
        """The referrals to MASH that wait for the local authority's answer."""
        return tuple(referral for referral in self.mash_referrals if referral.answered_on is None)

    @property
    def on_hold(self) -> bool:
        """Whether a safeguarding concern still waits for MASH or a supervisor."""
        return self.stage is Stage.SAFEGUARDING_HOLD
