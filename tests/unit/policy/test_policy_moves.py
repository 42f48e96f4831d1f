"""Policy is data: each value, changed, moves a rule, a duty or a date, and nothing but the value had to change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

import pytest

from services.disposal.domain.commands import (
    AssignOutcome,
    CorrectRecord,
    IssueDisposal,
    RecordAdmission,
    RecordProsecutorDecision,
    RequestAssessment,
)
from services.disposal.events import AssessmentTool, PanelMember, ProsecutorDecision
from services.registry import deciding_services
from services.rj_conference.domain.commands import GiveConsent
from services.vocabulary import (
    AttendanceStatus,
    Flag,
    OutcomeCode,
    TriageOutcome,
    TrialMode,
)
from shared.domain.decisions import NeedsRationale, Refused
from shared.domain.messages import Command
from shared.privacy.sealing import Sealed
from shared.runtime.service import Service
from tests.command_spec import CommandSpec
from tests.unit.disposal import stories as disposal
from tests.unit.education import stories as education
from tests.unit.referral import stories as referral
from tests.unit.rj_conference import stories as conference

SINCE: Final = date(2025, 2, 2)
"""The day of the changed entry: before every story, after every entry that the files hold."""

HERE: Final = "tests/unit/policy/test_policy_moves.py"

SERVICES: Final[Mapping[str, Service[Any]]] = {service.name: service for service in deciding_services()}


@dataclass(frozen=True)
class Moved:
    """A value, what it becomes, and what is asked with the old value and with the new one."""

    becomes: Any
    asked: Callable[[Service[Any]], Any]


def under(story: CommandSpec, service: Service[Any]) -> Any:
    """The story, judged by that service's policy."""
    story.service = service
    return story


def answer(story: CommandSpec, command: Command, by: str, at: str) -> tuple[str, ...]:
    """The broken rules, the missing reasons, or the events."""
    result = story.answer(command, by=by, at=at)
    return result.ids if isinstance(result, (Refused, NeedsRationale)) else tuple(result)


def due(story: CommandSpec, duty: str, day: date) -> date:
    """When a duty is due, as the sheet of a day shows it."""
    return story.duties(day)[duty].due


# --- disposal -----------------------------------------------------------------------------------


def case(service: Service[Any]) -> disposal.CaseStory:
    story: disposal.CaseStory = under(disposal.CaseStory(), service)
    return story


def proposes(*what: Any, of: str = "YCC", command: Any = None) -> Callable[[Service[Any]], Any]:
    return lambda service: answer(
        case(service).decided(of, command=command), disposal.proposed(*what), disposal.YJS, disposal.PROPOSED_AT
    )


def scores(offence: int, final: int) -> Callable[[Service[Any]], Any]:
    return lambda service: answer(
        case(service).opened(), disposal.scored(offence, final), disposal.POLICE, "2026-03-09T10:00:00+00:00"
    )


def summary() -> Any:
    return disposal.opening(offence=disposal.offence(TrialMode.SUMMARY))


def opens(service: Service[Any]) -> Any:
    return answer(case(service), disposal.opening(), disposal.YJS, disposal.OPENED_AT)


def gives(without: str = "") -> Callable[[Service[Any]], Any]:
    return lambda service: answer(
        case(service).prepared("YCC", disposal.condition(), without=(without,)),
        IssueDisposal(),
        disposal.POLICE,
        disposal.GIVEN_AT,
    )


def gives_yrd_after_an_admission_alone(service: Service[Any]) -> Any:
    story = case(service).ready("YRD", without=("admission",))
    alone = RecordAdmission(appropriate_adult_present=False, facts_accepted=True)
    story.ask(alone, by=disposal.YJS, at="2026-03-09T12:00:00+00:00")
    story.ask(disposal.decision("YRD"), by=disposal.POLICE, at=disposal.DECIDED_AT)
    story.ask(disposal.SIGNED, by=disposal.POLICE, at="2026-03-12T16:20:00+00:00")
    return answer(story, IssueDisposal(), disposal.POLICE, disposal.GIVEN_AT)


