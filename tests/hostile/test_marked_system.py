"""A whole system on which scenarios with marked personal values are played: no byte of them is on any disk.

Every sealed field of every event is written at least once, with a text that carries one token. Whatever the processes write
is then searched for the token: the files of PostgreSQL and Kafka, every log, temporary files, and the answers of routes
that need no sign-in. Afterwards a child is forgotten, and no key that is left opens a field of theirs.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import pytest

from ooc.evidence.keys import OWNER
from services.system.addresses import written
from shared.domain.messages import Event
from shared.domain.sealing import DataKey, SealedToken, key_ids_in, sealed_fields
from shared.privacy.keyring import KeyEncryptionKeys, UnusableKey
from shared.servers.database import as_role, database_dsn
from tests.hostile.byte_search import base64_forms, days_in, files_under, forms, holding, written_files
from tests.hostile.marking import SERVICES, TELEPHONE, Marker, marked_path, marked_scenarios
from tests.integration.console.browsing import Browser
from tests.integration.console.filling import fill_in
from tests.integration.console.test_forms import REPORT
from tests.integration.local.waiting import eventually
from tests.unit.test_access import EVENTS, sealed_paths
from tests.whole_system import client_of, ooc, running_system
from tools.client.http import Client
from tools.scenario.over_http import Http
from tools.scenario.runner import Run
from tools.scenario.story import Scenario

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

READ: Final = ("09", "noah")
"""A child who is searched for and read."""
FORGOTTEN: Final = ("81", "ned")
"""A child in four services, whose records are all closed at the end of the scenario."""
TOKEN: Final = f"q{uuid4().hex[:11]}"
WANTED: Final = {(mark, form): value for mark in (TOKEN, TELEPHONE) for form, value in forms(mark).items()}
BIRTH_DATES: Final = {
    ("a birth date in clear", f"{century}…, {form}"): value
    for century in ("19", "20")
    for form, value in base64_forms(f'date_of_birth":"{century}'.encode()).items()
}


@dataclass
class Marked:
    """A running system, what was played on it, and the folder in which all of its files are."""

    folder: Path
    var: Path
    client: Client
    marker: Marker
    scenarios: dict[str, Scenario]
    runs: dict[str, Run]
    fields: set[tuple[str, type[Event], str]]
    """The sealed fields that were written with a mark: service, event and path."""

    def child(self, place: tuple[str, str]) -> tuple[UUID, str, UUID]:
        """Return the id of a child, their marked name, and the referral that names them."""
        scenario, alias = place
        names = self.runs[scenario].names
        return names.id(alias), str(self.scenarios[scenario].people[alias]["name"]), names.id("r1")

    @property
    def keys(self) -> KeyEncryptionKeys:
        """The key-encryption keys that are left."""
        return KeyEncryptionKeys.from_file(self.var / "keys" / "kek")

    async def connect(self, database: str) -> asyncpg.Connection[asyncpg.Record]:
        """Connect to a database of the system as its owner."""
        noted = written(self.var)
        assert noted is not None
        return await asyncpg.connect(database_dsn(as_role(noted["postgres"], OWNER), database))

    async def files(self) -> list[Path]:
        """Return every file that the system has written, with all that PostgreSQL had only in memory."""
        owner = await self.connect("postgres")
        await owner.execute("checkpoint")
        await owner.close()
        pids = [int(file.read_text()) for file in (self.var / "run").glob("*.pid")]
        return [*files_under(self.folder), *written_files(pids, self.folder)]


@pytest.fixture(scope="module")
def marked() -> Iterator[Marked]:
    """Play the scenarios, marked, on a whole system, and use it as people do."""
    folder = Path(tempfile.mkdtemp(prefix="ooc-marked-"))
    (folder / "tmp").mkdir()
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(running_system(folder, {"TMPDIR": str(folder / "tmp")}))
        client = stack.enter_context(client_of(running.var, reason="CASE_REVIEW"))
        marker = Marker(TOKEN)
        scenarios = marked_scenarios(marker)
        runs = {
            number: Run(scenario, Http(stack.enter_context(client_of(running.var))))
            for number, scenario in scenarios.items()
        }
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(Run.play, runs.values()))
        system = Marked(folder, running.var, client, marker, scenarios, runs, set())
        system.fields = asyncio.run(marked_fields(system))
        yield system
    shutil.rmtree(folder, ignore_errors=True)


async def data_keys(marked: Marked) -> dict[tuple[str, int], DataKey]:
    """Return every data key of the keyring, unwrapped."""
    keyring, kek = await marked.connect("ooc_keyring"), marked.keys
    rows = await keyring.fetch("select subject, generation, epoch, wrapped from data_key")
    await keyring.close()
    return {(row["subject"], row["generation"]): kek.unwrap(*row.values()) for row in rows}


async def bodies(marked: Marked) -> list[tuple[str, bytes]]:
    """Return the bytes of every event of the services, with the service that stored it."""
    found = []
    for name in SERVICES:
        store = await marked.connect(f"ooc_{name}")
        found += [(name, row["body"]) for row in await store.fetch("select body from event order by position")]
        await store.close()
    return found


async def marked_fields(marked: Marked) -> set[tuple[str, type[Event], str]]:
    """Open the stored bytes of every event; return the fields that were marked: service, event and path."""
    keys, found = await data_keys(marked), set()
    for name, body in await bodies(marked):
        if not SERVICES[name].is_own(json.loads(body)["type"]):
            continue
        fact = SERVICES[name].events.read(body, keys={one: keys[one] for one in key_ids_in(body)})
        for path, _, sealed in sealed_fields(fact.event, fact.sealing_home):
            if (field := marked_path(path, sealed, marked.marker)) is not None:
                found.add((name, type(fact.event), field))
    return found


def test_every_sealed_field_of_every_event_was_written_with_a_mark(marked: Marked) -> None:
    """Given the stored bytes, then each sealed field of the contract was opened from them at least once, and was marked."""
    contract = {(service.name, event, path) for service, event in EVENTS for path in sealed_paths(event)}
    assert {f"{name}.{event.__name__}.{path}" for name, event, path in contract - marked.fields} == set()


def use(marked: Marked) -> None:
    """Search, read, print, mistake and begin with marked values, as people do at the APIs and in the console."""
    client = marked.client
    _, name, referral = marked.child(READ)
    found = client.search({"name": name}, role="SUPERVISOR")
    assert (found.status, found.body["total"]) == (200, 1), found.body
    case = found.body["cases"][0]["case_id"]
    read = client.get("referral", f"/v1/referrals/{referral}", role="SUPERVISOR")
    assert TOKEN in json.dumps(read.body), "the marks are there to be found"
    for service, path in (
        ("referral", f"/v1/referrals/{referral}/history"),
        ("referral", f"/v1/referrals/{referral}/documents/closing-letter"),
        ("reporting", f"/v1/cases/{case}"),
        ("reporting", f"/v1/cases/{case}/timeline"),
        ("reporting", "/v1/measures/disproportionality?from=2025-04-01&to=2026-03-31"),
    ):
        client.get(service, path, role="SUPERVISOR")
    wrong = {"type": "LinkPerson", "role": name, "details": {"name": name, "date_of_birth": name}}
    refused = client.post(
        "referral", f"/v1/referrals/{referral}/commands", role="SUPERVISOR", body=wrong, key=str(uuid4())
    )
    assert refused.status == 422
    assert TOKEN not in json.dumps(refused.body)
    noted = written(marked.var)
    assert noted is not None
    with Browser(noted["console"]) as browser:
        browser.sign_in("SUPERVISOR-1")
        searched = browser.open("/search")
        answer = browser.send(searched, searched.form("/search"), {"words": name})
        assert TOKEN in answer.text
        assert TOKEN in browser.open(f"/cases/{case}").text
        report = REPORT | {"narrative": f"What was said {TOKEN}0"}
        drafted = fill_in(browser, browser.open("/begin/referrals/ReceiveReferral"), report)
        assert TOKEN in drafted.text


async def clear_rows(marked: Marked) -> list[str]:
    """Name each table of each database that has a row with the token, read as SQL reads it: compressed values too."""
    plain, hexadecimal = f"%{TOKEN}%", f"%{TOKEN.encode().hex()}%"
    owner = await marked.connect("postgres")
    databases = [row[0] for row in await owner.fetch("select datname from pg_database where datallowconn")]
    await owner.close()
    found = []
    for database in databases:
        connection = await marked.connect(database)
        tables = await connection.fetch(
            "select format('%I.%I', schemaname, tablename) from pg_tables"
            " where schemaname not in ('pg_catalog', 'information_schema')"
        )
        for (table,) in tables:
            query = f"select count(*) from {table} as t where t::text ilike any ($1::text[])"
            if await connection.fetchval(query, [plain, hexadecimal]):
                found.append(f"{database} {table}")
        await connection.close()
    return found


async def test_no_byte_of_a_marked_value_is_on_a_disk_or_said_without_sign_in(marked: Marked) -> None:
    """Given marked values, read, searched, printed, mistaken and drafted, then no file has them in any form."""
    await asyncio.to_thread(use, marked)
    console = await marked.connect("ooc_console")
    assert await console.fetchval("select count(*) from draft"), "the console stores a draft, encrypted"
    await console.close()
    files = await marked.files()
    assert holding(files, WANTED | BIRTH_DATES) == []
    assert days_in(files, marked.marker.birth_dates) == []
    assert await clear_rows(marked) == []
    for service in (*SERVICES, "reporting"):
        for path in ("/status", "/health/ready", "/metrics"):
            assert TOKEN not in json.dumps(marked.client.open(service, path).body)


async def test_the_search_finds_each_form_in_each_place(marked: Marked) -> None:
    """Given a control token in each form, in a table and in a file, and an event's id in Kafka, then the search finds all."""
    control = f"q{uuid4().hex[:11]}"
    looked_for = {(control, form): value for form, value in forms(control).items()}
    owner = await marked.connect("ooc_reporting")
    await owner.execute(f"create table control as select '{control}'::text as value")
    try:
        assert any("plain" in found for found in holding(await marked.files(), looked_for))
    finally:
        await owner.execute("drop table control")
    event = json.loads((await bodies(marked))[0][1])["event_id"]
    assert holding(files_under(marked.var / "kafka"), {(event, "plain"): event.encode()}), "Kafka's logs are searched"
    await owner.close()
    place = marked.folder / "tmp" / "control"
    for (_, form), value in looked_for.items():
        place.write_bytes(os.urandom(1000) + value + os.urandom(1000))
        assert f"control: {form}" in holding([place], looked_for)
    place.write_bytes(b"\0" + base64.b64encode(b'..{"date_of_birth":"2011-03-14"}'))
    assert holding([place], BIRTH_DATES)
    for encoding in ("ascii", "utf-16-le", "utf-16-be"):
        place.write_text("born 2011-03-14.", encoding=encoding)
        assert days_in([place], {"2011-03-14"}) == ["control: 2011-03-14"]
    place.unlink()


