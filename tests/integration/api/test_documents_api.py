"""Printing over HTTP: behind the gate, with the digest to sign, on a real database with real keys."""

import hashlib
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.disposal.service import service
from shared.privacy.keyring import CACHED_SECONDS, KeyEncryptionKeys, PostgresKeyring
from shared.runtime.privileges import RoleKind, role_name
from shared.servers import database as connections
from shared.servers.settings import Settings
from tests.integration.api.conftest import Client, api_of
from tests.pdf import pdf_text

POLICE, YJS = "POLICE_DECISION_MAKER", "YJS_CASE_MANAGER"


@pytest.fixture
async def api(settings: Settings, issuer: str) -> AsyncIterator[Client]:
    async with api_of(service, settings, issuer) as client:
        yield client


async def tell(api: Client, stream: UUID, *steps: tuple[str, str, dict[str, Any]]) -> None:
    """Ask commands that must be accepted: role, day and body."""
    for role, day, body in steps:
        answer = await api.send(stream, {"occurred_at": f"{day}T10:00:00+00:00", **body}, role=role)
        assert answer.status_code == 201, answer.text


def case(person: UUID) -> tuple[tuple[str, str, dict[str, Any]], ...]:
    """Return a theft, admitted and decided for a conditional caution."""
    offence = {
        "code": "04601",
        "title": "Theft from a shop",
        "date": "2026-03-02",
        "trial_mode": "EITHER_WAY",
        "recordable": True,
        "category": "THEFT",
    }
    opening = {
        "type": "OpenDisposalCase",
        "case_id": str(uuid4()),
        "person_id": str(person),
        "details": {"name": "Llŷr Hartnell", "date_of_birth": "2011-03-14"},
        "crime_number": "55260013127",
        "offence": offence,
        "reported_at": "2026-03-02T15:20:00+00:00",
    }
    deciding = {
        "type": "DecideDisposal",
        "decision": "YCC",
        "rationale_text": "As scored.",
        "public_interest": "It serves better than court.",
        "rationale": {"A1": "Urgent.", "R27": "No score yet."},
    }
    return (
        (YJS, "2026-03-03", opening),
        (YJS, "2026-03-04", {"type": "RecordAdmission", "appropriate_adult_present": True, "facts_accepted": True}),
        (POLICE, "2026-03-05", {"type": "DecideEvidence", "sufficient": True, "standard": "CHARGE"}),
        (POLICE, "2026-03-10", deciding),
    )


def condition() -> tuple[str, str, dict[str, Any]]:
    """Return the step that proposes a letter of apology."""
    terms = {"condition_id": str(uuid4()), "type": "LETTER_OF_APOLOGY", "object": "REPARATION", "due": "2026-05-28"}
    return (YJS, "2026-03-11", {"type": "ProposeCondition", "condition": terms})


async def log(settings: Settings, stream: UUID) -> list[tuple[str, str, str, str]]:
    """Return the access log of a stream and its documents."""
    connection = await asyncpg.connect(settings.database("disposal", role_name(RoleKind.VERIFY)))
    rows = await connection.fetch(
        "select role, action, target, outcome from access_log where starts_with(target, $1) order by sequence",
        f"disposal/{stream}",
    )
    await connection.close()
    return [(row["role"], row["action"], row["target"], row["outcome"]) for row in rows]


async def test_a_document_is_printed_logged_and_named_by_its_digest(api: Client, settings: Settings) -> None:
    """The PDF says the child's name, its SHA-256 is the ETag and the Repr-Digest, and the log has the read."""
    stream = uuid4()
    await tell(api, stream, *case(uuid4()), condition())
    answer = await api.read(f"/v1/disposals/{stream}/documents/ycc", role=POLICE)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/pdf"
    digest = hashlib.sha256(answer.content)
    assert answer.headers["etag"] == f'"{digest.hexdigest()}"'
    assert answer.headers["repr-digest"] == f"sha-256=:{b64encode(digest.digest()).decode()}:"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-language"] == "en"
    assert "Llŷr Hartnell" in pdf_text(answer.content)
    assert await log(settings, stream) == [(POLICE, "READ_DOCUMENT", f"disposal/{stream}/documents/ycc", "GIVEN")]
    again = await api.read(f"/v1/disposals/{stream}/documents/ycc", role=YJS)
    assert again.content == answer.content
    headers = {"If-None-Match": f'"another", {answer.headers["etag"]}'}
    held = await api.read(f"/v1/disposals/{stream}/documents/ycc", role=YJS, headers=headers)
    assert (held.status_code, held.content) == (304, b"")
    assert len(await log(settings, stream)) == 3  # it was read all the same