def meets(service: Service[Any]) -> Any:
    panel = disposal.recommended("YCC", (PanelMember.POLICE,))
    return answer(case(service).opened(), panel, disposal.YJS, "2026-03-09T11:00:00+00:00")


def asks_the_prosecutor(service: Service[Any]) -> Any:
    decision = RecordProsecutorDecision(
        reference="CPS/12", decision=ProsecutorDecision.YCC, child_information_form=False
    )
    return answer(case(service).opened(), decision, disposal.POLICE, "2026-03-09T11:00:00+00:00")


def has_an_adults_outcome(service: Service[Any]) -> Any:
    outcome = AssignOutcome(code=OutcomeCode.C3)
    return answer(case(service).given(), outcome, disposal.POLICE, disposal.AFTER)


def informs(**opening: Any) -> Callable[[Service[Any]], Any]:
    return lambda service: due(
        case(service).opened(disposal.opening(**opening)), "VICTIM_RJ_INFORMATION", date(2026, 3, 3)
    )


def assesses(service: Service[Any]) -> Any:
    story = case(service).opened()
    story.ask(RequestAssessment(tool=AssessmentTool.PDAT), by=disposal.YJS, at="2026-03-04T09:00:00+00:00")
    return due(story, "ASSESSMENT", date(2026, 3, 4))


def misses(duty: str) -> Callable[[Service[Any]], Any]:
    def asked(service: Service[Any]) -> Any:
        story = case(service).given()
        absence = disposal.absence(AttendanceStatus.DNA_PENDING)
        story.ask(absence, by=disposal.YJS, at="2026-03-18T18:00:00+00:00")
        return due(story, duty, date(2026, 3, 18))

    return asked


def books(service: Service[Any]) -> Any:
    story = case(service).given()
    story.ask(disposal.booking(), by=disposal.YJS, at=disposal.AFTER)
    return due(story, "ATTENDANCE_RECORDED", date(2026, 3, 18))


def reviews(service: Service[Any]) -> Any:
    story = case(service).given()
    admitted = next(fact.event_id for fact in story.facts if fact.name == "AdmissionRecorded")
    correction = CorrectRecord(corrects=admitted, field="facts_accepted", value=False, why=Sealed("He did not."))
    story.ask(correction, by=disposal.SUPERVISOR, at="2026-03-16T09:00:00+00:00")
    return due(story, "DISPOSAL_REVIEW", date(2026, 3, 16))


DISPOSAL: Final = {
    "youth_cautions": Moved(becomes=False, asked=opens),
    "criminal_responsibility_age": Moved(15, opens),
    "highest_age_at_issue": Moved(13, gives()),
    "appropriate_adult_below_age": Moved(14, gives(without="adult")),
    "appropriate_adult_for_yrd": Moved(becomes=False, asked=gives_yrd_after_an_admission_alone),
    "gravity_score_lowest": Moved(2, scores(1, 1)),
    "gravity_score_highest": Moved(4, scores(5, 5)),
    "gravity_shift_without_factors": Moved(0, scores(2, 3)),
    "gravity_suggests": Moved(
        {"4": ["YC"]},
        lambda service: answer(case(service).ready(), disposal.decision("YCC"), disposal.POLICE, disposal.DECIDED_AT),
    ),
    "panel_quorum": Moved(["POLICE"], meets),
    "child_information_form": Moved(becomes=False, asked=asks_the_prosecutor),
    "attendance_limit_hours": Moved(3, proposes()),
    "reparation_limit_hours": Moved(3, proposes()),
    "penalty_maximum_pence": Moved({"0": {"EITHER_WAY": 4999}}, proposes(disposal.penalty())),
    "penalty_ceiling_pence": Moved(4999, proposes(disposal.penalty())),
    "completion_advised_weeks": Moved(10, proposes()),
    "completion_limit_weeks": Moved(10, proposes()),
    "prosecution_limit_months": Moved(
        5,
        lambda service: due(case(service).opened(summary()), "PROSECUTION_TIME_LIMIT", date(2026, 3, 3)),
    ),
    "prosecution_margin_days": Moved(120, proposes(command=summary())),
    "spent_after_months": Moved(1, lambda service: case(service).given().state.issue.spent_on),
    "adult_outcomes": Moved([], has_an_adults_outcome),
    "adult_outcomes_from_age": Moved(14, has_an_adults_outcome),
    "victim_information_days": Moved(6, informs()),
    "victim_information_enhanced_days": Moved(2, informs(victims_with_enhanced_rights=(disposal.MANAGER,))),
    "assessment_days": Moved(11, assesses),
    "yot_referral_days": Moved(2, lambda service: due(case(service).given(), "YOT_REFERRAL", disposal.GIVEN_ON)),
    "attendance_record_days": Moved(2, books),
    "absence_reason_days": Moved(6, misses("ABSENCE_REASON")),
    "missed_contact_days": Moved(2, misses("MISSED_CONTACT")),
    "disposal_review_days": Moved(2, reviews),
}


