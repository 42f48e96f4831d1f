"""A disposal case told step by step: Leo, 14, takes trainers on Monday 2 March 2026; he is 15 on 14 March."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from services.disposal.domain.commands import (
    AgreeDeferral,
    AnnulDisposal,
    BookConditionSession,
    CompleteAssessment,
    ConfirmAppropriateAdult,
    DecideDisposal,
    DecideEvidence,
    ExplainEffect,
    IssueDisposal,
    OpenDisposalCase,
    ProposeCondition,
    RecordAdmission,
    RecordConditionAttendance,
    RecordPanelRecommendation,
    ReferBreach,
    ScoreGravity,
    SignDocument,
    VaryConditions,
)
from services.disposal.events import (
    AnnulledBy,
    AssessmentTool,
    Change,
    ChangeAction,
    Condition,
    Direction,
    EvidenceStandard,
    Factor,
    Offence,
    PaymentMethod,
    PlanStep,
    PlanStepKind,
    PriorRecord,
)
from services.disposal.service import service
from services.trade.vocabulary import (
    AppropriateAdultKind,
    AttendanceStatus,
    ConditionObject,
    ConditionType,
    MemberKind,
    OffenceCategory,
    PersonDetails,
    Recommendation,
    TrialMode,
)
from shared.domain.ids import derived_uuid
from shared.domain.messages import Actor, Command
from shared.domain.sealing import Sealed
from tests.command_spec import CommandSpec, officer

CASE: Final = derived_uuid("test", "case")
REFERRAL: Final = derived_uuid("test", "referral")
LEO: Final = derived_uuid("test", "leo")
MANAGER: Final = derived_uuid("test", "manager")
MOTHER: Final = derived_uuid("test", "mother")

WORK: Final = derived_uuid("test", "reparation")
LETTER: Final = derived_uuid("test", "letter")
WORKSHOP: Final = derived_uuid("test", "workshop")
MEETING: Final = derived_uuid("test", "conference")
FIRST: Final = derived_uuid("test", "first session")
SECOND: Final = derived_uuid("test", "second session")
MENTORING: Final = derived_uuid("test", "mentoring step")

POLICE: Final = "POLICE_DECISION_MAKER"
YJS: Final = "YJS_CASE_MANAGER"
SUPERVISOR: Final = "SUPERVISOR"
VICTIM_WORKER: Final = "VICTIM_WORKER"

OPENED_AT: Final = "2026-03-03T09:00:00+00:00"
DECIDED_AT: Final = "2026-03-10T12:00:00+00:00"
PROPOSED_AT: Final = "2026-03-11T09:00:00+00:00"
ISSUED_AT: Final = "2026-03-12T16:30:00+00:00"
GIVEN_ON: Final = date(2026, 3, 12)
AFTER: Final = "2026-03-13T09:00:00+00:00"

STANDARD: Final = {"YRD": EvidenceStandard.OFFENCE_OCCURRED}
SCORE: Final = {
    "YRD": 2,
    "YC": 3,
    "YCC": 4,
    "OUTCOME_22": 2,
    "CHARGE": 5,
    "DEFERRED_PROSECUTION": 5,
    "NO_FURTHER_ACTION": 1,
    "OUTCOME_21": 1,
}


def offence(mode: TrialMode = TrialMode.EITHER_WAY, **other: Any) -> Offence:
    """Return the theft, or another offence of the same day."""
    return Offence(
        **{
            "code": "04601",
            "title": "Theft from a shop",
            "date": date(2026, 3, 2),
            "trial_mode": mode,
            "recordable": True,
            "category": OffenceCategory.THEFT,
            **other,
        }
    )


def opening(born: date = date(2011, 3, 14), **other: Any) -> OpenDisposalCase:
    """Return the command that opens the case the day after."""
    return OpenDisposalCase(
        **{
            "case_id": CASE,
            "referral_id": REFERRAL,
            "person_id": LEO,
            "details": PersonDetails(name=Sealed("Leo Hartnell"), date_of_birth=Sealed(born)),
            "crime_number": "55260013127",
            "offence": offence(),
            "reported_at": datetime.fromisoformat("2026-03-02T15:20:00+00:00"),
            "victims": (MANAGER,),
            "prior": PriorRecord(yc=0, ycc=0, convictions=0, yrd=0),
            **other,
        }
    )


def decision(what: str, **other: Any) -> DecideDisposal:
    """Return a decision with its reasons, and for a caution the view that nothing else is appropriate."""
    return DecideDisposal(
        **{
            "decision": Recommendation(what),
            "rationale_text": Sealed("As scored."),
            "public_interest": Sealed("It serves better than court."),
            "prosecution_inappropriate": True,
            "ycc_inappropriate": True,
            **other,
        }
    )


def condition(
    kind: ConditionType = ConditionType.REPARATION_HOURS,
    key: UUID = WORK,
    aim: ConditionObject = ConditionObject.REPARATION,
    due: date = date(2026, 5, 28),
    **other: Any,
) -> Condition:
    """Return a condition: four hours of reparation by 28 May, if nothing else is said."""
    if kind is ConditionType.REPARATION_HOURS:
        other = {"hours": Decimal(4), **other}
    return Condition(condition_id=key, type=kind, object=aim, due=due, **other)


def penalty(amount: int | None = 5000, **other: Any) -> Condition:
    """Return a financial penalty, stated in full unless told otherwise."""
    stated = {"payee": Sealed("HMCTS"), "method": PaymentMethod.CARD, **other}
    return condition(ConditionType.FINANCIAL_PENALTY, LETTER, ConditionObject.PUNISHMENT, amount=amount, **stated)


def letter(**other: Any) -> Condition:
    """Return a letter of apology."""
    return condition(ConditionType.LETTER_OF_APOLOGY, LETTER, **other)


def conference(**other: Any) -> Condition:
    """Return a restorative justice conference."""
    return condition(
        ConditionType.RJ_CONFERENCE, MEETING, **{"due": date(2026, 4, 21), "hours": Decimal("1.5"), **other}
    )


def attendance(
    status: AttendanceStatus = AttendanceStatus.ATTENDED,
    hours: str = "2",
    session: UUID = FIRST,
    key: UUID = WORK,
    *,
    complied: bool = True,
    **other: Any,
) -> RecordConditionAttendance:
    """How a session ended."""
    return RecordConditionAttendance(
        condition_id=key, session_id=session, status=status, hours_credited=Decimal(hours), complied=complied, **other
    )


def absence(status: AttendanceStatus = AttendanceStatus.DNA_UNACCEPTABLE, **other: Any) -> RecordConditionAttendance:
    """Return the record of an absence."""
    return attendance(status, "0", complied=False, **other)


def booking(
    session: UUID = FIRST, starts_at: str = "2026-03-18T16:00:00+00:00", hours: str = "2"
) -> BookConditionSession:
    """Return a session of two hours for the reparation."""
    return BookConditionSession(
        condition_id=WORK, session_id=session, starts_at=datetime.fromisoformat(starts_at), hours=Decimal(hours)
    )


def variation(*changes: Change, consent: bool = True) -> VaryConditions:
    """Return a variation to which the child consents."""
    return VaryConditions(changes=changes, consent=consent, why=Sealed("He asked for it."))


def adding(what: Condition) -> Change:
    """Return the change that adds a condition."""
    return Change(action=ChangeAction.ADD, condition_id=what.condition_id, condition=what)


def modifying(what: Condition) -> Change:
    """Return the change that modifies a condition."""
    return Change(action=ChangeAction.MODIFY, condition_id=what.condition_id, condition=what)


def omitting(key: UUID = WORK) -> Change:
    """Return the change that omits a condition."""
    return Change(action=ChangeAction.OMIT, condition_id=key)


def step(key: UUID = MENTORING, kind: PlanStepKind = PlanStepKind.MENTORING, due: date = date(2026, 5, 29)) -> PlanStep:
    """Return a step of a plan: eight talks with a mentor by 29 May, if nothing else is said."""
    return PlanStep(step_id=key, kind=kind, text=Sealed("Meet Ms Ali eight times."), due=due)


def deferral(*steps: PlanStep, **other: Any) -> AgreeDeferral:
    """Return a plan to which the child agrees before an adult, with a review on 12 June."""
    return AgreeDeferral(
        **{
            "plan": steps or (step(),),
            "review_on": date(2026, 6, 12),
            "child_agrees": True,
            "appropriate_adult_present": True,
            **other,
        }
    )


def breach(*keys: UUID) -> ReferBreach:
    """Return a breach of some conditions, of the reparation if none is named."""
    return ReferBreach(condition_ids=keys or (WORK,), grounds=Sealed("He did not come."))


ADULT: Final = ConfirmAppropriateAdult(
    person_id=MOTHER, kind=AppropriateAdultKind.PARENT_GUARDIAN, adult=True, police_employee=False
)
EXPLAINED: Final = ExplainEffect(
    to_child=True, to_appropriate_adult=True, ordinary_language=True, warned_of_prosecution=True
)
SIGNED: Final = SignDocument(document_sha256="9f2c" * 16, consent=True, signed_by_child=True)
ADMITTED: Final = RecordAdmission(appropriate_adult_present=True, facts_accepted=True)
ASSESSED: Final = CompleteAssessment(tool=AssessmentTool.PDAT, programme_plan=True)
ANNULLED: Final = AnnulDisposal(by=AnnulledBy.COURT, reference="CO/1212/2026", why=Sealed("The court quashed it."))
PANEL: Final = (MemberKind.POLICE, MemberKind.YJS)


def evidence(standard: EvidenceStandard = EvidenceStandard.CHARGE, *, sufficient: bool = True) -> DecideEvidence:
    """Return a judgement of the evidence."""
    return DecideEvidence(sufficient=sufficient, standard=standard)


def scored(
    offence_score: int, final_score: int, *factors: str, line: str | None = None, ticked: Sequence[str] | None = None
) -> ScoreGravity:
    """Return a gravity score, with aggravating factors in words, and ticked ones: `+` or `-`, and the code."""
    signs = {"+": Direction.UP, "-": Direction.DOWN}
    return ScoreGravity(
        line=line,
        factors=None if ticked is None else tuple(Factor(code=one[1:], direction=signs[one[0]]) for one in ticked),
        offence_score=offence_score,
        final_score=final_score,
        aggravating=Sealed(factors),
        mitigating=Sealed(()),
        matrix_version="2025",
        yjb_seriousness_score=2,
    )


def recommended(what: str, attendees: tuple[MemberKind, ...] = PANEL) -> RecordPanelRecommendation:
    """Return a recommendation of the panel."""
    return RecordPanelRecommendation(recommended=Recommendation(what), attendees=attendees)


def proposed(what: Condition | None = None, **other: Any) -> ProposeCondition:
    """Return a proposal: of the reparation, if nothing else is said."""
    return ProposeCondition(condition=what or condition(), **other)


class CaseStory(CommandSpec):
    """A case that can be told as far as a test needs; `without` leaves steps out."""

    def __init__(self, stream: UUID | None = None) -> None:
        super().__init__(service, stream)

    def ask(self, command: Command, *, by: str | Actor, at: str | datetime | None = None) -> Sequence[str]:
        """Ask a command that must be accepted; an attendance recorded by hand has its session booked before (E7)."""
        if isinstance(command, RecordConditionAttendance) and by != "SYSTEM":
            self.booked(command, at=at)
        return super().ask(command, by=by, at=at)

    def booked(self, command: RecordConditionAttendance, *, at: str | datetime | None) -> CaseStory:
        """Book the session of an attendance for its condition, to start at that moment, unless one is booked."""
        if command.session_id not in self.state.bookings:
            assert at is not None
            begins = datetime.fromisoformat(at) if isinstance(at, str) else at
            session = BookConditionSession(
                condition_id=command.condition_id, session_id=command.session_id, starts_at=begins, hours=Decimal(8)
            )
            super().ask(session, by=YJS, at=at)
        return self

    def opened(self, command: OpenDisposalCase | None = None) -> CaseStory:
        """Open the case."""
        self.ask(command or opening(), by=YJS, at=OPENED_AT)
        return self

    def ready(
        self, what: str = "YCC", *, without: Sequence[str] = (), command: OpenDisposalCase | None = None
    ) -> CaseStory:
        """All is there for a decision."""
        self.opened(command)
        steps: dict[str, tuple[str, str, Command]] = {
            "admission": ("2026-03-04T16:00:00+00:00", YJS, ADMITTED),
            "evidence": ("2026-03-05T10:00:00+00:00", POLICE, evidence(STANDARD.get(what, EvidenceStandard.CHARGE))),
            "assessment": ("2026-03-06T10:00:00+00:00", YJS, ASSESSED),
            "score": ("2026-03-09T10:00:00+00:00", POLICE, scored(SCORE[what], SCORE[what])),
            "panel": ("2026-03-09T11:00:00+00:00", YJS, recommended(what)),
        }
        for name, (at, by, step) in steps.items():
            if name not in without:
                self.ask(step, by=by, at=at)
        return self

    def decided(
        self, what: str = "YCC", *, without: Sequence[str] = (), command: OpenDisposalCase | None = None
    ) -> CaseStory:
        """Take the decision."""
        self.ready(what, without=without, command=command)
        self.ask(decision(what, rationale={"A1": "Urgent.", "R27": "As the victim wishes."}), by=POLICE, at=DECIDED_AT)
        return self

    def prepared(
        self,
        what: str = "YCC",
        *conditions: Condition,
        without: Sequence[str] = (),
        command: OpenDisposalCase | None = None,
    ) -> CaseStory:
        """All is there for giving the disposal, save what is left out."""
        self.decided(what, without=without, command=command)
        for one in conditions:
            self.ask(proposed(one, rationale={"R17": "Nothing else fits."}), by=YJS, at=PROPOSED_AT)
        steps: dict[str, tuple[str, Command]] = {
            "adult": ("2026-03-12T16:00:00+00:00", ADULT),
            "explanation": ("2026-03-12T16:10:00+00:00", EXPLAINED),
            "signature": ("2026-03-12T16:20:00+00:00", SIGNED),
        }
        for name, (at, step) in steps.items():
            if name not in without and not (name == "signature" and what == "YC"):
                self.ask(step, by=POLICE, at=at)
        return self

    def issued(self, what: str = "YCC", *conditions: Condition, command: OpenDisposalCase | None = None) -> CaseStory:
        """Issue the disposal on 12 March; by default a conditional caution with four hours of reparation."""
        if what == "YCC" and not conditions:
            conditions = (condition(),)
        self.prepared(what, *conditions, command=command)
        self.ask(IssueDisposal(), by=POLICE, at=ISSUED_AT)
        return self

    def deferred(self, *steps: PlanStep, command: OpenDisposalCase | None = None) -> CaseStory:
        """Defer the prosecution on 13 March, without an admission; by default with eight talks with a mentor."""
        self.decided("DEFERRED_PROSECUTION", without=["admission"], command=command)
        self.ask(deferral(*steps), by=YJS, at=AFTER)
        return self

    def in_breach(self) -> CaseStory:
        """Bring a conditional caution under review after an unacceptable absence."""
        self.issued()
        self.ask(absence(), by=YJS, at="2026-03-18T18:00:00+00:00")
        self.ask(breach(), by=YJS, at="2026-03-25T10:00:00+00:00")
        return self


INVESTIGATOR: Final = officer(POLICE, 7)
"""A police officer who investigated."""
