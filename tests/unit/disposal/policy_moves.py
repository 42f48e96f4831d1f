"""What each value of policy of disposal moves: see tests/unit/policy/test_policy_moves.py."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any, Final

from services.disposal.domain.commands import (
    AssignOutcome,
    CorrectRecord,
    InformVictimOfRestorativeJustice,
    IssueDisposal,
    RecordAdmission,
    RecordProsecutorDecision,
    RequestAssessment,
    TransferCase,
)
from services.disposal.domain.history import Later
from services.disposal.events import AssessmentTool, MoveKind, ProsecutorDecision, TimeLimit
from services.trade.vocabulary import (
    AttendanceStatus,
    Category,
    Flag,
    MemberKind,
    OffenceCategory,
    OutcomeCode,
    PersonRole,
    TrialMode,
)
from shared.domain.sealing import Sealed
from shared.domain.service import Service
from tests.unit.disposal import stories as disposal
from tests.unit.policy.moves import Moved, answer, due, under
from tests.unit.referral import stories as referral


def case(service: Service[Any]) -> disposal.CaseStory:
    story: disposal.CaseStory = under(disposal.CaseStory(), service)
    return story


def proposes(*what: Any, of: str = "YCC", command: Any = None) -> Callable[[Service[Any]], Any]:
    return lambda service: answer(
        case(service).decided(of, command=command), disposal.proposed(*what), disposal.YJS, disposal.PROPOSED_AT
    )


def scores(offence: int, final: int, **line: Any) -> Callable[[Service[Any]], Any]:
    return lambda service: answer(
        case(service).opened(), disposal.scored(offence, final, **line), disposal.POLICE, "2026-03-09T10:00:00+00:00"
    )


def summary() -> Any:
    return disposal.opening(offence=disposal.offence(TrialMode.SUMMARY))


def annulled(service: Service[Any]) -> disposal.CaseStory:
    story = case(service).issued()
    story.ask(disposal.ANNULLED, by=disposal.SUPERVISOR, at=disposal.ISSUED_AT)
    return story


def opens(service: Service[Any]) -> Any:
    return answer(case(service), disposal.opening(), disposal.YJS, disposal.OPENED_AT)


def gives(without: str = "") -> Callable[[Service[Any]], Any]:
    return lambda service: answer(
        case(service).prepared("YCC", disposal.condition(), without=(without,)),
        IssueDisposal(),
        disposal.POLICE,
        disposal.ISSUED_AT,
    )


def gives_yrd_after_an_admission_alone(service: Service[Any]) -> Any:
    story = case(service).ready("YRD", without=("admission",))
    alone = RecordAdmission(appropriate_adult_present=False, facts_accepted=True)
    story.ask(alone, by=disposal.YJS, at="2026-03-09T12:00:00+00:00")
    story.ask(disposal.decision("YRD"), by=disposal.POLICE, at=disposal.DECIDED_AT)
    story.ask(disposal.SIGNED, by=disposal.POLICE, at="2026-03-12T16:20:00+00:00")
    return answer(story, IssueDisposal(), disposal.POLICE, disposal.ISSUED_AT)


def meets(service: Service[Any]) -> Any:
    panel = disposal.recommended("YCC", (MemberKind.POLICE,))
    return answer(case(service).opened(), panel, disposal.YJS, "2026-03-09T11:00:00+00:00")


def asks_the_prosecutor(service: Service[Any]) -> Any:
    decision = RecordProsecutorDecision(
        reference="CPS/12", decision=ProsecutorDecision.YCC, child_information_form=False
    )
    return answer(case(service).opened(), decision, disposal.POLICE, "2026-03-09T11:00:00+00:00")


def has_an_adults_outcome(service: Service[Any]) -> Any:
    outcome = AssignOutcome(code=OutcomeCode.C3)
    return answer(case(service).issued(), outcome, disposal.POLICE, disposal.AFTER)


def informs(**opening: Any) -> Callable[[Service[Any]], Any]:
    return lambda service: due(
        case(service).opened(disposal.opening(**opening)), "VICTIM_RJ_INFORMATION", date(2026, 3, 3)
    )


def of_a_girl(service: Service[Any]) -> disposal.CaseStory:
    """Return an opened case whose victim is a girl of 14, with her mother, by the referral."""
    of = referral.ReferralStory().acknowledged()
    of.linked(disposal.MANAGER, "2012-01-01", role=PersonRole.HARMED, category=Category.VICTIM)
    parent = referral.link(disposal.MOTHER, "1980-01-01", PersonRole.PARENT_CARER, Category.PARENT_CARER)
    of.does(parent.model_copy(update={"parent_of": (disposal.MANAGER,)}), referral.SOON)
    story = case(service)
    story.kept_events = of.facts
    return story.opened()


def told_of_a_girl(service: Service[Any]) -> Any:
    story = of_a_girl(service)
    told = InformVictimOfRestorativeJustice(person_id=disposal.MOTHER, enhanced_rights=True)
    story.ask(told, by=disposal.YJS, at="2026-03-04T09:00:00+00:00")
    return story.duties(date(2026, 3, 4))["VICTIM_RJ_INFORMATION"].met_on


def tells(**opening: Any) -> Callable[[Service[Any]], Any]:
    return lambda service: due(
        case(service).issued("YC", command=disposal.opening(**opening)), "VICTIM_TOLD", disposal.GIVEN_ON
    )


def assesses(service: Service[Any]) -> Any:
    story = case(service).opened()
    story.ask(RequestAssessment(tool=AssessmentTool.PDAT), by=disposal.YJS, at="2026-03-04T09:00:00+00:00")
    return due(story, "ASSESSMENT", date(2026, 3, 4))


def misses(duty: str) -> Callable[[Service[Any]], Any]:
    def observe(service: Service[Any]) -> Any:
        story = case(service).issued()
        absence = disposal.absence(AttendanceStatus.DNA_PENDING)
        story.ask(absence, by=disposal.YJS, at="2026-03-18T18:00:00+00:00")
        return due(story, duty, date(2026, 3, 18))

    return observe


def books(service: Service[Any]) -> Any:
    story = case(service).issued()
    story.ask(disposal.booking(), by=disposal.YJS, at=disposal.AFTER)
    return due(story, "ATTENDANCE_RECORDED", date(2026, 3, 18))


def reviews(service: Service[Any]) -> Any:
    story = case(service).issued()
    admitted = next(fact.event_id for fact in story.facts if fact.name == "AdmissionRecorded")
    correction = CorrectRecord(corrects=admitted, field="facts_accepted", value=False, why=Sealed("He did not."))
    story.ask(correction, by=disposal.SUPERVISOR, at="2026-03-16T09:00:00+00:00")
    return due(story, "DISPOSAL_REVIEW", date(2026, 3, 16))


def defers(service: Service[Any]) -> Any:
    story = case(service).ready("DEFERRED_PROSECUTION")
    return answer(story, disposal.decision("DEFERRED_PROSECUTION"), disposal.POLICE, disposal.DECIDED_AT)


def decides(service: Service[Any]) -> Any:
    return answer(case(service).ready(), disposal.decision("YCC"), disposal.POLICE, disposal.DECIDED_AT)


def decides_on_a_knife(service: Service[Any]) -> Any:
    story = case(service).ready(without=("assessment",), command=disposal.opening(flags=(Flag.KNIFE,)))
    return answer(story, disposal.decision("YCC", rationale={"A1": "Urgent."}), disposal.POLICE, disposal.DECIDED_AT)


def decides_on_a_sexual_offence(service: Service[Any]) -> Any:
    offence = disposal.offence(category=OffenceCategory.SEXUAL)
    story = case(service).ready(without=("score", "panel"), command=disposal.opening(offence=offence))
    return answer(story, disposal.decision("YCC"), disposal.POLICE, disposal.DECIDED_AT)


def agrees(service: Service[Any]) -> Any:
    return answer(case(service).decided("DEFERRED_PROSECUTION"), disposal.deferral(), disposal.YJS, disposal.AFTER)


def reconsiders(service: Service[Any]) -> Any:
    story = case(service).decided("DEFERRED_PROSECUTION")
    story.ask(disposal.deferral(), by=disposal.YJS, at=disposal.AFTER)
    state = replace(story.state, later=(Later(story.state.deferral.at, is_open=True),))
    found = service.read_model.duties(state, service.read_model.policy.on)
    return next(duty.due for duty in found if duty.duty == "DEFERRAL_RECONSIDERED")


def moves_away(service: Service[Any]) -> Any:
    why, day = Sealed("He moved."), date(2026, 6, 4)
    command = TransferCase(to_area="north", kind=MoveKind.TRANSFER, review_on=day, why=why)
    return answer(case(service).opened(), command, disposal.SUPERVISOR, "2026-03-09T10:00:00+00:00")


MOVES: Final[Mapping[str, Moved]] = {
    "youth_cautions": Moved(becomes=False, observe=opens),
    "criminal_responsibility_age": Moved(15, opens),
    "school_leaving_age": Moved(17, lambda service: case(service).opened().state.opened.school_age_until),
    "highest_age_at_issue": Moved(13, decides),
    "appropriate_adult_below_age": Moved(14, gives(without="adult")),
    "appropriate_adult_for_yrd": Moved(becomes=False, observe=gives_yrd_after_an_admission_alone),
    "gravity_score_lowest": Moved(2, scores(1, 1)),
    "gravity_score_highest": Moved(4, scores(5, 5)),
    "gravity_shift_without_factors": Moved(0, scores(2, 3)),
    "gravity_steps_of_factors": Moved(0, scores(2, 3, ticked=["+A1"])),
    "gravity_suggests": Moved(
        {"4": ["YC"]},
        lambda service: answer(case(service).ready(), disposal.decision("YCC"), disposal.POLICE, disposal.DECIDED_AT),
    ),
    "flags_warning_of_a_disposal": Moved(
        ["DOMESTIC"],
        lambda service: answer(
            case(service).ready(command=disposal.opening(flags=(Flag.HATE,))),
            disposal.decision("YCC"),
            disposal.POLICE,
            disposal.DECIDED_AT,
        ),
    ),
    "deferred_prosecution": Moved(becomes=False, observe=defers),
    "warnings_of_a_decision": Moved(["D5W", "D6W", "D7W", "D8W"], decides_on_a_sexual_offence),
    "knife_needs_pdat": Moved(becomes=False, observe=decides_on_a_knife),
    "deferral_suggested_for": Moved(["1"], defers),
    "deferral_limit_weeks": Moved(10, agrees),
    "panel_quorum": Moved(["POLICE"], meets),
    "child_information_form": Moved(becomes=False, observe=asks_the_prosecutor),
    "attendance_limit_hours": Moved(3, proposes()),
    "reparation_limit_hours": Moved(3, proposes()),
    "penalty_maximum_pence": Moved({"0": {"EITHER_WAY": 4999}}, proposes(disposal.penalty())),
    "penalty_ceiling_pence": Moved(4999, proposes(disposal.penalty())),
    "completion_advised_weeks": Moved(10, proposes()),
    "completion_limit_weeks": Moved(10, proposes()),
    "prosecution_limit_months": Moved(
        5, lambda service: due(case(service).opened(summary()), "PROSECUTION_TIME_LIMIT", date(2026, 3, 3))
    ),
    "prosecution_longest_months": Moved(
        {},
        lambda service: due(
            case(service).opened(
                disposal.opening(
                    offence=disposal.offence(
                        TrialMode.SUMMARY, time_limit=TimeLimit.FROM_KNOWLEDGE, known_on=date(2026, 3, 3)
                    )
                )
            ),
            "PROSECUTION_TIME_LIMIT",
            date(2026, 3, 3),
        ),
    ),
    "prosecution_margin_days": Moved(120, proposes(command=summary())),
    "spent_after_months": Moved(1, lambda service: case(service).issued().state.issue.spent_on),
    "adult_outcomes": Moved([], has_an_adults_outcome),
    "adult_outcomes_from_age": Moved(14, has_an_adults_outcome),
    "victim_told_days": Moved(6, tells()),
    "victim_told_enhanced_days": Moved(2, tells(victims_with_enhanced_rights=(disposal.MANAGER,))),
    "victim_information_days": Moved(6, informs()),
    "victim_information_enhanced_days": Moved(2, informs(victims_with_enhanced_rights=(disposal.MANAGER,))),
    "victim_information_by_age": Moved(
        becomes=True, observe=lambda service: due(of_a_girl(service), "VICTIM_RJ_INFORMATION", date(2026, 3, 3))
    ),
    "victim_told_themselves_age": Moved(10, told_of_a_girl),
    "assessment_days": Moved(11, assesses),
    "deferral_reconsidered_days": Moved(2, reconsiders),
    "transfer_review_months": Moved(2, moves_away),
    "transfer_areas": Moved(["south"], moves_away),
    "yjs_told_days": Moved(2, lambda service: due(annulled(service), "YJS_TOLD", disposal.GIVEN_ON)),
    "yot_referral_days": Moved(2, lambda service: due(case(service).issued(), "YOT_REFERRAL", disposal.GIVEN_ON)),
    "attendance_record_days": Moved(2, books),
    "absence_reason_days": Moved(6, misses("ABSENCE_REASON")),
    "missed_contact_days": Moved(2, misses("MISSED_CONTACT")),
    "disposal_review_days": Moved(2, reviews),
}
