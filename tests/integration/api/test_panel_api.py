"""A sitting over HTTP: its papers, and what is left of it when a case is forgotten, on a real database with real keys."""

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest

from services.panel.service import service
from shared.domain.sealing import key_ids_in
from shared.privacy.keyring import CACHED_SECONDS, KeyEncryptionKeys, PostgresKeyring
from shared.runtime.privileges import RoleKind, role_name
from shared.servers import database as connections
from shared.servers.settings import Settings
from tests.integration.api.conftest import Client, api_of
from tests.pdf import pdf_text

CHAIR = "YJS_CASE_MANAGER"


@pytest.fixture
async def api(settings: Settings, issuer: str) -> AsyncIterator[Client]:
    async with api_of(service, settings, issuer) as client:
        yield client


@dataclass(frozen=True)
class Case:
    """A case on the agenda."""

    case: UUID = field(default_factory=uuid4)
    disposal: UUID = field(default_factory=uuid4)
    child: UUID = field(default_factory=uuid4)


async def send(api: Client, stream: UUID, step: dict[str, Any], *, dry_run: bool = False) -> httpx2.Response:
    """Send a command as the chair."""
    return await api.send(stream, {"occurred_at": "2026-03-10T10:30:00+00:00", **step}, role=CHAIR, dry_run=dry_run)


async def sat(api: Client, stream: UUID, *cases: Case) -> None:
    """Let the panel consider each case, and close the sitting."""
    members = [
        {"officer_id": str(uuid4()), "kind": kind, "organisation": "Merrowshire Council", "present": True}
        for kind in ("POLICE", "YJS")
    ]
    steps: list[dict[str, Any]] = [
        {"type": "PlanSitting", "starts_at": "2026-03-10T10:00:00Z", "place": "Court house", "chair": str(uuid4())},
        *(
            {
                "type": "AddToAgenda",
                "disposal_id": str(one.disposal),
                "case_id": str(one.case),
                "person_id": str(one.child),
            }
            for one in cases
        ),
        {"type": "RecordMembers", "members": members},
        *(
            {
                "type": "ConsiderCase",
                "disposal_id": str(one.disposal),
                "recommended": "YC",
                "reasons": f"Reasons {number}",
                "parent_view": f"Words {number}",
                "rationale": {"P4": f"Silence {number}"},
            }
            for number, one in enumerate(cases)
        ),
        {"type": "CloseSitting"},
    ]
    for step in steps:
        answer = await send(api, stream, step)
        assert answer.status_code == 201, answer.text


async def test_minutes_and_extract_are_printed(api: Client) -> None:
    """Given a closed sitting, then its minutes hold every case, and an extract the case that is asked for."""
    stream, one, other = uuid4(), Case(), Case()
    await sat(api, stream, one, other)
    path = f"/v1/sittings/{stream}/documents"
    minutes = pdf_text((await api.read(f"{path}/minutes", role=CHAIR)).content)
    assert "Reasons 0" in minutes
    assert "Reasons 1" in minutes
    extract = pdf_text((await api.read(f"{path}/extract?item={other.disposal}", role=CHAIR)).content)
    assert "Reasons 1" in extract
    assert "Reasons 0" not in extract
    assert (await api.read(f"{path}/extract", role=CHAIR)).status_code == 422
    assert (await api.read(f"{path}/extract?item={uuid4()}", role=CHAIR)).status_code == 404


