"""Guidance names the day on which a rule answers otherwise: a birthday, a time limit, a session, a bank holiday."""

from datetime import date, datetime, timedelta

from services.disposal.domain.commands import (
    BookConditionSession,
    ConfirmAppropriateAdult,
    DecideBreach,
    DecideDisposal,
    InstituteProceedings,
    IssueDisposal,
    ReferToYot,
)
from services.education.domain.commands import DeliverSession
from services.education.service import service as education
from services.rj_conference.domain.commands import RecordFollowUp, ScheduleConference
from services.trade.vocabulary import BreachDecision, TrialMode
from shared.domain.guidance import Answer, CommandGuidance, RuleAnswer, Status, guidance_at
from shared.domain.messages import Command
from shared.domain.sealing import Sealed
from tests.command_spec import CommandSpec, officer
from tests.unit.disposal.stories import (
    ADULT,
    ISSUED_AT,
    POLICE,
    YJS,
    CaseStory,
    absence,
    breach,
    condition,
    offence,
    opening,
)
from tests.unit.education.stories import SessionStory
from tests.unit.rj_conference.stories import ConferenceStory


def guided(story: CommandSpec, command: type[Command], at: str, by: str = "SUPERVISOR") -> CommandGuidance:
    """Return the guidance for a command at a moment, or at the end of a day."""
    moment = datetime.fromisoformat(at)
    found = guidance_at(story.service, officer(by), story.stream, story.facts, moment)
    return next(one for one in found if one.command is command)


def answer(guidance: CommandGuidance, name: str) -> RuleAnswer:
    """Return the answer of the rule of a name."""
    return next(one for one in guidance.rules if one.rule.name == name)


def test_a_birthday_is_named_before_it_comes() -> None:
    """Given a child who will be 18 on 14 March, when the caution is prepared two days before, then it may be given until then."""
    story = CaseStory().prepared("YCC", condition(), command=opening(born=date(2008, 3, 14)))
    found = guided(story, IssueDisposal, ISSUED_AT, POLICE)
    assert found.status is Status.AVAILABLE
    assert answer(found, "is_not_yet_eighteen").changes_on == date(2026, 3, 14)
    late = guided(story, IssueDisposal, "2026-03-14T09:00:00+00:00", POLICE)
    assert (late.status, answer(late, "is_not_yet_eighteen").changes_on) == (Status.REFUSED, None)


def test_an_adult_who_was_confirmed_counts_on_that_day_alone() -> None:
    """Given an appropriate adult who was confirmed today, then the rule that asks for one is broken from tomorrow on."""
    story = CaseStory().prepared("YCC", condition())
    assert answer(guided(story, IssueDisposal, ISSUED_AT, POLICE), "appropriate_adult_is_present").changes_on == date(
        2026, 3, 13
    )


def test_a_time_limit_is_named_while_it_runs() -> None:
    """Given a breach of a caution for a summary offence, when prosecution was decided, then it is possible for six months."""
    story = CaseStory().issued("YCC", condition(), command=opening(offence=offence(TrialMode.SUMMARY)))
    story.ask(absence(), by=YJS, at="2026-03-18T18:00:00+00:00")
    story.ask(breach(), by=YJS, at="2026-03-25T10:00:00+00:00")
    prosecute = DecideBreach(
        reasonable_excuse=False, decision=BreachDecision.PROSECUTE, rationale_text=Sealed("He did not come.")
    )
    story.ask(prosecute, by=POLICE, at="2026-03-26T10:00:00+00:00")
    found = guided(story, InstituteProceedings, "2026-03-27T10:00:00+00:00", POLICE)
    assert found.status is Status.AVAILABLE
    limit = story.state.opened.prosecution_time_limit
    assert answer(found, "there_is_time_to_prosecute").changes_on == limit + timedelta(days=1)


def test_a_referral_is_in_time_until_the_working_day_after_easter() -> None:
    """Given a caution on the Thursday before Easter, then the next working day is Tuesday, and a reason is needed after it."""
    story = CaseStory().prepared("YCC", condition())
    story.ask(ADULT, by=POLICE, at="2026-04-02T16:00:00+01:00")
    story.ask(IssueDisposal(), by=POLICE, at="2026-04-02T16:30:00+01:00")
    found = guided(story, ReferToYot, "2026-04-02T17:00:00+01:00", POLICE)
    assert found.status is Status.AVAILABLE
    assert answer(found, "referred_as_soon_as_practicable").changes_on == date(2026, 4, 8)
    late = guided(story, ReferToYot, "2026-04-08T09:00:00+01:00", POLICE)
    assert late.status is Status.NEEDS_RATIONALE


