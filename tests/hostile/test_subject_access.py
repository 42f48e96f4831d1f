"""A child asks for all that is held about them: they get it, with nothing of the other child in the case, at the terminal."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import httpx2

from services.trade.vocabulary import Role
from tests.hostile import partnership as world
from tests.hostile.partnership import Partnership
from tests.hostile.test_forgetting import decide, forget
from tests.isolated_settings import IsolatedSettings
from tests.pdf import pdf_text
from tests.received_referral import linked_person, received_referral

settings, partnership, urls = world.settings, world.partnership, world.urls

OFFICER: Final = "DATA_PROTECTION_OFFICER"


@dataclass(frozen=True)
class Child:
    """A child whose every personal value is marked."""

    id: UUID
    name: str
    address: str
    evidence: str

    @classmethod
    def marked(cls, name: str) -> Child:
        mark = uuid4().hex[:8]
        return cls(uuid4(), f"{name} {mark}", f"{mark} Mill Lane", f"A note of {mark}.")

    @property
    def marks(self) -> tuple[str, ...]:
        return (self.name, self.address, self.evidence)


@dataclass(frozen=True)
class Story:
    """Two children in one case, in records of every service, and a free text that names both."""

    case: UUID
    first: Child
    second: Child
    referral: UUID
    narrative: str
    records: frozenset[UUID]
    """The records that name the first child."""


async def story(partnership: Partnership) -> Story:
    """Record two children in a referral, a disposal each, and a session that both attend; close the referral."""
    case, referral, session = uuid4(), uuid4(), uuid4()
    first, second = Child.marked("Robin"), Child.marked("Alex")
    narrative = f"{first.name} and {second.name} set a bin on fire."
    await partnership.tell(
        "referral", referral, "SAFE_SCHOOLS_OFFICER", received_referral(case, world.WHEN, narrative=narrative)
    )
    disposals = {first.id: uuid4(), second.id: uuid4()}
    for child in (first, second):
        details = {"name": child.name, "date_of_birth": "2011-03-14", "address": child.address}
        await partnership.tell("referral", referral, "SAFE_SCHOOLS_OFFICER", linked_person(child.id, **details))
        opening = world.opened_disposal(case, child.id, details)
        await partnership.tell("disposal", disposals[child.id], "YJS_CASE_MANAGER", opening)
    await partnership.tell("education", session, "SUPERVISOR", world.planned_session())
    for child in (first, second):
        booked = {"type": "BookPlace", "person_id": str(child.id), "case_id": str(case)}
        await partnership.tell(
            "education", session, "SUPERVISOR", booked | {"occurred_at": "2026-03-03T10:00:00+00:00"}
        )
    delivered = {"type": "DeliverSession", "headcount": 2, "occurred_at": "2026-03-20T13:00:00+00:00"}
    await partnership.tell("education", session, "SUPERVISOR", delivered)
    for child in (first, second):
        attendance = {"type": "RecordAttendance", "person_id": str(child.id), "status": "ATTENDED", "hours_credited": 3}
        more = {"complied": True, "evidence": child.evidence, "occurred_at": "2026-03-20T14:00:00+00:00"}
        await partnership.tell("education", session, "SUPERVISOR", attendance | more)
    for body in (
        {"type": "AcknowledgeReferral"},
        {"type": "TriageReferral", "outcome": "ADVICE_ONLY", "rationale_text": f"It helps {second.name}."},
        {"type": "GiveAdvice", "to": "CHILD", "topic": "RETAIL"},
        {"type": "CloseReferral", "reason": "ADVICE_GIVEN"},
    ):
        await partnership.tell("referral", referral, "SAFE_SCHOOLS_OFFICER", body)
    await partnership.carry()
    return Story(case, first, second, referral, narrative, frozenset({referral, disposals[first.id], session}))


async def ask(
    settings: IsolatedSettings, urls: list[str], person: UUID, folder: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    """Run `ooc subject-access`."""
    command = ("subject-access", str(person), "--basis", "DPA_2018_SECTION_45", "-o", str(folder))
    return await world.run_ooc(settings, urls, *command, *options)


def texts_of(folder: Path) -> tuple[str, str]:
    """Return the texts of the copy: of the JSON, and of the PDF without line breaks."""
    printed = pdf_text((folder / "subject-access.pdf").read_bytes()).replace(" ", "")
    return (folder / "subject-access.json").read_text(encoding="utf-8"), printed


async def test_a_child_gets_what_is_held_and_nothing_of_the_other_child(
    partnership: Partnership, settings: IsolatedSettings, urls: list[str], tmp_path: Path
) -> None:
    """Given two children in one case, then the copy has each record and value of the first, and no mark or id of the second."""
    case = await story(partnership)
    asked = await ask(settings, urls, case.first.id, tmp_path)
    assert asked.returncode == 0, asked.stderr
    text, printed = texts_of(tmp_path)
    copy = json.loads(text)
    assert {UUID(one["id"]) for one in copy["records"]} == case.records
    for mark in case.first.marks:
        assert mark in text, mark
    for mark in (case.first.name, case.first.address, case.first.evidence):
        assert "".join(mark.split()) in printed, mark
    for content in (text, printed, asked.stdout, asked.stderr):
        for mark in (*case.second.marks, str(case.second.id), case.narrative):
            assert mark not in content
            assert "".join(mark.split()) not in content
    assert "another person 1" in text
    assert {one["service"] for one in copy["records"]} == {"referral", "disposal", "education"}
    assert any(one["field"] == "narrative" for record in copy["records"] for one in record["not_shown"])
    assert (tmp_path / "subject-access.json").stat().st_mode & 0o777 == 0o600


async def test_a_case_that_somebody_has_read_is_shown_with_its_free_texts(
    partnership: Partnership, settings: IsolatedSettings, urls: list[str], tmp_path: Path
) -> None:
    """Given an officer who names the case, then its free texts are in the copy, and the other child's own values are not."""
    case = await story(partnership)
    asked = await ask(settings, urls, case.first.id, tmp_path, "--free-texts", str(case.case))
    assert asked.returncode == 0, asked.stderr
    text, _ = texts_of(tmp_path)
    assert json.dumps(case.narrative, ensure_ascii=False)[1:-1] in text
    assert case.second.address not in text
    assert case.second.evidence not in text


