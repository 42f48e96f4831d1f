"""A frozen return answers the same bytes for ever, shows what today would answer, and why; a change to it is found."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from datetime import date
from typing import Any, Final
from uuid import uuid4

import asyncpg
import httpx2
import pytest

from services.reporting.queries.timeline import Opened
from services.reporting.returns.extract import extract_of
from services.reporting.returns.frozen import ReturnQuestion, compare_with_today, prepare_return, reproduction_problems
from shared.domain.envelope import Fact
from shared.domain.messages import Actor
from shared.runtime.privileges import RoleKind, role_name
from tests.hostile import partnership as world
from tests.hostile.partnership import Partnership
from tests.hostile.test_forgetting import decide
from tests.integration.reporting.recorded_scenarios import play, project, reader

settings, partnership = world.settings, world.partnership

TODAY: Final = date.today().isoformat()  # noqa: DTZ011 - the day on which the test's events occur
DIVERTED: Final = {
    "type": "DecideDisposal",
    "decision": "OUTCOME_22",
    "rationale_text": "So.",
    "public_interest": "So.",
    "rationale": {"A1": "Seen at school."},
}
QUESTION: Final = {"measure": "workload", "from": "2026-04-01", "to": TODAY}


async def freeze(
    partnership: Partnership, *, role: str = "ANALYST", key: str | None = None, **question: str
) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {await partnership.token(role)}", "Idempotency-Key": key or str(uuid4())}
    return await partnership.clients["reporting"].post("/v1/returns", json=QUESTION | question, headers=headers)


async def frozen(partnership: Partnership, **question: str) -> dict[str, Any]:
    """Return the line of a return that is frozen now."""
    await world.referral(partnership)
    await partnership.carry()
    answer = await freeze(partnership, **question)
    assert answer.status_code == 201, answer.text
    line: dict[str, Any] = answer.json()
    return line


async def read(partnership: Partnership, path: str, role: str = "ANALYST") -> httpx2.Response:
    return await partnership.read("reporting", f"/v1/returns{path}", await partnership.token(role))


async def problems(partnership: Partnership) -> list[str]:
    """List what verification says of the returns, in its own database role."""
    role = role_name(RoleKind.VERIFY)
    async with asyncpg.create_pool(
        partnership.settings.database("reporting", role), min_size=1, max_size=2
    ) as database:
        return await reproduction_problems(database)


async def test_a_frozen_return_keeps_its_bytes_while_the_count_moves_on(partnership: Partnership) -> None:
    """Given a later referral, then the return answers the same bytes, beside them today's answer, and its events to who may see the record."""
    line = await frozen(partnership)
    path = f"/{line['return_id']}"
    before = await read(partnership, f"{path}/answer")
    assert hashlib.sha256(before.content).hexdigest() == line["sha256"]
    today = (await read(partnership, path)).json()["today"]
    assert (today["reproduced"], today["differences"], today["because"]) == (True, [], [])
    assert today["answer"] == json.loads(before.content)
    line_open = today["answer"]["open"]

    later = await world.referral(partnership)
    await partnership.carry()
    after = (await read(partnership, path)).json()
    assert (await read(partnership, f"{path}/answer")).content == before.content
    assert after["answer"] == json.loads(before.content)
    assert after["today"]["reproduced"] is True
    differences = {difference["column"]: difference for difference in after["today"]["differences"]}
    assert differences["open"] == {"column": "open", "frozen": line_open, "today": line_open + 1}
    assert "later event" in " ".join(after["today"]["because"])
    for role, streams in (("SUPERVISOR", {f"referral/{later.stream}"}), ("ANALYST", set())):
        shown = (await read(partnership, path, role)).json()["today"]
        assert {event["stream"] for event in shown["later_events"]} == streams, role
        assert shown["later_events_total"] > 0
    assert await problems(partnership) == []


async def test_events_that_a_measure_does_not_count_are_no_reason(partnership: Partnership) -> None:
    """Given later referrals of which the measure counts nothing, then nothing differs and no event is named."""
    line = await frozen(partnership, measure="kpi6")
    await world.referral(partnership)
    await partnership.carry()
    today = (await read(partnership, f"/{line['return_id']}")).json()["today"]
    assert (today["differences"], today["later_events"], today["because"]) == ([], [], [])


