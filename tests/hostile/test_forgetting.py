"""A child is forgotten: in every process, without what was forgotten in any record, and not while anything stands against it."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest

from ooc.restore.forgotten import forget_again
from services.trade.vocabulary import Role
from shared.api import data_rights
from shared.evidence.verification.problems import Problems
from shared.evidence.verification.streams import StreamChecks, check_streams
from shared.runtime.privileges import RoleKind, role_name
from tests.hostile import partnership as world
from tests.hostile.partnership import Partnership, Recorded
from tests.received_referral import NARRATIVE, linked_person, received_referral

settings, partnership, pytestmark = world.settings, world.one_partnership, world.ONE_LOOP

OFFICER: Final = "DATA_PROTECTION_OFFICER"
NAME: Final = "Robin Roe"


async def decide(
    partnership: Partnership,
    service: str,
    person: UUID,
    action: str,
    *,
    role: str = OFFICER,
    area: str = "*",
    **query: str,
) -> httpx2.Response:
    """Ask one service for a decision."""
    headers = {"Authorization": f"Bearer {await partnership.token(role, area=area)}", "Access-Reason": "ERASURE"}
    return await partnership.clients[service].post(f"/v1/people/{person}/{action}", params=query, headers=headers)


async def forget(partnership: Partnership, record: Recorded, **query: str) -> list[httpx2.Response]:
    """Ask every service to forget the person of a record, as `ooc forget` does."""
    query_values = {"basis": "RETENTION_ENDED", "case": str(record.case), **query}
    return [await decide(partnership, service, record.person, "forget", **query_values) for service in world.SERVICES]


async def closed(partnership: Partnership, *first: Mapping[str, Any]) -> Recorded:
    """Return a closed referral of a child, in which some commands were sent first."""
    record = await world.referral(partnership)
    for body in (
        *first,
        {"type": "AcknowledgeReferral"},
        {"type": "TriageReferral", "outcome": "ADVICE_ONLY", "rationale_text": "It is enough to talk with Robin Roe."},
        {"type": "GiveAdvice", "to": "CHILD", "topic": "RETAIL"},
        {"type": "CloseReferral", "reason": "ADVICE_GIVEN"},
    ):
        await partnership.tell("referral", record.stream, "SAFE_SCHOOLS_OFFICER", body)
    await partnership.carry()
    return record


async def read_record(partnership: Partnership, record: Recorded, role: str = "SUPERVISOR") -> str:
    answer = await partnership.read(record.service, record.path, await partnership.token(role))
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_no_text_and_no_address_of_a_forgotten_child_is_left(partnership: Partnership) -> None:
    """Given a child who was written to, when they are forgotten, then nobody reads the text or an address, and nothing more is sent."""
    ways = {"telephone": "07700 900321", "email": "robin.roe@example.org"}
    record = await world.rejected_referral(
        partnership, details={"name": NAME, "date_of_birth": "2011-03-14", "address": "3 Mill Lane"} | ways
    )
    written = "Please ring Sam on Monday."
    message = {
        "type": "RecordMessage",
        "message_id": str(uuid4()),
        "person_id": str(record.person),
        "about": str(uuid4()),
        "channel": "SMS",
        "template": "PLEASE_RING",
        "template_version": 1,
        "text": written,
    }
    await partnership.tell("referral", record.stream, "MESSENGER", message)
    held = {*ways.values(), "3 Mill Lane", NAME, written}
    readers = {role: await read_record(partnership, record, role) for role in ("MESSENGER", "DATA_PROTECTION_OFFICER")}
    shown = {role: {value for value in held if value in text} for role, text in readers.items()}
    assert shown == {"MESSENGER": held - {written}, "DATA_PROTECTION_OFFICER": held}
    assert {answer.status_code for answer in await forget(partnership, record)} == {200}
    for role in readers:
        text = await read_record(partnership, record, role)
        assert [value for value in held if value in text] == []
        assert '"forgotten":true' in text
    again = await partnership.send(
        "referral", record.stream, message | {"message_id": str(uuid4())}, await partnership.token("MESSENGER")
    )
    assert again.status_code == 410


async def stored(partnership: Partnership, service: str, person: UUID) -> list[dict[str, Any]]:
    """Return the recorded events of a person's data rights."""
    owner = await asyncpg.connect(partnership.settings.database(service, "postgres"))
    rows = await owner.fetch("select body from event where type like '%.PersonForgotten.v1'")
    await owner.close()
    return [event for row in rows if (event := json.loads(row["body"]))["data"]["person_id"] == str(person)]


