"""The state of a conference: the classes that `evolve` folds facts into."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID

from services.rj_conference.events import (
    ConditionOfDisposal,
    ConferenceEvent,
    ParticipantRole,
    Present,
    PresentRole,
    RiskLevel,
    Sensitivity,
)
from services.trade.vocabulary import ConferenceCategory, ConferenceMode
from shared.domain.corrections import PastFacts
from shared.domain.dates import local_day


class Stage(StrEnum):
    """The stage of a conference. AGREED and NO_AGREEMENT are passed in the moment in which they are reached."""

    PROPOSED = "PROPOSED"
    ENGAGING = "ENGAGING"
    ASSESSED = "ASSESSED"
    PREPARED = "PREPARED"
    SCHEDULED = "SCHEDULED"
    HELD = "HELD"
    DID_NOT_PROCEED = "DID_NOT_PROCEED"
    AGREED = "AGREED"
    NO_AGREEMENT = "NO_AGREEMENT"
    MONITORING = "MONITORING"
    FOLLOW_UP = "FOLLOW_UP"
    CLOSED = "CLOSED"


GETTING_READY: Final = frozenset({Stage.PROPOSED, Stage.ENGAGING, Stage.ASSESSED, Stage.PREPARED})
BEFORE_HELD: Final = GETTING_READY | {Stage.SCHEDULED, Stage.DID_NOT_PROCEED}


OTHER_SIDE: Final = frozenset({PresentRole.HARMED, PresentRole.REPRESENTATIVE})
"""The roles of the harmed side."""


class TermStatus(StrEnum):
    """The status of an agreed term."""

    OPEN = "OPEN"
    COMPLETED = "COMPLETED"
    NOT_COMPLETED = "NOT_COMPLETED"


@dataclass(frozen=True, slots=True)
class Participant:
    """A person invited beside the harmer."""

    role: ParticipantRole
    under_16: bool
    serves: ConditionOfDisposal | None = None
    of_whom: UUID | None = None


@dataclass(frozen=True, slots=True)
class Responsibility:
    """The latest statement of the harmer about the facts, and the version of the event that says it."""

    at: datetime
    accepts: bool
    facts_disputed: bool
    version: int


@dataclass(frozen=True, slots=True)
class Consent:
    """A party's statement about taking part, at one time: a consent, or (if `given` is false) its withdrawal."""

    at: datetime
    given: bool
    scope: frozenset[ConferenceMode] = frozenset()
    parental_agreement: bool = False
    valid_until: date | None = None
    meets: frozenset[UUID] | None = None
    """The harmers whom a harmed person will meet; None: the first alone."""


@dataclass(frozen=True, slots=True)
class Facilitator:
    """The person who leads the conference, since when, and for which cases they are trained."""

    at: datetime
    facilitator_id: UUID
    rj_trained: bool
    sensitive_accredited: bool
    version: int


@dataclass(frozen=True, slots=True)
class Risk:
    """The current risk assessment, who made it, and when it was approved."""

    assessed_at: datetime
    level: RiskLevel
    assessed_by: UUID
    version: int
    approved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """The mode, the start and the length (hours) that were fixed last."""

    mode: ConferenceMode
    starts_at: datetime
    hours: Decimal
    version: int
    """The version of the record that fixed them."""

    @property
    def is_meeting(self) -> bool:
        """Whether people meet: for an exchange of letters, nobody has an appointment."""
        return self.mode is not ConferenceMode.LETTER_EXCHANGE

    @property
    def day(self) -> date:
        """The day of the conference, in Europe/London."""
        return local_day(self.starts_at)


@dataclass(frozen=True, slots=True)
class CalledOff:
    """A meeting that does not take place, and the version of the record by which it was called off."""

    schedule: Schedule
    version: int


@dataclass(frozen=True, slots=True)
class HeldConference:
    """The conference as it took place: when, with whom, and until when the follow-up is due."""

    at: datetime
    on: date
    harmed: frozenset[UUID]
    """The harmed parties who took part."""
    present: tuple[Present, ...]
    """Everybody who was expected, and whether they took part."""
    follow_up_due: date

    @property
    def signatories(self) -> frozenset[UUID]:
        """The harmed parties and representatives who took part: one of them signs an agreement."""
        return frozenset(person.person_id for person in self.present if person.attended and person.role in OTHER_SIDE)


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A participant's answer on a day to how the conference was for them: satisfaction from 0 to 10."""

    on: date
    satisfaction: int


@dataclass(frozen=True, slots=True)
class AgreedTerm:
    """One term of the agreement: its due day, its status, and the day on which it was settled."""

    agreed_at: datetime
    agreed_on: date
    due: date
    status: TermStatus = TermStatus.OPEN
    settled_on: date | None = None


