"""What has happened in a restorative justice conference: the contract, the only module that other services import."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final, TypeAlias, get_args
from uuid import UUID

from pydantic import Field, StringConstraints

from services.vocabulary import WORDS, ConferenceCategory, ConferenceMode, Personal, Regime, Role
from shared.domain.envelope import EventRegistry, Fact
from shared.domain.messages import Added, Correction, Event, FreeText, Hours, Timestamp, ValueObject, Version
from shared.domain.texts import Visible
from shared.privacy.sealing import OwnedBy, Sealed


class Sensitivity(StrEnum):
    """What makes a conference a sensitive case, which needs an accredited facilitator."""

    NONE = "NONE"
    DOMESTIC = "DOMESTIC"
    SEXUAL = "SEXUAL"


class ParticipantRole(StrEnum):
    """As what somebody is invited; the harmer comes with the proposal."""

    HARMED = "HARMED"
    REPRESENTATIVE = "REPRESENTATIVE"
    SUPPORTER = "SUPPORTER"
    APPROPRIATE_ADULT = "APPROPRIATE_ADULT"
    INTERPRETER = "INTERPRETER"
    OBSERVER = "OBSERVER"


class PresentRole(StrEnum):
    """As what somebody was expected at the conference."""

    HARMER = "HARMER"
    HARMED = "HARMED"
    REPRESENTATIVE = "REPRESENTATIVE"
    SUPPORTER = "SUPPORTER"
    APPROPRIATE_ADULT = "APPROPRIATE_ADULT"
    INTERPRETER = "INTERPRETER"
    OBSERVER = "OBSERVER"


class RiskLevel(StrEnum):
    """How much could go wrong."""

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
"""What was agreed, in words; none at all where somebody left it out."""


class Term(ValueObject):
    """One thing agreed. That it has a text and a due date is rule C9, so that a missing one is refused with the reason."""

    term_id: UUID
    text: Annotated[Sealed[TermText], Personal.CONDITIONS]
    due: date | None = None


class Signatory(ValueObject):
    """Somebody who signed, by name, as it stands under the signature."""

    person_id: UUID
    name: Annotated[Sealed[FreeText], OwnedBy("person_id"), Personal.IDENTITY]


class ConferenceProposed(Event):
    """A conference has been proposed, by an officer or by a disposal's condition."""

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
    """Somebody beside the harmer has been invited."""

    sentence = "Participant added: {role}{under_16?, under 16|}"

    person_id: UUID
    role: ParticipantRole
    under_16: bool


class ResponsibilityRecorded(Event):
    """The harmer has said whether they accept responsibility and the core facts."""

    sentence = (
        "The harmer {accepts?accepts|does not accept} responsibility; the facts are {facts_disputed?disputed|not "
        "disputed}"
    )

    accepts: bool
    facts_disputed: bool


class VictimInformed(Event):
    """A harmed party has been told what restorative justice is and that nobody needs to take part."""

    sentence = "Harmed person informed of restorative justice"

    person_id: UUID


class ConsentGiven(Event):
    """A party has consented, to the modes named and on the wording of that version."""

    sentence = "Consent given to {scope}, wording {consent_version}[, valid until {valid_until}]"

    person_id: UUID
    consent_version: Version
    scope: tuple[ConferenceMode, ...]
    parental_agreement: bool | None = None
    valid_until: date | None = None


class ConsentWithdrawn(Event):
    """A party has withdrawn; nobody asks why."""

    sentence = "Consent withdrawn"

    person_id: UUID


class FacilitatorAssigned(Event):
    """A facilitator leads the conference from now on."""

    sentence = (
        "Facilitator assigned, {rj_trained?trained|not trained}, {sensitive_accredited?accredited|not accredited} "
        "for sensitive cases"
    )

    facilitator_id: UUID
    rj_trained: bool
    sensitive_accredited: bool


class RiskAssessed(Event):
    """The risks have been assessed, with a plan; an approval of an earlier assessment no longer counts."""

    sentence = "Risk assessed: {level}"

    level: RiskLevel
    plan: Annotated[Sealed[FreeText], Personal.NARRATIVE]


class RiskApproved(Event):
    """The risk assessment has been approved."""

    sentence = "Risk assessment approved"


class PreparationHeld(Event):
    """A participant has been prepared in a meeting."""

    sentence = "Participant prepared in a meeting"

    person_id: UUID


class ConferenceScheduled(Event):
    """A time, a place and a mode have been fixed."""

    sentence = "Conference scheduled: {mode}, {starts_at}, {hours#hour|hours}"

    mode: ConferenceMode
    starts_at: Timestamp
    hours: Hours
    place: Annotated[Sealed[FreeText], Personal.PLACE]


