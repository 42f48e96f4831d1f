"""A conference told step by step: Reece hit Noah at school; both, and their mothers, prepare to meet."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from services.rj_conference.domain.commands import (
    AddParticipant,
    ApproveRisk,
    AssessRisk,
    AssignFacilitator,
    CompleteTerm,
    GiveConsent,
    HoldPreparation,
    InformVictim,
    ProposeConference,
    RecordConferenceHeld,
    RecordResponsibility,
    ScheduleConference,
    SignAgreement,
)
from services.rj_conference.events import ParticipantRole, Present, PresentRole, RiskLevel, Sensitivity, Signatory, Term
from services.rj_conference.service import service
from services.trade.vocabulary import ConferenceCategory, ConferenceMode
from shared.domain.ids import derived_uuid
from shared.domain.messages import Command
from shared.domain.sealing import Sealed
from tests.command_spec import CommandSpec

CASE: Final = derived_uuid("test", "case")
DISPOSAL: Final = derived_uuid("test", "disposal")
CONDITION: Final = derived_uuid("test", "condition")
REECE: Final = derived_uuid("test", "reece")
NOAH: Final = derived_uuid("test", "noah")
HIS_MOTHER: Final = derived_uuid("test", "reece's mother")
MANAGER: Final = derived_uuid("test", "manager")
STRANGER: Final = derived_uuid("test", "stranger")
FACILITATOR: Final = derived_uuid("test", "facilitator")
DECIDER: Final = derived_uuid("test", "deciding officer")
BUS: Final = derived_uuid("test", "term")

DIRECT: Final = (ConferenceMode.DIRECT_CONFERENCE,)
STARTS_AT: Final = datetime.fromisoformat("2025-12-04T16:00:00+00:00")
HELD_AT: Final = "2025-12-04T17:35:00+00:00"
SIGNED_AT: Final = "2025-12-04T17:40:00+00:00"


def consent(person: UUID, *scope: ConferenceMode, parent: bool | None = True, until: date | None = None) -> GiveConsent:
    """Return a consent on the third wording, to a direct conference where no mode is named."""
    return GiveConsent(
        person_id=person, consent_version="3", scope=scope or DIRECT, parental_agreement=parent, valid_until=until
    )


def schedule(
    mode: ConferenceMode = ConferenceMode.DIRECT_CONFERENCE, starts_at: datetime = STARTS_AT
) -> ScheduleConference:
    """Return a date for the conference: 4 December at four, for an hour and a half."""
    return ScheduleConference(mode=mode, starts_at=starts_at, hours=Decimal("1.5"), place=Sealed("The school library"))


def record_conference_held(*, without: Collection[UUID] = (), facilitator: bool = True) -> RecordConferenceHeld:
    """Return the conference as it took place; `without` names those who stayed away."""
    people = {REECE: PresentRole.HARMER, NOAH: PresentRole.HARMED, HIS_MOTHER: PresentRole.SUPPORTER}
    return RecordConferenceHeld(
        present=tuple(Present(person_id=one, role=role, attended=one not in without) for one, role in people.items()),
        facilitator_attended=facilitator,
    )


def term(term_id: UUID = BUS, text: str = "Sits downstairs on the bus", due: date | None = date(2025, 12, 18)) -> Term:
    """Return a term of the agreement, due on 18 December."""
    return Term(term_id=term_id, text=Sealed(text), due=due)


def agreement(
    *terms: Term, by: tuple[UUID, ...] = (REECE, NOAH), names: Mapping[UUID, str] | None = None
) -> SignAgreement:
    """Return an agreement, of one term where none is given; with `names`, those of who signed."""
    signatories = None if names is None else tuple(Signatory(person_id=key, name=Sealed(names[key])) for key in names)
    return SignAgreement(terms=terms or (term(),), signed_by=by, signatories=signatories)


def proposal(sensitive: Sensitivity = Sensitivity.NONE, age: int = 13) -> ProposeConference:
    """Return a conference for a condition of Reece's disposal."""
    return ProposeConference(
        case_id=CASE,
        disposal_id=DISPOSAL,
        condition_id=CONDITION,
        category=ConferenceCategory.BULLYING,
        sensitive=sensitive,
        harmer=REECE,
        harmer_age=age,
        deciding_officer=DECIDER,
    )