async def test_each_read_is_in_the_access_log_with_its_reason_and_law(
    partnership: Partnership, settings: IsolatedSettings, urls: list[str], tmp_path: Path
) -> None:
    """Given a copy, then each record's log has the read with SUBJECT_ACCESS and the law, and the copy says who had looked."""
    case = await story(partnership)
    path = f"/v1/referrals/{case.referral}"
    await partnership.read("referral", path, await partnership.token("SUPERVISOR"))
    assert (await ask(settings, urls, case.first.id, tmp_path)).returncode == 0
    answer = await partnership.read(
        "referral", f"/v1/access?record={case.referral}", await partnership.token("AUDITOR")
    )
    lines = [(one["role"], one["reason"], one["action"], one["target"]) for one in answer.json()["lines"]]
    target = f"referral/{case.referral}/subject-access/DPA_2018_SECTION_45"
    assert (OFFICER, "SUBJECT_ACCESS", "READ_DATA_RIGHTS", target) in lines
    assert any(action == "OPEN_FIELDS" and reason == "SUBJECT_ACCESS" for _, reason, action, _ in lines)
    looked = json.loads(texts_of(tmp_path)[0])["looked"]
    assert ("SUPERVISOR", "CASE_REVIEW", "READ_STATE") in {(x["role"], x["reason"], x["action"]) for x in looked}
    assert not any("actor" in line for line in looked)


async def test_a_restricted_person_still_gets_the_copy(
    partnership: Partnership, settings: IsolatedSettings, urls: list[str], tmp_path: Path
) -> None:
    """Given restricted processing, then the copy is whole and says that the data are restricted."""
    case = await story(partnership)
    restricted = await decide(partnership, "referral", case.first.id, "restrict", basis="PRINCIPLE_INFRINGED")
    assert restricted.status_code == 200
    assert (await ask(settings, urls, case.first.id, tmp_path)).returncode == 0
    text, printed = texts_of(tmp_path)
    assert case.first.address in text
    assert "theirprocessingisrestricted" in printed


async def test_a_forgotten_child_gets_no_copy_and_learns_when_and_what_remains(
    partnership: Partnership, settings: IsolatedSettings, urls: list[str], tmp_path: Path
) -> None:
    """Given a child who is forgotten, then the refusal says the day and the records, and no file is written."""
    record = await world.rejected_referral(partnership)
    assert [answer.status_code for answer in await forget(partnership, record)] == [200] * len(world.SERVICES)
    asked = await ask(settings, urls, record.person, tmp_path / "copy")
    assert asked.returncode == 1
    assert "is forgotten (referral on " in asked.stderr
    assert f"referral/{record.stream} (CLOSED)" in asked.stderr
    assert not (tmp_path / "copy").exists()


async def read_held(partnership: Partnership, token: str, person: UUID, record: UUID) -> httpx2.Response:
    """Ask the referral service for what a record holds about a person."""
    headers = {"Authorization": f"Bearer {token}", "Access-Reason": "SUBJECT_ACCESS"}
    path = f"/v1/people/{person}/records/{record}"
    return await partnership.clients["referral"].get(path, params={"basis": "UK_GDPR_ARTICLE_15"}, headers=headers)


async def test_subject_access_is_for_the_data_protection_officer_alone(partnership: Partnership) -> None:
    """Given any other role, then 403; given another area, person or record, or no law, then nothing is shown either."""
    case = await story(partnership)
    for role in sorted(set(Role) - {Role.SYSTEM}):
        answer = await read_held(partnership, await partnership.token(role), case.first.id, case.referral)
        assert answer.status_code == (200 if role == OFFICER else 403), (role, answer.text)
    token = await partnership.token(OFFICER)
    away = await partnership.token(OFFICER, area="DEVON")
    for bearer, person, record in (
        (away, case.first.id, case.referral),
        (token, uuid4(), case.referral),
        (token, case.first.id, uuid4()),
    ):
        answer = await read_held(partnership, bearer, person, record)
        assert answer.status_code == 404, answer.text
        assert case.first.name not in answer.text
    path = f"/v1/people/{case.first.id}/records/{case.referral}"
    nothing: Any = await partnership.read("referral", path, token)
    assert nothing.status_code == 422