def test_a_session_can_be_delivered_on_its_day() -> None:
    """Given a session of a later day, then E1 refuses its delivery until that day."""
    story = SessionStory().planned()
    starts_at = story.state.starts_at
    found = guided(story, DeliverSession, story.facts[-1].occurred_at.isoformat())
    assert found.status is Status.REFUSED
    assert answer(found, "session_has_started").changes_on == starts_at.date()
    assert guided(story, DeliverSession, f"{starts_at.date()}T23:00:00+00:00").status is Status.AVAILABLE


def test_a_risk_assessment_says_for_which_days_it_is_recent_enough() -> None:
    """Given a risk that was approved on 24 November, then a conference may begin on each of 28 days and not on the next."""
    story = ConferenceStory().prepared()
    found = guided(story, ScheduleConference, "2025-11-28T09:00:00+00:00")
    recent = answer(found, "risk_is_recent")
    assert (recent.answer, recent.fields, recent.for_the_day) == (Answer.DEPENDS, ("starts_at",), Answer.HOLDS)
    assert recent.changes_on == date(2025, 12, 23)


def test_a_follow_up_needs_a_reason_from_a_day_on() -> None:
    """Given a conference that was held, then the follow-up needs no reason until the day after it is due."""
    story = ConferenceStory().kept()
    (warning,) = [
        one for one in guided(story, RecordFollowUp, "2025-12-19T09:00:00+00:00").rules if one.rule.id == "C10"
    ]
    conference_held = story.state.held
    assert warning.answer is Answer.HOLDS
    assert warning.changes_on is not None
    assert (warning.changes_on - conference_held.follow_up_due).days == 1


def test_what_depends_names_its_fields() -> None:
    """Given an active caution, then the booking of a session depends on its condition and on the session's own id."""
    found = guided(CaseStory().issued(), BookConditionSession, "2026-03-13T09:00:00+00:00", YJS)
    assert (found.status, found.fields) == (Status.DEPENDS, ("condition_id", "session_id"))


def test_codes_that_break_a_rule_are_named() -> None:
    """Given no admission, then R4 is broken by each decision for a disposal, and by no other decision."""
    story = CaseStory().ready(without=("admission",))
    found = guided(story, DecideDisposal, "2026-03-10T12:00:00+00:00", POLICE)
    broken_by = answer(found, "admitted_before_the_decision").broken_by
    assert {name: set(values) for name, values in broken_by.items()} == {"decision": {"YRD", "YC", "YCC"}}


def test_what_is_sure_to_need_a_reason_says_so_although_its_fields_decide_more() -> None:
    """Given a child who was not assessed, then a decision needs a rationale for A1, and its field `decision` decides the rest."""
    story = CaseStory().ready(without=("assessment",))
    found = guided(story, DecideDisposal, "2026-03-10T12:00:00+00:00", POLICE)
    assert found.status is Status.NEEDS_RATIONALE
    assert [one.rule.id for one in found.rules if one.answer is Answer.BROKEN] == ["A1"]
    assert "decision" in found.fields


def test_before_the_first_event_only_what_begins_a_stream_is_there() -> None:
    """Given no session, then planning one depends on its time, which must lie within the known bank holidays."""
    at = datetime.fromisoformat("2026-03-13T09:00:00+00:00")
    story = CommandSpec(education)
    (found,) = guidance_at(education, officer("SAFE_SCHOOLS_OFFICER"), story.stream, [], at)
    assert (found.command.__name__, found.status) == ("PlanSession", Status.DEPENDS)
    assert "starts_at" in found.fields


def test_a_token_for_every_area_begins_nothing() -> None:
    """Given an officer of every area, then no command that begins a session is there, since it could take no area from them."""
    everywhere = officer("SAFE_SCHOOLS_OFFICER").model_copy(update={"labels": {"area": "*"}})
    at = datetime.fromisoformat("2026-03-13T09:00:00+00:00")
    assert guidance_at(education, everywhere, CommandSpec(education).stream, [], at) == []


def test_only_what_the_role_may_send_is_there() -> None:
    """Given an open case, then a victim worker is not told of the decision, which the police take."""
    story = CaseStory().opened()
    at = datetime.fromisoformat("2026-03-13T09:00:00+00:00")
    found = guidance_at(story.service, officer("VICTIM_WORKER"), story.stream, story.facts, at)
    assert found
    assert all("VICTIM_WORKER" in story.service.roles_for(one.command) for one in found)
    assert DecideDisposal not in {one.command for one in found}


def test_an_earlier_moment_meets_the_state_of_then() -> None:
    """Given a caution that was given, when it is asked for the day of the decision, then the adult could be confirmed."""
    story = CaseStory().issued()
    assert guided(story, ConfirmAppropriateAdult, "2026-03-11T09:00:00+00:00", POLICE).status is Status.DEPENDS
    assert guided(story, ConfirmAppropriateAdult, "2026-03-13T09:00:00+00:00", POLICE).status is Status.REFUSED
