"""People of Keycloak at the API of a service: who may what, and what a token carries."""

import json
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import asyncpg
import httpx2
import pytest

from services.trade.vocabulary import PROGRAMS, Role
from shared.runtime.privileges import RoleKind, role_name
from shared.servers.settings import Settings
from tests import loopback
from tests.integration.api.conftest import Client
from tests.integration.api.test_service_api import PLAN
from tests.integration.identity.conftest import OFFICER, Keycloak
from tests.integration.identity.signing_in import HERE, part, question

pytestmark = pytest.mark.slow

CLAIMS: Final = {**OFFICER, "role": [OFFICER["role"]]}
"""What a token says of the officer: a person may have several roles."""


async def test_what_a_person_does_is_recorded_as_theirs(
    keycloak: Keycloak, api: Client, stream: UUID, settings: Settings
) -> None:
    """A token of a person in a role is accepted, and the event carries their id, role, organisation and area."""
    anna = keycloak.person()
    answer = await api.send(stream, PLAN, token=anna.token())
    assert answer.status_code == 201, answer.text
    connection = await asyncpg.connect(settings.database("education", role_name(RoleKind.VERIFY)))
    body = json.loads(await connection.fetchval("select body from event where stream = $1", f"education/{stream}"))
    await connection.close()
    assert body["actor"] == {"id": anna.id, "role": OFFICER["role"], "organisation": OFFICER["organisation"]}
    assert body["labels"]["area"] == OFFICER["area"]


async def test_a_token_carries_what_is_needed_and_no_name(keycloak: Keycloak) -> None:
    """An access token names who, as what and where, for five minutes; there is no name or address in it."""
    ids = [str(UUID(int=1)), str(UUID(int=2))]
    anna = keycloak.person(conflicts=ids)
    tokens = anna.tokens()
    header, claims = part(tokens["access"], 0), part(tokens["access"], 1)
    assert (header["alg"], header["typ"]) == ("RS256", "at+jwt")
    assert claims["exp"] - claims["iat"] == 300
    assert (
        claims | CLAIMS | {"conflicts": claims["conflicts"], "sub": anna.id, "aud": "ooc", "iss": keycloak.issuer}
        == claims
    )
    assert sorted(claims["conflicts"]) == ids
    session = {"azp", "auth_time", "exp", "iat", "jti", "scope", "sid", "typ"}
    assert set(claims) - session == {"iss", "sub", "aud", "role", "organisation", "area", "conflicts"}
    assert not set(part(tokens["id"], 1)) & {"role", "organisation", "area", "conflicts"}


async def test_people_sign_in_by_code_and_pkce_alone(keycloak: Keycloak) -> None:
    """The client takes no password, gives no code without PKCE, and sends nobody elsewhere."""
    anna = keycloak.person()
    password = {"grant_type": "password", "client_id": "ooc-people", "username": anna.name, "password": anna.password}
    pkce = {"code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256"}
    async with loopback.client(base_url=keycloak.issuer, timeout=60) as browser:
        answer = await browser.post("/protocol/openid-connect/token", data=password)
        assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")

        async def authorise(**more: str) -> httpx2.Response:
            return await browser.get("/protocol/openid-connect/auth", params=question("ooc-people", **more))

        assert (await authorise(redirect_uri=HERE, **pkce)).status_code == 200
        without = await authorise(redirect_uri=HERE)
        assert parse_qs(urlsplit(without.headers["location"]).query)["error"] == ["invalid_request"]
        assert (await authorise(redirect_uri="http://elsewhere.example/done", **pkce)).status_code == 400


async def test_nobody_gives_themself_a_role(keycloak: Keycloak) -> None:
    """What a token says of a person is changed by an administrator and not by the person, who may change the password."""
    anna = keycloak.person()
    account = f"{keycloak.issuer}/account/"
    own = anna.tokens("account-console", back=account)["access"]
    headers = {"Authorization": f"Bearer {own}", "Accept": "application/json"}
    async with loopback.client(headers=headers, timeout=60) as http:
        profile = (await http.get(account)).raise_for_status().json()
        for change in ({"role": ["SUPERVISOR"]}, {"area": ["*"]}, {"organisation": ["OTHER"]}):
            answer = await http.post(account, json={**profile, "attributes": {**profile["attributes"], **change}})
            assert answer.status_code == 400, answer.text
            assert answer.json()["field"] == next(iter(change))
        # What the profile does not show is not in the way of what it does.
        await http.post(account, json={**profile, "attributes": {**profile["attributes"], "conflicts": ["x"]}})
    claims = part(anna.token(), 1)
    assert claims | CLAIMS == claims


@pytest.mark.parametrize(
    "attributes", [{"role": "SYSTEM"}, {"role": []}, {"area": []}, {"conflicts": []}, {"conflicts": ["Leo"]}], ids=str
)
async def test_an_administrator_is_told_what_makes_no_sense(keycloak: Keycloak, attributes: dict[str, Any]) -> None:
    """Keycloak refuses a person with SYSTEM, no role, no area or invalid conflicts."""
    answer, _, _ = keycloak.admin.try_person({**OFFICER, **attributes})
    assert answer.status_code == 400, answer.text
    assert answer.json()["field"] == next(iter(attributes))


async def test_every_role_can_be_given(keycloak: Keycloak) -> None:
    """The realm offers each role of the vocabulary that somebody is given: a person, or a partner's program."""
    profile = keycloak.admin.ask("GET", "/ooc/users/profile").json()
    (role,) = [attribute for attribute in profile["attributes"] if attribute["name"] == "role"]
    assert set(role["validations"]["options"]["options"]) == set(Role) - (PROGRAMS - {Role.AGENCY})
