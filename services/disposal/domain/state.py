"""The state of a disposal case: frozen values, and plain questions about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, Self
from uuid import UUID

from services.disposal import events
from services.disposal.domain.conditions import DEFINITIONS
from services.disposal.domain.history import Earlier, Later, counted
from services.trade.victims import INFORMED, TOLD, Elsewhere, Log, first_day, nobody_told
from services.trade.vocabulary import (
    AttendanceStatus,
    BreachDecision,
    Disposal,
    Flag,
    OffenceCategory,
    OutcomeCode,
    Recommendation,
)
from shared.domain.corrections import PastFacts, required
from shared.domain.dates import age_on
from shared.domain.envelope import Envelope, Fact


class Stage(StrEnum):
    """The stage of a disposal case; the state machine says what each allows."""

    OPENED = "OPENED"
    ASSESSED = "ASSESSED"
    RECOMMENDED = "RECOMMENDED"
    DECIDED = "DECIDED"
    DEFERRED = "DEFERRED"
    ACTIVE = "ACTIVE"
    AGREED = "AGREED"
    RECORDED = "RECORDED"
    COMPLETED = "COMPLETED"
    NOT_COMPLETED = "NOT_COMPLETED"
    BREACH_REVIEW = "BREACH_REVIEW"
    CEASED = "CEASED"
    CLOSED_NO_PROCEEDINGS = "CLOSED_NO_PROCEEDINGS"
    DIVERTED = "DIVERTED"
    CHARGED = "CHARGED"
    CLOSED = "CLOSED"
    ANNULLED = "ANNULLED"
    WITHDRAWN = "WITHDRAWN"


BEFORE_ISSUE: Final = frozenset({Stage.OPENED, Stage.ASSESSED, Stage.RECOMMENDED, Stage.DECIDED})
UNDER_WAY: Final = frozenset({Stage.AGREED, Stage.ACTIVE})
ISSUED_AND_OPEN: Final = UNDER_WAY | {Stage.BREACH_REVIEW}
TAKEN_BACK: Final = frozenset({Stage.ANNULLED, Stage.WITHDRAWN})
"""As if it had never been: no history of the child, and in no count."""


class ConditionStatus(StrEnum):
    """The status of a condition: completed, excused and omitted ones are done."""

    PROPOSED = "PROPOSED"
    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    EXCUSED = "EXCUSED"
    OMITTED = "OMITTED"


class StepStatus(StrEnum):
    """The status of a step in the plan of a deferred prosecution: done and excused ones are settled."""

    OPEN = "OPEN"
    DONE = "DONE"
    MISSED = "MISSED"
    EXCUSED = "EXCUSED"


SETTLED: Final = frozenset({StepStatus.DONE, StepStatus.EXCUSED})

PRESENT: Final = frozenset({AttendanceStatus.ATTENDED, AttendanceStatus.ATTENDED_LATE, AttendanceStatus.LEFT_EARLY})
"""The child was there (O22: with compliance, an activity)."""

ABSENT: Final = frozenset(
    {AttendanceStatus.DNA_ACCEPTABLE, AttendanceStatus.DNA_UNACCEPTABLE, AttendanceStatus.DNA_PENDING}
)
"""The child was not there."""

LOST_TO_HARMED: Final = frozenset({events.CancellationReason.HARMED_WITHDREW, events.CancellationReason.HARMED_ABSENT})


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was last found of the evidence (rule R3)."""

    sufficient: bool
    standard: events.EvidenceStandard
    at: datetime

    def leaves(self, standing: Self | None) -> bool:
        """Tell whether another finding still stands: a later one, or that an offence occurred which cannot be charged."""
        if standing is None:
            return False
        if self.at < standing.at:
            return not standing.leaves(self)
        found_before = standing.sufficient and standing.standard is not self.standard
        return found_before and not self.sufficient and self.standard is events.EvidenceStandard.CHARGE


