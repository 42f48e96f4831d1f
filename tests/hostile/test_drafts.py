"""A draft is its person's alone: no route shows or changes another's by its id; and none outlives its day."""

import asyncio
from base64 import b64encode
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import uuid4

import psutil
import pytest
from starlette.routing import Route

from services.console.application import routes
from services.console.schools.questions import QUESTIONS
from services.console.sessions import LONGEST_BYTES, MOST_BYTES, Draft
from tests.hostile import test_sessions
from tests.hostile.test_sessions import World
from tests.unit.console.test_workbook import workbook

world = test_sessions.world

TYPED: Final = "what-somebody-typed"
FORM: Final = f"/records/referrals/{uuid4()}/do/RaiseSafeguardingConcern"
DOORS: Final = sorted(
    (method, route.path)
    for route in routes()
    if isinstance(route, Route) and "{draft}" in route.path
    for method in route.methods or ()
    if method != "HEAD"
)


def draft_of(command: str, *, guided: bool) -> Draft:
    """Return a draft of a form, a report or a register, with a text in all that is typed."""
    answers = {"narrative": [TYPED], "errors": [f"2\t\t{TYPED}"], "rows": ["1"], "imported": ["0"], "repeated": ["0"]}
    return Draft(uuid4(), "referral", uuid4(), command, 0, answers, {"R1": TYPED}, str(uuid4()), guided=guided)


@pytest.mark.parametrize(
    "draft",
    [
        draft_of("RaiseSafeguardingConcern", guided=False),
        draft_of("ReceiveReferral", guided=True),
        draft_of("Import", guided=False),
    ],
    ids=lambda draft: draft.command,
)
async def test_no_door_shows_or_changes_the_draft_of_another(world: World, draft: Draft) -> None:
    """Given a draft of somebody, when another asks for it at every route by its id, then nothing of it is told or changed."""
    owner, other = await world.session(), await world.session()
    drafts = world.console.drafts
    await drafts.save(owner.person, draft)
    world.as_person(other)
    form = {"csrf": other.csrf, "key": str(draft.id), "version": "1", "narrative": "mine", "file": ""}
    for method, path in DOORS:
        address = path.replace("{draft}", str(draft.id)).replace("{question}", "what")
        answer = await world.http.request(method, address, data=form if method == "POST" else None)
        assert TYPED not in answer.text, (method, path)
        assert answer.status_code in {303, 403, 404, 410, 422, 503}, (method, path, answer.status_code)
        assert TYPED not in answer.headers.get("location", "")
    for address in (f"{FORM}?draft={draft.id}", "/", f"/begin?draft={draft.id}"):
        assert TYPED not in (await world.http.get(address)).text
    await world.leave(60)
    assert (await world.http.post(FORM, data=form)).status_code == 200, "kept as the other's own"
    mine = await drafts.find(other.person, draft.id)
    assert mine is not None
    assert mine.answers == {"narrative": ["mine"], "file": [""]}
    assert await drafts.find(owner.person, draft.id) == draft
    assert [one.answers for one in await drafts.list(other.person)] == [mine.answers]


async def test_the_doors_are_all_there() -> None:
    """Every kind of draft has its routes among those that are tried."""
    assert {path.split("/")[1] for _, path in DOORS} == {"drafts", "report", "import"}
    assert len(DOORS) > 10


async def test_no_draft_is_prolonged_without_end(world: World) -> None:
    """Given a draft that is changed each day, then it ends a week after it was begun; typed again, it is another."""
    person, drafts = (await world.session()).person, world.console.drafts
    draft = draft_of("RaiseSafeguardingConcern", guided=False)
    await drafts.save(person, draft)
    await world.owner.execute("update draft set begun_at = begun_at - interval '6 days 23 hours'")
    await drafts.save(person, draft)
    left = await world.owner.fetchval("select ends_at - now() from draft")
    assert timedelta(0) < left <= timedelta(hours=1)
    await world.owner.execute("update draft set ends_at = now() - interval '1 second'")
    assert await drafts.find(person, draft.id) is None
    await drafts.save(person, draft)
    assert await drafts.find(person, draft.id) == draft
    assert await world.owner.fetchval("select ends_at - begun_at > interval '19 hours' from draft")


