"""Nobody reaches another person's record, or another area's, by naming it in a record of their own that a reaction follows."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from services.disposal.domain.evolve import evolve
from services.disposal.domain.history import live_cases
from services.disposal.events import DisposalCaseOpened
from services.disposal.service import uniqueness_key
from services.system.registry import deciding_services
from shared.domain.envelope import has_event
from shared.domain.permissions import ABOUT_ANOTHER
from shared.domain.persons import Known
from tests.hostile.partnership import opened_disposal
from tests.received_referral import received_referral
from tools.scenario.backend import Request
from tools.scenario.in_memory import Memory
from tools.scenario.story import Officer, Result

CASE: Final = uuid4()
CHILD: Final = uuid4()
NOT_BEGUN: Final = "the stream that it asks has not begun"
ELSEWHERE: Final = {"area": "DEVON"}


class Play:
    """A child's referral and disposal in DORSET, and whoever sends commands."""

    def __init__(self) -> None:
        self.memory = Memory(deciding_services())
        self.referral, self.disposal = uuid4(), uuid4()
        at = "2026-03-02T15:20:00+00:00"
        self.send("referral", self.referral, "SAFE_SCHOOLS_OFFICER", {**received_referral(CASE, at), "occurred_at": at})
        details = {"name": "Robin Roe", "date_of_birth": "2011-03-14"}
        opening = opened_disposal(CASE, CHILD, details, occurred_at="2026-03-03T09:00:00Z")
        self.send("disposal", self.disposal, "YJS_CASE_MANAGER", opening)

    def send(self, service: str, stream: UUID, role: str, body: Mapping[str, Any]) -> None:
        """Send a command that must be accepted."""
        answer = self.memory.send(Request(service, stream, Officer(role), body, str(uuid4())))
        assert answer.word is Result.ACCEPTED, (body, answer)

    def events(self, service: str, stream: UUID) -> list[str]:
        return [event["type"] for event in self.memory.history(service, stream)]


def sits(play: Play, case: UUID = CASE, child: UUID = CHILD) -> None:
    """Hold a sitting of the panel that recommends a charge for the disposal."""
    sitting, officer = uuid4(), "YJS_CASE_MANAGER"
    members = [
        {"officer_id": str(uuid4()), "kind": kind, "organisation": "Dorset Police", "present": True}
        for kind in ("POLICE", "YJS")
    ]
    listed = {"disposal_id": str(play.disposal), "case_id": str(case), "person_id": str(child)}
    considered = {"disposal_id": str(play.disposal), "recommended": "CHARGE", "reasons": "So.", "child_view": "No."}
    plan = {"starts_at": "2026-03-10T10:00:00Z", "place": "The old court house", "chair": str(uuid4())}
    steps: list[dict[str, Any]] = [
        {"type": "PlanSitting", **plan},
        {"type": "AddToAgenda", **listed},
        {"type": "RecordMembers", "members": members},
        {"type": "ConsiderCase", **considered},
    ]
    for minute, body in enumerate(steps):
        play.send("panel", sitting, officer, {**body, "occurred_at": f"2026-03-10T10:0{minute}:00Z"})


def takes_part(play: Play, child: UUID = CHILD, **serving: str) -> None:
    """Hold a workshop in which a child has a place that serves a record."""
    session, officer = uuid4(), "SAFE_SCHOOLS_OFFICER"
    plan = {"kind": "WORKSHOP", "topic": "RETAIL", "hours": 3, "place": "The old court house"}
    attended = {"person_id": str(child), "status": "ATTENDED", "hours_credited": 3, "complied": True}
    for day, body in (
        (4, {"type": "PlanSession", "starts_at": "2026-03-20T10:00:00+00:00", **plan}),
        (5, {"type": "BookPlace", "person_id": str(child), **serving}),
        (21, {"type": "DeliverSession", "headcount": 1}),
        (22, {"type": "RecordAttendance", **attended}),
    ):
        play.send("education", session, officer, {**body, "occurred_at": f"2026-03-{day:02}T10:00:00Z"})


def test_what_is_about_the_child_reaches_its_records() -> None:
    """Given a sitting and a place of the child itself, in the area of its records, then the records learn of them."""
    play = Play()
    sits(play)
    takes_part(play, referral_id=str(play.referral), case_id=str(CASE))
    assert "PanelRecommended" in play.events("disposal", play.disposal)
    assert "ActivityUndertaken" in play.events("referral", play.referral)
    assert not play.memory.parked