async def test_a_return_is_frozen_once_for_a_key(partnership: Partnership) -> None:
    """Given the same key twice, then one return; given another question under it, then the request is malformed."""
    key = str(uuid4())
    first = await freeze(partnership, key=key)
    await world.referral(partnership)
    await partnership.carry()
    assert (await freeze(partnership, key=key)).json() == first.json()
    other = await freeze(partnership, key=key, measure="kpi6")
    assert other.status_code == 422
    assert "used before" in other.text
    again = str(uuid4())
    both = await asyncio.gather(*(freeze(partnership, key=again) for _ in range(4)))
    assert [answer.status_code for answer in both] == [201] * 4
    assert len({answer.json()["return_id"] for answer in both}) == 1
    assert await problems(partnership) == []


async def test_only_an_analyst_freezes_and_only_some_read(partnership: Partnership) -> None:
    """Given other roles, then they freeze nothing; a supervisor and an auditor read; a school does not."""
    line = await frozen(partnership)
    for role in ("SUPERVISOR", "AUDITOR", "SAFE_SCHOOLS_OFFICER", "SCHOOL"):
        assert (await freeze(partnership, role=role)).status_code == 403, role
    for role, status in (("SUPERVISOR", 200), ("AUDITOR", 200), ("SAFE_SCHOOLS_OFFICER", 403), ("SCHOOL", 403)):
        assert (await read(partnership, "", role)).status_code == status, role
        assert (await read(partnership, f"/{line['return_id']}", role)).status_code == status, role
    listed = (await read(partnership, "")).json()["returns"]
    assert line in listed
    assert (await read(partnership, f"/{uuid4()}")).status_code == 404
    assert await problems(partnership) == []


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ({"measure": "kpi77"}, "kpi77"),
        ({"to": "2026-03-01"}, "ends on"),
        ({"group_by": "shoe_size"}, "shoe_size"),
        ({"from": "yesterday"}, "from"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_question_that_cannot_be_answered_is_malformed(
    partnership: Partnership, question: dict[str, str], field: str
) -> None:
    """Given an unknown measure, a period that ends before it begins, and the like, then 422 says which."""
    answer = await freeze(partnership, **question)
    assert answer.status_code == 422
    assert field in answer.text


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("update frozen_return set answer = '{{}}', sha256 = sha256('{{}}') where id = '{id}'", "give another|no line"),
        ("delete from frozen_return where id = '{id}'", "it is not kept"),
    ],
)
async def test_a_return_that_was_changed_is_found(partnership: Partnership, change: str, found: str) -> None:
    """Given a return altered or deleted by the owner of the database, then verification names it."""
    line = await frozen(partnership)
    owner = await asyncpg.connect(partnership.settings.database("reporting", "postgres"))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await owner.execute(change.format(id=line["return_id"]))
        async with owner.transaction():
            await owner.execute("alter table frozen_return disable trigger all")
            await owner.execute(change.format(id=line["return_id"]))
            await owner.execute("alter table frozen_return enable trigger all")
    finally:
        await owner.close()
    reported = await problems(partnership)
    assert any(line["return_id"] in problem for problem in reported), reported
    assert re.search(found, " ".join(reported)), reported


async def frozen_before(
    pool: asyncpg.Pool[asyncpg.Record], story: str, event: str, period: tuple[date, date]
) -> tuple[Fact, Opened]:
    """Freeze first-time entrants as a story stood before an event; return the event, and the comparison after it."""
    played = play(story)
    place = next(n for n, fact in enumerate(played.facts) if fact.name == event)
    analyst = Actor(id=uuid4(), role="ANALYST", organisation="POLICE", labels={"area": "EVERY"})
    await project(pool, played.facts[:place], 500)
    item = await prepare_return(pool, uuid4(), ReturnQuestion("fte", *period), analyst, None)
    await project(pool, played.facts[place : place + 1], 1)
    return played.facts[place], await compare_with_today(pool, item, None, reader(), played.memory.keyring)