@asynccontextmanager
async def owned_databases(partnership: Partnership) -> AsyncIterator[tuple[dict[str, Any], Any]]:
    """Connect to the databases of the services, by name, and to the keyring, as their owner."""
    async with AsyncExitStack() as closing:
        stores: dict[str, Any] = {}
        for name in (*world.SERVICES, "keyring"):
            stores[name] = await asyncpg.connect(partnership.settings.database(name, "postgres"))
            closing.push_async_callback(stores[name].close)
        yield stores, stores.pop("keyring")


async def keys_of(partnership: Partnership, record: Recorded) -> list[str]:
    """Return the subjects of a person and case whose keys stand."""
    verify = await asyncpg.connect(partnership.settings.database("keyring", role_name(RoleKind.VERIFY)))
    subjects = [f"person/{record.person}", f"home/{record.case}"]
    rows = await verify.fetch("select subject from data_key where subject = any($1::text[]) order by subject", subjects)
    await verify.close()
    return [row["subject"] for row in rows]


async def test_a_forgotten_child_is_unreadable_everywhere_and_all_proofs_hold(partnership: Partnership) -> None:
    """Given a closed case, when every service forgets the child, then name and texts are gone, and histories verify as before."""
    record = await closed(partnership)
    assert NAME in await read_record(partnership, record)
    answers = await forget(partnership, record)
    assert [answer.status_code for answer in answers] == [200] * len(world.SERVICES), [
        answer.text for answer in answers
    ]
    assert answers[-1].json()["waits_for"] == []
    assert answers[0].json()["backups_until"] > "2026-11-26"
    keys = await asyncpg.create_pool(
        partnership.settings.database("keyring", role_name(RoleKind.VERIFY)), min_size=1, max_size=1
    )
    assert await keys_of(partnership, record) == []
    text = await read_record(partnership, record, "DATA_PROTECTION_OFFICER")
    assert NAME not in text
    assert '"forgotten":true' in text
    assert NARRATIVE not in text, "the case has nobody else, so its texts went too"
    (event,) = await stored(partnership, "referral", record.person)
    assert event["data"] == {
        "person_id": str(record.person),
        "basis": "RETENTION_ENDED",
        "backups_until": answers[0].json()["backups_until"],
    }
    assert await stored(partnership, "disposal", record.person) == [], "only who held something tells its recipients"
    checks = StreamChecks()
    verify = await asyncpg.create_pool(
        partnership.settings.database("referral", role_name(RoleKind.VERIFY)), min_size=1, max_size=1
    )
    head = await verify.fetchval("select position from head")
    await check_streams(world.SERVICES["referral"], verify, keys, head, checks)
    found: list[Problems] = [checks.versions, checks.chains, checks.histories, checks.claims, checks.keys]
    assert [problems.lines for problems in found] == [()] * 5
    await verify.close()
    await keys.close()
    await partnership.carry()
    listed = await partnership.read("reporting", f"/v1/cases/{record.case}", await partnership.token("SUPERVISOR"))
    assert listed.status_code == 200
    refused = await partnership.send(
        "referral",
        (await world.referral(partnership)).stream,
        linked_person(record.person),
        await partnership.token("SAFE_SCHOOLS_OFFICER"),
    )
    assert refused.status_code == 410, "a key is never made again"


