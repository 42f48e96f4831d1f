"""Two requests at once: what one of them decides, the other has read, or it is refused."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from shared.runtime.privileges import RoleKind, role_name
from tests.hostile import partnership as world
from tests.hostile.partnership import Partnership, opened_disposal

settings, partnership = world.settings, world.partnership

DETAILS = {"name": "Robin Roe", "date_of_birth": "2011-03-14"}


def link(person: UUID, role: str = "HARMED", category: str = "VICTIM") -> dict[str, Any]:
    """Return the command that links a person."""
    ids = {"person_id": str(person), "role": role, "category": category}
    return {"type": "LinkPerson", **ids, "details": DETAILS, "rationale": {"N2": "Another one."}}


async def test_one_key_sent_at_once_records_once(partnership: Partnership) -> None:
    """Given one idempotency key at once with one body, with others, and by another person, then each person has recorded once."""
    made, token = await world.referral(partnership), await partnership.token("SAFE_SCHOOLS_OFFICER")
    key, body = str(uuid4()), link(uuid4())
    answers = await asyncio.gather(*(partnership.send("referral", made.stream, body, token, key) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    key = str(uuid4())
    answers = await asyncio.gather(
        *(partnership.send("referral", made.stream, link(uuid4()), token, key) for _ in range(6))
    )
    assert Counter(answer.status_code for answer in answers) == {201: 1, 422: 5}
    assert {answer.json()["type"] for answer in answers if answer.status_code == 422} == {"/problems/key-reused"}
    supervisor = await partnership.token("SUPERVISOR")
    first, other = await asyncio.gather(
        *(partnership.send("referral", made.stream, link(uuid4()), by, key) for by in (token, supervisor))
    )
    assert (first.status_code, other.status_code) == (422, 201), "a key is a person's own"


async def test_two_who_decide_on_the_same_version_decide_once(partnership: Partnership) -> None:
    """Given two windows that show the same version, when both allocate at once, then one has to read again."""
    made = await world.referral(partnership, "accepted")
    token = await partnership.token("SUPERVISOR")
    version = (await partnership.read("referral", made.path, token)).json()["version"]
    bodies = [{"type": "AllocateReferral", "officer_id": str(uuid4()), "expected_version": version} for _ in range(2)]
    answers = await asyncio.gather(*(partnership.send("referral", made.stream, body, token) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201, 409]


async def test_a_case_is_opened_once_for_a_child(partnership: Partnership) -> None:
    """Given two disposals of one child for one case at once, then one is opened; the other is refused or another record."""
    case, person = uuid4(), uuid4()
    token = await partnership.token("YJS_CASE_MANAGER")
    stream = uuid4()
    answers = await asyncio.gather(
        *(partnership.send("disposal", stream, opened_disposal(case, person, DETAILS), token) for _ in range(4))
    )
    assert Counter(answer.status_code for answer in answers)[201] == 1, [answer.text for answer in answers]


async def test_of_two_ids_one_is_given_up(partnership: Partnership) -> None:
    """Given two ids, each merged into the other at once, then one is kept, and nobody is merged into the other before they are two again."""
    ids, token = (uuid4(), uuid4()), await partnership.token("SUPERVISOR")

    async def merge(person: UUID, into: UUID) -> int:
        body = {"type": "MergePerson", "into": str(into), "why": "Typed twice."}
        return (await partnership.send("people", person, body, token)).status_code

    answers = await asyncio.gather(merge(*ids), merge(*reversed(ids)))
    assert sorted(answers) == [201, 422]
    kept, given_up = ids[answers.index(422)], ids[answers.index(201)]
    assert await merge(uuid4(), given_up) == 422
    assert await merge(uuid4(), kept) == 201
    await partnership.tell("people", given_up, "SUPERVISOR", {"type": "SeparatePerson", "why": "They are cousins."})
    assert await merge(uuid4(), given_up) == 201


async def test_what_is_recorded_while_a_child_is_forgotten_is_forgotten(partnership: Partnership) -> None:
    """Given commands about a child at the moment in which the key is destroyed, then no key of theirs is left or made anew."""
    made, token = await world.referral(partnership), await partnership.token("SAFE_SCHOOLS_OFFICER")
    person = uuid4()
    await partnership.tell("referral", made.stream, "SAFE_SCHOOLS_OFFICER", link(person))
    eraser = await asyncpg.connect(partnership.settings.database("keyring", role_name(RoleKind.ERASURE)))

    async def forget() -> None:
        await asyncio.sleep(0.05)
        await eraser.execute("select destroy_keys($1)", f"person/{person}")

    forgetting = asyncio.create_task(forget())
    answers = await asyncio.gather(*(partnership.send("referral", made.stream, link(person), token) for _ in range(20)))
    await forgetting
    await eraser.close()
    assert {answer.status_code for answer in answers} <= {201, 410}
    late = await partnership.send("referral", made.stream, link(person), token)
    assert late.status_code in {201, 410}, "a process may have the key for some seconds"
    owner = await asyncpg.connect(partnership.settings.database("keyring", "postgres"))
    left = await owner.fetchval("select count(*) from data_key where subject = $1", f"person/{person}")
    await owner.close()
    assert left == 0
