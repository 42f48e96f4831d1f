"""A partner's program with a token of Keycloak: the example's own sender refers a child, and follows its receipt."""

import asyncio
import importlib.util
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from services.referral.service import service
from shared.runtime.application import service_api
from shared.runtime.privileges import RoleKind, role_name
from shared.servers.settings import Settings
from tests import loopback
from tests.hostile.serving import served
from tests.integration.identity.conftest import Keycloak
from tests.integration.identity.keycloak import PEOPLE, PROGRAM
from tests.integration.identity.signing_in import part

EXAMPLE = Path(__file__).parents[3] / "examples" / "early_help_alert"
TRUST = {"role": "SCHOOL", "organisation": "WESSEX_TRUST", "area": "DORSET", "conflicts": ["none"]}
OTHER = {**TRUST, "organisation": "PURBECK_TRUST"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def example() -> ModuleType:
    """Return partner.py of the example, which is no part of any package."""
    spec = importlib.util.spec_from_file_location("early_help_partner", EXAMPLE / "partner.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
async def url(settings: Settings, keycloak: Keycloak) -> AsyncIterator[str]:
    """Yield the address of the API of referral, which believes Keycloak."""
    app = service_api(service, settings)
    async with app.router.lifespan_context(app), served(app, settings) as port:
        yield f"http://127.0.0.1:{port}"


def sender(example: ModuleType, keycloak: Keycloak, url: str, folder: Path, attributes: dict[str, Any]) -> Any:
    """Register a program at Keycloak as the documentation says, and start the example's sender with its credentials."""
    client, secret = keycloak.admin.add_program(attributes)
    credentials = folder / f"{client}.json"
    form = {"client_id": client, "client_secret": secret}
    credentials.write_text(json.dumps({"issuer": keycloak.issuer, "referral": url, "form": form}), encoding="utf-8")
    return example.Partner.read(credentials)


def test_a_program_gets_what_people_get_in_their_tokens() -> None:
    """The client that the documentation adds for a program has people's mappers of access tokens, and no way to sign anybody in."""
    of_access = [one for one in PEOPLE["protocolMappers"] if one["config"]["access.token.claim"] == "true"]
    assert PROGRAM["protocolMappers"] == of_access
    assert PROGRAM["attributes"]["access.token.header.type.rfc9068"] == "true"
    assert (PROGRAM["publicClient"], PROGRAM["serviceAccountsEnabled"]) == (False, True)
    assert not PROGRAM["standardFlowEnabled"]
    assert not PROGRAM["directAccessGrantsEnabled"]


async def test_a_program_refers_a_child_and_follows_its_receipt(
    example: ModuleType, keycloak: Keycloak, settings: Settings, url: str, tmp_path: Path
) -> None:
    """Given a client secret, the sender's referral is recorded as its own, once, and its receipt is followed with its token."""
    trust = sender(example, keycloak, url, tmp_path, TRUST)
    referral, key = str(uuid4()), str(uuid4())
    command = example._referral(str(uuid4()), "113940", key, "2026-05-21T09:00:00Z")
    status, receipt = await asyncio.to_thread(trust.send, referral, key, json.dumps(command))
    assert status == 201, receipt
    assert (await asyncio.to_thread(trust.send, referral, key, json.dumps(command))) == (201, receipt)
    changed = {**command, "incident_type": "THEFT"}
    assert (await asyncio.to_thread(trust.send, referral, key, json.dumps(changed)))[0] == 422

    claims = part(trust._token, 1)
    connection = await asyncpg.connect(settings.database("referral", role_name(RoleKind.VERIFY)))
    rows = await connection.fetch(
        "select event_id, position, hash, body from event where stream = $1", f"referral/{referral}"
    )
    await connection.close()
    (row,), (line,) = rows, receipt["events"]
    assert (line["event_id"], line["position"], line["hash"]) == (
        str(row["event_id"]),
        row["position"],
        row["hash"].hex(),
    )
    actor = json.loads(row["body"])["actor"]
    assert actor == {"id": claims["sub"], "role": "SCHOOL", "organisation": "WESSEX_TRUST"}

    own = {"Authorization": f"Bearer {trust._token}"}
    stranger = sender(example, keycloak, url, tmp_path, OTHER)
    other = {"Authorization": f"Bearer {await asyncio.to_thread(stranger._access_token)}"}
    async with loopback.client(base_url=url, timeout=60) as http:
        followed = await http.get(f"/v1/commands/{receipt['command_id']}", headers=own)
        assert followed.json()["state"] == "recorded", followed.text
        assert (await http.get(f"/v1/referrals/{referral}", headers=own)).status_code == 200
        assert (await http.get(f"/v1/referrals/{referral}", headers=other)).status_code == 404
        assert (await http.get(f"/v1/commands/{receipt['command_id']}", headers=other)).status_code == 404


@pytest.mark.parametrize("role", ["SCHOOL", "AGENCY"])
async def test_a_program_does_only_what_its_role_may(
    example: ModuleType, keycloak: Keycloak, url: str, tmp_path: Path, role: str
) -> None:
    """Given the same token, a command of officers is refused for good; without the secret there is no token at all."""
    trust = sender(example, keycloak, url, tmp_path, {**TRUST, "role": role})
    command = json.dumps({"type": "AcknowledgeReferral"})
    assert (await asyncio.to_thread(trust.send, str(uuid4()), str(uuid4()), command))[0] in {403, 404}
    guessing = example.Partner(trust.issuer, trust.referral, {**trust.form, "client_secret": "guessed"})
    with pytest.raises(example.TryLater):
        await asyncio.to_thread(guessing.send, str(uuid4()), str(uuid4()), command)