@pytest.mark.parametrize("language", ["en", "cy"])
async def test_what_is_printed_signed_and_read_is_one_document(api: Client, language: str) -> None:
    """Given a document printed over HTTP, when its ETag is signed, then the state says that it was printed here; before, nothing."""
    stream = uuid4()
    await tell(api, stream, *case(uuid4()), condition())
    assert (await api.read(f"/v1/disposals/{stream}", role=POLICE)).json()["document_printed_here"] is None
    answer = await api.read(f"/v1/disposals/{stream}/documents/ycc?lang={language}", role=POLICE)
    signing = {"type": "SignDocument", "consent": True, "signed_by_child": True}
    for digest, printed_here in ((answer.headers["etag"].strip('"'), True), ("0" * 64, False)):
        await tell(api, stream, (POLICE, "2026-03-12", {**signing, "document_sha256": digest}))
        assert (await api.read(f"/v1/disposals/{stream}", role=POLICE)).json()["document_printed_here"] is printed_here


async def test_welsh_is_asked_for_by_name(api: Client) -> None:
    """`lang=cy` prints the Welsh document; an unknown language is malformed."""
    stream = uuid4()
    await tell(api, stream, *case(uuid4()), condition())
    welsh = await api.read(f"/v1/disposals/{stream}/documents/ycc?lang=cy", role=POLICE)
    assert welsh.headers["content-language"] == "en, cy"
    assert "Dyddiad geni" in pdf_text(welsh.content)
    assert (await api.read(f"/v1/disposals/{stream}/documents/ycc?lang=fr", role=POLICE)).status_code == 422


async def test_what_the_state_does_not_allow_is_a_conflict_in_a_sentence(api: Client) -> None:
    """409 says in a sentence why the document does not exist, now or at `as_of`."""
    stream = uuid4()
    await tell(api, stream, *case(uuid4()), condition())
    early = await api.read(f"/v1/disposals/{stream}/documents/ycc?as_of=2026-03-10", role=POLICE)
    assert early.status_code == 409
    assert early.headers["content-type"] == "application/problem+json"
    assert "at least one" in early.json()["detail"]
    before = await api.read(f"/v1/disposals/{stream}/documents/ycc?as_of=2026-03-01", role=POLICE)
    assert before.status_code == 404


async def test_what_is_not_there_is_not_found(api: Client) -> None:
    """No such document: 404 with those that there are. No such case: 404."""
    unknown = await api.read(f"/v1/disposals/{uuid4()}/documents/cheque", role=POLICE)
    assert unknown.status_code == 404
    assert "warning-letter" in unknown.json()["detail"]
    assert (await api.read(f"/v1/disposals/{uuid4()}/documents/ycc", role=POLICE)).status_code == 404


async def test_only_those_who_may_print_get_it(api: Client, settings: Settings) -> None:
    """A role without the right, one with another document only, no token: refused; another area's: unknown; all logged."""
    stream = uuid4()
    await tell(api, stream, *case(uuid4()), condition())
    path = f"/v1/disposals/{stream}/documents/ycc"
    for role in ("ANALYST", "VICTIM_WORKER", "SAFE_SCHOOLS_OFFICER"):
        assert (await api.read(path, role=role)).status_code == 403
    elsewhere = await api.token(POLICE, area="DEVON")
    assert (await api.read(path, token=elsewhere)).status_code == 404
    assert (await api.http.get(path)).status_code == 401
    assert (await api.http.get(f"/v1/disposals/{stream}/documents/cheque")).status_code == 401
    assert [(role, outcome) for role, _, _, outcome in await log(settings, stream)] == [
        ("ANALYST", "FORBIDDEN"),
        ("VICTIM_WORKER", "FORBIDDEN"),
        ("SAFE_SCHOOLS_OFFICER", "FORBIDDEN"),
        (POLICE, "FORBIDDEN"),
    ]


async def test_a_forgotten_child_is_printed_as_erased(
    api: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the key is destroyed the document prints, without the name."""
    stream, person = uuid4(), uuid4()
    await tell(api, stream, *case(person), condition())
    app: Any = api.http._transport
    pool = await connections.create_pool(settings.database("keyring", role_name(RoleKind.ERASURE)), max_size=1)
    await PostgresKeyring(pool, KeyEncryptionKeys.of(settings)).destroy(f"person/{person}")
    await pool.close()
    # The API's own keyring hears of it when its minute is over.
    monkeypatch.setattr(app.app.state.deps.handler.keyring, "_clock", lambda: time.monotonic() + CACHED_SECONDS)
    answer = await api.read(f"/v1/disposals/{stream}/documents/ycc", role=POLICE)
    text = pdf_text(answer.content)
    assert "[erased]" in text
    assert "Hartnell" not in text
