"""Handing a case to another officer: who may, and until when."""

import pytest

from services.disposal.domain.commands import HandOnCase, HandOverCase
from shared.domain.ids import derived_uuid
from shared.domain.sealing import Sealed
from tests.command_spec import officer
from tests.unit.disposal.stories import AFTER, POLICE, SUPERVISOR, YJS, CaseStory

HANDED = HandOverCase(to=derived_uuid("test", "new officer"), why=Sealed("Sam is on leave."))


@pytest.mark.parametrize("told", ["opened", "decided", "issued", "deferred"])
def test_an_open_case_is_handed_over(told: str) -> None:
    """Given an open case at any stage, when a supervisor hands it over, then its stage stays, and it can be handed on again."""
    case: CaseStory = getattr(CaseStory(), told)()
    before = case.view
    assert case.ask(HANDED, by=SUPERVISOR, at="2026-03-14T09:00:00+00:00") == ["CaseHandedOver"]
    case.ask(HANDED.model_copy(update={"why": None}), by=SUPERVISOR, at="2026-03-15T09:00:00+00:00")
    assert case.view == before


def test_a_caution_that_was_given_still_has_an_officer() -> None:
    """Given a recorded youth caution, whose referral and assessment may be open, then it is handed over; a charged case is not."""
    CaseStory().issued("YC").ask(HANDED, by=SUPERVISOR, at=AFTER)
    assert CaseStory().decided("CHARGE").refused(HANDED, by=SUPERVISOR, at=AFTER) == {"S1"}


@pytest.mark.parametrize("role", [POLICE, YJS, "SAFE_SCHOOLS_OFFICER"])
def test_a_supervisor_alone_hands_over(role: str) -> None:
    """Only supervisors may send it."""
    case = CaseStory().opened()
    assert role not in case.service.roles_for(HandOverCase)
    assert case.service.roles_for(HandOverCase) == {SUPERVISOR}


def test_the_officer_who_has_a_case_hands_it_on() -> None:
    """Given an open case, when its officer hands it on, then that is recorded; an officer who does not have it is refused (HO1)."""
    case = CaseStory().issued()
    on = HandOnCase(to=derived_uuid("test", "new officer"), why=Sealed("Sam is on leave."))
    has = officer(YJS)
    case.ask(HandOverCase(to=has.id), by=SUPERVISOR, at=AFTER)
    assert case.refused(on, by=POLICE, at=AFTER) == {"HO1"}
    assert case.ask(on, by=has, at=AFTER) == ["CaseHandedOver"]
    assert case.refused(on, by=has, at=AFTER) == {"HO1"}
