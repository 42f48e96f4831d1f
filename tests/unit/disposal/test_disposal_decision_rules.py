"""What stands between a case and a decision: age, evidence, admission, prosecutor, score, panel."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from services.disposal.domain.commands import (
    CompleteAssessment,
    IssueDisposal,
    RecordAdmission,
    RecordProsecutorDecision,
    RecordVictimView,
    WithdrawAdmission,
)
from services.disposal.events import AssessmentTool, EvidenceStandard, PriorRecord, ProsecutorDecision
from services.trade.vocabulary import Flag, MemberKind, OffenceCategory, TrialMode
from tests.policy_books import with_entry
from tests.unit.disposal.stories import (
    AFTER,
    ASSESSED,
    DECIDED_AT,
    INVESTIGATOR,
    MANAGER,
    OPENED_AT,
    POLICE,
    YJS,
    CaseStory,
    decision,
    evidence,
    offence,
    opening,
    recommended,
    scored,
)

DISPOSALS = ("YRD", "YC", "YCC")
SOON = "2026-03-09T12:00:00+00:00"


def test_a_child_of_nine_at_the_offence_gets_no_case(case: CaseStory) -> None:
    """Given a child who was nine on the day, when a case is opened, then R1 refuses it."""
    assert case.refused(opening(date(2016, 3, 3)), by=YJS, at=OPENED_AT) == {"R1"}


def test_a_child_of_ten_at_the_offence_gets_a_case(case: CaseStory) -> None:
    """Given a child who was ten that very day, when a case is opened, then it opens."""
    case.opened(opening(date(2016, 3, 2)))
    assert case.view["age_at_offence"] == 10


def test_a_leap_day_child_is_ten_on_the_first_of_march(case: CaseStory) -> None:
    """Given a birth on 29 February, when ten years on there is no such day, then 28 February is still nine."""
    born = date(2016, 2, 29)
    assert case.refused(opening(born, offence=offence(date=date(2026, 2, 28))), by=YJS, at=OPENED_AT) == {"R1"}
    case.opened(opening(born, offence=offence(date=date(2026, 3, 1))))


@pytest.mark.parametrize("what", DISPOSALS)
def test_no_disposal_without_sufficient_evidence(case: CaseStory, what: str) -> None:
    """Given an admission but no judgement of the evidence, when a disposal is decided, then R3 refuses it."""
    case.ready(what, without=["evidence"])
    assert case.refused(decision(what), by=POLICE, at=DECIDED_AT) == {"R3"}


def test_a_caution_needs_evidence_to_charge(case: CaseStory) -> None:
    """Given evidence that shows the offence, and not enough to charge, then R3 refuses cautions and lets a YRD through."""
    case.ready("YRD", without=["score", "panel"])
    case.ask(evidence(sufficient=False), by=POLICE, at=SOON)
    assert case.refused(decision("YC"), by=POLICE, at=DECIDED_AT) == {"R3"}
    assert case.refused(decision("YCC"), by=POLICE, at=DECIDED_AT) == {"R3"}
    case.ask(decision("YRD"), by=POLICE, at=DECIDED_AT)


def test_a_later_judgement_of_the_evidence_counts(case: CaseStory) -> None:
    """Given evidence found sufficient and then not, when a caution is decided, then R3 refuses it."""
    case.ready("YC")
    case.ask(evidence(EvidenceStandard.CHARGE, sufficient=False), by=POLICE, at=SOON)
    assert case.refused(decision("YC"), by=POLICE, at=DECIDED_AT) == {"R3"}


@pytest.mark.parametrize("what", DISPOSALS)
def test_silence_is_no_admission(case: CaseStory, what: str) -> None:
    """Given no admission at all, when a disposal is decided, then R4 refuses it."""
    case.ready(what, without=["admission"])
    assert case.refused(decision(what), by=POLICE, at=DECIDED_AT) == {"R4"}


def test_a_denial_or_a_withdrawal_is_no_admission(case: CaseStory) -> None:
    """Given a denial, or an admission taken back, then R4 refuses; an admission afterwards lets through."""
    case.ready("YCC")
    case.ask(WithdrawAdmission(), by=YJS, at=SOON)
    assert case.refused(decision("YCC"), by=POLICE, at=DECIDED_AT) == {"R4"}
    case.ask(RecordAdmission(appropriate_adult_present=True, facts_accepted=False), by=YJS, at=SOON)
    assert case.refused(decision("YCC"), by=POLICE, at=DECIDED_AT) == {"R4"}
    case.ask(RecordAdmission(appropriate_adult_present=True, facts_accepted=True), by=YJS, at=SOON)
    case.ask(decision("YCC"), by=POLICE, at=DECIDED_AT)


def test_all_broken_rules_are_named_at_once(case: CaseStory) -> None:
    """Given nothing but an open case, when a caution is decided without its views, then all three rules are named."""
    case.opened()
    command = decision("YC", prosecution_inappropriate=None)
    assert case.refused(command, by=POLICE, at=DECIDED_AT) == {"R3", "R4", "R5"}


@pytest.mark.parametrize("field", ["prosecution_inappropriate", "ycc_inappropriate"])
def test_a_caution_needs_both_views(case: CaseStory, field: str) -> None:
    """Given one of the two views missing or denied, when a youth caution is decided, then R5 refuses it."""
    case.ready("YC")
    for value in (None, False):
        assert case.refused(decision("YC", **{field: value}), by=POLICE, at=DECIDED_AT) == {"R5"}
    case.ask(decision("YC"), by=POLICE, at=DECIDED_AT)


@pytest.mark.parametrize("answer", [None, *ProsecutorDecision])
def test_an_indictable_only_offence_needs_the_prosecutor(case: CaseStory, answer: ProsecutorDecision | None) -> None:
    """Given robbery, when a conditional caution is decided, then R18 wants the prosecutor's decision for just that."""
    case.ready("YCC", command=opening(offence=offence(TrialMode.INDICTABLE_ONLY)))
    if answer is not None:
        command = RecordProsecutorDecision(reference="CPS/1", decision=answer, child_information_form=True)
        case.ask(command, by=POLICE, at=SOON)
    if answer is ProsecutorDecision.YCC:
        case.ask(decision("YCC"), by=POLICE, at=DECIDED_AT)
    else:
        assert case.refused(decision("YCC"), by=POLICE, at=DECIDED_AT) == {"R18"}