async def test_a_case_that_names_another_person_keeps_its_key_and_nobody_waits_for_it(partnership: Partnership) -> None:
    """Given a parent in the same case, when the child is forgotten, then the child's key is gone and the case's stands."""
    parent = linked_person(uuid4(), "PARENT_CARER", name="Pat Roe", date_of_birth="1984-06-02")
    record = await closed(partnership, parent)
    answers = await forget(partnership, record)
    assert [answer.status_code for answer in answers] == [200] * len(world.SERVICES), [
        answer.text for answer in answers
    ]
    assert answers[-1].json()["waits_for"] == []
    assert await keys_of(partnership, record) == [f"home/{record.case}"]
    people = json.loads(await read_record(partnership, record))["details"]["people"]
    assert people[str(record.person)]["name"]["forgotten"] is True
    assert people[parent["person_id"]]["name"] == "Pat Roe"


async def test_a_sitting_forgets_one_of_its_children(partnership: Partnership) -> None:
    """Given a sitting of two cases, when the child of one is forgotten, then that case's words go; the other's and the sitting's own stay."""
    other = Recorded("panel", uuid4(), uuid4(), uuid4())
    record = await world.sitting(partnership, other)
    await partnership.carry()
    query = {"basis": "RETENTION_ENDED", "case": [str(record.case), str(record.stream)]}
    headers = {"Authorization": f"Bearer {await partnership.token(OFFICER, area='*')}", "Access-Reason": "ERASURE"}
    for service in world.SERVICES:
        answer = await partnership.clients[service].post(
            f"/v1/people/{record.person}/forget", params=query, headers=headers
        )
        assert answer.status_code == 200, answer.text
    assert await keys_of(partnership, record) == []
    path = f"/v1/sittings/{record.stream}/history"
    history = (await partnership.read("panel", path, await partnership.token("SUPERVISOR"))).text
    assert f"Nobody heard {record.person}" not in history
    assert f"Nobody heard {other.person}" in history
    assert "The old court house" in history


async def test_nothing_is_destroyed_until_every_service_agrees(partnership: Partnership) -> None:
    """Given three services that agree, then the key stands and the answer names the fourth; it is destroyed with its word."""
    record = await closed(partnership)
    *first, last = world.SERVICES
    for service in first:
        answer = await decide(partnership, service, record.person, "forget", basis="COURT_ORDER")
        assert role_name(RoleKind.API, last) in answer.json()["waits_for"]
    assert NAME in await read_record(partnership, record)
    assert await keys_of(partnership, record) == [f"home/{record.case}", f"person/{record.person}"]
    assert (await decide(partnership, last, record.person, "forget", basis="COURT_ORDER")).json()["waits_for"] == []
    assert await keys_of(partnership, record) == [f"home/{record.case}"], "nobody spoke of the case"


async def begin_again(partnership: Partnership, person: UUID) -> UUID:
    """Record a new referral of somebody, and return its id."""
    record = uuid4()
    for body in (received_referral(uuid4(), world.WHEN), linked_person(person)):
        await partnership.tell("referral", record, "SAFE_SCHOOLS_OFFICER", body)
    return record


async def test_a_record_that_begins_between_two_runs_keeps_its_name(partnership: Partnership) -> None:
    """Given services that agreed and one that did not, and a new record of the child, when all are asked again, then it is named and kept."""
    record = await closed(partnership)
    for service in list(world.SERVICES)[:-1]:
        assert (await decide(partnership, service, record.person, "forget", basis="COURT_ORDER")).status_code == 200
    new = await begin_again(partnership, record.person)
    rehearsed, answers = await forget(partnership, record, dry_run="true"), await forget(partnership, record)
    for refused in (rehearsed[0], answers[0]):
        assert refused.status_code == 422, refused.text
        (rule,) = refused.json()["rules"]
        assert (rule["id"], f"referral/{new} (RECEIVED)" in rule["text"]) == ("DR1", True)
        assert str(record.stream) not in rule["text"]
    assert answers[-1].json()["waits_for"] == [role_name(RoleKind.API, "referral")]
    async with owned_databases(partnership) as (stores, keyring):
        assert str(record.person) in (await forget_again(stores, keyring)).undecided
    assert NAME in await read_record(partnership, Recorded("referral", new, new, record.person))