@dataclass(frozen=True, slots=True)
class Decision:
    """The latest decision of the police, with the officer who made it. `human` is false for a reaction (rule R26)."""

    what: Recommendation
    by: UUID
    human: bool
    at: datetime
    version: int
    """The version of the record that decides it."""
    age: int | None = None
    """The child's age that day in years, None if it can no longer be known."""
    speaks_of_section_45: bool = False
    """Whether its reasons name section 45 of the Modern Slavery Act 2015 (rule NR2)."""
    nothing_else_fits: bool = False
    """Whether neither prosecution nor a conditional caution was found appropriate (rule R5)."""

    @property
    def disposal(self) -> Disposal | None:
        return Disposal(self.what) if self.what in Disposal.__members__ else None


@dataclass(frozen=True, slots=True)
class Review:
    """A correction has shown that the disposal could not lawfully have been given; until another one changes that."""

    unlawful_by: tuple[str, ...]
    at: datetime
    met_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ConditionState:
    """A condition with its standing. `since` is when it was proposed or added, `done_at` when it needed no more."""

    terms: events.Condition
    standing: ConditionStatus
    since: datetime
    given_on: date | None = None
    done_at: datetime | None = None
    version: int = 0
    """The version of the event that gave the terms."""
    field: str = "condition"
    """The path of the terms in that event."""
    due_set_by: int | None = None
    """The version of the record that last set its day, since it was given."""
    refused_at: datetime | None = None
    """When the child refused it as it now is."""


@dataclass(frozen=True, slots=True)
class Attendance:
    """How one session of a condition ended for the child; `acceptable` is None until an absence is decided."""

    condition_id: UUID
    session_id: UUID
    status: AttendanceStatus
    hours: Decimal
    complied: bool
    because: events.CancellationReason | None
    at: datetime
    by_reaction: bool
    """Whether another service's register said so, and no person here."""
    acceptable: bool | None = None
    decided_at: datetime | None = None
    warned: bool = False

    @property
    def waits_for_a_reason(self) -> bool:
        """Whether nobody has decided yet if the absence is acceptable."""
        return self.status is AttendanceStatus.DNA_PENDING and self.acceptable is None

    @property
    def unacceptable_since(self) -> datetime | None:
        if self.status is AttendanceStatus.DNA_UNACCEPTABLE:
            return self.at
        return self.decided_at if self.acceptable is False else None


@dataclass(frozen=True, slots=True)
class Contact:
    """An attempt to reach a person, whether it succeeded or not."""

    person_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Breach:
    """A breach under review: the conditions said to be broken, and the last decision on it."""

    condition_ids: tuple[UUID, ...]
    at: datetime
    decision: BreachDecision | None = None
    decided_at: datetime | None = None
    varied: bool = False
    """Whether the conditions were varied after the decision."""


@dataclass(frozen=True, slots=True)
class Issue:
    """The disposal as given. `spent_on` is the day by the calculator (R24), earlier if the caution ceased.

    By the statute it is spent three months after giving, or on the day on which it ceases to have effect, whichever is
    earlier: to complete its conditions is not to cease.
    """

    disposal: Disposal
    at: datetime
    on: date
    age: int
    ends_on: date | None
    spent_on: date | None
    spent_by_statute: date | None = None


@dataclass(frozen=True, slots=True)
class Annulment:
    """When the disposal was annulled, and under which reference."""

    at: datetime
    reference: str


@dataclass(frozen=True, slots=True)
class StepState:
    """A step of the plan with its status. `recorded_at` is when it was last said how it went."""

    terms: events.PlanStep
    status: StepStatus = StepStatus.OPEN
    recorded_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """Another area's hold of the case, until it ended or another took its place."""

    event_id: UUID
    area: str
    kind: events.MoveKind
    at: datetime
    review_on: date
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Deferral:
    """The deferral of the prosecution as agreed: its plan, and when it was completed or ended."""

    at: datetime
    on: date
    age: int
    review_on: date
    steps: Mapping[UUID, StepState]
    ended_at: datetime | None = None
    missed_at: tuple[datetime, ...] = ()
    """When steps were recorded as missed."""
    reviewed_at: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class AssessmentRequest:
    """An assessment asked for, and when it was completed."""

    tool: str
    at: datetime
    completed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Assessment:
    """A completed assessment: `plan`, whether it plans a programme; `programme`, whether it does or says why not."""

    at: datetime
    plan: bool
    programme: bool
    tool: events.AssessmentTool
    version: int