@pytest.mark.parametrize("at", [SOON, "2026-03-11T10:00:00+00:00"])
def test_the_prosecutors_last_decision_counts(case: CaseStory, at: str) -> None:
    """Given robbery, when the prosecutor decides for a charge last, then R18 refuses the decision or the giving, whatever comes late."""
    case.ready("YCC", command=opening(offence=offence(TrialMode.INDICTABLE_ONLY)))

    def decided(what: ProsecutorDecision, on: str) -> None:
        command = RecordProsecutorDecision(reference="CPS/1", decision=what, child_information_form=True)
        case.ask(command, by=POLICE, at=on)

    earlier = "2026-03-09T11:30:00+00:00"
    decided(ProsecutorDecision.YCC, earlier)
    if at > DECIDED_AT:
        case.ask(decision("YCC"), by=POLICE, at=DECIDED_AT)
    decided(ProsecutorDecision.CHARGE, at)
    decided(ProsecutorDecision.YCC, earlier)
    if at < DECIDED_AT:
        assert case.refused(decision("YCC"), by=POLICE, at=DECIDED_AT) == {"R18"}
    else:
        assert "R18" in case.refused(IssueDisposal(), by=POLICE, at=AFTER)


def test_the_child_information_form_goes_with_the_case(case: CaseStory) -> None:
    """Given no form, when the prosecutor's decision is recorded, then R19 refuses it."""
    case.opened()
    command = RecordProsecutorDecision(reference="CPS/1", decision=ProsecutorDecision.YCC, child_information_form=False)
    assert case.refused(command, by=POLICE, at=SOON) == {"R19"}


