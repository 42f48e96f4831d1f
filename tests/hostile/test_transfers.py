"""An area reaches a case of another one while it holds it, and what the way in which it holds it lets it do."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from shared.domain.messages import Actor
from shared.domain.permissions import AccessFacts
from tests.hostile.test_reactions import CHILD, ELSEWHERE, Play
from tools.scenario.backend import Request
from tools.scenario.story import Officer, Result

HERE: Final = {"area": "DORSET"}
CONTACT: Final = {"type": "RecordContact", "person_id": str(CHILD), "means": "PHONE", "reached": True}
ADMISSION: Final = {"type": "RecordAdmission", "appropriate_adult_present": True, "facts_accepted": True}
END: Final = {"type": "EndTransfer", "why": "He is back."}


def moved(kind: str, day: int = 4) -> dict[str, Any]:
    """Return the command that lets the other area hold the case from a day of March."""
    body = {"type": "TransferCase", "to_area": "DEVON", "kind": kind, "review_on": "2026-05-01", "why": "He moved."}
    return {**body, "occurred_at": f"2026-03-{day:02}T09:00:00Z"}


class Moving(Play):
    """The same child's records, and what each area is answered."""

    def asked(self, area: Mapping[str, str], body: Mapping[str, Any], service: str = "disposal") -> Result:
        """Try a command of a role that may send it, from an area, and record nothing."""
        self.memory.area = dict(area)
        role = {"EndTransfer": "SUPERVISOR", "RecordAdmission": "YJS_CASE_MANAGER"}.get(body["type"], "SUPERVISOR")
        stream = self.disposal if service == "disposal" else self.referral
        answer = self.memory.dry_run(Request(service, stream, Officer(role), body, str(uuid4())))
        return getattr(answer, "word", Result.ACCEPTED)

    def reads(self, area: Mapping[str, str], service: str) -> bool:
        """Tell whether a supervisor of an area may read the child's record in a service."""
        stream: UUID = self.disposal if service == "disposal" else self.referral
        running = self.memory._services[service]
        actor = Actor(id=uuid4(), role="SUPERVISOR", organisation="OOC", labels=dict(area))
        permission = running.service.permissions["SUPERVISOR"]
        facts = AccessFacts.of_history(running.service.events, self.memory._history(running, stream))
        denial = self.memory._run(running.handler.read_denial(actor, permission, facts))
        assert denial is None or denial.hidden
        return denial is None


@pytest.fixture
def case() -> Moving:
    return Moving()


def test_nobody_elsewhere_reaches_a_case_before_and_after_a_transfer(case: Moving) -> None:
    """Given a case that another area holds for a while, then before and after it answers there as if there were none."""
    for _ in range(2):
        for service in ("disposal", "referral"):
            assert not case.reads(ELSEWHERE, service)
            assert case.asked(ELSEWHERE, CONTACT, service) is Result.UNKNOWN
        case.memory.area = dict(HERE)
        case.send("disposal", case.disposal, "SUPERVISOR", moved("TRANSFER"))
        assert case.reads(ELSEWHERE, "disposal")
        case.send("disposal", case.disposal, "SUPERVISOR", {**END, "occurred_at": "2026-03-04T09:00:00Z"})


def test_a_caretaker_reads_and_records_attendance_and_contacts_alone(case: Moving) -> None:
    """Given an area that takes care of a case, then it reads the case and records contacts, and the first area does the rest."""
    case.send("disposal", case.disposal, "SUPERVISOR", moved("CARETAKING"))
    for service in ("disposal", "referral"):
        assert case.reads(ELSEWHERE, service)
        assert case.reads(HERE, service)
        assert case.asked(ELSEWHERE, CONTACT, service) is Result.ACCEPTED
    assert case.asked(ELSEWHERE, ADMISSION) is Result.FORBIDDEN
    assert case.asked(ELSEWHERE, moved("TRANSFER", 5)) is Result.FORBIDDEN
    assert case.asked(HERE, ADMISSION) is Result.ACCEPTED


def test_who_has_taken_a_case_over_leads_it_and_the_first_area_reads(case: Moving) -> None:
    """Given a case that another area has taken over from its caretaking, then it does everything, and the first reads and may take it back."""
    case.send("disposal", case.disposal, "SUPERVISOR", moved("CARETAKING"))
    case.send("disposal", case.disposal, "SUPERVISOR", moved("TRANSFER", 5))
    assert case.reads(HERE, "disposal")
    for area, admission in ((ELSEWHERE, Result.ACCEPTED), (HERE, Result.FORBIDDEN)):
        assert case.asked(area, ADMISSION) is admission
        assert case.asked(area, CONTACT) is Result.ACCEPTED
        assert case.asked(area, END) is Result.ACCEPTED


def test_a_third_area_reaches_nothing(case: Moving) -> None:
    """Given a case that another area holds, then a third one is answered as if there were none."""
    case.send("disposal", case.disposal, "SUPERVISOR", moved("TRANSFER"))
    assert not case.reads({"area": "KENT"}, "referral")
    assert case.asked({"area": "KENT"}, CONTACT) is Result.UNKNOWN
