"""What has happened in a restorative justice conference: the contract, the only module that other services import."""

from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final, TypeAlias, get_args
from uuid import UUID

from pydantic import Field, StringConstraints

from services.trade.vocabulary import (
    LAW_ENFORCEMENT,
    RECORD_IDS,
    WORDS,
    ConferenceCategory,
    ConferenceMode,
    Personal,
    Role,
)
from shared.domain.envelope import EventRegistry, Fact
from shared.domain.messages import Added, Correction, Event, FreeText, Hours, Timestamp, ValueObject, Version
from shared.domain.sealing import OwnedBy, Sealed
from shared.domain.texts import Visible


class Sensitivity(StrEnum):
    """The kinds of harm that make a conference a sensitive case.

    Its facilitator must be accredited for such cases (rule C5).
    """

    NONE = "NONE"
    DOMESTIC = "DOMESTIC"
    SEXUAL = "SEXUAL"


class ParticipantRole(StrEnum):
    """The roles in which people are invited. The proposal names the first harmer; HARMER invites a further one."""

    HARMER = "HARMER"
    HARMED = "HARMED"
    REPRESENTATIVE = "REPRESENTATIVE"
    SUPPORTER = "SUPPORTER"
    APPROPRIATE_ADULT = "APPROPRIATE_ADULT"
    INTERPRETER = "INTERPRETER"
    OBSERVER = "OBSERVER"


class PresentRole(StrEnum):
    """The roles in which people are expected at the conference."""

    HARMER = "HARMER"
    HARMED = "HARMED"
    REPRESENTATIVE = "REPRESENTATIVE"
    SUPPORTER = "SUPPORTER"
    APPROPRIATE_ADULT = "APPROPRIATE_ADULT"
    INTERPRETER = "INTERPRETER"
    OBSERVER = "OBSERVER"