def test_the_form_was_not_mandatory_before_february_2025(case: CaseStory) -> None:
    """Given a day before 1 February 2025, when the decision is recorded without the form, then it is accepted."""
    early = opening(offence=offence(date=date(2025, 1, 2)))
    early = early.model_copy(update={"reported_at": early.reported_at.replace(year=2025, month=1, day=3)})
    case.ask(early, by=YJS, at="2025-01-06T09:00:00+00:00")
    command = RecordProsecutorDecision(reference="CPS/1", decision=ProsecutorDecision.YCC, child_information_form=False)
    case.ask(command, by=POLICE, at="2025-01-31T23:59:00+00:00")
    assert case.refused(command, by=POLICE, at="2025-02-01T00:00:00+00:00") == {"R19"}


@pytest.mark.parametrize(("offence_score", "final_score"), [(0, 1), (6, 5), (5, 6), (1, 0)])
def test_scores_run_from_one_to_five(case: CaseStory, offence_score: int, final_score: int) -> None:
    """Given a score off the scale, when gravity is scored, then G1 refuses it."""
    case.opened()
    assert case.refused(scored(offence_score, final_score, "planned"), by=POLICE, at=SOON) == {"G1"}


def test_scores_ran_from_one_to_four_before_october_2023(case: CaseStory) -> None:
    """Given the last day of ACPO's matrix, then 4 is its highest score and suggests a charge; from the next day 5 is one."""
    early = opening(offence=offence(date=date(2023, 9, 2)))
    early = early.model_copy(update={"reported_at": early.reported_at.replace(year=2023, month=9, day=3)})
    case.ask(early, by=YJS, at="2023-09-04T09:00:00+01:00")
    case.ask(
        RecordAdmission(appropriate_adult_present=True, facts_accepted=True), by=YJS, at="2023-09-05T09:00:00+01:00"
    )
    case.ask(evidence(EvidenceStandard.CHARGE), by=POLICE, at="2023-09-05T09:00:00+01:00")
    assert case.refused(scored(5, 5), by=POLICE, at="2023-09-30T23:59:00+01:00") == {"G1"}
    case.ask(scored(4, 4), by=POLICE, at="2023-09-30T23:59:00+01:00")
    # the score keeps the meaning of its day
    assert case.warned(decision("YCC"), by=POLICE, at="2023-10-02T09:00:00+01:00") == {"A1", "R27"}
    assert case.warned(decision("CHARGE"), by=POLICE, at="2023-10-02T09:00:00+01:00") == {"A1"}
    case.ask(scored(5, 5), by=POLICE, at="2023-10-01T00:00:00+01:00")
    assert case.warned(decision("CHARGE"), by=POLICE, at="2023-10-02T09:00:00+01:00") == {"A1"}


def test_a_shift_of_two_needs_factors(case: CaseStory) -> None:
    """Given a final score two points off, when no factor is named, then G1 refuses it; one point needs none."""
    case.opened()
    assert case.refused(scored(3, 5), by=POLICE, at=SOON) == {"G1"}
    case.ask(scored(3, 4), by=POLICE, at=SOON)
    case.ask(scored(3, 5, "planned"), by=POLICE, at=SOON)
    case.ask(scored(1, 1), by=POLICE, at=SOON)


def test_the_panel_needs_police_and_youth_justice(case: CaseStory) -> None:
    """Given a panel without one of the two, when its recommendation is recorded, then P1 refuses it."""
    case.opened()
    for absent in ((MemberKind.POLICE, MemberKind.SSCT), (MemberKind.YJS, MemberKind.HEALTH), ()):
        assert case.refused(recommended("YCC", absent), by=YJS, at=SOON) == {"P1"}
    case.ask(recommended("YCC"), by=YJS, at=SOON)


def test_deciding_without_an_assessment_warns(case: CaseStory) -> None:
    """Given no assessment, when it is decided, then A1 needs a rationale, and with one it is kept."""
    case.ready("YCC", without=["assessment"])
    assert case.warned(decision("YCC"), by=POLICE, at=DECIDED_AT) == {"A1"}
    case.ask(decision("YCC", rationale={"A1": "He moves away."}), by=POLICE, at=DECIDED_AT)
    assert case.facts[-1].envelope.rationale["A1"].value == "He moves away."


