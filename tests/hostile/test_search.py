"""A search by name finds whom the searcher may see, leaves no word anywhere, and forgets with the key."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.reporting.projection.projector import apply
from services.reporting.projection.read_models import READ_MODELS
from services.reporting.search.index import SearchIndex
from services.trade.vocabulary import SearchKind
from shared.privacy.keyring import KeyEncryptionKeys, PostgresKeyring
from shared.runtime.privileges import RoleKind, role_name
from shared.servers.database import retry_for
from tests.hostile import partnership as world
from tests.hostile.partnership import Partnership, Recorded
from tests.integration.reporting.recorded_scenarios import event_of_row
from tests.received_referral import linked_person

settings, partnership, pytestmark = world.settings, world.one_partnership, world.ONE_LOOP

NAME: Final = "Zébulon Quartermaine-O'Dell"
WORDS: Final = ("bulon", "uartermai", "odell", "dell")
"""What would stand somewhere, if a word of it did."""


async def found_records(partnership: Partnership, role: str = "SUPERVISOR", **by: str) -> set[UUID]:
    """Return the records that a search finds."""
    answer = await partnership.search(await partnership.token(role), **by)
    assert answer.status_code == 200, answer.text
    return {UUID(record["id"]) for case in answer.json()["cases"] for record in case["records"]}


async def names_of(partnership: Partnership, *records: Recorded) -> list[str]:
    """Return the names that are given at once for the child of each of some records."""
    token = await partnership.token("SUPERVISOR")
    answer = await partnership.names(token, *(f"{one.service}/{one.stream}" for one in records))
    assert answer.status_code == 200, answer.text
    children = {str(one.person) for one in records}
    return sorted(person["name"] for person in answer.json()["people"] if person["person_id"] in children)


async def child(partnership: Partnership, name: str, **details: Any) -> Recorded:
    """Return a referral with a child of this name, projected."""
    made = await world.referral(partnership)
    person = uuid4()
    linked = linked_person(person, name=name, **details)
    await partnership.tell("referral", made.stream, "SAFE_SCHOOLS_OFFICER", linked)
    await partnership.carry()
    return Recorded("referral", made.stream, made.case, person)


async def destroy_key(partnership: Partnership, person: UUID) -> None:
    """Destroy a person's key, in the role that may."""
    eraser = await asyncpg.connect(partnership.settings.database("keyring", role_name(RoleKind.ERASURE)))
    await eraser.execute("select destroy_keys($1)", f"person/{person}")
    await eraser.close()


@contextlib.asynccontextmanager
async def index_of(partnership: Partnership) -> AsyncIterator[SearchIndex]:
    """Yield the index of another process."""
    role = role_name(RoleKind.API, "reporting")
    async with (
        asyncpg.create_pool(partnership.settings.database("reporting", role), min_size=1, max_size=2) as database,
        asyncpg.create_pool(partnership.settings.database("keyring", role), min_size=1, max_size=2) as keys,
    ):
        yield SearchIndex(database, PostgresKeyring(keys, KeyEncryptionKeys.of(partnership.settings)))


async def test_a_name_finds_the_cases_of_every_id_of_its_person(partnership: Partnership) -> None:
    """Given a child who was typed under another name too, when the ids are merged, then each name finds both cases, and no longer once they are separated."""
    one, other = await child(partnership, "Bartholomew Quill"), await child(partnership, "Ermintrude Vane")
    both = {one.stream, other.stream}
    assert await found_records(partnership, name="quill") == {one.stream}
    merge = {"type": "MergePerson", "into": str(one.person), "why": "Twice.", "rationale": {"ID2": "One."}}
    await partnership.tell("people", other.person, "SUPERVISOR", merge)
    await partnership.carry()
    for name in ("quill", "ermintrude"):
        assert await found_records(partnership, name=name) == both
        assert await found_records(partnership, "SAFE_SCHOOLS_OFFICER", name=name) == both
    answer = await partnership.search(await partnership.token("SUPERVISOR"), name="quill")
    records = [record for case in answer.json()["cases"] for record in case["records"]]
    assert {record["id"]: record["kept"] for record in records} == {
        str(one.stream): {},
        str(other.stream): {str(other.person): str(one.person)},
    }
    await partnership.tell("people", other.person, "SUPERVISOR", {"type": "SeparatePerson", "why": "Two."})
    await partnership.carry()
    assert await found_records(partnership, name="quill") == {one.stream}