# --- referral -----------------------------------------------------------------------------------


def report(service: Service[Any], *flags: Flag) -> referral.ReferralStory:
    story: referral.ReferralStory = under(referral.ReferralStory(), service)
    return story.acknowledged(*flags)


def duty_of_referral(duty: str) -> Callable[[Service[Any]], Any]:
    def asked(service: Service[Any]) -> Any:
        story = report(service)
        if duty == "MASH_REFERRED":
            story.does(referral.concern(), referral.SOON)
        elif duty in {"FIRST_CONTACT", "INTERVENTION_DELIVERED"}:
            story.triaged()
        return due(story, duty, date(2026, 2, 24))

    return asked


def triages(flag: Flag) -> Callable[[Service[Any]], Any]:
    return lambda service: answer(
        report(service, flag), referral.triage(TriageOutcome.ACCEPT_INTERVENTION), referral.OFFICER, referral.NOON
    )


def assigns(code: str, *flags: Flag) -> Callable[[Service[Any]], Any]:
    def asked(service: Service[Any]) -> Any:
        story = report(service, *flags).linked().recorded()
        if Flag.NUDE_IMAGERY in flags:
            story.does(referral.screening(), referral.SOON)
        return answer(story, referral.outcome(code), referral.OFFICER, referral.NOON)

    return asked


REFERRAL: Final = {
    "age_of_criminal_responsibility": Moved(
        15, lambda service: answer(report(service), referral.link(), referral.OFFICER, referral.SOON)
    ),
    "adult_age": Moved(14, assigns("3")),
    "acknowledge_working_days": Moved(2, duty_of_referral("REFERRAL_ACKNOWLEDGED")),
    "triage_working_days": Moved(3, duty_of_referral("REFERRAL_TRIAGED")),
    "first_contact_working_days": Moved(6, duty_of_referral("FIRST_CONTACT")),
    "intervention_working_days": Moved(21, duty_of_referral("INTERVENTION_DELIVERED")),
    "close_working_days": Moved(31, duty_of_referral("REFERRAL_CLOSED")),
    "mash_referral_working_days": Moved(1, duty_of_referral("MASH_REFERRED")),
    "flags_too_serious_for_education": Moved([], triages(Flag.WEAPON)),
    "flags_for_supervisor_review": Moved([], triages(Flag.HATE)),
    "flags_barring_outcome_21_on_nudes": Moved([], assigns("21", Flag.NUDE_IMAGERY, Flag.EXPLOITATION)),
    "flags_warning_of_outcome_21": Moved([], assigns("21", Flag.DOMESTIC)),
    "outcomes_for_adults_only": Moved([], assigns("3")),
    "outcomes_of_a_disposal": Moved([], assigns("2")),
}


# --- education ----------------------------------------------------------------------------------


def missed(duty: str) -> Callable[[Service[Any]], Any]:
    def asked(service: Service[Any]) -> Any:
        story: education.SessionStory = under(education.SessionStory(), service)
        story.planned().booked()
        if duty != "ATTENDANCE_RECORDED":
            story.delivered().recorded(AttendanceStatus.DNA_PENDING)
        return due(story, duty, date(2026, 3, 10))

    return asked