class ConferenceHeld(Event):
    """The conference took place; carries what disposals react to and returns count."""

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
    follow_up_due: date


class ConferenceDidNotProceed(Event):
    """The scheduled conference did not take place; carries what disposals react to."""

    sentence = "Conference did not proceed: {why}"

    why: NotProceedingReason
    disposal_id: UUID | None = None
    condition_id: UUID | None = None
    harmer: UUID


class ConvertedToIndirect(Event):
    """All parties have consented anew to an indirect mode; only that one can be scheduled now."""

    sentence = "Converted to an indirect conference: {mode}"

    mode: IndirectMode


class AgreementSigned(Event):
    """The parties have agreed and signed."""

    sentence = "Agreement signed: {terms#term|terms}"

    terms: tuple[Term, ...]
    signed_by: tuple[UUID, ...]
    signatories: Added[tuple[Signatory, ...]] = None
    """The names of those who signed, for the printed agreement."""


class NoAgreementReached(Event):
    """The conference ended without an agreement, which is a valid end."""

    sentence = "No agreement reached"


class TermCompleted(Event):
    """A term of the agreement has been kept."""

    sentence = "Term of the agreement completed"

    term_id: UUID


class TermNotCompleted(Event):
    """A term of the agreement has not been kept and will not be."""

    sentence = "Term of the agreement not completed"

    term_id: UUID
    why: Annotated[Sealed[FreeText], Personal.REASONS]


class FollowUpCompleted(Event):
    """A participant has been asked how it was: satisfaction from 0 (low) upwards, on the scale of the local form."""

    sentence = "Follow-up completed: satisfaction {satisfaction}"

    person_id: UUID
    satisfaction: int
    comment: Annotated[Sealed[FreeText] | None, OwnedBy("person_id"), Personal.NARRATIVE] = None


class ConferenceClosed(Event):
    """Nothing more is recorded in this conference."""

    sentence = "Conference closed"


class ServedCondition(ValueObject):
    """The condition that a conference serves."""

    disposal_id: UUID | None = None
    condition_id: UUID | None = None


class ConferenceEnd(ValueObject):
    """How a conference ended: it was held for these hours, or `why` it did not proceed."""

    hours: Hours
    why: NotProceedingReason | None = None
    occurred_at: Timestamp


class CorrectedConference(ValueObject):
    """What a conference served before and since a correction, and how it ended, for disposals that had counted it.

    Both are the same where the record of an end was corrected, and not the proposal.
    """

    before: ServedCondition
    after: ServedCondition
    ends: tuple[ConferenceEnd, ...]
    """The ends that the correction concerns: a conference that did not proceed may be held later."""
    told_by: tuple[UUID, ...]
    """The events by which disposals had learned of it as it was before: their reactions are superseded."""


class RecordCorrected(Correction):
    """A field of an earlier event was corrected. `owner` is whose key seals the value, where a person's does.

    `conference` says what disposals need that had counted the conference elsewhere, or otherwise.
    """

    owner: UUID | None = None
    sealed: Annotated[Sealed[Any] | None, OwnedBy("owner")] = None
    conference: Added[CorrectedConference] = None


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

REGIME: Final[Mapping[str, str]] = {"regime": Regime.LE_PART3.value}
"""Conferences serve out-of-court disposals: every event is law-enforcement processing (DPA 2018 part 3)."""


def _proposed(fact: Fact) -> Iterable[str]:
    """OFFICER: who proposed it, unless a reaction did. PARTY: who decided the disposal that it serves."""
    if fact.actor.role != Role.SYSTEM:
        yield f"OFFICER:{fact.actor.id}"
    if isinstance(fact.event, ConferenceProposed) and fact.event.deciding_officer is not None:
        yield f"PARTY:{fact.event.deciding_officer}"


def _joined(fact: Fact) -> Iterable[str]:
    """PARTY: who takes part."""
    if isinstance(fact.event, ParticipantAdded):
        yield f"PARTY:{fact.event.person_id}"


def _led(fact: Fact) -> Iterable[str]:
    """OFFICER: who has been assigned to lead it, also before another was. The own conferences of section F."""
    if isinstance(fact.event, FacilitatorAssigned):
        yield f"OFFICER:{fact.event.facilitator_id}"


EVENTS: Final = EventRegistry(
    "rj_conference",
    get_args(ConferenceEvent),
    labels=lambda _cls: REGIME,
    marks={ConferenceProposed: _proposed, ParticipantAdded: _joined, FacilitatorAssigned: _led},
    mentions=("case_id", "referral_id", "disposal_id", "harmer", "person_id"),
    words=WORDS,
    reasons=Personal.REASONS,
)
"""Every event of rj_conference."""
