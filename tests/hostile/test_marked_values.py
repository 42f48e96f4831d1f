"""Marked values: whatever describes a child is nowhere in clear, in any form, and is in no copy once its epoch has gone."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

import asyncpg
import pytest

from ooc.evidence.keys import begin_epoch, remove_epoch, rewrap
from services.system.registry import deciding_services
from shared.domain.sealing import sealed_fields
from shared.privacy.keyring import KeyEncryptionKeys, UnusableKey
from tests.hostile import partnership as world
from tests.hostile.byte_search import files_under, forms, holding
from tests.hostile.marking import Marker, marked_path, marked_scenarios
from tests.hostile.partnership import Partnership, Recorded
from tests.hostile.test_forgetting import forget
from tests.isolated_settings import IsolatedSettings
from tests.unit.test_sealed_fields import EVENTS, sealed_paths
from tools.scenario.in_memory import Memory
from tools.scenario.runner import Run

partnership = world.partnership

RUN: Final = uuid4().hex[:10]
NAME: Final = f"Zoë Märk{RUN}"
PLACE: Final = f"{RUN}marked Lane 7"
STORY: Final = f"The child said {RUN}confided to the officer."
REASON: Final = f"It helps {RUN}reasoned here."
MARKS: Final = (NAME, PLACE, STORY, REASON)


WANTED: Final = {(mark, form): found for mark in MARKS for form, found in forms(mark).items()}


@pytest.fixture
def kek_file(tmp_path: Path) -> Path:
    file = tmp_path / "kek"
    file.write_text(base64.b64encode(os.urandom(32)).decode() + "\n", encoding="ascii")
    return file


@pytest.fixture
def settings(postgres_url: str, issuer: str, kek_file: Path) -> Iterator[IsolatedSettings]:
    asyncio.run(world.provision(postgres_url))
    yield IsolatedSettings(
        prefix=world.PREFIX, mode="local", database_url=postgres_url, issuer=issuer, kek_file=kek_file
    )
    asyncio.run(world.drop(postgres_url))


async def marked_case(partnership: Partnership) -> Recorded:
    """Play a referral whose every personal value is marked, read it at every door, and close it."""
    details = {"name": NAME, "date_of_birth": "2011-03-14", "address": PLACE}
    record = await world.rejected_referral(partnership, details=details, rationale=REASON, narrative=STORY)
    wrong = await partnership.send(
        "referral",
        record.stream,
        {"type": "LinkPerson", "details": details, "role": NAME},
        await partnership.token("SUPERVISOR"),
    )
    assert wrong.status_code == 422
    assert NAME not in wrong.text
    await partnership.carry()
    token = await partnership.token("SUPERVISOR")
    answer = (await partnership.read("referral", record.path, token)).text
    assert all(mark in answer for mark in MARKS), "the marks are really there to be found"
    for service, path in (
        ("referral", f"{record.path}/history"),
        ("referral", f"{record.path}/documents/closing-letter"),
        ("reporting", f"/v1/cases/{record.case}"),
        ("reporting", f"/v1/cases/{record.case}/timeline"),
        ("referral", "/status"),
    ):
        await partnership.read(service, path, token)
    found = await partnership.clients["reporting"].post(
        "/v1/search",
        json={"name": NAME},
        headers={"Authorization": f"Bearer {token}", "Access-Reason": "CASE_REVIEW"},
    )
    assert found.json()["total"] == 1
    named = await partnership.names(token, f"referral/{record.stream}")
    assert [person["name"] for person in named.json()["people"]] == [NAME]
    return record


async def files_of(partnership: Partnership) -> list[Path]:
    """Return every file of the server: tables, indexes, write-ahead log, temporary files, its own logs."""
    owner = await asyncpg.connect(partnership.settings.database("referral", "postgres"))
    await owner.execute("checkpoint")
    folder = Path(await owner.fetchval("show data_directory"))
    await owner.close()
    if not folder.is_dir():
        pytest.skip("the server's files are on another machine")
    return files_under(folder.parent)


async def test_no_byte_of_a_marked_value_is_anywhere_and_its_key_goes_with_its_epoch(
    partnership: Partnership, kek_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Given marked values, then no file of the databases and no log has them in any form; forgotten, no copy opens either."""
    record = await marked_case(partnership)
    files = await files_of(partnership)
    sure = uuid4().hex
    owner = await asyncpg.connect(partnership.settings.database("keyring", "postgres"))
    await owner.execute(f"create table marked as select '{sure}'::text as value; checkpoint")
    assert holding(await files_of(partnership), {("", "plain"): sure.encode()}), (
        "what stands in clear is found by this search"
    )
    await owner.execute("drop table marked")
    assert holding(files, WANTED) == []
    logged = "".join(capfd.readouterr()).encode()
    assert not [form for (_, form), value in WANTED.items() if value in logged]
    copies = await owner.fetch(
        "select subject, generation, epoch, wrapped from data_key where subject = any($1::text[])",
        [f"person/{record.person}", f"home/{record.case}"],
    )
    assert len(copies) == 2
    assert all(answer.status_code == 200 for answer in await forget(partnership, record))
    await begin_epoch(owner, kek_file)
    await rewrap(owner, KeyEncryptionKeys.from_file(kek_file), timedelta(days=1))
    remove_epoch(kek_file, "1")
    rows = await owner.fetch("select subject, epoch from data_key")
    assert {row["epoch"] for row in rows} == {"2"} or not rows
    assert not {copy["subject"] for copy in copies} & {row["subject"] for row in rows}
    left = KeyEncryptionKeys.from_file(kek_file)
    for copy in copies:
        for epoch in ("1", *left.epochs):
            with pytest.raises(UnusableKey):
                left.unwrap(copy["subject"], copy["generation"], epoch, copy["wrapped"])
    secret = [("", "a key-encryption key")]
    assert holding(await files_of(partnership), {secret[0]: next(iter(left.epochs.values()))}) == []
    assert holding(await files_of(partnership), WANTED) == []
    await owner.close()
    token = await partnership.token("SUPERVISOR")
    text = (await partnership.read("referral", record.path, token)).text
    assert not [mark for mark in MARKS if mark in text]


def test_the_marked_scenarios_write_every_sealed_field() -> None:
    """Given the scenarios of test_marked_system.py, when they are played in memory, then each sealed field of the contract has a mark."""
    marker, memory = Marker(RUN), Memory(deciding_services())
    for scenario in marked_scenarios(marker).values():
        Run(scenario, memory).play()
    fields = {
        (name, type(fact.event), marked_path(path, sealed, marker))
        for name, facts in memory.histories
        for fact in facts
        for path, _, sealed in sealed_fields(fact.event, fact.sealing_home)
    }
    contract = {(service.name, event, path) for service, event in EVENTS for path in sealed_paths(event)}
    assert {f"{name}.{event.__name__}.{path}" for name, event, path in contract - fields} == set()