@dataclass(frozen=True, slots=True)
class Informed:
    """When a victim was told of restorative justice, and whether the victim has enhanced rights."""

    at: datetime
    enhanced_rights: bool


@dataclass(frozen=True, slots=True)
class VictimView:
    """What a victim said last of contact and restorative justice; None: nothing yet."""

    wants_rj: bool | None = None
    consents_to_contact: bool | None = None
    at: datetime | None = None
    version: int | None = None
    """The version of the event by which their view was last sought, or was not."""
    sought_before_decision: bool = False


@dataclass(frozen=True, slots=True)
class ProgrammeEnd:
    """The end of an issued disposal, of a diversion's programme, or of a deferral."""

    on: date
    completed: bool


@dataclass(frozen=True, slots=True)
class FailedDiversion:
    """A diversion after which the case was decided anew: when it ended and began, and the child's age in years then."""

    ended_on: date
    age: int | None = None
    began_on: date | None = None


@dataclass(frozen=True)
class DisposalState:
    """The state of a disposal case, folded from its facts."""

    opened: events.DisposalCaseOpened
    opened_at: datetime
    ethnicity_in: UUID
    """The event for which the child's ethnicity is sealed: the opening, or the last correction of it."""
    officer_id: UUID | None = None
    """Who has the case: to whom it was handed over last, else who opened it; None if a reaction did."""
    handed_over_at: datetime | None = None
    area: str | None = None
    """The area in which it was opened."""
    transfers: tuple[Transfer, ...] = ()
    """The other areas that have held it, of which at most the last still does."""
    stage: Stage = Stage.OPENED
    admission: events.AdmissionRecorded | None = None
    """What the child said last, until it is taken back."""
    admission_version: int | None = None
    asked_at: datetime | None = None
    """When the child last admitted or denied the offence, or took an admission back."""
    evidence: Evidence | None = None
    gravity: int | None = None
    gravity_on: date | None = None
    """The day of the score: it stands on the scale of that day."""
    gravity_version: int | None = None
    yjb_seriousness: int | None = None
    panel: Recommendation | None = None
    prosecutor: events.ProsecutorDecision | None = None
    prosecutor_at: datetime | None = None
    decision: Decision | None = None
    conditions: Mapping[UUID, ConditionState] = field(default_factory=dict)
    adults_at: tuple[datetime, ...] = ()
    parents: frozenset[UUID] = frozenset()
    """Those who were confirmed as the appropriate adult as the child's parent or guardian."""
    explanations: tuple[tuple[datetime, events.EffectExplained], ...] = ()
    """How the effect of the disposal was explained (rule R8), each time with its time."""
    signed_at: datetime | None = None
    conditions_changed_at: datetime | None = None
    """When a condition was last proposed or withdrawn since the decision."""
    changed_since_signing: bool = False
    document_printed_here: bool | None = None
    issue: Issue | None = None
    annulment: Annulment | None = None
    deferral: Deferral | None = None
    yot_referred_at: datetime | None = None
    bookings: Mapping[UUID, events.ConditionSessionBooked] = field(default_factory=dict)
    """The sessions booked in this stream for conditions."""
    attendances: tuple[Attendance, ...] = ()
    contacts: tuple[Contact, ...] = ()
    consent_withdrawn_at: datetime | None = None
    breach: Breach | None = None
    proceedings_at: datetime | None = None
    completed_on: date | None = None
    ended_at: datetime | None = None
    end: ProgrammeEnd | None = None
    failed_diversion: FailedDiversion | None = None
    outcome: OutcomeCode | None = None
    outcome_at: datetime | None = None
    outcome_age: int | None = None
    """The child's age in years on the day of the outcome."""
    activities: Mapping[UUID, datetime] = field(default_factory=dict)
    programme_records: tuple[tuple[datetime, events.ProgrammeRecorded], ...] = ()
    """What was said of the programme, in order of time."""
    requests: tuple[AssessmentRequest, ...] = ()
    assessments: tuple[Assessment, ...] = ()
    informed: Mapping[UUID, Informed] = field(default_factory=dict)
    elsewhere: Elsewhere = field(default_factory=nobody_told)
    """When victims of the case were told in any record of it."""
    views: Mapping[UUID, VictimView] = field(default_factory=dict)
    """The victims whose view was sought, or who had none sought."""
    log: Log = field(default_factory=dict)
    """What was done for each person, of which a victim's is shown."""
    decided_at: tuple[datetime, ...] = ()
    """When something was decided of which each victim is told."""
    earlier: tuple[Earlier, ...] = ()
    """What was given to the child before, here and elsewhere, under any id that names the child."""
    later: tuple[Later, ...] = ()
    """The cases of the same child for later offences than the one whose prosecution is deferred."""
    person: UUID | None = None
    """The id that is kept of those that name the child; None: the own."""
    monitors: frozenset[UUID] = frozenset()
    reviews: tuple[Review, ...] = ()
    record: PastFacts[events.DisposalEvent] | None = field(default=None, compare=False, repr=False)

    @property
    def opening(self) -> Envelope:
        """The envelope of the event that opened the case."""
        assert self.record is not None
        opening: Fact = [*self.record][-1]
        return opening.envelope

    @property
    def admitted_at(self) -> datetime | None:
        """When the child admitted the offence; None: the child did not, or took it back."""
        return self.asked_at if self.admission is not None and self.admission.facts_accepted else None

    @property
    def transfer(self) -> Transfer | None:
        """The hold of another area that stands."""
        last = self.transfers[-1] if self.transfers else None
        return None if last is None or last.ended_at is not None else last

    @property
    def prior(self) -> events.PriorRecord | None:
        """What is recorded against the child before, as it is counted; None if nobody has said and nothing is known."""
        return counted(self.opened.prior, self.earlier)

    @property
    def prior_elsewhere(self) -> events.PriorRecord | None:
        """What is recorded against the child before, but for what was given here; None if nobody has said."""
        return counted(self.opened.prior, tuple(given for given in self.earlier if given.disposal_id is None))

    @property
    def required_issue(self) -> Issue:
        """The disposal as given. Raises `BrokenHistory` if none was issued."""
        return required(self.issue, self, "no disposal was issued")

    @property
    def required_deferral(self) -> Deferral:
        """The deferral as agreed. Raises `BrokenHistory` if none was."""
        return required(self.deferral, self, "no prosecution was deferred")

    @property
    def required_decision(self) -> Decision:
        """The latest decision. Raises `BrokenHistory` if nothing was decided."""
        return required(self.decision, self, "nothing was decided")

    @property
    def programme_said(self) -> events.ProgrammeRecorded:
        said = events.ProgrammeRecorded()
        for _, record in self.programme_records:
            # The age is that of the first day as it is said last, if it is said at all.
            without = {"age"} if said.starts_on is not None and record.starts_on is None else None
            said = said.model_copy(update=record.model_dump(exclude_none=True, exclude=without))
        return said

    @property
    def disposal(self) -> Disposal | None:
        """The disposal that was issued, or else the one that is decided; None if neither."""
        if self.issue is not None:
            return self.issue.disposal
        return None if self.decision is None else self.decision.disposal

    @property
    def standing_disposal(self) -> Disposal | None:
        """The disposal that the child has: it was given, and is not annulled."""
        return None if self.issue is None or self.annulment is not None else self.issue.disposal

    @property
    def taken_back_at(self) -> datetime | None:
        """When the case was withdrawn, or what was given annulled; None if neither."""
        if self.stage is Stage.WITHDRAWN:
            return self.ended_at
        return None if self.annulment is None else self.annulment.at

    @property
    def to_be_issued(self) -> Disposal | None:
        return self.disposal if self.stage is Stage.DECIDED else None

    @property
    def is_of_a_knife(self) -> bool:
        """Whether the incident is marked as one with a knife, or the offence is one of weapons."""
        return Flag.KNIFE in (self.opened.flags or ()) or self.opened.offence.category is OffenceCategory.WEAPONS

    @property
    def awaits_plan(self) -> bool:
        """Whether the prosecution is to be deferred, and no plan is agreed yet."""
        decided = self.decision is not None and self.decision.what is Recommendation.DEFERRED_PROSECUTION
        return decided and self.stage is Stage.DECIDED

    @property
    def hours_credited(self) -> Decimal:
        """The sum of the hours credited in this case, over all conditions."""
        return sum((attendance.hours for attendance in self.attendances), Decimal(0))

    @property
    def warnings_issued(self) -> int:
        """How many written warnings were given."""
        return sum(attendance.warned for attendance in self.attendances)

    @property
    def victims(self) -> tuple[UUID, ...]:
        return tuple(dict.fromkeys(self.opened.victims or ()))

    @property
    def named_victims(self) -> tuple[UUID, ...]:
        """The victims whom the opening names, those with enhanced rights too."""
        return tuple(dict.fromkeys((*self.victims, *sorted(self.opened.victims_with_enhanced_rights or ()))))

    @property
    def everyone_harmed(self) -> tuple[UUID, ...]:
        """The victims, and those who were informed or asked as victims later."""
        return tuple(dict.fromkeys((*self.named_victims, *self.informed, *self.views)))

    def informed_at(self, victim: UUID) -> datetime | None:
        """Return when a victim was first told of restorative justice, in any record of the case; None: nobody has."""
        here = self.informed.get(victim)
        return min([*self.elsewhere[INFORMED].get(victim, ()), *([] if here is None else [here.at])], default=None)

    def has_enhanced_rights(self, victim: UUID) -> bool:
        """Whether a victim has enhanced rights: by law, under age at the report, or as somebody said."""
        return victim in (self.opened.victims_under_age or ()) or self.is_said_to_have_enhanced_rights(victim)

    def is_said_to_have_enhanced_rights(self, victim: UUID) -> bool:
        informed = self.informed.get(victim)
        by_opening = victim in (self.opened.victims_with_enhanced_rights or ())
        return by_opening or (informed is not None and informed.enhanced_rights)

    @property
    def untold_victims(self) -> tuple[UUID, ...]:
        return tuple(victim for victim in self.victims if first_day(self.log, victim, TOLD) is None)

    @property
    def to_do_by_a_day(self) -> Mapping[UUID, ConditionState]:
        """The conditions that are to be done by their day: not those that hold until it."""
        if self.stage not in ISSUED_AND_OPEN:
            return {}
        return {
            key: condition
            for key, condition in self.conditions.items()
            if condition.standing is ConditionStatus.ACTIVE and not DEFINITIONS[condition.terms.type].lasts
        }

    def active(self, condition_id: UUID) -> ConditionState | None:
        """Return the condition if it is active, else None."""
        condition = self.conditions.get(condition_id)
        return condition if condition is not None and condition.standing is ConditionStatus.ACTIVE else None

    def with_standing(self, standing: ConditionStatus) -> list[UUID]:
        """Return the ids of the conditions with a status, in the order of their proposal."""
        return [key for key, condition in self.conditions.items() if condition.standing is standing]

    def credited(self, condition_id: UUID) -> Decimal:
        return sum((a.hours for a in self.attendances if a.condition_id == condition_id), Decimal(0))

    def last_attendance(self, session_id: UUID) -> Attendance | None:
        """Return the last attendance recorded of a session, else None."""
        return next((a for a in reversed(self.attendances) if a.session_id == session_id), None)

    @property
    def last_attendances(self) -> Mapping[UUID, Attendance]:
        """The last recorded attendance by session, for many look-ups."""
        return {attendance.session_id: attendance for attendance in self.attendances}

    @property
    def contacted_at(self) -> list[datetime]:
        """When somebody tried to reach the child, or anybody but a victim: in order of time."""
        victims = set(self.victims)
        return sorted(contact.at for contact in self.contacts if contact.person_id not in victims)

    def pending_absence(self, session_id: UUID) -> Attendance | None:
        """Return the absence from a session that waits for a reason, else None."""
        return next((a for a in self.attendances if a.session_id == session_id and a.waits_for_a_reason), None)

    def age_on(self, day: date) -> int | None:
        """Return the child's age on a day in whole years, None if the date of birth can no longer be known."""
        born = self.opened.details.date_of_birth.or_else(None)
        return None if born is None else age_on(born, day)

    def age_when_given(self, day: date) -> int:
        """Return the age for R16 in whole years: at issue, before that on the day, and at the offence if it is unknown."""
        if self.issue is not None:
            return self.issue.age
        age = self.age_on(day)
        return self.opened.age_at_offence if age is None else age
