"""Whatever is asked in whatever order, and however late: a case folds, cuts, seals and forgets."""

import inspect
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.disposal.domain import evolve as state_module
from services.disposal.domain.commands import (
    AssignOutcome,
    CompleteCondition,
    CompleteDeferral,
    DecideAbsence,
    DecideBreach,
    EndDeferral,
    EndDiversion,
    EndTransfer,
    ExcuseCondition,
    HandOnCase,
    HandOverCase,
    InformVictimOfRestorativeJustice,
    InstituteProceedings,
    IssueDisposal,
    IssueWarning,
    OfferSession,
    ReclassifyOffence,
    RecordActivityUndertaken,
    RecordComplianceMeeting,
    RecordContact,
    RecordDeferralReview,
    RecordDeferralStep,
    RecordNonEngagement,
    RecordProgramme,
    RecordProsecutorDecision,
    RecordRefusal,
    RecordVictimView,
    ReferToYot,
    RequestAssessment,
    TellVictim,
    TransferCase,
    WithdrawAdmission,
    WithdrawCase,
    WithdrawCondition,
    WithdrawConsent,
)
from services.disposal.domain.rules.outcomes import DECIDED_BY
from services.disposal.events import (
    EVENTS,
    AfterDeferral,
    AfterDiversion,
    AssessmentTool,
    CancellationReason,
    ContactMeans,
    DeferralEndReason,
    DeferralReviewOutcome,
    MoveKind,
    OutcomeAssigned,
    ProsecutorDecision,
    Residence,
    StepResult,
    WithdrawalReason,
)
from services.disposal.service import service, uniqueness_key
from services.trade.vocabulary import AttendanceStatus, BreachDecision, Flag, OutcomeCode, TrialMode
from shared.domain.execution import claims_and_state_after
from shared.domain.messages import Command
from shared.domain.sealing import Sealed
from tests.any_sequence import Correction, Steps, folds_at_any_time, play, read_back, sequences, survives_its_bytes
from tests.unit.disposal.stories import (
    ADMITTED,
    ADULT,
    ANNULLED,
    ASSESSED,
    EXPLAINED,
    FIRST,
    LEO,
    LETTER,
    MANAGER,
    MEETING,
    MENTORING,
    POLICE,
    SECOND,
    SIGNED,
    SUPERVISOR,
    WORK,
    YJS,
    CaseStory,
    absence,
    adding,
    attendance,
    booking,
    breach,
    condition,
    conference,
    decision,
    deferral,
    evidence,
    letter,
    modifying,
    offence,
    omitting,
    opening,
    penalty,
    proposed,
    recommended,
    scored,
    variation,
)


def offer(session: UUID) -> OfferSession:
    """Return a session for the reparation that education offers."""
    starts_at = datetime.fromisoformat("2026-03-18T16:00:00+00:00")
    return OfferSession(condition_id=WORK, session_id=session, starts_at=starts_at, hours=Decimal(2))


WHY: Final = dict.fromkeys(
    ("A1", "R10", "R27", "R29", "PD1", "K2", "DP5", "R17", "R20W", "R21W", "R12", "D3"), "Because."
)


def judged(what: BreachDecision) -> DecideBreach:
    """Return a decision on a breach."""
    return DecideBreach(reasonable_excuse=False, decision=what, rationale_text=Sealed("As he said."))


