"""Journeys: what they recommend is what the rules allow and what the stories do next."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from services.disposal.domain.commands import DecideBreach
from services.rj_conference.domain.commands import RecordResponsibility
from services.trade.vocabulary import BreachDecision, TriageOutcome
from shared.domain.guidance import Status, guidance_at
from shared.domain.next_steps import Progress, journeys_at, next_step
from shared.domain.sealing import Sealed
from shared.domain.service import Service
from tests.command_spec import CommandSpec, officer
from tests.explored_commands import STREAM
from tests.unit.disposal.stories import DECIDED_AT, CaseStory, condition, modifying, proposed, variation
from tests.unit.guidance.played_histories import SERVICES, played_histories
from tests.unit.referral.stories import ReferralStory
from tests.unit.rj_conference.stories import SCHEDULED_AT, ConferenceStory

LATER = timedelta(hours=1)
LATER_ON = "2026-03-26T10:00:00+00:00"
BY = "RJ_FACILITATOR"


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_whose_turn_it_is_may_send_a_command_of_the_step(service: Service[Any]) -> None:
    """Each step of a journey names commands of the service, and roles that may send one of them."""
    assert service.journeys
    for journey in service.journeys:
        for step in journey.steps:
            assert set(step.commands) <= set(service.commands), step.title
            for role in step.who:
                assert any(role in service.roles_for(command) for command in step.commands), (step.title, role)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_the_recommended_step_can_be_recorded(service: Service[Any]) -> None:
    """At every point of the stories that has other kinds of events, the guidance of whoever's turn it is has a command of the recommended step unrefused.

    A task that cannot start has no such command, and says why; one that names a field names one of its commands.
    """
    seen: set[frozenset[type]] = set()
    recommendations = 0
    for story in played_histories()[service.name].histories:
        for length in range(1, len(story) + 1):
            history = story[:length]
            kind = frozenset(type(fact.event) for fact in history)
            if kind in seen:
                continue
            seen.add(kind)
            at = max(fact.occurred_at for fact in history) + LATER
            for role in {role for journey in service.journeys for step in journey.steps for role in step.who}:
                actor = officer(role)
                journeys = journeys_at(service, actor, STREAM, history, at)
                recommended = next_step(journeys, role)
                if recommended is None or role not in recommended.step.who:
                    continue
                recommendations += 1
                status = {guided.command: guided.status for guided in guidance_at(service, actor, STREAM, history, at)}
                assert any(
                    status.get(command, Status.REFUSED) is not Status.REFUSED for command in recommended.step.commands
                )
                for journey in journeys:
                    for task in journey.tasks:
                        assert bool(task.waits_for) is (task.progress is Progress.CANNOT_START)
                        for name in task.task.about:
                            assert any(name in command.model_fields for command in task.step.commands)
    assert recommendations


def unfinished(story: CommandSpec, by: str, at: str) -> dict[str, Progress]:
    """Return the steps that are not completed, with how far they are."""
    journeys = journeys_at(story.service, officer(by), story.stream, story.facts, datetime.fromisoformat(at))
    tasks = (task for journey in journeys for task in journey.tasks)
    return {task.step.title: task.progress for task in tasks if task.progress is not Progress.COMPLETED}


def test_a_referral_with_the_panel_asks_for_first_contact() -> None:
    """Given a referral that went to the panel, then first contact is asked, as its duty is; closing it is not, yet."""
    referral = ReferralStory().acknowledged().triaged(TriageOutcome.REFER_DISPOSAL_PANEL)
    assert {"FIRST_CONTACT"} <= {duty.duty for duty in referral.duties(date(2026, 3, 2)).values()}
    assert set(unfinished(referral, "SAFE_SCHOOLS_OFFICER", "2026-03-02T12:00:00+00:00")) == {"Make first contact"}


def test_a_child_who_disputes_the_facts_is_heard_again() -> None:
    """Given a harmer who disputes the facts, then the step that asks is not done; once they are accepted, it is."""
    disputes = RecordResponsibility(accepts=True, facts_disputed=True)
    heard = "Hear whether the child accepts responsibility"
    assert heard in unfinished(ConferenceStory().prepared(instead={"responsibility": disputes}), BY, SCHEDULED_AT)
    assert heard not in unfinished(ConferenceStory().prepared(), BY, SCHEDULED_AT)


def test_a_victim_who_was_not_informed_before_the_decision_is_still_to_be() -> None:
    """Given a victim who was not informed when the police decided, then the step is asked, as its duty is open."""
    case = CaseStory().decided("YC")
    due = [duty.item for duty in case.duties(date(2026, 3, 10)).values() if duty.duty == "VICTIM_RJ_INFORMATION"]
    assert due
    assert "Tell the victim of restorative justice" in unfinished(case, "VICTIM_WORKER", DECIDED_AT)


def test_a_paper_without_conditions_is_not_signed_next() -> None:
    """Given a conditional caution without a condition, then its paper cannot be signed yet; with one it can."""
    sign = "Print and sign the paper"
    assert unfinished(CaseStory().decided("YCC"), "POLICE_DECISION_MAKER", DECIDED_AT)[sign] is Progress.CANNOT_START
    agreed = CaseStory().decided("YCC")
    agreed.ask(proposed(), by="YJS_CASE_MANAGER", at=DECIDED_AT)
    assert unfinished(agreed, "POLICE_DECISION_MAKER", DECIDED_AT)[sign] is Progress.NOT_STARTED


def test_after_a_decision_to_vary_varying_is_next() -> None:
    """Given a breach that is answered by varying, then the police are to vary the conditions, until they have done it."""
    vary, police = "Vary the conditions as decided", "POLICE_DECISION_MAKER"
    story = CaseStory().in_breach()
    answer = DecideBreach(reasonable_excuse=True, decision=BreachDecision.VARY, rationale_text=Sealed("He may."))
    story.ask(answer, by=police, at=LATER_ON)
    assert unfinished(story, police, LATER_ON)[vary] is Progress.NOT_STARTED
    story.ask(variation(modifying(condition(due=date(2026, 6, 10)))), by=police, at=LATER_ON)
    assert vary not in unfinished(story, police, LATER_ON)