def comes(status: AttendanceStatus, hours: str) -> Callable[[Service[Any]], Any]:
    def asked(service: Service[Any]) -> Any:
        story: education.SessionStory = under(education.SessionStory(), service)
        story.planned().booked().delivered()
        told = answer(story, education.attendance(status, hours=hours), education.OFFICER, education.REGISTER)
        return told, getattr(story.facts[-1].event, "activity", None)

    return asked


EDUCATION: Final = {
    "attendance_recorded_working_days": Moved(2, missed("ATTENDANCE_RECORDED")),
    "missed_contact_working_days": Moved(2, missed("MISSED_CONTACT")),
    "absence_reason_working_days": Moved(6, missed("ABSENCE_REASON")),
    "statuses_of_an_activity": Moved([], comes(AttendanceStatus.ATTENDED, "2")),
    "statuses_without_credit": Moved([], comes(AttendanceStatus.DNA_UNACCEPTABLE, "1")),
}


# --- restorative conference ---------------------------------------------------------------------


def schedules(**instead: GiveConsent) -> Callable[[Service[Any]], Any]:
    def asked(service: Service[Any]) -> Any:
        story: conference.ConferenceStory = under(conference.ConferenceStory(), service)
        story.prepared(instead={name.replace("_", " "): command for name, command in instead.items()})
        return answer(story, conference.schedule(), "RJ_FACILITATOR", conference.SCHEDULED_AT)

    return asked


def follows_up(service: Service[Any]) -> Any:
    story: conference.ConferenceStory = under(conference.ConferenceStory(), service)
    return due(story.held(), "RJ_FOLLOW_UP", date(2025, 12, 4))


CONFERENCE: Final = {
    "parental_agreement_under_age": Moved(
        13, schedules(consent_of_the_harmer=conference.consent(conference.REECE, parent=False))
    ),
    "preparation_meetings": Moved(2, schedules()),
    "risk_approval_days": Moved(9, schedules()),
    "follow_up_weeks": Moved(7, follows_up),
}

TABLE: Final[Mapping[str, Mapping[str, Moved]]] = {
    "referral": REFERRAL,
    "education": EDUCATION,
    "disposal": DISPOSAL,
    "rj_conference": CONFERENCE,
}
CASES: Final = [(service, name) for service, values in TABLE.items() for name in values]


@pytest.mark.parametrize("service", SERVICES)
def test_no_value_is_left_out(service: str) -> None:
    """Given the file of a service, when its values are listed, then each has its story here, and no other has."""
    told, held = set(TABLE[service]), set(SERVICES[service].policy.terms)
    assert not held - told, f"{sorted(held - told)}: add what each moves to {HERE}"
    assert not told - held, f"{sorted(told - held)}: no policy.toml of {service} has them; take them from {HERE}"


@pytest.mark.parametrize(("service", "name"), CASES)
def test_a_changed_value_moves_an_answer(service: str, name: str) -> None:
    """Given a story, when one value of policy is another from a day before it, then the answer is another."""
    before = SERVICES[service]
    book = before.policy.with_entry(name, SINCE, TABLE[service][name].becomes)
    after = replace(before, read_model=replace(before.read_model, policy=book))
    moved = TABLE[service][name]
    assert moved.asked(before) != moved.asked(after), (
        f"{name} as {moved.becomes!r} changes nothing: let a rule, a duty or a date of services/{service}/domain read it,"
        f" or choose in {HERE} another value or another story"
    )


@pytest.mark.parametrize(("service", "name"), CASES)
def test_a_later_entry_leaves_what_was_judged(service: str, name: str) -> None:
    """Given a story, when a value changes only after it, then the answer stays: a fact is judged by its own day."""
    before = SERVICES[service]
    book = before.policy.with_entry(name, date(2026, 11, 1), TABLE[service][name].becomes)
    later = replace(before, read_model=replace(before.read_model, policy=book))
    asked = TABLE[service][name].asked
    assert asked(before) == asked(later), (
        f"{name} was read by another day than that of the fact: read it in services/{service}/domain from occasion.policy"
    )