@pytest.mark.parametrize("field", ["yc", "ycc", "convictions", "yrd"])
def test_an_earlier_caution_is_no_bar(case: CaseStory, field: str) -> None:
    """Given an earlier caution or conviction, when a disposal is decided, then R10 warns; an earlier YRD is neither."""
    prior = PriorRecord(**{"yc": 0, "ycc": 0, "convictions": 0, "yrd": 0, field: 1})
    case.ready("YCC", command=opening(prior=prior))
    if field != "yrd":
        assert case.warned(decision("YCC"), by=POLICE, at=DECIDED_AT) == {"R10"}
    case.ask(decision("YCC", rationale={"R10": "Two years ago."}), by=POLICE, at=DECIDED_AT)


@pytest.mark.parametrize(
    ("score", "fits"),
    [(1, {"NO_FURTHER_ACTION"}), (2, {"YRD", "OUTCOME_22"}), (3, {"YC"}), (4, {"YCC"}), (5, {"CHARGE"})],
)
def test_a_decision_other_than_the_score_suggests_warns(case: CaseStory, score: int, fits: set[str]) -> None:
    """Given a final score, when anything is decided but what it suggests, then R27 needs a rationale."""
    case.ready("YCC", without=["score", "panel"])
    case.ask(scored(score, score), by=POLICE, at=SOON)
    for what in ("YRD", "YC", "YCC", "OUTCOME_21", "OUTCOME_22", "CHARGE", "NO_FURTHER_ACTION"):
        if what not in fits:
            assert case.warned(decision(what), by=POLICE, at=DECIDED_AT) == {"R27"}, what
    case.ask(decision(min(fits)), by=POLICE, at=DECIDED_AT)


@pytest.mark.parametrize("what", ["YRD", "YC"])
def test_an_indictable_only_offence_warns_of_a_lesser_disposal(case: CaseStory, what: str) -> None:
    """Given robbery, when a restorative disposal or a caution is decided, then R18W needs a rationale."""
    case.ready(what, command=opening(offence=offence(TrialMode.INDICTABLE_ONLY)))
    assert case.warned(decision(what), by=POLICE, at=DECIDED_AT) == {"R18W"}
    case.ask(decision(what, rationale={"R18W": "He gave it back at once."}), by=POLICE, at=DECIDED_AT)


@pytest.mark.parametrize("flag", [Flag.DOMESTIC, Flag.HATE])
def test_domestic_abuse_and_hate_warn_of_any_disposal(case: CaseStory, flag: Flag) -> None:
    """Given a flagged case, when any disposal is decided, then R30 needs a rationale; a charge or a diversion does not."""
    case.ready("YC", command=opening(flags=(Flag.REPEAT, flag)), without=["score", "panel"])
    for what in DISPOSALS:
        assert case.warned(decision(what), by=POLICE, at=DECIDED_AT) == {"R30"}
    case.ask(decision("YC", rationale={"R30": "The prosecutor agrees."}), by=POLICE, at=DECIDED_AT)
    case.ask(decision("OUTCOME_22"), by=POLICE, at=DECIDED_AT)
    other = CaseStory().ready("YC", command=opening(flags=(Flag.REPEAT,)))
    other.ask(decision("YC"), by=POLICE, at=DECIDED_AT)


def test_the_investigating_officer_should_not_decide(case: CaseStory) -> None:
    """Given the investigating officer, when that officer decides, then R29 warns; another officer just decides."""
    case.ready("YCC", command=opening(investigating_officer=INVESTIGATOR.id))
    assert case.warned(decision("YCC"), by=INVESTIGATOR, at=DECIDED_AT) == {"R29"}
    case.ask(decision("YCC"), by=POLICE, at=DECIDED_AT)


@pytest.mark.parametrize(
    ("what", "state"),
    [("OUTCOME_22", "DIVERTED"), ("CHARGE", "CHARGED"), ("OUTCOME_21", "CLOSED"), ("NO_FURTHER_ACTION", "CLOSED")],
)
def test_exits_need_neither_evidence_nor_admission(case: CaseStory, what: str, state: str) -> None:
    """Given a bare case, when it is diverted, charged or closed, then only the missing assessment warns."""
    case.opened()
    assert case.warned(decision(what), by=POLICE, at=DECIDED_AT) == {"A1"}
    case.ask(decision(what, rationale={"A1": "None was needed."}), by=POLICE, at=DECIDED_AT)
    assert case.view["state"] == state