class RiskLevel(StrEnum):
    """How great the risk of the conference is. A supervisor approves a high one (rule C4)."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


class NotProceedingReason(StrEnum):
    """Why a scheduled conference did not proceed."""

    HARMED_WITHDREW = "HARMED_WITHDREW"
    HARMER_WITHDREW = "HARMER_WITHDREW"
    HARMER_ABSENT = "HARMER_ABSENT"
    HARMED_ABSENT = "HARMED_ABSENT"
    FACILITATOR = "FACILITATOR"
    RISK = "RISK"


class IndirectMode(StrEnum):
    """The modes in which the parties do not meet face to face."""

    SHUTTLE = "SHUTTLE"
    LETTER_EXCHANGE = "LETTER_EXCHANGE"
    REPRESENTATIVE = "REPRESENTATIVE"


class Present(ValueObject):
    """One person expected at the conference, and whether they took part."""

    person_id: UUID
    role: PresentRole
    attended: bool


TermText = Annotated[str, StringConstraints(max_length=20_000), Visible()]
"""What was agreed, in words; none at all if somebody left it out."""


class Term(ValueObject):
    """One thing that the parties agreed, with the day by which it is due.

    Rule C9 refuses an agreement in which a text or a day is missing.
    """

    term_id: UUID
    text: Annotated[Sealed[TermText], Personal.CONDITIONS]
    due: date | None = None


class Signatory(ValueObject):
    """A person who signed the agreement, with the name under the signature."""

    person_id: UUID
    name: Annotated[Sealed[FreeText], OwnedBy("person_id"), Personal.IDENTITY]


class ConditionOfDisposal(ValueObject):
    """The condition of a disposal that the conference meets for a further harmer."""

    disposal_id: UUID
    condition_id: UUID


class ServedFor(ConditionOfDisposal):
    """The condition that the conference serves for this further harmer."""

    person_id: UUID


class ConferenceProposed(Event):
    """A conference was proposed: by a facilitator or supervisor, or by reaction to a disposal with such a condition.

    `harmer_age` is in years.
    """

    sentence = "Conference proposed: {category}, the harmer is {harmer_age}"

    case_id: UUID
    referral_id: UUID | None = None
    disposal_id: UUID | None = None
    condition_id: UUID | None = None
    category: ConferenceCategory
    sensitive: Sensitivity
    harmer: UUID
    harmer_age: int
    """In years."""
    deciding_officer: UUID | None = None


class ParticipantAdded(Event):
    """Somebody beside the first harmer was invited, in this role; `serves` is the condition that a further harmer meets.

    `of_whom`: whom a supporter, representative, appropriate adult or interpreter comes for; null: not said.

    Each needs a preparation meeting (rule C3); a harmed person must consent, with a parent or carer if under 16 on the
    day of the conference (rule C2): by the date of birth in the case, or without one by `under_16`, as it was on this day.
    """

    sentence = "Participant added: {role}{under_16?, under 16|}"

    person_id: UUID
    role: ParticipantRole
    under_16: bool
    serves: Added[ConditionOfDisposal] = None
    of_whom: Added[UUID] = None


class ResponsibilityRecorded(Event):
    """The harmer said whether they accept responsibility, and whether they dispute the core facts.

    The conference is scheduled only after each harmer accepts and disputes nothing (rule C1). `person_id` null: the first.
    """

    sentence = (
        "The harmer {accepts?accepts|does not accept} responsibility; the facts are {facts_disputed?disputed|not "
        "disputed}"
    )

    person_id: Added[UUID] = None
    accepts: bool
    facts_disputed: bool


class VictimInformed(Event):
    """A harmed person was told what restorative justice is, and that nobody needs to take part.

    Only a consent after that counts (rule C2).
    """

    sentence = "Harmed person informed of restorative justice"

    person_id: UUID


class ConsentGiven(Event):
    """A party consented to take part, in the modes of `scope` and on this version of the wording.

    It is valid until the end of `valid_until`, or without a last day if that is null. A later consent replaces it (rule
    C2). A harmed person names in `meets` the harmers whom they will meet; null: the first alone.
    """

    sentence = "Consent given to {scope}, wording {consent_version}[, valid until {valid_until}]"

    person_id: UUID
    consent_version: Version
    scope: tuple[ConferenceMode, ...]
    parental_agreement: bool | None = None
    valid_until: date | None = None
    meets: Added[tuple[UUID, ...]] = None
    interpreter: Added[bool] = None


class ConsentWithdrawn(Event):
    """A party withdrew their consent; no reason is asked.

    No conference is held until they consent anew (rules C2 and C6).
    """

    sentence = "Consent withdrawn"

    person_id: UUID


class FacilitatorAssigned(Event):
    """A facilitator leads the conference from now on, until another is assigned.

    They must be trained, and accredited for a sensitive case (rule C5).
    """

    sentence = (
        "Facilitator assigned, {rj_trained?trained|not trained}, {sensitive_accredited?accredited|not accredited} "
        "for sensitive cases"
    )

    facilitator_id: UUID
    rj_trained: bool
    sensitive_accredited: bool


class RiskAssessed(Event):
    """The risks of the conference were assessed, with a plan to reduce them.

    It needs an approval of its own; that of an earlier assessment no longer counts (rule C4).
    """

    sentence = "Risk assessed: {level}"

    level: RiskLevel
    plan: Annotated[Sealed[FreeText], Personal.NARRATIVE]


class RiskApproved(Event):
    """The current risk assessment was approved, a high risk by a supervisor.

    The approval counts for a limited number of days (rule C4, policy `risk_approval_days`).
    """

    sentence = "Risk assessment approved"


class PreparationHeld(Event):
    """A participant was prepared in a meeting of their own.

    Everyone needs one before the conference is scheduled, supporters included (rule C3).
    """

    sentence = "Participant prepared in a meeting"

    person_id: UUID


class ConferenceScheduled(Event):
    """The conference has a mode, a start, a length in hours and a place.

    Only one that did not proceed is scheduled again.
    """

    sentence = "Conference scheduled: {mode}, {starts_at}, {hours#hour|hours}"

    mode: ConferenceMode
    starts_at: Timestamp
    hours: Hours
    place: Annotated[Sealed[FreeText], Personal.PLACE]


class ConferenceHeld(Event):
    """The conference took place with harmer, harmed side and facilitator (rule C8).

    A condition that it serves counts its `hours` as attended. `follow_up_due` is the Europe/London day by which the
    parties are asked how it was (rule C10).
    """

    sentence = (
        "Conference held: {mode}, {harmed_took_part#harmed person|harmed people} took part; follow-up due "
        "{follow_up_due}"
    )

    present: tuple[Present, ...]
    facilitator_attended: bool
    disposal_id: UUID | None = None
    condition_id: UUID | None = None
    harmer: UUID
    hours: Hours
    """As scheduled."""
    category: ConferenceCategory
    mode: ConferenceMode
    harmed_took_part: Annotated[int, Field(ge=0)]
    harmed_ids: tuple[UUID, ...] = ()
    """The harmed parties who took part, for KPI 10."""
    referral_id: Added[UUID] = None
    serves: Added[tuple[ServedFor, ...]] = None
    """The conditions of further harmers."""
    follow_up_due: date


class ConferenceDidNotProceed(Event):
    """The scheduled conference did not take place.

    Only the child's own absence (`HARMER_ABSENT`) is recorded as one for the condition that it serves; a harmed
    person's absence or withdrawal never counts against the child (rule C7). It can be scheduled again, converted or
    closed.
    """

    sentence = "Conference did not proceed: {why}"

    why: NotProceedingReason
    disposal_id: UUID | None = None
    condition_id: UUID | None = None
    harmer: UUID
    serves: Added[tuple[ServedFor, ...]] = None
    """The conditions of further harmers."""


class ConvertedToIndirect(Event):
    """The harmer and each harmed party consented anew to an indirect mode (rule C6).

    Only this mode can be scheduled now.
    """

    sentence = "Converted to an indirect conference: {mode}"

    mode: IndirectMode


class AgreementSigned(Event):
    """The parties agreed on these terms and signed them (rule C9). Each term is a duty `TERM`, due on its own date."""

    sentence = "Agreement signed: {terms#term|terms}"

    terms: tuple[Term, ...]
    signed_by: tuple[UUID, ...]
    signatories: Added[tuple[Signatory, ...]] = None
    """The names of those who signed, for the printed agreement."""


class NoAgreementReached(Event):
    """The conference ended without an agreement, which is a valid end. The follow-up begins."""

    sentence = "No agreement reached"


class TermCompleted(Event):
    """A term of the agreement was kept. The follow-up begins once no term is open."""

    sentence = "Term of the agreement completed"

    term_id: UUID


class TermNotCompleted(Event):
    """A term of the agreement was not kept and will not be, for the reason given.

    It is no longer open, and its duty is met.
    """

    sentence = "Term of the agreement not completed"

    term_id: UUID
    why: Annotated[Sealed[FreeText], Personal.REASONS]


class FollowUpCompleted(Event):
    """A participant was asked how the conference was for them: satisfaction from 0 (low) to 10.

    This meets the duty `RJ_FOLLOW_UP` once the harmer and each harmed party who took part were asked (rule C10).
    """

    sentence = "Follow-up completed: satisfaction {satisfaction}"

    person_id: UUID
    satisfaction: int
    comment: Annotated[Sealed[FreeText] | None, OwnedBy("person_id"), Personal.NARRATIVE] = None


class ConferenceClosed(Event):
    """Nothing more is recorded in this conference, save corrections.

    A facilitator or supervisor closed it; or, before it was held, its condition was dropped or met by another conference.
    """

    sentence = "Conference closed"


class ServedCondition(ValueObject):
    """The condition of a disposal that a conference serves. Both ids are null if it serves none."""

    disposal_id: UUID | None = None
    condition_id: UUID | None = None


class ConferenceEnd(ValueObject):
    """How a conference ended at `occurred_at`: it was held for these hours, or did not proceed for the reason `why`."""

    hours: Hours
    why: NotProceedingReason | None = None
    occurred_at: Timestamp


class CorrectedConference(ValueObject):
    """The condition that a conference served before a correction and serves since, and how it ended.

    Both conditions are the same if the correction is of how it ended.
    """

    before: ServedCondition
    after: ServedCondition
    ends: tuple[ConferenceEnd, ...]
    """The ends that the correction concerns: a conference that did not proceed may be held later."""
    told_by: tuple[UUID, ...]
    """The events by which disposals had learned of it as it was before: their reactions are superseded."""


class RecordCorrected(Correction):
    """A field of an earlier event of this conference was wrong; this is its right value (DPA 2018 s46).

    The original event stays. A sealed value is encrypted with the key of the person `owner`, or of the case if that is
    null. `conference` tells the first harmer's disposal that had counted the conference what to change, `further` those
    of further harmers.
    """

    owner: UUID | None = None
    sealed: Annotated[Sealed[Any] | None, OwnedBy("owner")] = None
    conference: Added[CorrectedConference] = None
    further: Added[tuple[CorrectedConference, ...]] = None


EventAfterProposal: TypeAlias = (
    ParticipantAdded
    | ResponsibilityRecorded
    | VictimInformed
    | ConsentGiven
    | ConsentWithdrawn
    | FacilitatorAssigned
    | RiskAssessed
    | RiskApproved
    | PreparationHeld
    | ConferenceScheduled
    | ConferenceHeld
    | ConferenceDidNotProceed
    | ConvertedToIndirect
    | AgreementSigned
    | NoAgreementReached
    | TermCompleted
    | TermNotCompleted
    | FollowUpCompleted
    | ConferenceClosed
    | RecordCorrected
)
"""The events that may follow the proposal; mypy reports each one that `evolve` has no branch for."""

ConferenceEvent: TypeAlias = ConferenceProposed | EventAfterProposal
"""Every event of a conference."""


def _proposed(fact: Fact) -> Iterable[str]:
    """OFFICER, PROPOSER: who proposed it; TO_LEAD: a reaction did. PARTY: who decided the disposal that it serves."""
    if fact.actor.role == Role.SYSTEM:
        yield "TO_LEAD"
    else:
        yield from (f"OFFICER:{fact.actor.id}", f"PROPOSER:{fact.actor.id}")
    if isinstance(fact.event, ConferenceProposed) and fact.event.deciding_officer is not None:
        yield f"PARTY:{fact.event.deciding_officer}"


def _joined(fact: Fact) -> Iterable[str]:
    """PARTY: who takes part."""
    match fact.event:
        case (
            ParticipantAdded(person_id=person)
            | RecordCorrected(field="person_id" | "deciding_officer", value=str() as person)
        ):
            yield f"PARTY:{person}"
        case _:
            pass


def _led(fact: Fact) -> Iterable[str]:
    """LED: somebody has been assigned to lead it. OFFICER: who has, also before another was. It decides which conferences are "own" in docs/reference/access.md. CHOSEN: whom somebody else assigned."""
    if isinstance(fact.event, FacilitatorAssigned):
        yield "LED"
        yield f"OFFICER:{fact.event.facilitator_id}"
        if fact.event.facilitator_id != fact.actor.id:
            yield f"CHOSEN:{fact.event.facilitator_id}"


EVENTS: Final = EventRegistry(
    "rj_conference",
    get_args(ConferenceEvent),
    labels=lambda _cls: LAW_ENFORCEMENT,
    marks={
        ConferenceProposed: _proposed,
        ParticipantAdded: _joined,
        FacilitatorAssigned: _led,
        RecordCorrected: _joined,
    },
    mentions=("case_id", "referral_id", "disposal_id", "harmer", "person_id"),
    of_records=RECORD_IDS,
    words=WORDS,
    reasons=Personal.REASONS,
)