async def test_a_record_that_begins_while_a_child_is_forgotten_keeps_its_name(
    partnership: Partnership, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a service that has found no open record, when one begins before it agrees, then it does not agree."""
    record, begun, send = await closed(partnership), list[UUID](), data_rights._send

    async def begin_and_send(*arguments: Any, **named: Any) -> Any:
        if not begun:
            begun.append(await begin_again(partnership, record.person))
        return await send(*arguments, **named)

    monkeypatch.setattr(data_rights, "_send", begin_and_send)
    for _ in range(2):
        refused = (await forget(partnership, record))[0]
        assert refused.status_code == 422, refused.text
        assert f"referral/{begun[0]} (RECEIVED)" in refused.json()["rules"][0]["text"]
    assert NAME in await read_record(partnership, Recorded("referral", begun[0], begun[0], record.person))


async def test_an_open_record_and_every_hold_is_named(partnership: Partnership) -> None:
    """Given an open referral, an appeal or evidence, then the refusal says which; released or closed, it goes through."""
    record = await world.referral(partnership)
    answer = await decide(partnership, "referral", record.person, "forget", basis="RETENTION_ENDED")
    assert answer.status_code == 422
    (rule,) = answer.json()["rules"]
    assert rule["id"] == "DR1"
    assert f"referral/{record.stream} (RECEIVED)" in rule["text"]
    record = await closed(partnership)
    for kind, id_, expected_text in (
        ("APPEAL", "DR2", "APPEAL"),
        ("EVIDENCE", "DR3", "Restrict the processing instead"),
    ):
        assert (await decide(partnership, "referral", record.person, "hold", kind=kind)).json()["holds"] == [kind]
        for rehearsal in ("true", "false"):
            refused = await decide(
                partnership, "referral", record.person, "forget", basis="RETENTION_ENDED", dry_run=rehearsal
            )
            assert refused.status_code == 422
            (rule,) = refused.json()["rules"]
            assert rule["id"] == id_
            assert expected_text in rule["text"]
        await decide(partnership, "referral", record.person, "release", kind=kind)
    assert NAME in await read_record(partnership, record)
    assert (await forget(partnership, record))[0].status_code == 200


async def test_a_rehearsal_records_and_destroys_nothing(partnership: Partnership) -> None:
    """Given a dry run at every service, then the answer says what is there, and nothing has happened but a line in the log."""
    record = await closed(partnership)
    for answer in await forget(partnership, record, dry_run="true"):
        assert answer.status_code == 200, answer.text
        assert answer.json()["forgotten"] is False
    assert NAME in await read_record(partnership, record)
    assert await stored(partnership, "referral", record.person) == []


async def test_what_is_restricted_is_shown_to_data_protection_alone(partnership: Partnership) -> None:
    """Given restricted processing, then officers see that something is sealed, the officer reads it, and it can be lifted."""
    record = await closed(partnership)
    assert (
        await decide(partnership, "referral", record.person, "restrict", basis="PRINCIPLE_INFRINGED")
    ).status_code == 200
    assert NAME not in await read_record(partnership, record)
    assert NAME in await read_record(partnership, record, OFFICER)
    history = await partnership.read("referral", f"{record.path}/history", await partnership.token("SUPERVISOR"))
    assert NAME not in history.text
    await decide(partnership, "referral", record.person, "lift")
    assert NAME in await read_record(partnership, record)


async def test_a_record_that_is_opened_after_a_restriction_shows_nothing_either(partnership: Partnership) -> None:
    """Given a child restricted in every service, when a case is opened with what the referral knows, then data protection alone reads it."""
    record = await world.referral(partnership, "accepted")
    for service in world.SERVICES:
        answer = await decide(partnership, service, record.person, "restrict", basis="PRINCIPLE_INFRINGED")
        assert (answer.status_code, answer.json()["restricted"]) == (200, True), answer.text
    await partnership.carry()
    opening = world.opened_disposal(record.case, record.person, {}, referral_id=str(record.stream))
    del opening["details"]
    opened = Recorded("disposal", uuid4(), record.case, record.person)
    await partnership.tell("disposal", opened.stream, "YJS_CASE_MANAGER", opening)
    assert NAME not in await read_record(partnership, opened)
    assert NAME in await read_record(partnership, opened, OFFICER)
    for service in world.SERVICES:
        assert (await decide(partnership, service, record.person, "lift")).status_code == 200
    assert NAME in await read_record(partnership, opened)


async def test_no_later_day_tells_the_birthday_of_a_restricted_child(partnership: Partnership) -> None:
    """Given restricted processing, when an officer asks what a later day would change, then it is refused, and no day is named."""
    record = await world.referral(partnership, "accepted")
    token = await partnership.token("SAFE_SCHOOLS_OFFICER")
    crime = {"type": "RecordCrime", "crime_number": "55260013127"}
    await partnership.tell("referral", record.stream, "SAFE_SCHOOLS_OFFICER", crime)
    caution = {"type": "AssignCrimeOutcome", "code": "3", "person_id": str(record.person), "named_suspect": True}
    caution |= {"rationale_text": "Grown up.", "victim_informed": True, "parent_informed": True}

    async def refusal_of(day: str) -> str:
        path = f"{record.path}/commands?dry_run=true&as_of={day}"
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid4())}
        body = caution | {"occurred_at": f"{day}T12:00:00+00:00"}
        return (await partnership.clients["referral"].post(path, json=body, headers=headers)).text

    days = ("2029-03-13", "2029-03-14")
    seen = ['"outcome":"refused"' in await refusal_of(day) for day in days]
    assert seen == [True, False], "without a restriction the day of the birthday is told"
    await decide(partnership, "referral", record.person, "restrict", basis="PRINCIPLE_INFRINGED")
    for day in days:
        assert "a later day" in await refusal_of(day)
    later = await partnership.read("referral", f"{record.path}/commands?as_of=2029-03-14", token)
    assert later.status_code == 403
    guidance = await partnership.read("referral", f"{record.path}/commands", token)
    assert guidance.status_code == 200
    rules = [rule for command in guidance.json()["commands"] for rule in command["rules"]]
    assert {(rule["changes_on"], rule["for_the_day"]) for rule in rules} == {(None, None)}


async def test_restriction_reaches_documents_search_and_timeline(partnership: Partnership) -> None:
    """Given restricted processing, then no document is printed, and search and timeline tell data protection alone; lifted, all."""
    name = f"Robin {uuid4().hex}"
    record = await world.rejected_referral(partnership, details={"name": name, "date_of_birth": "2011-03-14"})
    doors = [
        ("reporting", f"/v1/cases/{record.case}/timeline"),
        ("reporting", f"/v1/cases/{record.case}/changes?after=referral:0"),
    ]

    async def cases_found(role: str) -> int:
        answer = await partnership.search(await partnership.token(role), name=name)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["total"])

    async def names_told(role: str) -> list[bool]:
        await partnership.carry()
        return [
            name in (await partnership.read(service, path, await partnership.token(role))).text
            for service, path in doors
        ]

    async def letter() -> httpx2.Response:
        return await partnership.read(
            "referral", f"{record.path}/documents/closing-letter", await partnership.token("SUPERVISOR")
        )

    assert await names_told("SUPERVISOR") == [True, True]
    assert (await cases_found("SUPERVISOR"), (await letter()).status_code) == (1, 200)
    await decide(partnership, "referral", record.person, "restrict", basis="PRINCIPLE_INFRINGED")
    assert await names_told("SUPERVISOR") == [False, False]
    assert await cases_found("SUPERVISOR") == 0
    refused = await letter()
    assert refused.status_code == 403
    assert "the processing of a person in this record is restricted" in refused.json()["detail"]
    assert await names_told(OFFICER) == [True, True]
    assert await cases_found(OFFICER) == 1
    await decide(partnership, "referral", record.person, "lift")
    assert await names_told("SUPERVISOR") == [True, True]
    assert (await cases_found("SUPERVISOR"), (await letter()).status_code) == (1, 200)


async def test_what_stands_of_one_id_of_a_person_stands_of_the_other(partnership: Partnership) -> None:
    """Given a restriction and a hold under one id, when it is merged into another, then that one's record is closed too, nobody is forgotten under it, and lifting and releasing under it ends both."""
    first = await closed(partnership)
    name = f"Robin {uuid4().hex}"
    other = await world.rejected_referral(partnership, details={"name": name, "date_of_birth": "2011-03-14"})
    await decide(partnership, "referral", first.person, "restrict", basis="PRINCIPLE_INFRINGED")
    await decide(partnership, "referral", first.person, "hold", kind="LEGAL")
    doors = (("referral", other.path), ("reporting", f"/v1/cases/{other.case}/timeline"))

    async def shows() -> list[bool]:
        await partnership.carry()
        token = await partnership.token("SUPERVISOR")
        told = [name in (await partnership.read(service, path, token)).text for service, path in doors]
        return [*told, (await partnership.search(token, name=name)).json()["total"] > 0]

    assert await shows() == [True, True, True]
    merging = {"type": "MergePerson", "into": str(first.person), "why": "Twice.", "rationale": {"ID2": "One."}}
    await partnership.tell("people", other.person, "SUPERVISOR", merging)
    assert await shows() == [False, False, False]
    refused = await decide(partnership, "referral", other.person, "forget", basis="COURT_ORDER")
    assert [rule["id"] for rule in refused.json()["rules"]] == ["DR2"]
    await decide(partnership, "referral", other.person, "release", kind="LEGAL")
    lifted = (await decide(partnership, "referral", other.person, "lift")).json()
    assert (lifted["holds"], lifted["restricted"]) == ([], False)
    assert await shows() == [True, True, True]
    await decide(partnership, "referral", other.person, "restrict", basis="PRINCIPLE_INFRINGED")
    await partnership.tell("people", other.person, "SUPERVISOR", {"type": "SeparatePerson", "why": "Two."})
    await partnership.carry()
    seen = [
        (await decide(partnership, "referral", one, "lift", dry_run="true")).json()
        for one in (first.person, other.person)
    ]
    assert [(answer["ids"], answer["restricted"]) for answer in seen] == [
        ([str(first.person)], True),
        ([str(other.person)], True),
    ]


async def test_an_open_record_under_one_id_bars_forgetting_the_other(partnership: Partnership) -> None:
    """Given a closed record of one id, and an open one of the other, when they are merged, then neither is forgotten before it ends."""
    first, other = await closed(partnership), await world.referral(partnership)
    merging = {"type": "MergePerson", "into": str(first.person), "why": "Twice.", "rationale": {"ID2": "One."}}
    await partnership.tell("people", other.person, "SUPERVISOR", merging)
    await partnership.carry()
    refused = await decide(partnership, "referral", first.person, "forget", basis="COURT_ORDER")
    assert [rule["id"] for rule in refused.json()["rules"]] == ["DR1"]
    await world.reject(partnership, other.stream)
    assert (await decide(partnership, "referral", first.person, "forget", basis="COURT_ORDER")).status_code == 200


async def test_texts_of_a_case_stay_as_long_as_somebody_else_is_in_it(partnership: Partnership) -> None:
    """Given a case with a victim, when the suspect is forgotten, then its texts stay; with the victim they go too."""
    record = await world.referral(partnership)
    victim = uuid4()
    linked = linked_person(victim, "HARMED", name="Sam Poe", date_of_birth="2011-05-01")
    await partnership.tell("referral", record.stream, "SAFE_SCHOOLS_OFFICER", linked)
    await world.reject(partnership, record.stream)
    answers = await forget(partnership, record)
    stays = [{"id": str(record.case), "held_by": [f"person/{victim}"]}]
    assert (
        dict(zip(world.SERVICES, (answer.json()["texts_stay"] for answer in answers), strict=True))["referral"] == stays
    )
    text = await read_record(partnership, record)
    assert NAME not in text
    assert "Sam Poe" in text
    assert NARRATIVE in text
    await forget(partnership, Recorded("referral", record.stream, record.case, victim))
    text = await read_record(partnership, record)
    assert "Sam Poe" not in text
    assert NARRATIVE not in text


async def test_no_shop_and_no_report_that_names_nobody_holds_the_texts_of_a_case(partnership: Partnership) -> None:
    """Given a case with a shop as victim, and a school's further report, when the child is forgotten, then its texts go too."""
    record = await world.referral(partnership)
    shop = linked_person(uuid4(), "HARMED", kind="ORGANISATION", name="Corner Shop", date_of_birth=None)
    await partnership.tell("referral", record.stream, "SAFE_SCHOOLS_OFFICER", shop)
    further = uuid4()
    await partnership.tell("referral", further, "SCHOOL", received_referral(record.case, world.WHEN))
    for stream in (record.stream, further):
        await world.reject(partnership, stream)
    answers = await forget(partnership, record)
    assert [answer.json()["texts_stay"] for answer in answers] == [[]] * len(world.SERVICES)
    text = await read_record(partnership, record)
    assert "Corner Shop" in text
    assert NARRATIVE not in text


@pytest.mark.parametrize("area", ["*", "DEVON"])
async def test_no_case_is_forgotten_by_an_id_of_nobody_in_it(partnership: Partnership, area: str) -> None:
    """Given an open case without people, and a session with a child, when a stranger is forgotten with their keys, then both stay."""
    received, session = Recorded("referral", uuid4(), uuid4(), uuid4()), await world.session(partnership)
    body = received_referral(received.case, world.WHEN)
    await partnership.tell("referral", received.stream, "SAFE_SCHOOLS_OFFICER", body)
    for home in (received.case, session.stream):
        stranger = Recorded("referral", uuid4(), home, uuid4())
        answers = [
            await decide(
                partnership, service, stranger.person, "forget", area=area, basis="COURT_ORDER", case=str(home)
            )
            for service in world.SERVICES
        ]
        assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
        assert await keys_of(partnership, stranger) == [f"home/{home}"]


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.SYSTEM, Role.DATA_PROTECTION_OFFICER}))
async def test_data_rights_are_for_the_data_protection_officer_alone(partnership: Partnership, role: str) -> None:
    """Given any other role, then nothing is shown or decided (403); nor for an officer who may not reach a record."""
    record = await closed(partnership)
    for action, query in (("forget", {"basis": "COURT_ORDER"}), ("hold", {"kind": "LEGAL"}), ("lift", {})):
        answer = await decide(partnership, "referral", record.person, action, role=role, area=world.HOME_AREA, **query)
        assert answer.status_code == 403, (action, answer.text)
    read = await partnership.read("referral", f"/v1/people/{record.person}", await partnership.token(role))
    assert read.status_code == 403
    away = await decide(partnership, "referral", record.person, "forget", area="DEVON", basis="COURT_ORDER")
    assert away.status_code == 403


async def test_what_was_asked_is_checked_first(partnership: Partnership) -> None:
    """Given an unknown person, action or code, or none where one is needed, then the answer says what to give."""
    record = await world.referral(partnership)
    for person, action, query, status in (
        (uuid4(), "hold", {"kind": "LEGAL"}, 404),
        (record.person, "destroy", {}, 422),
        (record.person, "forget", {}, 422),
        (record.person, "forget", {"basis": "BECAUSE"}, 422),
        (record.person, "hold", {}, 422),
        (record.person, "hold", {"kind": "FAMILY"}, 422),
    ):
        answer = await decide(partnership, "referral", person, action, **query)
        assert answer.status_code == status, (action, query, answer.text)