COMMANDS: Final[tuple[Command, ...]] = (
    ADMITTED,
    ADULT,
    ASSESSED,
    EXPLAINED,
    SIGNED,
    ANNULLED,
    ReclassifyOffence(offence=offence(code="80103"), why=Sealed("He was hurt.")),
    *(
        EndDiversion(why=DeferralEndReason.NOT_ENGAGED, then=then, rationale_text=Sealed("He does not come."))
        for then in AfterDiversion
    ),
    RecordProgramme(starts_on=date(2025, 10, 1), ends_on=date(2025, 11, 1), completed=True, residence=Residence.OTHER),
    WithdrawCase(reason=WithdrawalReason.WRONG_CHILD, why=Sealed("It was his brother.")),
    evidence(),
    scored(3, 4, "planned"),
    recommended("YCC"),
    *(
        decision(what)
        for what in ("YRD", "YC", "YCC", "OUTCOME_22", "DEFERRED_PROSECUTION", "CHARGE", "NO_FURTHER_ACTION")
    ),
    *(proposed(what) for what in (condition(), letter(detail=Sealed("To the shop.")), conference(), penalty())),
    WithdrawCondition(condition_id=LETTER),
    WithdrawAdmission(),
    WithdrawConsent(),
    IssueDisposal(),
    IssueDisposal(),
    ReferToYot(),
    *(
        TransferCase(to_area="north", kind=kind, review_on=date(2026, 4, 30), why=Sealed("He moved."))
        for kind in MoveKind
    ),
    EndTransfer(why=Sealed("He is back.")),
    HandOverCase(to=MANAGER, why=Sealed("A new team.")),
    HandOnCase(to=MANAGER, why=Sealed("A new team.")),
    deferral(),
    *(RecordDeferralStep(step_id=MENTORING, result=result, note=Sealed("So it went.")) for result in StepResult),
    *(RecordDeferralReview(outcome=outcome, note=Sealed("A second thought.")) for outcome in DeferralReviewOutcome),
    CompleteDeferral(rationale_text=Sealed("All is done.")),
    *(
        EndDeferral(why=DeferralEndReason.WITHDRAWN, then=then, rationale_text=Sealed("He says no."))
        for then in AfterDeferral
    ),
    booking(),
    booking(SECOND, "2026-03-25T16:00:00+00:00"),
    booking(MEETING).model_copy(update={"condition_id": MEETING}),
    *(offer(session) for session in (FIRST, LETTER)),
    *(attendance(session=session) for session in (FIRST, SECOND)),
    *(absence(status, session=session) for status in AttendanceStatus for session in (FIRST, SECOND)),
    attendance(hours="1.5", key=MEETING, session=MEETING, evidence=Sealed("He listened.")),
    absence(
        AttendanceStatus.CANCELLED_BY_SERVICE, key=MEETING, session=MEETING, because=CancellationReason.HARMED_WITHDREW
    ),
    *(DecideAbsence(session_id=FIRST, acceptable=acceptable) for acceptable in (True, False)),
    IssueWarning(session_id=FIRST),
    RecordComplianceMeeting(attended=False, parent_present=False),
    *(CompleteCondition(condition_id=key, quality_checked=True) for key in (WORK, LETTER)),
    *(RecordRefusal(condition_id=key, why=Sealed("He will not.")) for key in (WORK, LETTER)),
    *(ExcuseCondition(condition_id=key, why=Sealed("He is ill.")) for key in (WORK, LETTER, MEETING)),
    variation(omitting(WORK), adding(letter(payee=Sealed("Nobody.")))),
    variation(modifying(condition(due=date(2026, 6, 10)))),
    variation(omitting(MEETING)),
    RecordNonEngagement(why=Sealed("No answer.")),
    breach(),
    breach(MEETING),
    *(judged(what) for what in BreachDecision),
    InstituteProceedings(reference="55/1"),
    *(
        AssignOutcome(code=code, rationale_text=Sealed("So."))
        for code in (OutcomeCode.C2, OutcomeCode.C8, OutcomeCode.C22)
    ),
    RecordActivityUndertaken(session_id=LETTER),
    RecordProsecutorDecision(reference="CPS/1", decision=ProsecutorDecision.YCC, child_information_form=True),
    RecordContact(person_id=LEO, means=ContactMeans.VISIT, reached=False),
    RecordVictimView(person_id=MANAGER, sought=True, view=Sealed("Sorry would do."), before_decision=True),
    InformVictimOfRestorativeJustice(person_id=MANAGER, enhanced_rights=True),
    TellVictim(person_id=MANAGER, means=ContactMeans.PHONE, reasons_given=True, review_explained=False),
    RequestAssessment(tool=AssessmentTool.ASSET_PLUS),
)
CORRECTIONS: Final[tuple[Correction, ...]] = (
    ("DisposalCaseOpened", "offence.date", "2026-03-01"),
    ("DisposalCaseOpened", "offence.trial_mode", "INDICTABLE_ONLY"),
    ("DisposalCaseOpened", "details.date_of_birth", "2010-01-01"),
    ("DisposalCaseOpened", "details.name", "Leonard Hartnell"),
    ("AdmissionRecorded", "facts_accepted", False),
    ("DisposalDecided", "decision", "YC"),
    ("ConditionProposed", "condition.due", "2026-06-20"),
    ("ConditionProposed", "condition.detail", "To her."),
    ("ConditionMissed", "status", "DNA_ACCEPTABLE"),
    ("ConditionAttended", "hours_credited", 0.5),
    ("ConditionAttended", "session_id", str(LEO)),
    ("BreachDecided", "decision", "EXCUSED"),
    ("OutcomeAssigned", "code", "1A"),
    ("ProsecutionDeferred", "plan.0.due", "2026-06-01"),
    ("DeferralStepRecorded", "result", "EXCUSED"),
    ("DeferralEnded", "then", "NO_PROCEEDINGS"),
)

