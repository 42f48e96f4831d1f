"""What anybody reports begins a referral in the area that the partnership names."""

from typing import Any
from uuid import uuid4

import pytest

from services.referral.service import service
from services.trade import partnership
from services.trade.partnership import EXAMPLE, read_partnership
from shared.domain.permissions import EVERY
from tests.received_referral import received_referral
from tools.scenario.backend import Request
from tools.scenario.in_memory import Memory
from tools.scenario.story import Officer, Result

REPORT: dict[str, Any] = received_referral(uuid4(), "2026-06-01T19:40:00+01:00") | {"source": "PUBLIC"}


def areas_after(report: dict[str, Any], by: str) -> list[str]:
    """Return the area of the referral that a report begins for who has a token for every area; none if it is refused."""
    system = Memory([service])
    system.area = {"area": EVERY}
    answer = system.send(Request("referral", uuid4(), Officer(by), report, "once"))
    assert (answer.word is Result.ACCEPTED) == bool(system.histories)
    return [facts[0].envelope.labels["area"] for _, facts in system.histories]


def test_a_public_report_belongs_to_the_area_of_the_partnership(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given the token of the public pages, which names no area, when anybody reports, then the referral has the partnership's."""
    monkeypatch.setattr(partnership, "partnership", lambda: read_partnership(EXAMPLE))
    assert areas_after(REPORT, "INVITED") == ["DORSET"]


def test_no_other_record_is_opened_without_an_area() -> None:
    """Given a token for every area, when the report has another source, or a school's name is used, then nothing begins."""
    assert areas_after(REPORT | {"source": "POLICE_101"}, "SUPERVISOR") == []
    assert areas_after(REPORT | {"source": "SCHOOL"}, "INVITED") == []


def test_a_partnership_without_an_area_takes_no_public_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a file that names no area, when anybody reports, then nothing begins: the page tells whom to ring."""
    (entry,) = read_partnership(EXAMPLE)
    monkeypatch.setattr(partnership, "partnership", lambda: (entry.model_copy(update={"area": None}),))
    assert areas_after(REPORT, "INVITED") == []