async def test_a_birth_date_alone_and_a_telephone_number_find_whom_they_are_of(partnership: Partnership) -> None:
    """Given a child with a number, and a victim, then day and number find the case; the victim's number finds it for nobody, corrected or not."""
    record = await child(partnership, "Wilhelmina Oak", date_of_birth="2011-08-23", telephone="01632 960018")
    harmed = linked_person(uuid4(), role="HARMED", name="Una Ash", date_of_birth="2012-02-07", telephone="01632 960077")
    officer = await partnership.token("SAFE_SCHOOLS_OFFICER")
    linking = (await partnership.send("referral", record.stream, harmed, officer)).json()
    await partnership.carry()
    for by in ({"date_of_birth": "2011-08-23"}, {"telephone": "+44 (0)1632 960018"}, {"date_of_birth": "2012-02-07"}):
        assert await found_records(partnership, **by) == {record.stream}, by
    assert await found_records(partnership, "VICTIM_WORKER", date_of_birth="2012-02-07") == {record.stream}
    for role, by in (
        ("SUPERVISOR", {"telephone": "01632 960077"}),
        ("VICTIM_WORKER", {"telephone": "01632 960018"}),
        ("VICTIM_WORKER", {"date_of_birth": "2011-08-23"}),
        ("SUPERVISOR", {"date_of_birth": "2011-08-24"}),
    ):
        assert await found_records(partnership, role, **by) == set(), (role, by)
    right = {"corrects": linking["events"][0]["event_id"], "field": "details.telephone", "value": "01632 960078"}
    await partnership.tell(
        "referral", record.stream, "SAFE_SCHOOLS_OFFICER", {"type": "CorrectReferral", "why": "Misheard.", **right}
    )
    await partnership.carry()
    assert await found_records(partnership, telephone="01632 960078") == set()


async def test_a_case_is_found_by_each_kind_and_by_all_together(partnership: Partnership) -> None:
    """Given a name in any order, case and accents, a school or a crime number, then the case is found; ids alone are told."""
    record = await child(partnership, "Aurélien Featherstone-O'Shea", school_urn="113912", date_of_birth="2011-03-04")
    crime = {"type": "RecordCrime", "crime_number": "55260099001"}
    await partnership.tell("referral", record.stream, "SAFE_SCHOOLS_OFFICER", crime)
    await partnership.carry()
    for by in (
        {"name": "featherstone aurelien"},
        {"name": "OSHEA"},
        {"name": "aur"},
        {"school": "113912"},
        {"crime_number": "5526 0099-001"},
        {"name": "aur", "school": "113912", "crime_number": "55260099001"},
        {"name": "Aurelian Fetherston", "date_of_birth": "2011-03-04"},
        {"name": "oshea aurelien", "date_of_birth": "2011-04-03"},
    ):
        assert await found_records(partnership, **by) == {record.stream}, by
    for by in (
        {"name": "au"},
        {"name": "aurelien smith"},
        {"name": "aurelien", "date_of_birth": "2010-07-19"},
        {"name": "smith", "date_of_birth": "2011-03-04"},
        {"name": "aur", "school": "113913"},
        {"reference": "113912"},
    ):
        assert await found_records(partnership, **by) == set(), by
    answer = await partnership.search(await partnership.token("SUPERVISOR"), name="aurelien", school="113912")
    found = answer.json()
    assert found.pop("positions").keys() == READ_MODELS.keys()
    assert found == {
        "total": 1,
        "cases": [
            {
                "case_id": str(record.case),
                "records": [
                    {
                        "service": "referral",
                        "id": str(record.stream),
                        "matched": ["name", "school"],
                        "person_ids": [str(record.person)],
                        "kept": {},
                    }
                ],
                "sessions": [],
            }
        ],
    }