async def test_a_merge_is_told_as_the_reason_of_a_difference(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Given two first-time entrants in a return who are merged later, then it is reproduced, and the merge tells why today counts one."""
    merged, compared = await frozen_before(pool, "130", "PersonMerged", (date(2026, 1, 1), date(2026, 3, 31)))
    told = compared.answer
    assert told["reproduced"] is True
    assert {"column": "count", "frozen": 2, "today": 1} in told["differences"]
    assert [event["type"] for event in told["later_events"]] == [merged.envelope.type]
    assert told["because"] == ["1 later event changed what is counted; see later_events"]


async def test_an_annulment_is_told_with_its_reason(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Given a caution in a return that is quashed later, then the difference comes with the reason, opened for who may read it, and logged."""
    _, told = await frozen_before(pool, "114", "DisposalAnnulled", (date(2026, 6, 1), date(2026, 6, 30)))
    (event,) = told.answer["later_events"]
    assert [note["value"] for note in event["notes"]] == ["It was quashed."]
    assert "REASONS" in told.classes[event["stream"]]


async def test_the_extract_of_a_frozen_pack_stays_as_it_was(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Given the Board's worked example frozen before its correction, then its extract names the three children and five programmes, before and after."""
    played = play("133")
    place = next(n for n, fact in enumerate(played.facts) if fact.name == "RecordCorrected")
    analyst = Actor(id=uuid4(), role="ANALYST", organisation="POLICE", labels={"area": "EVERY"})
    await project(pool, played.facts[:place], 500)
    item = await prepare_return(
        pool, uuid4(), ReturnQuestion("pack", date(2026, 7, 1), date(2026, 9, 30)), analyst, None
    )
    before = await extract_of(pool, item, reader())
    await project(pool, played.facts[place:], 500)
    assert await extract_of(pool, item, reader()) == before
    assert (len(before["person_details"]), len(before["offence"])) == (3, 5)
    assert [row["residenceOnLegalOutcomeDate"] for row in before["offence"]].count("OTHER") == 1
    kinds = {row["cmsdisposalType"] for row in before["intervention_programme"]}
    assert kinds == {"youth_conditional_caution", "youth_caution", "community_resolution", "outcome_22"}


async def test_an_extract_is_given_of_a_pack_without_who_is_restricted(partnership: Partnership) -> None:
    """Given a frozen pack, then its extract is JSON or XML, for whom its figures are; a restricted child is in it no more, and another measure has none."""
    diverted = await world.disposal(partnership)
    for role, hour, body in (
        ("POLICE_DECISION_MAKER", 10, DIVERTED),
        ("YJS_CASE_MANAGER", 11, {"type": "RecordActivityUndertaken", "provider": "Boxing club"}),
        ("POLICE_DECISION_MAKER", 12, {"type": "AssignOutcome", "code": "22"}),
    ):
        at = {"occurred_at": f"2026-03-03T{hour}:00:00+00:00"}
        await partnership.tell("disposal", diverted.stream, role, body | at)
    line = await frozen(partnership, **{"measure": "pack", "from": "2026-01-01", "to": "2026-03-31"})
    path = f"/{line['return_id']}/extract"
    answer = await read(partnership, path)
    assert answer.status_code == 200, answer.text
    extract = answer.json()
    assert extract["source_return_id"] == line["return_id"]
    assert [row["legalOutcome"] for row in extract["offence"]] == ["Outcome 22"]
    assert str(diverted.person) not in answer.text
    written = await read(partnership, f"{path}?format=xml")
    assert written.headers["content-type"] == "application/xml"
    assert b"<legalOutcome>Outcome 22</legalOutcome>" in written.content
    assert (await read(partnership, path, "SAFE_SCHOOLS_OFFICER")).status_code == 403
    assert (await decide(partnership, "disposal", diverted.person, "restrict", basis="PRINCIPLE_INFRINGED")).is_success
    await partnership.carry()
    assert (await read(partnership, path)).json()["offence"] == []
    other = await freeze(partnership, measure="fte")
    refused = await read(partnership, f"/{other.json()['return_id']}/extract")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "return_id")