async def test_forgetting_a_case_reaches_what_the_panel_said_of_it(
    api: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given two cases, when the key of one is destroyed, then its words and rationale are unreadable; the other's, and the sitting, stay."""
    stream, one, other = uuid4(), Case(), Case()
    await sat(api, stream, one, other)
    owner = await asyncpg.connect(settings.database(service.name, role_name(RoleKind.VERIFY)))
    rows = await owner.fetch("select home, body from event where stream = $1", f"panel/{stream}")
    await owner.close()
    assert {row["home"] for row in rows} == {stream}
    considered = [body for row in rows if b"CaseConsidered" in (body := row["body"])]
    assert [{subject for subject, _ in key_ids_in(body)} for body in considered] == [
        {f"home/{one.case}"},
        {f"home/{other.case}"},
    ]
    app: Any = api.http._transport
    pool = await connections.create_pool(settings.database("keyring", role_name(RoleKind.ERASURE)), max_size=1)
    await PostgresKeyring(pool, KeyEncryptionKeys.of(settings)).destroy(f"home/{one.case}")
    await pool.close()
    monkeypatch.setattr(app.app.state.deps.handler.keyring, "_clock", lambda: time.monotonic() + CACHED_SECONDS)
    minutes = pdf_text((await api.read(f"/v1/sittings/{stream}/documents/minutes", role=CHAIR)).content)
    history = json.dumps((await api.read(f"/v1/sittings/{stream}/history", role=CHAIR)).json())
    for text in (minutes, history):
        assert "Reasons 0" not in text
        assert "Words 0" not in text
        assert "Reasons 1" in text
    assert "Silence 0" not in history
    assert "Silence 1" in history
    assert "Court house" in minutes
    assert "[erased]" in minutes


async def test_subject_access_opens_the_words_of_ones_own_case(api: Client) -> None:
    """Given two cases, when a child's copy is made, then it has what was said of that child and nothing of the other."""
    stream, one, other = uuid4(), Case(), Case()
    await sat(api, stream, one, other)
    query = "basis=DPA_2018_SECTION_45&free_texts=true"
    copy = await api.read(
        f"/v1/people/{one.child}/records/{stream}?{query}", role="DATA_PROTECTION_OFFICER", reason="SUBJECT_ACCESS"
    )
    assert copy.status_code == 200, copy.text
    assert "Words 0" in copy.text
    assert "Words 1" not in copy.text
    assert "Reasons 1" not in copy.text


async def test_who_investigates_a_case_does_not_vote_on_it(api: Client, settings: Settings) -> None:
    """Given a member of whom the disposal says that they investigate, when they vote, then P3 refuses it; abstaining, it is recorded; what another area's disposal says is nothing to it."""
    stream, one, officer = uuid4(), Case(), uuid4()
    members = [
        {"officer_id": str(id_), "kind": kind, "organisation": "Merrowshire Council", "present": True}
        for id_, kind in ((officer, "POLICE"), (uuid4(), "YJS"))
    ]
    listed = {"disposal_id": str(one.disposal), "case_id": str(one.case), "person_id": str(one.child)}
    plan = {"type": "PlanSitting", "starts_at": "2026-03-10T10:00:00Z", "place": "Court house", "chair": str(uuid4())}
    for step in (plan, {"type": "AddToAgenda", **listed}, {"type": "RecordMembers", "members": members}):
        assert (await send(api, stream, step)).status_code == 201
    worker = await asyncpg.connect(settings.database(service.name, role_name(RoleKind.WORKER, service.name)))
    keep, mark = "insert into linked_mark values ($1, $2)", f"disposal.INVESTIGATES:{officer}"
    await worker.execute(keep, one.case, f"{mark}@POOLE")
    consider = {
        "type": "ConsiderCase",
        "disposal_id": str(one.disposal),
        "recommended": "YC",
        "reasons": "So.",
        "child_view": "Sorry.",
    }
    elsewhere = await send(api, stream, consider, dry_run=True)
    assert elsewhere.status_code == 200, elsewhere.text
    await worker.execute(keep, one.case, f"{mark}@DORSET")
    await worker.close()
    refused = await send(api, stream, consider)
    assert (refused.status_code, [rule["id"] for rule in refused.json()["rules"]]) == (422, ["P3"])
    assert (await send(api, stream, consider | {"abstaining": [str(officer)]})).status_code == 201


async def test_a_restricted_child_is_read_by_data_protection_alone(api: Client) -> None:
    """Given a child whose processing is restricted, when a sitting of two cases is read, then that child's words stay closed and no minutes are printed."""
    stream, one, other = uuid4(), Case(), Case()
    await sat(api, stream, one, other)
    officer = {"Authorization": f"Bearer {await api.token('DATA_PROTECTION_OFFICER')}", "Access-Reason": "COURT"}
    query = {"basis": "COURT_ORDER"}
    answer = await api.http.post(f"/v1/people/{one.child}/restrict", params=query, headers=officer)
    assert answer.status_code == 200, answer.text
    history = (await api.read(f"/v1/sittings/{stream}/history", role=CHAIR)).text
    assert "Words 0" not in history
    assert "Silence 0" not in history
    assert "Words 1" in history
    assert "Court house" in history
    assert (await api.read(f"/v1/sittings/{stream}/documents/minutes", role=CHAIR)).status_code == 403
    path = f"/v1/sittings/{stream}/history"
    assert "Words 0" in (await api.read(path, role="DATA_PROTECTION_OFFICER", reason="COURT")).text
