"""Alerts on a person: raised, reviewed, renewed and ended, whatever became of the referral."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import pytest

from services.referral.domain.commands import EndAlert, RaiseAlert
from services.referral.domain.state import Referral
from services.trade.vocabulary import AlertKind, Role
from shared.domain.duties import Duty
from shared.domain.duties_by_day import duties_on
from shared.domain.guidance import guidance_at
from shared.domain.ids import derived_uuid
from shared.domain.sealing import Sealed, sealed_fields
from tests.command_spec import officer
from tests.unit.referral.stories import LATER, LATEST, LEO, MIA, NEXT_DAY, NOON, SOON, ReferralStory

FIRST, SECOND = derived_uuid("test", "first alert"), derived_uuid("test", "second alert")
REVIEW = date(2026, 3, 24)
YJS = "YJS_CASE_MANAGER"


def alert(**other: Any) -> RaiseAlert:
    """Return an alert: nobody visits Leo alone."""
    return RaiseAlert(
        **{
            "alert_id": FIRST,
            "person_id": LEO,
            "kind": AlertKind.NO_LONE_VISIT,
            "note": Sealed("The uncle shouts."),
            "review_on": REVIEW,
            **other,
        }
    )


def ended(alert_id: Any = FIRST) -> EndAlert:
    """Return the end of an alert."""
    return EndAlert(alert_id=alert_id, why=Sealed("The uncle has moved out."))


def reviews(story: ReferralStory, as_of: date) -> dict[str, Duty]:
    """Return the duties to review, by the id of the alert."""
    shown = duties_on(story.service.read_model, story.facts, as_of)
    return {duty.item: duty for duty in shown if duty.duty == "ALERT_REVIEW"}


def test_an_alert_is_open_until_it_is_ended(referral: ReferralStory) -> None:
    """Given an alert, then it is shown and to be reviewed by its day; ended, it is neither, and ends once."""
    referral.received()
    assert referral.does(alert(), NOON, YJS) == ["AlertRaised"]
    shown = {"person_id": str(LEO), "kind": "NO_LONE_VISIT", "review_on": "2026-03-24"}
    assert referral.view["alerts"] == {str(FIRST): shown}
    assert reviews(referral, REVIEW)[str(FIRST)].due == REVIEW
    assert referral.problems(ended(), SOON) == {"T1"}
    assert referral.does(ended(), LATER) == ["AlertEnded"]
    assert referral.view["alerts"] == {}
    assert reviews(referral, REVIEW)[str(FIRST)].met_on == date(2026, 3, 10)
    assert referral.problems(ended(), LATEST) == {"S1"}
    assert referral.problems(ended(SECOND), LATEST) == {"S1"}


def test_a_new_alert_of_the_kind_is_the_review_of_the_old_one(referral: ReferralStory) -> None:
    """Given an alert, when another of its kind is raised for the person, then it takes its place; another kind or person does not."""
    referral.received().does(alert())
    referral.does(alert(alert_id=derived_uuid("test", "other kind"), kind=AlertKind.SELF_HARM), NEXT_DAY)
    referral.does(alert(alert_id=derived_uuid("test", "other person"), person_id=MIA), NEXT_DAY)
    assert len(referral.view["alerts"]) == 3
    referral.does(alert(alert_id=SECOND, review_on=date(2026, 6, 24)), LATER)
    assert str(FIRST) not in referral.view["alerts"]
    assert len(referral.view["alerts"]) == 3
    found = reviews(referral, date(2026, 3, 10))
    assert (found[str(FIRST)].met_on, found[str(SECOND)].met_on) == (date(2026, 3, 10), None)
    assert referral.problems(alert(), LATEST) == {"S1"}


def test_an_alert_outlives_its_referral(referral: ReferralStory) -> None:
    """Given an alert, when the referral is closed, then the review is still due, and alerts are still raised and ended."""
    referral.acknowledged().does(alert())
    referral.closed()
    assert reviews(referral, date(2026, 3, 25))[str(FIRST)].overdue(date(2026, 3, 25))
    referral.does(alert(alert_id=SECOND, kind=AlertKind.EXPLOITATION), LATEST)
    referral.does(ended(), LATEST)
    assert [alert["kind"] for alert in referral.view["alerts"].values()] == ["EXPLOITATION"]


def test_what_is_said_of_an_alert_is_the_persons_own(referral: ReferralStory) -> None:
    """Given an alert with a note, then it is sealed under the person's key; a note may be left out."""
    referral.received().does(alert())
    raised = referral.facts[-1]
    assert [(path, subject) for path, subject, _ in sealed_fields(raised.event, raised.envelope.home)] == [
        ("note", f"person/{LEO}")
    ]
    referral.does(alert(alert_id=SECOND, note=None))


@pytest.mark.parametrize("command", [RaiseAlert, EndAlert])
def test_those_who_work_with_children_raise_and_end_alerts(command: type[RaiseAlert | EndAlert]) -> None:
    """Officers, case managers and supervisors may; a victim worker, a school and an analyst may not."""
    assert ReferralStory().service.roles_for(command) == {
        Role.SAFE_SCHOOLS_OFFICER,
        Role.INTERNET_SAFETY_OFFICER,
        Role.YJS_CASE_MANAGER,
        Role.SUPERVISOR,
    }


def test_what_may_be_done_collects_no_alerts_for_each_of_them(
    referral: ReferralStory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given ten alerts, when it is asked what may be done, then those that hold are not collected for each of them."""
    referral.received()
    for n in range(1, 11):
        referral.does(alert(alert_id=UUID(int=n), person_id=UUID(int=n)))
    asked: list[Referral] = []
    monkeypatch.setattr(Referral, "open_alerts", property(asked.append))
    at = datetime.fromisoformat(LATEST)
    found = guidance_at(referral.service, officer(Role.SUPERVISOR), referral.stream, referral.facts, at, "EndAlert")
    assert len(found[0].choices["alert_id"]) == 10
    assert not asked