async def test_no_draft_grows_without_end(world: World) -> None:
    """Given a session that sleeps, when one answer after another is sent to be kept, then the draft is refused in the end."""
    session = await world.session()
    world.as_person(session)
    await world.leave(60)
    form, answers = f"/report/{uuid4()}/{QUESTIONS[0].name}", []
    for number in range(LONGEST_BYTES // 250_000 + 1):
        form_data = {"csrf": session.csrf, f"answer{number}": "x" * 250_000}
        answers.append((await world.http.post(form, data=form_data)).status_code)
    assert (answers[0], answers[-1]) == (200, 413)


async def test_drafts_of_a_person_fill_no_disk(world: World) -> None:
    """Given a person who keeps one form after another, then the latest stay, and none of others goes."""
    person, other, drafts = (await world.session()).person, (await world.session()).person, world.console.drafts
    kept = draft_of("RaiseSafeguardingConcern", guided=False)
    await drafts.save(other, kept)
    text = {"narrative": ["x" * 3_000_000]}
    many = [replace(kept, id=uuid4(), answers=text) for _ in range(MOST_BYTES // 3_000_000 + 2)]
    for draft in many:
        await drafts.save(person, draft)
    assert await world.owner.fetchval("select sum(octet_length(sealed)) from draft") < MOST_BYTES + 10_000
    assert await drafts.find(person, many[-1].id) == many[-1]
    assert await drafts.find(other, kept.id) == kept


async def test_what_has_ended_is_removed_with_the_next_sign_in(world: World) -> None:
    """Given a draft, a session and a time that have ended, when somebody signs in, then no row of them is left."""
    old = await world.session()
    await world.console.drafts.save(old.person, draft_of("RaiseSafeguardingConcern", guided=False))
    await world.owner.execute("update draft set ends_at = now() - interval '1 second'")
    await world.owner.execute("update session set ends_at = now() - interval '1 day'")
    await world.session()
    assert await world.owner.fetchval("select count(*) from draft") == 0
    assert await world.owner.fetchval("select count(*) from session") == 1


def register_draft() -> Draft:
    """Return the draft of a workbook in which a row has an error."""
    content = b64encode(workbook(("reference", "source"), ("A1", "x"))).decode()
    kept = draft_of("Import", guided=False)
    return replace(kept, answers=kept.answers | {"file": [content], "name": ["cases.xlsx"], "register": ["cases"]})


def readers() -> int:
    """Count the processes that read a workbook for the console."""
    found = 0
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # it has just ended
            found += "workbook.py" in " ".join(child.cmdline())
    return found


@pytest.mark.parametrize("times", [1, 4])
async def test_a_workbook_that_is_read_again_keeps_nobody_waiting(world: World, times: int) -> None:
    """Given a workbook whose errors are asked for, then the console goes on while it is read, and no two are read at once."""
    owner, draft = await world.session(), register_draft()
    await world.console.drafts.save(owner.person, draft)
    world.as_person(owner)
    asked = asyncio.gather(*(world.http.get(f"/import/{draft.id}/errors") for _ in range(times)))
    at_once = set()
    while not asked.done():
        at_once.add(readers())
        assert (await world.http.get("/health/ready")).status_code == 200
    assert {answer.status_code for answer in await asked} == {200}
    assert max(at_once) == 1


async def test_a_register_is_read_for_those_alone_who_may_import(world: World) -> None:
    """Given an officer who has made a draft that is a register, then no door of the import opens it."""
    officer, draft = replace(await world.session(), role="SAFE_SCHOOLS_OFFICER"), register_draft()
    await world.console.sessions.change(officer.key, lambda kept: replace(kept, role=officer.role))
    await world.console.drafts.save(officer.person, draft)
    world.as_person(officer)
    for address in (f"/import/{draft.id}", f"/import/{draft.id}/errors"):
        assert (await world.http.get(address)).status_code == 403
    answer = await world.http.post(f"/import/{draft.id}", data={"csrf": officer.csrf})
    assert answer.status_code == 403