def facilitator(*, trained: bool = True, accredited: bool = False, person: UUID = FACILITATOR) -> AssignFacilitator:
    """Who leads the conference."""
    return AssignFacilitator(facilitator_id=person, rj_trained=trained, sensitive_accredited=accredited)


def participant(person: UUID, role: ParticipantRole, *, under_16: bool | None = False) -> AddParticipant:
    """Somebody to invite."""
    return AddParticipant(person_id=person, role=role, under_16=under_16)


def risk(level: RiskLevel = RiskLevel.LOW) -> AssessRisk:
    """Return a risk assessment with its plan."""
    return AssessRisk(level=level, plan=Sealed("They arrive by separate doors."))


PREPARING: Final[Mapping[str, tuple[str, str, Command]]] = {
    "facilitator": ("RJ_FACILITATOR", "2025-11-20T16:40:00+00:00", facilitator()),
    "responsibility": (
        "RJ_FACILITATOR",
        "2025-11-20T16:45:00+00:00",
        RecordResponsibility(accepts=True, facts_disputed=False),
    ),
    "consent of the harmer": ("RJ_FACILITATOR", "2025-11-20T16:50:00+00:00", consent(REECE)),
    "the harmed": (
        "RJ_FACILITATOR",
        "2025-11-20T17:00:00+00:00",
        participant(NOAH, ParticipantRole.HARMED, under_16=True),
    ),
    "the supporter": (
        "RJ_FACILITATOR",
        "2025-11-20T17:01:00+00:00",
        participant(HIS_MOTHER, ParticipantRole.SUPPORTER),
    ),
    "information": ("VICTIM_WORKER", "2025-11-20T18:00:00+00:00", InformVictim(person_id=NOAH)),
    "consent of the harmed": ("VICTIM_WORKER", "2025-11-20T18:20:00+00:00", consent(NOAH)),
    "risk": ("RJ_FACILITATOR", "2025-11-24T10:00:00+00:00", risk()),
    "approval": ("SUPERVISOR", "2025-11-24T14:00:00+00:00", ApproveRisk()),
    "preparation of the harmer": ("RJ_FACILITATOR", "2025-11-25T16:30:00+00:00", HoldPreparation(person_id=REECE)),
    "preparation of the supporter": (
        "RJ_FACILITATOR",
        "2025-11-25T17:00:00+00:00",
        HoldPreparation(person_id=HIS_MOTHER),
    ),
    "preparation of the harmed": ("RJ_FACILITATOR", "2025-11-27T17:00:00+00:00", HoldPreparation(person_id=NOAH)),
}
"""Everything that a date needs: by whom, when, what."""

SCHEDULED_AT: Final = "2025-11-28T09:00:00+00:00"


class ConferenceStory(CommandSpec):
    """One conference in memory, and the usual ways to each of its stages."""

    def __init__(self) -> None:
        super().__init__(service)

    @property
    def stage(self) -> str:
        """Where the conference stands."""
        return str(self.view["state"])

    def proposed(self, sensitive: Sensitivity = Sensitivity.NONE, age: int = 13) -> ConferenceStory:
        """Propose the conference on 20 November."""
        self.ask(proposal(sensitive, age), by="SYSTEM", at="2025-11-20T16:20:00+00:00")
        return self

    def prepared(
        self, *, without: Collection[str] = (), instead: Mapping[str, Command] | None = None, age: int = 13
    ) -> ConferenceStory:
        """Everything is done that a date needs, but for what is left out or done otherwise."""
        self.proposed(age=age)
        for step, (role, at, command) in PREPARING.items():
            if step not in without:
                self.ask((instead or {}).get(step, command), by=role, at=at)
        return self

    def scheduled(self) -> ConferenceStory:
        """Schedule the conference for 4 December."""
        self.prepared().ask(schedule(), by="RJ_FACILITATOR", at=SCHEDULED_AT)
        return self

    def held(self) -> ConferenceStory:
        """Hold the conference on 4 December."""
        self.scheduled().ask(record_conference_held(), by="RJ_FACILITATOR", at=HELD_AT)
        return self

    def agreed(self) -> ConferenceStory:
        """They agreed on one term."""
        self.held().ask(agreement(), by="RJ_FACILITATOR", at=SIGNED_AT)
        return self

    def kept(self) -> ConferenceStory:
        """Keep the term, so that only the follow-up is left."""
        self.agreed().ask(CompleteTerm(term_id=BUS), by="RJ_FACILITATOR", at="2025-12-18T16:00:00+00:00")
        return self