async def test_no_word_of_a_search_or_a_name_stands_anywhere(
    partnership: Partnership, capfd: pytest.CaptureFixture[str]
) -> None:
    """Given a search, then no table of any database and no log has a word; the access log says by what, and how many."""
    record = await child(partnership, NAME)
    assert await found_records(partnership, name="quartermaine odell") == {record.stream}
    assert await found_records(partnership, name="quartermainedell nobody") == set()
    logged = "".join(capfd.readouterr())
    for name in (*world.SERVICES, "reporting", "keyring"):
        owner = await asyncpg.connect(partnership.settings.database(name, "postgres"))
        tables = await owner.fetch("select tablename from pg_tables where schemaname = 'public'")
        stored = [row[0] or "" for row in await owner.fetch("select query from pg_stat_activity")]
        for table in tables:
            stored += [row[0] for row in await owner.fetch(f'select t::text from "{table[0]}" as t')]
        # The bytes of events are shown by PostgreSQL in hexadecimal.
        for word in WORDS:
            hexadecimal = word.encode().hex()
            assert not [line for line in stored if word in line.lower() or hexadecimal in line.lower()], (name, word)
        await owner.close()
    assert not [word for word in WORDS if word in logged.lower()]
    log = await asyncpg.connect(partnership.settings.database("reporting", role_name(RoleKind.VERIFY)))
    rows = await log.fetch("select action, target, outcome from access_log order by sequence desc limit 2")
    await log.close()
    assert [tuple(row) for row in rows] == [
        ("READ_SEARCH", "reporting/search/name/found:0", "GIVEN"),
        ("READ_SEARCH", "reporting/search/name/found:1", "GIVEN"),
    ]


async def test_a_destroyed_key_takes_its_tokens_from_every_running_process(partnership: Partnership) -> None:
    """Given a destroyed key, then the next search finds nothing, and a process in which nobody searches drops the tokens too."""
    record = await child(partnership, "Perdita Vanishing", school_urn="113999")
    async with index_of(partnership) as other:
        running = asyncio.create_task(other.run(every=0.1))
        try:
            assert await other.wait_until_loaded(30)
            assert other.find(SearchKind.NAME, "perdita")
            assert await found_records(partnership, name="vanishing") == {record.stream}
            await destroy_key(partnership, record.person)
            assert await found_records(partnership, name="vanishing") == set()
            assert await found_records(partnership, school="113999") == set()

            async def require_absent() -> None:
                if other.find(SearchKind.NAME, "perdita") or other.find(SearchKind.SCHOOL, "113999"):
                    raise TimeoutError

            await retry_for(require_absent, 60)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    async with index_of(partnership) as rebuilt:
        await rebuilt.refresh()
        assert not rebuilt.find(SearchKind.NAME, "perdita")
        assert rebuilt.find(SearchKind.NAME, "roe"), "an index made anew has the others"


async def test_a_name_is_found_as_corrected(partnership: Partnership) -> None:
    """Given a corrected name, then the new one finds the case, the wrong one no longer, in an index made anew as well."""
    record = await child(partnership, "Wilhelmina Wrong")
    history = await partnership.read("referral", f"{record.path}/history", await partnership.token("SUPERVISOR"))
    link = next(
        line["event_id"] for line in history.json()["events"] if line["data"].get("person_id") == str(record.person)
    )
    correction = {
        "type": "CorrectReferral",
        "corrects": link,
        "field": "details.name",
        "value": "Wilhelmina Right",
        "why": "Misheard.",
    }
    await partnership.tell("referral", record.stream, "SAFE_SCHOOLS_OFFICER", correction)
    await partnership.carry()
    assert await found_records(partnership, name="wilhelmina right") == {record.stream}
    assert await found_records(partnership, name="wilhelmina wrong") == set()
    assert await names_of(partnership, record) == ["Wilhelmina Right"]
    async with index_of(partnership) as rebuilt:
        await rebuilt.refresh()
        stream = ("referral", record.stream)
        assert rebuilt.find(SearchKind.NAME, "right") == {stream: frozenset({record.person})}
        assert not rebuilt.find(SearchKind.NAME, "wrong")


async def test_a_fact_that_commits_late_is_found(partnership: Partnership) -> None:
    """Given a projection that began before another and commits after a search, then the next search finds what it brought.

    Projections of one service take turns, so the two are of different services.
    """
    late = await _recorded_only(partnership, "Ottoline Later")
    soon = (await world.disposal(partnership, name="Ottoline Sooner")).stream
    slow = await asyncpg.connect(partnership.settings.worker_database("reporting"))
    transaction = slow.transaction()
    await transaction.start()
    await _project(partnership, slow, "referral", late)
    quick = await asyncpg.connect(partnership.settings.worker_database("reporting"))
    async with quick.transaction():
        await _project(partnership, quick, "disposal", soon)
    assert await found_records(partnership, name="ottoline") == {soon}
    await transaction.commit()
    assert await found_records(partnership, name="ottoline") == {soon, late}
    await quick.close()
    await slow.close()