def test_stages_follow_the_facts(case: CaseStory) -> None:
    """Given a case, when it is assessed, recommended and decided, then its state says so."""
    case.opened()
    assert case.view["state"] == "OPENED"
    case = CaseStory().ready("YCC", without=["score", "panel"])
    assert case.view["state"] == "ASSESSED"
    case.ask(recommended("YCC"), by=YJS, at=SOON)
    assert case.view["state"] == "RECOMMENDED"
    case.ask(decision("YCC"), by=POLICE, at=DECIDED_AT)
    assert case.view["state"] == "DECIDED"
    assert case.view["disposal"] == "YCC"


KNIFE = opening(flags=(Flag.KNIFE,))
OTHER_TOOL = CompleteAssessment(tool=AssessmentTool.ASSET_PLUS, programme_plan=True)


@pytest.mark.parametrize("what", ["YRD", "YCC", "OUTCOME_22", "CHARGE", "DEFERRED_PROSECUTION", "NO_FURTHER_ACTION"])
def test_a_knife_is_decided_with_a_pdat(case: CaseStory, what: str) -> None:
    """Given a knife, when anything is decided without a PDAT, then K2 needs a reason; with one it does not."""
    case.ready(what, without=["assessment"], command=KNIFE)
    assert case.warned(decision(what), by=POLICE, at=DECIDED_AT) == {"A1", "K2"}
    case.ask(OTHER_TOOL, by=YJS, at="2026-03-09T13:00:00+00:00")
    assert case.warned(decision(what), by=POLICE, at=DECIDED_AT) == {"K2"}
    case.ask(ASSESSED, by=YJS, at="2026-03-09T14:00:00+00:00")
    case.ask(decision(what), by=POLICE, at=DECIDED_AT)


def test_without_a_knife_another_tool_will_do(case: CaseStory) -> None:
    """Given a weapon that is no knife, when it is decided after AssetPlus, then K2 needs no reason; nor before the guidance."""
    case.ready("YCC", without=["assessment"], command=opening(flags=(Flag.WEAPON,)))
    case.ask(OTHER_TOOL, by=YJS, at="2026-03-09T13:00:00+00:00")
    case.ask(decision("YCC"), by=POLICE, at=DECIDED_AT)
    earlier: dict[str, Any] = {
        "offence": offence(date=date(2026, 1, 5)),
        "reported_at": datetime(2026, 1, 5, 15, 20, tzinfo=UTC),
    }
    early = CaseStory()
    early.ask(opening(flags=(Flag.KNIFE,), **earlier), by=YJS, at="2026-01-06T09:00:00+00:00")
    without = decision("NO_FURTHER_ACTION")
    assert early.warned(without, by=POLICE, at="2026-02-11T12:00:00+00:00") == {"A1"}
    assert early.warned(without, by=POLICE, at="2026-02-12T12:00:00+00:00") == {"A1", "K2"}


@pytest.mark.parametrize(
    ("rule", "without", "category", "is_asked"),
    [
        ("D5W", "score", OffenceCategory.THEFT, True),
        ("D6W", "panel", OffenceCategory.THEFT, True),
        ("D7W", "", OffenceCategory.THEFT, False),
        ("D8W", "", OffenceCategory.SEXUAL, True),
    ],
)
def test_a_decision_warns_of_what_the_partnership_wants(
    case: CaseStory, rule: str, without: str, category: OffenceCategory, is_asked: bool
) -> None:
    """Given a decision that lacks a score, a panel, or the victim's view, or is about a sexual offence, then that rule alone asks why, where policy has it."""
    read_model = case.service.read_model
    policy = with_entry(read_model.policy, "warnings_of_a_decision", date(2025, 2, 2), ["D5W", "D6W", "D7W", "D8W"])
    case.service = replace(case.service, read_model=replace(read_model, policy=policy))
    case.ready(without=(without,), command=opening(offence=offence(category=category)))
    if is_asked:
        view = RecordVictimView(person_id=MANAGER, sought=True, before_decision=True)
        case.ask(view, by=YJS, at=SOON)
    assert case.warned(decision("YCC"), by=POLICE, at=DECIDED_AT) == {rule}
