"""What conditions may ask, for how long and until when; the same at a proposal and at a variation."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.disposal.domain.commands import CompleteCondition
from services.disposal.events import Change, Condition, ConditionsVaried, OmittedCondition, RetypedCondition
from services.trade.vocabulary import ConditionObject, ConditionType, TrialMode
from tests.unit.disposal.stories import (
    AFTER,
    GIVEN_ON,
    LETTER,
    MEETING,
    PROPOSED_AT,
    SUPERVISOR,
    WORK,
    WORKSHOP,
    YJS,
    CaseStory,
    adding,
    condition,
    conference,
    letter,
    modifying,
    offence,
    omitting,
    opening,
    penalty,
    proposed,
    variation,
)

SUMMARY = opening(offence=offence(TrialMode.SUMMARY))
PROPOSED_ON = date(2026, 3, 11)
PENALTY_REASON = {"R17": "He has nothing to repair."}


@pytest.mark.parametrize("what", [penalty(), letter(aim=ConditionObject.PUNISHMENT)])
def test_punishment_warns(what: Condition) -> None:
    """Given a punitive condition, when it is proposed for a conditional caution, then R17 needs a rationale."""
    story = CaseStory().decided("YCC")
    assert story.warned(proposed(what), by=YJS, at=PROPOSED_AT) == {"R17"}
    story.ask(proposed(what, rationale=PENALTY_REASON), by=YJS, at=PROPOSED_AT)


@pytest.mark.parametrize(
    "what",
    [
        penalty(),
        letter(aim=ConditionObject.PUNISHMENT),
        condition(ConditionType.CURFEW, LETTER, ConditionObject.REHABILITATION),
        condition(ConditionType.RESTRICTIVE, LETTER, ConditionObject.REHABILITATION),
    ],
)
def test_a_restorative_disposal_holds_agreed_actions_only(what: Condition) -> None:
    """Given a restorative disposal, when punishment or restriction is proposed or added, then R14 refuses it."""
    assert CaseStory().decided("YRD").refused(proposed(what), by=YJS, at=PROPOSED_AT) == {"R14"}
    issued = CaseStory().issued("YRD", conference())
    assert issued.refused(variation(adding(what)), by=SUPERVISOR, at=AFTER) == {"R14"}


def test_a_restorative_disposal_is_not_bound_by_deadlines() -> None:
    """Given a restorative disposal, when an action is due after a year, then neither R20 nor R21 binds it."""
    story = CaseStory().decided("YRD", command=SUMMARY)
    story.ask(proposed(letter(due=date(2027, 3, 1))), by=YJS, at=PROPOSED_AT)


def test_attendance_is_limited_to_twenty_hours() -> None:
    """Given attendance for reparation, when it adds up to more than 20 hours, then R15 refuses it."""
    story = CaseStory().decided()
    sessions = condition(ConditionType.YJS_SESSIONS, MEETING, hours=Decimal(16))
    story.ask(proposed(sessions), by=YJS, at=PROPOSED_AT)
    too_much = condition(hours=Decimal("4.25"))
    assert story.refused(proposed(too_much), by=YJS, at=PROPOSED_AT) == {"R15"}
    story.ask(proposed(condition()), by=YJS, at=PROPOSED_AT)


def test_rehabilitation_is_outside_the_twenty_hours() -> None:
    """Given forty hours of a workshop for rehabilitation, when it is proposed, then R15 does not count them."""
    story = CaseStory().decided()
    workshop = condition(ConditionType.RETAIL_WORKSHOP, WORKSHOP, ConditionObject.REHABILITATION, hours=Decimal(40))
    story.ask(proposed(workshop), by=YJS, at=PROPOSED_AT)


def test_hours_of_a_curfew_are_no_attendance() -> None:
    """Given a curfew, when it is proposed, then its hours are no attendance."""
    story = CaseStory().decided()
    curfew = condition(ConditionType.CURFEW, MEETING, ConditionObject.REPARATION, hours=Decimal(60))
    story.ask(proposed(curfew), by=YJS, at=PROPOSED_AT)


def test_unpaid_reparation_is_limited_to_ten_hours() -> None:
    """Given reparation of ten hours, when a quarter of an hour more is asked, then R15 refuses it."""
    story = CaseStory().decided()
    assert story.refused(proposed(condition(hours=Decimal("10.25"))), by=YJS, at=PROPOSED_AT) == {"R15"}
    story.ask(proposed(condition(hours=Decimal(10))), by=YJS, at=PROPOSED_AT)
    more = condition(key=MEETING, hours=Decimal("0.25"))
    assert story.refused(proposed(more), by=YJS, at=PROPOSED_AT) == {"R15"}


@pytest.mark.parametrize(
    ("mode", "born", "maximum"),
    [
        (TrialMode.SUMMARY, date(2011, 3, 11), 3000),
        (TrialMode.SUMMARY, date(2013, 3, 11), 1500),
        (TrialMode.EITHER_WAY, date(2011, 3, 11), 5000),
        (TrialMode.EITHER_WAY, date(2012, 3, 12), 2500),
        (TrialMode.EITHER_WAY, date(2012, 3, 11), 5000),
    ],
)
def test_a_penalty_has_a_maximum_by_age_and_mode(mode: TrialMode, born: date, maximum: int) -> None:
    """Given age and mode of trial, when a penalty is a penny above its maximum, then R16 refuses it."""
    story = CaseStory().decided(command=opening(born, offence=offence(mode)))
    command = proposed(penalty(maximum + 1), rationale=PENALTY_REASON)
    assert story.refused(command, by=YJS, at=PROPOSED_AT) == {"R16"}
    story.ask(proposed(penalty(maximum), rationale=PENALTY_REASON), by=YJS, at=PROPOSED_AT)


def test_two_penalties_are_one_sum() -> None:
    """Given a penalty at the maximum, when a second one is proposed, then R16 refuses it."""
    story = CaseStory().decided()
    story.ask(proposed(penalty(5000), rationale=PENALTY_REASON), by=YJS, at=PROPOSED_AT)
    second = penalty(1).model_copy(update={"condition_id": MEETING})
    assert story.refused(proposed(second, rationale=PENALTY_REASON), by=YJS, at=PROPOSED_AT) == {"R16"}


@pytest.mark.parametrize("missing", ["amount", "payee", "method"])
def test_a_penalty_is_stated_in_full(missing: str) -> None:
    """Given a penalty without amount, payee or method, when it is proposed, then R16 refuses it."""
    story = CaseStory().decided()
    lacking = penalty().model_copy(update={missing: None})
    assert story.refused(proposed(lacking, rationale=PENALTY_REASON), by=YJS, at=PROPOSED_AT) == {"R16"}


@pytest.mark.parametrize(("days", "answer"), [(112, None), (113, "W"), (140, "W"), (141, "H")])
def test_deadlines_count_from_the_day_of_the_command_before_giving(days: int, answer: str | None) -> None:
    """Given an either-way offence not yet disposed of, then 16 weeks from today warn and 20 weeks refuse."""
    story = CaseStory().decided()
    command = proposed(condition(due=PROPOSED_ON + timedelta(days=days)))
    _judged(story, command, YJS, PROPOSED_AT, answer)


@pytest.mark.parametrize(("days", "answer"), [(112, None), (113, "W"), (140, "W"), (141, "H")])
def test_deadlines_count_from_giving_afterwards(days: int, answer: str | None) -> None:
    """Given a conditional caution given on 12 March, when it is varied in May, then weeks count from 12 March."""
    story = CaseStory().issued()
    command = variation(modifying(condition(due=GIVEN_ON + timedelta(days=days))))
    _judged(story, command, SUPERVISOR, "2026-05-04T10:00:00+01:00", answer)


@pytest.mark.parametrize(("days", "answer"), [(112, None), (113, "W")])
def test_deadlines_of_summary_offences_count_from_the_offence(days: int, answer: str | None) -> None:
    """Given a summary offence of 2 March, when a condition is due 16 weeks after it, then a day more warns."""
    story = CaseStory().decided(command=SUMMARY)
    _judged(story, proposed(condition(due=date(2026, 3, 2) + timedelta(days=days))), YJS, PROPOSED_AT, answer)


def _judged(story: CaseStory, command: Any, by: str, at: str, answer: str | None) -> None:
    if answer == "H":
        assert story.refused(command, by=by, at=at) == {"R20"}
    elif answer == "W":
        assert story.warned(command, by=by, at=at) == {"R20W"}
        story.ask(command.model_copy(update={"rationale": {"R20W": "Exams."}}), by=by, at=at)
    else:
        story.ask(command, by=by, at=at)


@pytest.mark.parametrize(
    ("due", "ids"),
    [
        (date(2026, 6, 4), {"R20W"}),
        (date(2026, 6, 5), {"R20W", "R21W"}),
        (date(2026, 7, 2), {"R20W", "R21W"}),
        (date(2026, 7, 3), {"R21"}),
    ],
)
def test_the_last_weeks_before_the_prosecution_limit(due: date, ids: set[str]) -> None:
    """Given a summary offence of 2 January, then the last 28 days before 2 July warn and the day after is refused."""
    late = opening(offence=offence(TrialMode.SUMMARY, date=date(2026, 1, 2)))
    story = CaseStory().decided(command=late)
    command = proposed(condition(due=due))
    if ids == {"R21"}:
        assert story.refused(command, by=YJS, at=PROPOSED_AT) == ids
    else:
        assert story.warned(command, by=YJS, at=PROPOSED_AT) == ids


def test_low_value_shop_theft_is_never_barred() -> None:
    """Given low-value theft from a shop, which is summary, then there is no time limit, and R21 does not bind."""
    theft = opening(offence=offence(TrialMode.SUMMARY, low_value_shoplifting=True, date=date(2025, 9, 12)))
    story = CaseStory().decided(command=theft)
    assert story.view["prosecution_time_limit"] is None
    story.ask(proposed(condition(), rationale={"R20W": "Found late."}), by=YJS, at=PROPOSED_AT)


def test_a_variation_needs_consent_and_an_active_caution() -> None:
    """Given no consent, another stage or another disposal, when conditions are varied, then R22 refuses."""
    change = adding(letter())
    assert CaseStory().issued().refused(variation(change, consent=False), by=SUPERVISOR, at=AFTER) == {"R22"}
    assert CaseStory().issued("YC").refused(variation(change), by=SUPERVISOR, at=AFTER) == {"R22"}
    assert CaseStory().decided().refused(variation(change), by=SUPERVISOR, at=AFTER) == {"R22"}
    late = "2026-03-26T09:00:00+00:00"
    assert CaseStory().in_breach().refused(variation(change), by=SUPERVISOR, at=late) == {"R22"}
    restorative = CaseStory().issued("YRD", conference())
    restorative.ask(variation(change, consent=False), by=SUPERVISOR, at=AFTER)


def test_a_variation_leaves_a_condition() -> None:
    """Given one condition, when it is omitted and none is added, then R14 refuses; with another it is varied."""
    story = CaseStory().issued()
    assert story.refused(variation(omitting()), by=SUPERVISOR, at=AFTER) == {"R14"}
    story.ask(variation(omitting(), adding(letter())), by=SUPERVISOR, at=AFTER)
    assert story.view["conditions"] == {str(WORK): "OMITTED", str(LETTER): "ACTIVE"}


def test_a_variation_is_judged_as_a_whole() -> None:
    """Given reparation of four hours, when seven are added, then R15 counts them together; penalties too."""
    story = CaseStory().issued()
    more = condition(key=MEETING, hours=Decimal(7))
    assert story.refused(variation(adding(more)), by=SUPERVISOR, at=AFTER) == {"R15"}
    assert story.refused(variation(adding(penalty(6000))), by=SUPERVISOR, at=AFTER) == {"R16"}
    story.ask(variation(adding(more), omitting()), by=SUPERVISOR, at=AFTER)


def test_a_variation_moves_the_deadline_and_the_spent_date() -> None:
    """Given conditions until 28 May and 1 July, when the later is omitted, then the earlier is the end, and when it is spent."""
    story = CaseStory().issued("YCC", condition(), letter(due=date(2026, 7, 1)))
    assert (story.view["ends_on"], story.view["spent_on"]) == ("2026-07-01", "2026-06-12")
    story.ask(variation(omitting(LETTER)), by=SUPERVISOR, at=AFTER)
    assert (story.view["ends_on"], story.view["spent_on"]) == ("2026-05-28", "2026-05-28")


@pytest.mark.parametrize(
    "changes",
    [
        (),
        (adding(condition()),),
        (modifying(letter()),),
        (omitting(LETTER),),
        (adding(letter()), modifying(letter())),
        (adding(letter()).model_copy(update={"condition": None}),),
        (adding(letter()).model_copy(update={"condition": conference()}),),
        (modifying(condition()).model_copy(update={"condition": None}),),
    ],
)
def test_changes_that_make_no_sense_are_refused(changes: tuple[Any, ...]) -> None:
    """Given changes of nothing, twice, of unknown ids or without terms, when it is varied, then S1 refuses."""
    assert CaseStory().issued().refused(variation(*changes), by=SUPERVISOR, at=AFTER) == {"S1"}


def as_varied(story: CaseStory, *changes: Change) -> ConditionsVaried:
    """Return the event of a variation."""
    story.ask(variation(*changes), by=SUPERVISOR, at=AFTER)
    return story.last(ConditionsVaried)


def test_a_variation_says_what_was_omitted() -> None:
    """Given a conference and reparation, when the conference is omitted, then the event says that it was one, in clear."""
    event = as_varied(CaseStory().issued("YCC", condition(), conference()), omitting(MEETING), adding(letter()))
    assert event.omitted == (OmittedCondition(condition_id=MEETING, type=ConditionType.RJ_CONFERENCE),)
    assert event.retyped == ()


def test_a_variation_says_what_became_of_another_type() -> None:
    """Given a conference and reparation, when one becomes a letter and one shorter, then the event names the first alone."""
    shorter = condition(hours=Decimal(2))
    instead = condition(ConditionType.LETTER_OF_APOLOGY, MEETING)
    story = CaseStory().issued("YCC", condition(), conference())
    event = as_varied(story, modifying(instead), modifying(shorter))
    retyped = RetypedCondition(
        condition_id=MEETING, before=ConditionType.RJ_CONFERENCE, after=ConditionType.LETTER_OF_APOLOGY
    )
    assert (event.omitted, event.retyped) == ((), (retyped,))
    again = as_varied(story, omitting(MEETING))
    assert again.omitted == (OmittedCondition(condition_id=MEETING, type=ConditionType.LETTER_OF_APOLOGY),)


def test_omitting_the_last_active_condition_completes() -> None:
    """Given one condition completed and one active, when that is omitted, then the disposal is completed."""
    story = CaseStory().issued("YCC", letter(), conference())
    story.ask(CompleteCondition(condition_id=LETTER, quality_checked=True), by=YJS, at=AFTER)
    names = story.ask(variation(omitting(MEETING)), by=SUPERVISOR, at="2026-03-20T09:00:00+00:00")
    assert names == ["ConditionsVaried", "DisposalCompleted"]
    assert story.view["completed_on"] == "2026-03-20"