steps = sequences(COMMANDS, CORRECTIONS, (POLICE, YJS, SUPERVISOR, "SYSTEM"), apart=(-8, 96))
starts = st.sampled_from(("opened", "ready", "prepared", "YCC", "conference", "YRD", "YC", "breach", "deferred"))


def begun(start: str) -> CaseStory:
    """Return a case at a stage; of a summary offence, so that time presses."""
    story, summary = CaseStory(), opening(offence=offence(TrialMode.SUMMARY), flags=(Flag.KNIFE,))
    if start in {"opened", "ready"}:
        return story.opened(summary) if start == "opened" else story.ready(command=summary)
    if start == "deferred":
        return story.deferred(command=summary)
    if start == "breach":
        return story.in_breach()
    both = (condition(), conference()) if start != "YC" else ()
    if start == "prepared":
        return story.prepared("YCC", *both, command=summary)
    return story.issued("YCC" if start == "conference" else start, *both, command=summary)


def case_after(start: str, step_list: Steps) -> CaseStory:
    """Return a case after some commands, each some hours after the last, or before it where it is recorded late."""
    received = datetime.fromisoformat("2027-01-01T00:00:00+00:00")
    return play(begun(start), step_list, received_at=received, rationale=WHY)


@given(starts, steps)
def test_no_order_breaks_what_the_law_wants(start: str, step_list: Steps) -> None:
    """Given any commands in any order, then no caution is breached that cannot be, and no hour is credited twice."""
    story = case_after(start, step_list)
    names = [fact.name for fact in story.facts]
    view = story.view
    if "BreachReferred" in names or "DisposalCeased" in names:
        assert view["disposal"] == "YCC" or "ProsecutionDeferred" in names
    assert not {"ProsecutionDeferred", "DisposalIssued"} <= set(names)
    assert names.count("DisposalIssued") <= 1
    claimed_keys: set[str] = set()
    for claimed in claims_and_state_after(service, story.facts)[0]:
        assert not claimed_keys & set(claimed.take)
        assert set(claimed.release) <= claimed_keys
        claimed_keys = (claimed_keys | set(claimed.take)) - set(claimed.release)
    assert claimed_keys == set(uniqueness_key(service.decider.state_at(story.facts)))
    assert bool(claimed_keys) is (view["state"] not in {"CLOSED", "ANNULLED", "WITHDRAWN"})
    if not any(name == "RecordCorrected" for name in names):
        booked = {key: booking.hours for key, booking in story.state.bookings.items()}
        for held_session in story.state.attendances:
            if held_session.session_id in booked and held_session.at > story.state.opened_at:
                assert held_session.hours <= max(booked[held_session.session_id], Decimal(2))
        follows_o3_o4_and_e7(story)


def follows_o3_o4_and_e7(story: CaseStory) -> None:
    """Each attendance by hand has its booking, each outcome is that of what was given, and only one of before, or 1, takes another's place."""
    assert all(
        attendance.by_reaction or story.state.bookings[attendance.session_id].condition_id == attendance.condition_id
        for attendance in story.state.attendances
    )
    for outcome in (fact.event for fact in story.facts if isinstance(fact.event, OutcomeAssigned)):
        assert outcome.disposal is None or outcome.code in {*DECIDED_BY[outcome.disposal], OutcomeCode.C1}
        of_before = outcome.disposal is not None and outcome.superseded not in DECIDED_BY[outcome.disposal]
        assert outcome.superseded is None or of_before or outcome.code is OutcomeCode.C1


@given(starts, steps)
def test_any_sequence_folds_at_any_time_and_survives_its_bytes(start: str, step_list: Steps) -> None:
    """Given any history, when it is folded at any time, or sealed, written and read, then it shows the same; forgotten too."""
    story = case_after(start, step_list)
    folds_at_any_time(story)
    bodies, keys = survives_its_bytes(story)
    person = keys.pop(f"person/{LEO}")
    assert person.subject not in keys
    forgotten = service.decider.state_at([read_back(EVENTS, body, keys) for body in bodies])
    assert forgotten is not None
    assert forgotten.age_on(date(2026, 3, 12)) is None
    assert service.read_model.view(forgotten) == story.view


def test_every_event_has_its_place_in_the_state() -> None:
    """Given every event of the contract, then the state says what it changes, and none is met with a shrug."""
    told_of = inspect.getsource(state_module)
    assert [cls.__name__ for cls in EVENTS.events if f"{cls.__name__}()" not in told_of] == []