async def test_nothing_of_a_forgotten_child_can_be_opened(marked: Marked) -> None:
    """Given a forgotten child and a destroyed epoch, then neither the keyring, nor an old copy, nor a route opens a field."""
    child, name, referral = marked.child(FORGOTTEN)
    subject, before = f"person/{child}", marked.keys
    keyring = await marked.connect("ooc_keyring")
    copies = await keyring.fetch("select subject, generation, epoch, wrapped from data_key where subject = $1", subject)
    secrets = [before.unwrap(*copy.values()).secret for copy in copies]
    tokens = [
        SealedToken.parse(text)
        for _, body in await bodies(marked)
        for text in _texts(json.loads(body))
        if text.startswith(f"s1:{subject}:")
    ]
    assert len(copies) == 1
    assert len({token.path for token in tokens}) >= 5, "name, birth date, address and more, in several services"
    others = await data_keys(marked)

    forgotten = ooc(marked.var, "forget", str(child), "--basis", "PRINCIPLE_INFRINGED", "--yes")
    assert forgotten.returncode == 0, forgotten.stdout + forgotten.stderr
    for command in (["rotate"], ["destroy", before.epoch, "--early"]):
        done = ooc(marked.var, "keys", *command)
        assert done.returncode == 0, done.stdout + done.stderr

    left = marked.keys
    assert before.epoch not in left.epochs
    assert not await keyring.fetchval("select count(*) from data_key where subject = $1", subject)
    for copy in copies:
        for epoch in (before.epoch, *left.epochs):
            with pytest.raises(UnusableKey):
                left.unwrap(copy["subject"], copy["generation"], epoch, copy["wrapped"])
    now = await data_keys(marked)
    gone = {one for one, _ in others.keys() - now.keys()}
    assert subject in gone
    assert {one for one in others if one[0] not in gone} <= now.keys(), "everybody else can be read as before"
    assert not [token for token in tokens if (token.subject, token.generation) in now]
    await keyring.close()

    def unreadable() -> bool:
        read = marked.client.get("referral", f"/v1/referrals/{referral}", role="SUPERVISOR")
        searched = marked.client.search({"name": name}, role="SUPERVISOR")
        person = read.body["details"]["people"][str(child)]
        return searched.body["total"] == 0 and name not in json.dumps(read.body) and "forgotten" in str(person)

    await eventually(lambda: asyncio.to_thread(unreadable), 120)
    files = await marked.files()
    destroyed = {f"data key {n}": secret for n, secret in enumerate(secrets)} | {
        "key-encryption key": before.epochs[before.epoch]
    }
    wanted = {
        (what, form): value
        for what, secret in destroyed.items()
        for form, value in {
            "bytes": secret,
            "hexadecimal": secret.hex().encode(),
            "base64": base64.b64encode(secret),
            "base64url": base64.urlsafe_b64encode(secret),
        }.items()
    }
    assert holding(files, WANTED | BIRTH_DATES | wanted) == []
    assert await clear_rows(marked) == []


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