async def _recorded_only(partnership: Partnership, name: str) -> UUID:
    made = await world.referral(partnership)
    linked = linked_person(uuid4(), "HARMED", name=name)
    await partnership.tell("referral", made.stream, "SAFE_SCHOOLS_OFFICER", linked)
    return made.stream


async def _project(partnership: Partnership, connection: Any, service: str, stream: UUID) -> None:
    event_store = await asyncpg.connect(partnership.settings.worker_database(service))
    rows = await event_store.fetch("select * from event where stream = $1 order by version", f"{service}/{stream}")
    await event_store.close()
    await apply(connection, [event_of_row(row) for row in rows])


async def test_the_year_of_birth_stands_beside_equal_names_alone(partnership: Partnership) -> None:
    """Given two children of one name and one of another, then a list has the years of the two, as corrected, and of no other."""
    first = await child(partnership, "Ottilie Twice", date_of_birth="2011-03-14")
    second, other = await child(partnership, "OTTILIE TWICE"), await child(partnership, "Ottilie Once")
    token = await partnership.token("SUPERVISOR")
    history = await partnership.read("referral", f"{second.path}/history", token)
    link = next(
        line["event_id"] for line in history.json()["events"] if line["data"].get("person_id") == str(second.person)
    )
    correction = {"type": "CorrectReferral", "corrects": link, "field": "details.date_of_birth", "why": "Misheard."}
    await partnership.tell("referral", second.stream, "SAFE_SCHOOLS_OFFICER", correction | {"value": "2009-03-14"})
    await partnership.carry()
    answer = await partnership.names(token, *(f"referral/{one.stream}" for one in (first, second, other)))
    told = {person["person_id"]: (person["year_of_birth"], person["case_id"]) for person in answer.json()["people"]}
    assert told[str(first.person)] == (2011, str(first.case))
    assert told[str(second.person)] == (2009, str(second.case))
    assert told[str(other.person)] == (None, str(other.case))


async def test_the_children_of_a_case_are_named_by_the_case(partnership: Partnership) -> None:
    """Given a case, when its names are asked for, then its records that name people are read and logged; of another area none."""
    record = await child(partnership, "Ottokar Whole")
    roles = [await partnership.token(role) for role in ("SUPERVISOR", "AUDITOR")]
    answers = [
        await partnership.clients["reporting"].post(
            "/v1/names", json={"cases": [str(record.case)]}, headers={"Authorization": f"Bearer {token}"}
        )
        for token in roles
    ]
    named = [(person["name"], person["id"], person["case_id"]) for person in answers[0].json()["people"]]
    assert ("Ottokar Whole", str(record.stream), str(record.case)) in named
    assert "Ottokar" not in answers[1].text


@pytest.mark.parametrize(
    "harm", ["update data_key set wrapped = decode(repeat('00', 60), 'hex')", "delete from data_key"]
)
async def test_an_unusable_or_missing_key_hides_one_name_and_no_other(partnership: Partnership, harm: str) -> None:
    """Given rubbish for one person's key, or a key lost without a tombstone, then the others are found and named all the same."""
    other, hidden = await child(partnership, "Ophelia Readable"), await child(partnership, "Ignatius Unreadable")
    owner = await asyncpg.connect(partnership.settings.database("keyring", "postgres"))
    await owner.execute(f"{harm} where subject = $1", f"person/{hidden.person}")
    await owner.close()
    async with index_of(partnership) as index:
        await index.refresh()
        assert not index.find(SearchKind.NAME, "ignatius")
        assert index.find(SearchKind.NAME, "roe")
    assert await names_of(partnership, hidden, other) == ["Ophelia Readable"]


async def test_a_record_that_holds_megabytes_is_read_in_part_for_a_list(partnership: Partnership) -> None:
    """Given a record with people of whom hundreds of kilobytes are told, then a list names the first of them, and does not read all."""
    record = await child(partnership, "Osric First")
    for name in ("Osric Second", "Osric Third", "Osric Fourth"):
        linked = linked_person(uuid4(), "WITNESS", name=name, needs=["x y " * 4_000] * 12)
        await partnership.tell("referral", record.stream, "SAFE_SCHOOLS_OFFICER", linked)
    await partnership.carry()
    answer = await partnership.names(await partnership.token("SUPERVISOR"), f"referral/{record.stream}")
    named = {person["name"] for person in answer.json()["people"]}
    assert "Osric First" in named
    assert "Osric Fourth" not in named


