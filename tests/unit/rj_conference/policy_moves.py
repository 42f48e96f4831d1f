"""What each value of policy of rj_conference moves: see tests/unit/policy/test_policy_moves.py."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

from services.rj_conference.domain.commands import GiveConsent
from shared.domain.service import Service
from tests.unit.policy.moves import Moved, answer, due, under
from tests.unit.rj_conference import stories as conference


def schedules(**instead: GiveConsent) -> Callable[[Service[Any]], Any]:
    def observe(service: Service[Any]) -> Any:
        story: conference.ConferenceStory = under(conference.ConferenceStory(), service)
        story.prepared(instead={name.replace("_", " "): command for name, command in instead.items()})
        return answer(story, conference.schedule(), "RJ_FACILITATOR", conference.SCHEDULED_AT)

    return observe


def follows_up(service: Service[Any]) -> Any:
    story: conference.ConferenceStory = under(conference.ConferenceStory(), service)
    return due(story.held(), "RJ_FOLLOW_UP", date(2025, 12, 4))


def waits_for_a_facilitator(service: Service[Any]) -> Any:
    story: conference.ConferenceStory = under(conference.ConferenceStory(), service)
    story.ask(conference.proposal(), by="SYSTEM", at="2025-11-20T09:00:00+00:00")
    return due(story, "ASSIGN_FACILITATOR", date(2025, 12, 4))


MOVES: Final[Mapping[str, Moved]] = {
    "parental_agreement_under_age": Moved(
        13, schedules(consent_of_the_harmer=conference.consent(conference.REECE, parent=False))
    ),
    "preparation_meetings": Moved(2, schedules()),
    "risk_approval_days": Moved(9, schedules()),
    "follow_up_weeks": Moved(7, follows_up),
    "facilitator_days": Moved(6, waits_for_a_facilitator),
}