@dataclass(frozen=True)
class Conference:
    """The state of a restorative justice conference, folded from its facts."""

    since: datetime
    """When the latest fact happened that moved the stage on; the next such fact is not before it."""
    stage: Stage
    referral_id: UUID | None
    disposal_id: UUID | None
    condition_id: UUID | None
    category: ConferenceCategory
    sensitive: Sensitivity
    harmer: UUID
    harmer_age: int
    deciding_officer: UUID | None
    participants: Mapping[UUID, Participant] = field(default_factory=dict)
    responsibilities: Mapping[UUID, Responsibility] = field(default_factory=dict)
    """What each harmer said last of the facts."""
    informed: Mapping[UUID, datetime] = field(default_factory=dict)
    """When a harmed party was first told what restorative justice is."""
    consents: Mapping[UUID, tuple[Consent, ...]] = field(default_factory=dict)
    """Everything that a party has said of taking part, in order of time."""
    facilitator: Facilitator | None = None
    needs_facilitator_from: date | None = None
    """The day on which a reaction proposed it, so that nobody leads it by themselves."""
    led_from: date | None = None
    """The first day on which somebody was to lead it."""
    risk: Risk | None = None
    preparations: Mapping[UUID, tuple[datetime, ...]] = field(default_factory=dict)
    schedule: Schedule | None = None
    called_off: CalledOff | None = None
    """The latest meeting that was called off."""
    mode: ConferenceMode | None = None
    """The mode last scheduled, or the one to which it was converted after that."""
    converted_to: ConferenceMode | None = None
    held: HeldConference | None = None
    outcome_version: int | None = None
    """The version of the event by which it was held, or last did not proceed."""
    terms: Mapping[UUID, AgreedTerm] = field(default_factory=dict)
    agreement_version: int | None = None
    """The version of the event by which they agreed, or did not."""
    follow_ups: Mapping[UUID, tuple[FollowUp, ...]] = field(default_factory=dict)
    """What each participant answered who was asked how it was, in order of time."""
    closed_on: date | None = None
    record: PastFacts[ConferenceEvent] | None = field(default=None, compare=False, repr=False)

    @property
    def responsibility(self) -> Responsibility | None:
        """What the first harmer said last of the facts."""
        return self.responsibilities.get(self.harmer)

    def accepts(self, harmer: UUID) -> bool:
        """Whether a harmer, by their latest word, accepts responsibility and disputes no core fact."""
        said = self.responsibilities.get(harmer)
        return said is not None and said.accepts and not said.facts_disputed

    @property
    def harmers(self) -> tuple[UUID, ...]:
        """The first harmer, and those who were invited as further ones."""
        invited = (person for person, of in self.participants.items() if of.role is ParticipantRole.HARMER)
        return (self.harmer, *invited)

    @property
    def harmed(self) -> tuple[UUID, ...]:
        return tuple(person for person, invited in self.participants.items() if invited.role is ParticipantRole.HARMED)

    @property
    def parties(self) -> tuple[UUID, ...]:
        """The persons whose consent is needed: each harmer and each harmed party."""
        return (*self.harmers, *self.harmed)

    @property
    def everyone(self) -> tuple[UUID, ...]:
        return (self.harmer, *self.participants)

    @property
    def has_other_side(self) -> bool:
        """Whether a harmed party, or somebody who represents one, is invited."""
        sides = {ParticipantRole.HARMED, ParticipantRole.REPRESENTATIVE}
        return any(invited.role in sides for invited in self.participants.values())

    @property
    def meeting(self) -> Schedule | None:
        """The meeting to come; None if there is none."""
        stands = self.stage is Stage.SCHEDULED and self.schedule is not None and self.schedule.is_meeting
        return self.schedule if stands else None

    def role_of(self, person: UUID) -> PresentRole | None:
        if person == self.harmer:
            return PresentRole.HARMER
        invited = self.participants.get(person)
        return None if invited is None else PresentRole(invited.role.value)

    def consent_of(self, person: UUID, at: datetime | None = None) -> Consent | None:
        """Return the consent that stood at a time (by default now); None if there was none or it was withdrawn."""
        history = [statement for statement in self.consents.get(person, ()) if at is None or statement.at <= at]
        return history[-1] if history and history[-1].given else None

    def met_by(self, person: UUID, consent: Consent) -> tuple[UUID, ...]:
        """Return the harmers whom a harmed person consents to meet, the first alone if they named none; none of anybody else."""
        meets = {self.harmer} if consent.meets is None else consent.meets
        return tuple(harmer for harmer in self.harmers if person in self.harmed and harmer in meets)

    def has_begun(self, at: datetime) -> bool:
        """Whether the scheduled start had come by then; a conference without one has none to wait for."""
        return self.schedule is None or at >= self.schedule.starts_at

    def withdrawals(self, at: datetime) -> Iterator[datetime]:
        """Return the times at which anybody withdrew, up to a time."""
        statements = (statement for history in self.consents.values() for statement in history)
        return (statement.at for statement in statements if not statement.given and statement.at <= at)

    def signed_by_both(self, signed_by: Collection[UUID]) -> bool:
        """Whether each harmer signed and, if a harmed party or representative took part, one of them."""
        other_side = self.held.signatories if self.held else frozenset[UUID]()
        return set(self.harmers) <= set(signed_by) and (not other_side or not other_side.isdisjoint(signed_by))

    @property
    def to_follow_up(self) -> frozenset[UUID]:
        """The persons to ask how it was: each harmer, and the harmed parties who took part."""
        return frozenset() if self.held is None else self.held.harmed | set(self.harmers)

    @property
    def followed_up_on(self) -> date | None:
        """The day on which the last of them had been asked; None while one is missing."""
        first_asked = [self.follow_ups[person][0].on for person in self.to_follow_up if person in self.follow_ups]
        return max(first_asked) if first_asked and len(first_asked) == len(self.to_follow_up) else None