async def test_a_person_of_many_records_is_compared_once_for_a_look(
    partnership: Partnership, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a person whom a record names again and again, when an index is loaded, then what it says of them is compared once."""
    record = await child(partnership, "Ottilie Often")
    for _ in range(2):
        again = linked_person(record.person, name="Ottilie Often")
        await partnership.tell("referral", record.stream, "SUPERVISOR", again)
    await partnership.carry()
    compared: list[UUID] = []
    compare = SearchIndex._compare

    def note_comparison(index: SearchIndex, person_id: UUID) -> None:
        compared.append(person_id)
        compare(index, person_id)

    monkeypatch.setattr(SearchIndex, "_compare", note_comparison)
    async with index_of(partnership) as index:
        await index.refresh()
    assert compared.count(record.person) == 1


async def test_a_case_is_found_by_what_pages_show_of_its_id(partnership: Partnership) -> None:
    """Given the first letters of the id of a case or of a record, then whoever may see it finds it, and nobody else."""
    record = await child(partnership, "Osbert Numbered")
    for beginning in (str(record.case)[:8].upper(), str(record.stream)[:9], str(record.case)):
        assert record.stream in await found_records(partnership, case=beginning)
        assert record.stream not in await found_records(partnership, "RJ_FACILITATOR", case=beginning)
    other = str(record.case)[:7] + ("0" if str(record.case)[7] != "0" else "1")
    assert record.stream not in await found_records(partnership, case=other)
    assert await found_records(partnership, case=str(record.case)[:8], name="nobody") == set()


async def test_what_is_looked_for_is_checked_first(partnership: Partnership) -> None:
    """Given nothing to look for, another member or no JSON, then the request is malformed, and no value is repeated."""
    bodies: tuple[dict[str, Any], ...] = (
        {},
        {"name": "Quartermaine", "age": "14"},
        {"name": ["Quartermaine"]},
        {"name": "Q" * 201},
        {"case": "5582cb2"},
        {"case": "Quartermaine"},
    )
    for by in bodies:
        answer = await partnership.search(await partnership.token("SUPERVISOR"), **by)
        assert answer.status_code == 422, answer.text
        assert "uartermaine" not in answer.text
    token = await partnership.token("SUPERVISOR")
    headers = {"Authorization": f"Bearer {token}"}
    client = partnership.clients["reporting"]
    assert (await client.post("/v1/search", content=b"name=x", headers=headers)).status_code == 415
    assert (await client.post("/v1/search?name=x", json={"name": "roe"}, headers=headers)).status_code == 422
    assert (await client.get("/v1/search", headers=headers)).status_code == 405
    assert (await client.post("/v1/search", json={"name": "roe"})).status_code == 401
    for records in (["referral"], ["education/" + str(uuid4())], ["referral/" + str(uuid4())] * 501, None):
        answer = await client.post("/v1/names", json={"records": records}, headers=headers)
        assert answer.status_code == 422, answer.text
    assert (await client.post("/v1/names", json={"records": []})).status_code == 401
    assert await names_of(partnership) == []


async def test_no_pattern_or_look_alike_finds_whom_the_searcher_may_not_see(partnership: Partnership) -> None:
    """Given a child of another area, when the name is asked for by patterns, look-alikes and parts, then each answer is that for nobody."""
    made = await world.referral(partnership, area="DEVON")
    linked = linked_person(uuid4(), name="Thaddeus Secretive", school_urn="113955")
    await partnership.tell("referral", made.stream, "SAFE_SCHOOLS_OFFICER", linked, "DEVON")
    await partnership.carry()
    token = await partnership.token("SUPERVISOR")
    nobody = (await partnership.search(token, name="xyzzy")).json()
    asked: list[dict[str, str]] = [
        *(
            {"name": name}
            for name in ("thaddeus", "Thaddeus%", "thad*", "th.*", "thaddeus secretive' or 'a", "2011-03-14")
        ),
        *({"name": name} for name in ("Тhaddeus", "THADDEUS\u0301", "ｔｈａｄｄｅｕｓ", "thaddeus\u2010secretive")),  # noqa: RUF001
        *({"school": "113955"}, {"case": str(made.case)}, {"case": str(made.stream)[:8]}, {"name": "a" * 200}),
    ]
    for by in asked:
        answer = await partnership.search(token, **by)
        assert (answer.status_code, answer.json()) == (200, nobody), by
    for pattern in ("%", "_", ".*", "*"):
        answer = await partnership.search(token, name=pattern)
        assert answer.status_code == 422 or answer.json() == nobody, pattern