@pytest.mark.parametrize("named", [{"case": uuid4()}, {"child": uuid4()}], ids=["case", "child"])
def test_a_panel_recommends_in_no_case_that_it_did_not_name(named: dict[str, UUID]) -> None:
    """Given an agenda with a disposal under another case or child, whose officers need not abstain, then nothing is recommended there."""
    play = Play()
    sits(play, **named)
    assert "PanelRecommended" not in play.events("disposal", play.disposal)
    assert ABOUT_ANOTHER in play.memory.parked[0]


@pytest.mark.parametrize("serving", ["disposal_id", "referral_id"])
def test_a_place_for_one_child_counts_for_no_other(serving: str) -> None:
    """Given a place of somebody else that is said to serve a child's record, then nothing is recorded there."""
    play = Play()
    record = {"disposal_id": play.disposal, "referral_id": play.referral}[serving]
    takes_part(play, uuid4(), **{serving: str(record), "case_id": str(uuid4())})
    assert "ActivityUndertaken" not in play.events(serving.removesuffix("_id"), record)
    assert ABOUT_ANOTHER in play.memory.parked[0]


def test_another_area_reaches_no_record_and_learns_nothing_of_it() -> None:
    """Given a panel and a workshop of another area that name a child's records rightly, then these answer as if there were none."""
    play = Play()
    play.memory.area = ELSEWHERE
    sits(play)
    takes_part(play, referral_id=str(play.referral), case_id=str(CASE))
    assert "PanelRecommended" not in play.events("disposal", play.disposal)
    assert "ActivityUndertaken" not in play.events("referral", play.referral)
    assert len(play.memory.parked) == 2
    assert all(NOT_BEGUN in parked for parked in play.memory.parked)


def test_a_disposal_tells_no_referral_of_another_case() -> None:
    """Given a disposal that is said to come from a stranger's referral, when it gets an outcome, then the referral has none."""
    play = Play()
    details = {"name": "Kim Yeo", "date_of_birth": "2010-08-08"}
    opening = opened_disposal(uuid4(), uuid4(), details, referral_id=str(play.referral))
    other = uuid4()
    play.send("disposal", other, "YJS_CASE_MANAGER", {**opening, "occurred_at": "2026-03-03T09:00:00Z"})
    outcome = {"type": "AssignOutcome", "code": "5", "occurred_at": "2026-03-04T09:00:00Z"}
    play.send("disposal", other, "POLICE_DECISION_MAKER", outcome)
    assert play.events("referral", play.referral) == ["ReferralReceived"]
    assert ABOUT_ANOTHER in play.memory.parked[0]


def test_another_area_neither_learns_of_a_case_nor_blocks_it() -> None:
    """Given a live disposal, then another area opens one for the same child and offence, and their own area alone is refused a second."""
    play = Play()
    details = {"name": "Robin Roe", "date_of_birth": "2011-03-14"}
    opening = opened_disposal(CASE, CHILD, details, occurred_at="2026-03-03T09:00:00Z")
    for area, second in (("DORSET", Result.REFUSED), ("DEVON", Result.ACCEPTED), ("DEVON", Result.REFUSED)):
        play.memory.area = {"area": area}
        answer = play.memory.send(Request("disposal", uuid4(), Officer("YJS_CASE_MANAGER"), opening, str(uuid4())))
        assert answer.word is second, (area, answer)
        assert answer.rules == (("R28",) if second is Result.REFUSED else ())


def test_a_live_case_of_the_first_release_bars_another_of_its_area() -> None:
    """Given a case that claimed its child and offence for all areas, then R28 refuses a second one under the claim of its area."""
    facts = (fact for _, history in Play().memory.histories for fact in history)
    opened = next(fact for fact in facts if has_event(fact, DisposalCaseOpened))
    first = replace(opened, envelope=opened.envelope.model_copy(update={"rules": ("S1", "T1")}))
    assert not any(live_cases(CHILD, opened.event.offence, Known([opened])))
    assert [*live_cases(CHILD, opened.event.offence, Known([first]))] == [opened.stream_id]
    (key,) = uniqueness_key(evolve(None, first))
    assert uniqueness_key(evolve(None, opened)) == (f"{key}@DORSET",)
