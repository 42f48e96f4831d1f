"""The import of a row over HTTP, on a real PostgreSQL: its mark, its repetition, its dry run, and who may ask for it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest

from services.referral.service import service
from shared.servers.settings import Settings
from tests import loopback
from tests.integration.api.conftest import api_of, rows_of
from tests.received_referral import received_referral

FILE = "5" * 64
PERSON = str(uuid4())
RECEIVE: Final = received_referral(
    uuid4(),
    "2025-03-04T09:00:00+00:00",
    reported_at="2025-03-03T14:10:00+00:00",
    happened_at="2025-03-03T12:40:00+00:00",
)
LINK: dict[str, Any] = {
    "type": "LinkPerson",
    "occurred_at": "2025-03-04T09:00:00+00:00",
    "person_id": PERSON,
    "role": "HARMER",
    "category": "SUSPECT",
    "details": {"name": "Robin Doe", "date_of_birth": "2011-03-14"},
    "rationale": {"N2": "Another one."},
}
ACKNOWLEDGE: dict[str, Any] = {"type": "AcknowledgeReferral", "occurred_at": "2025-03-04T10:00:00+00:00"}
TRIAGE: dict[str, Any] = {
    "type": "TriageReferral",
    "occurred_at": "2025-03-05T10:00:00+00:00",
    "outcome": "SIGNPOST",
    "rationale_text": "The school works with the family.",
}
ROW = [RECEIVE, LINK, ACKNOWLEDGE, TRIAGE]


class Importer:
    """Somebody who imports rows through the API."""

    def __init__(self, http: httpx2.AsyncClient, issuer: str) -> None:
        self.http, self.issuer = http, issuer

    async def headers(self, role: str, area: str, person: int, conflict: str | None) -> dict[str, str]:
        form = {"grant_type": "client_credentials", "sub": str(UUID(int=person)), "role": role, "area": area}
        form |= {"organisation": "DORSET_POLICE", **({"conflicts": conflict} if conflict else {})}
        async with loopback.client() as client:
            token = (await client.post(f"{self.issuer}/token", data=form)).raise_for_status().json()["access_token"]
        return {"Authorization": f"Bearer {token}"}

    async def send(
        self,
        stream: UUID,
        commands: Sequence[Mapping[str, Any]],
        *,
        row: int = 2,
        file: str = FILE,
        dry_run: bool = False,
        role: str = "SUPERVISOR",
        area: str = "DORSET",
        person: int = 1,
        conflict: str | None = None,
    ) -> httpx2.Response:
        body = {"file_sha256": file, "row": row, "commands": [*commands]}
        path = f"/v1/referrals/{stream}/import{'?dry_run=true' if dry_run else ''}"
        return await self.http.post(path, json=body, headers=await self.headers(role, area, person, conflict))

    async def history(self, stream: UUID) -> list[dict[str, Any]]:
        headers = await self.headers("SAFE_SCHOOLS_OFFICER", "DORSET", 9, None)
        answer = await self.http.get(f"/v1/referrals/{stream}/history", headers=headers)
        return list(answer.json()["events"]) if answer.status_code == 200 else []


@pytest.fixture
async def importer(settings: Settings, issuer: str) -> AsyncIterator[Importer]:
    async with api_of(service, settings, issuer) as client:
        yield Importer(client.http, issuer)


async def logged(settings: Settings, stream: UUID) -> list[tuple[str, str, list[str]]]:
    """Return the lines of the access log about imports to a stream."""
    owner = await asyncpg.connect(settings.database("referral", "postgres"))
    query = "select * from access_log where target = $1 and action like '%IMPORT' order by sequence"
    rows = await owner.fetch(query, f"referral/{stream}")
    await owner.close()
    return [(row["action"], row["outcome"], row["rules"]) for row in rows]


async def test_a_row_is_recorded_as_imported(importer: Importer) -> None:
    """Each event names the file and the row, the supervisor and the time at which it happened."""
    stream = uuid4()
    answer = await importer.send(stream, ROW, row=17)
    assert answer.status_code == 200, answer.text
    assert answer.json()["outcome"] == "imported"
    assert [(one["type"], one["outcome"], one["version"]) for one in answer.json()["commands"]] == [
        ("ReceiveReferral", "recorded", 1),
        ("LinkPerson", "recorded", 2),
        ("AcknowledgeReferral", "recorded", 3),
        ("TriageReferral", "recorded", 4),
    ]
    events = await importer.history(stream)
    assert {(one["origin"]["kind"], one["origin"]["reference"]) for one in events} == {("IMPORT", f"{FILE}#row=17")}
    assert {one["actor"]["role"] for one in events} == {"SUPERVISOR"}
    assert events[3]["occurred_at"].startswith("2025-03-05T10:00:00")
    assert len({one["correlation_id"] for one in events}) == 1


async def test_a_row_is_imported_once(importer: Importer) -> None:
    """Given another file, row and supervisor, then the same commands record nothing, and a further one is recorded."""
    stream = uuid4()
    await importer.send(stream, ROW)
    again = (await importer.send(stream, ROW, file="6" * 64, row=9, person=2)).json()
    assert (again["outcome"], len(await importer.history(stream))) == ("repeated", 4)
    closing = {"type": "CloseReferral", "occurred_at": "2025-03-14T10:00:00+00:00", "reason": "REFERRED_ON"}
    further = (await importer.send(stream, [*ROW, closing], file="6" * 64, row=9)).json()
    assert (further["outcome"], further["commands"][-1]["outcome"]) == ("imported", "recorded")
    events = await importer.history(stream)
    assert [one["origin"]["reference"] for one in events] == [f"{FILE}#row=2"] * 4 + [f"{'6' * 64}#row=9"]


async def test_a_row_that_names_no_case_gets_one_that_nobody_can_derive(importer: Importer, settings: Settings) -> None:
    """Given rows without the id of a case, then each record has one of its own at random, which stands when the row is sent again."""
    bare = {name: value for name, value in RECEIVE.items() if name != "case_id"}
    streams = uuid4(), uuid4()
    for stream in streams:
        assert (await importer.send(stream, [bare, LINK], dry_run=True)).json()["outcome"] == "imported"
        assert (await importer.send(stream, [bare, LINK])).json()["outcome"] == "imported"
        assert (await importer.send(stream, [bare, LINK], dry_run=True)).json()["outcome"] == "repeated"
        assert (await importer.send(stream, [bare, LINK])).json()["outcome"] == "repeated"
    owner = await asyncpg.connect(settings.database("referral", "postgres"))
    names = [f"referral/{stream}" for stream in streams]
    homes = {row["home"] for row in await owner.fetch("select home from event where stream = any($1)", names)}
    await owner.close()
    assert len(homes - set(streams)) == 2
    assert {home.version for home in homes} == {4}


async def test_a_row_that_named_its_case_is_repeated_without_it(importer: Importer) -> None:
    """Given a row whose case an earlier release named, then the row without it is the same."""
    stream = uuid4()
    await importer.send(stream, ROW)
    bare = {name: value for name, value in RECEIVE.items() if name != "case_id"}
    assert (await importer.send(stream, [bare, *ROW[1:]])).json()["outcome"] == "repeated"


async def test_a_row_that_has_changed_is_not_imported(importer: Importer) -> None:
    """Given another content of a command that was imported, then the answer says which, and nothing is recorded."""
    stream = uuid4()
    await importer.send(stream, ROW)
    other = {**LINK, "category": "DISPOSED_OOC"}
    for dry_run in (True, False):
        answer = (await importer.send(stream, [RECEIVE, other, ACKNOWLEDGE, TRIAGE], dry_run=dry_run)).json()
        assert (answer["outcome"], [one["outcome"] for one in answer["commands"]]) == (
            "not_imported",
            ["repeated", "changed"],
        )
    assert len(await importer.history(stream)) == 4


async def test_a_dry_run_judges_the_whole_row_and_writes_nothing(importer: Importer, settings: Settings) -> None:
    """Later commands are judged after earlier ones; every table but the access log is as before, keys too."""
    stream, before = uuid4(), await rows_of(settings, "referral")
    good = (await importer.send(stream, ROW, dry_run=True)).json()
    assert (good["dry_run"], good["outcome"]) == (True, "imported")
    assert [one["version"] for one in good["commands"]] == [1, 2, 3, 4]
    bad = (await importer.send(stream, [RECEIVE, LINK, TRIAGE], dry_run=True)).json()
    assert (bad["outcome"], bad["commands"][-1]["outcome"]) == ("not_imported", "refused")
    (rule,) = bad["commands"][-1]["rules"]
    assert (rule["id"], bool(rule["source"])) == ("S1", True)
    assert await rows_of(settings, "referral") == before
    assert await logged(settings, stream) == [("DRY_RUN_IMPORT", "GIVEN", []), ("DRY_RUN_IMPORT", "REFUSED", ["S1"])]


async def test_a_dry_run_goes_on_from_what_is_recorded(importer: Importer, settings: Settings) -> None:
    """Given a row that was interrupted, then the dry run repeats what stands and judges the rest, as the import does."""
    stream = uuid4()
    await importer.send(stream, [RECEIVE, LINK])
    before = await rows_of(settings, "referral")
    dry = (await importer.send(stream, ROW, dry_run=True)).json()
    assert await rows_of(settings, "referral") == before
    real = (await importer.send(stream, ROW)).json()
    assert dry["commands"] == real["commands"]
    assert [one["outcome"] for one in real["commands"]] == ["repeated", "repeated", "recorded", "recorded"]


async def test_a_refused_command_ends_its_row(importer: Importer, settings: Settings) -> None:
    """What stands before it stays; the corrected row goes on from there; the refusal is in the access log."""
    stream = uuid4()
    answer = (await importer.send(stream, [RECEIVE, LINK, TRIAGE])).json()
    assert [one["outcome"] for one in answer["commands"]] == ["recorded", "recorded", "refused"]
    assert await logged(settings, stream) == [("IMPORT", "REFUSED", ["S1"])]
    assert (await importer.send(stream, ROW)).json()["outcome"] == "imported"


async def test_all_that_is_malformed_is_named_before_anything_is_recorded(importer: Importer) -> None:
    """Every malformed command of the row is listed with its number and fields, and none is recorded."""
    stream = uuid4()
    nobody = {**LINK, "details": {"name": "Robin Doe", "date_of_birth": "1066-10-14"}, "Robin Doe": 1}
    answer = await importer.send(stream, [RECEIVE, nobody, {"type": "Nonsense"}, {"type": [1]}])
    assert answer.json()["outcome"] == "not_imported"
    link, unknown, _ = answer.json()["commands"]
    assert (link["number"], link["type"], link["outcome"]) == (2, "LinkPerson", "malformed")
    assert [error["field"] for error in link["errors"]] == ["details.date_of_birth", "…"]
    assert (unknown["number"], unknown["type"]) == (3, None)
    assert "Robin" not in answer.text
    assert await importer.history(stream) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"file_sha256": "Robin"}, "file_sha256"),
        ({"row": 0}, "row"),
        ({"commands": []}, "commands"),
        ({"commands": [ACKNOWLEDGE] * 21}, "commands"),
        ({"actor": "x"}, "actor"),
    ],
)
async def test_a_body_that_is_no_row_is_refused(importer: Importer, change: Mapping[str, Any], field: str) -> None:
    """The answer (422) names the member."""
    body = {"file_sha256": FILE, "row": 2, "commands": ROW, **change}
    headers = await importer.headers("SUPERVISOR", "DORSET", 1, None)
    answer = await importer.http.post(f"/v1/referrals/{uuid4()}/import", json=body, headers=headers)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("role", ["SAFE_SCHOOLS_OFFICER", "SCHOOL", "AUDITOR", "POLICE_DECISION_MAKER"])
async def test_supervisors_alone_import(importer: Importer, settings: Settings, role: str) -> None:
    """Another role gets 403, recorded in the access log, for the import and for its dry run."""
    stream = uuid4()
    for dry_run in (True, False):
        answer = await importer.send(stream, ROW, role=role, dry_run=dry_run)
        assert (answer.status_code, "it is for SUPERVISOR" in answer.text) == (403, True)
    assert await logged(settings, stream) == [("DRY_RUN_IMPORT", "FORBIDDEN", ["T2"]), ("IMPORT", "FORBIDDEN", ["T2"])]


async def test_an_import_has_no_command_of_reactions(importer: Importer) -> None:
    """Given a command that services alone send, then the row is refused with 403, and nothing of it is recorded."""
    stream = uuid4()
    carried = {"type": "CarryOutcome", "code": "8", "disposal_id": str(uuid4()), "person_id": PERSON}
    answer = await importer.send(stream, [RECEIVE, carried])
    assert (answer.status_code, await importer.history(stream)) == (403, [])


async def test_another_area_meets_an_unknown_record(importer: Importer) -> None:
    """Given a referral of another area, then the same row and a changed one get the same answer, which reveals nothing."""
    stream = uuid4()
    await importer.send(stream, ROW)
    for row in (ROW, [RECEIVE, {**LINK, "category": "DISPOSED_OOC"}]):
        answer = (await importer.send(stream, row, area="DEVON")).json()
        assert [one["outcome"] for one in answer["commands"]] == ["unknown"]
    assert len(await importer.history(stream)) == 4


async def test_a_declared_conflict_of_interest_stops_an_import(importer: Importer) -> None:
    """A supervisor who has declared a conflict with the person of a row gets 403 for the row, of which nothing is recorded."""
    stream = uuid4()
    answer = await importer.send(stream, ROW, conflict=PERSON)
    assert answer.status_code == 403
    assert not await importer.history(stream)


async def test_a_record_that_is_sent_twice_at_once_is_recorded_once(importer: Importer) -> None:
    """Given one row in two requests at once, then each event is recorded by one of them, and repeated by the other."""
    stream = uuid4()
    answers = await asyncio.gather(importer.send(stream, ROW), importer.send(stream, ROW))
    kinds = [command["outcome"] for answer in answers for command in answer.json()["commands"]]
    assert sorted(kinds) == ["recorded"] * 4 + ["repeated"] * 4
    assert len(await importer.history(stream)) == 4


async def test_a_row_of_a_forgotten_person_is_refused(importer: Importer, settings: Settings) -> None:
    """Given a person whose key is destroyed, then their row gets 410, and a dry run says so before anything is recorded."""
    forgotten, stream = str(uuid4()), uuid4()
    owner = await asyncpg.connect(settings.database("keyring", "postgres"))
    await owner.execute("insert into tombstone (subject) values ($1)", f"person/{forgotten}")
    await owner.close()
    row = [RECEIVE, {**LINK, "person_id": forgotten}]
    assert (await importer.send(stream, row, dry_run=True)).status_code == 410
    assert await importer.history(stream) == []
    assert (await importer.send(stream, row)).status_code == 410
    assert [event["type"] for event in await importer.history(stream)] == ["ReferralReceived"]
