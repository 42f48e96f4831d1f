"""Reports of `ooc verify` are kept for auditors, and whoever deletes or invents one is named."""

import hashlib
import json
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest

from services.reporting.queries.verifications import report_problems
from services.trade.vocabulary import Role
from shared.runtime.privileges import RoleKind, role_name
from tests.hostile import partnership as world
from tests.hostile.partnership import Partnership, person_in

settings, partnership, pytestmark = world.settings, world.one_partnership, world.ONE_LOOP

FINDING: Final = {"service": "referral", "check": "chains whole", "looked_at": "3 events", "problems": []}
TIMES: Final = {"started_at": "2026-11-26T10:00:00+00:00", "ended_at": "2026-11-26T10:00:09+00:00"}


async def keep(partnership: Partnership, report: dict[str, Any], role: str = "AUDITOR") -> httpx2.Response:
    """Have a report kept."""
    headers = {"Authorization": f"Bearer {await partnership.token(role)}", "Access-Reason": "AUDIT"}
    return await partnership.clients["reporting"].post("/v1/verifications", json=report, headers=headers)


def report(*problems: str) -> dict[str, Any]:
    """Return a report with one check."""
    return {**TIMES, "whole": not problems, "findings": [{**FINDING, "problems": list(problems)}]}


async def problems_of(partnership: Partnership, about: str) -> list[str]:
    """Return what `ooc verify` says of one report, by its own database role."""
    pool = await asyncpg.create_pool(
        partnership.settings.database("reporting", role_name(RoleKind.VERIFY)), min_size=1, max_size=1
    )
    found = [line for line in await report_problems(pool) if about in line]
    await pool.close()
    return found


async def test_a_report_is_kept_to_the_byte_with_its_hash_in_the_access_log(partnership: Partnership) -> None:
    """Given a report of a break, then its bytes are kept, and the log has their SHA-256 under the auditor's name."""
    answer = await keep(partnership, report("position 3: the hash does not follow"))
    assert answer.status_code == 201, answer.text
    kept = answer.json()
    assert kept["whole"] is False
    assert kept["kept_by"] == str(person_in("AUDITOR"))
    owner = await asyncpg.connect(partnership.settings.database("reporting", "postgres"))
    id_ = UUID(kept["verification_id"])
    stored = await owner.fetchval("select report from verification_report where id = $1", id_)
    assert json.loads(stored) == report("position 3: the hash does not follow")
    assert kept["sha256"] == hashlib.sha256(stored).hexdigest()
    target = f"reporting/verifications/{id_}/sha256:{kept['sha256']}"
    (line,) = await owner.fetch("select role, action, outcome from access_log where target = $1", target)
    assert tuple(line) == ("AUDITOR", "KEEP_VERIFICATION", "GIVEN")
    await owner.close()
    assert await problems_of(partnership, str(id_)) == []


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.SYSTEM}))
async def test_reports_are_for_auditors_alone(partnership: Partnership, role: str) -> None:
    """Given any other role, then nothing is kept or shown (403), and the attempt is logged."""
    answer = await keep(partnership, report(), role)
    assert answer.status_code == (201 if role == Role.AUDITOR else 403)
    if role != Role.AUDITOR:
        read = await partnership.read("reporting", "/v1/verifications/latest", await partnership.token(role))
        assert read.status_code == 403
        owner = await asyncpg.connect(partnership.settings.database("reporting", "postgres"))
        refused = (
            "select count(*) from access_log where action = 'KEEP_VERIFICATION' and role = $1 and outcome = 'FORBIDDEN'"
        )
        assert await owner.fetchval(refused, role) > 0
        await owner.close()


@pytest.mark.parametrize(
    "wrong",
    [
        report("broken") | {"whole": True},
        report() | {"whole": False},
        report() | {"findings": []},
        {name: value for name, value in report().items() if name != "ended_at"},
        report() | {"more": 1},
    ],
    ids=["says whole of a break", "says broken of nothing", "looked at nothing", "has no end", "says more"],
)
async def test_a_report_that_contradicts_itself_is_not_kept(partnership: Partnership, wrong: dict[str, Any]) -> None:
    """Given a report whose verdict is not that of its findings, or that lacks a part, then it is malformed (422)."""
    assert (await keep(partnership, wrong)).status_code == 422


async def test_a_report_that_is_deleted_or_invented_is_named(partnership: Partnership) -> None:
    """Given somebody with the whole database who deletes a report or adds one, then verification names each."""
    gone = (await keep(partnership, report("broken"))).json()["verification_id"]
    owner = await asyncpg.connect(partnership.settings.database("reporting", "postgres"))
    api = await asyncpg.connect(partnership.settings.database("reporting", role_name(RoleKind.API, "reporting")))
    for statement in ("delete from verification_report", "update verification_report set whole = true"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await api.execute(statement)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await owner.execute(statement)
    await api.close()
    body, invented = json.dumps(report()).encode(), uuid4()
    async with owner.transaction():
        await owner.execute("set local session_replication_role = replica")
        await owner.execute("delete from verification_report where id = $1", UUID(gone))
        await owner.execute(
            "insert into verification_report (id, actor, whole, report, sha256) values ($1, $2, true, $3, sha256($3))",
            invented,
            uuid4(),
            body,
        )
    (line,) = await problems_of(partnership, gone)
    assert "the access log records it, and it is not kept" in line
    (line,) = await problems_of(partnership, str(invented))
    assert "no line of the access log records it" in line
    async with owner.transaction():
        await owner.execute("set local session_replication_role = replica")
        await owner.execute("delete from verification_report where id = $1", invented)
    await owner.close()
