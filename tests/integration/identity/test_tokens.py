"""Tokens that are not to be believed: each is 401, whatever is wrong with it."""

import asyncio
import base64
import hmac
import json
from uuid import UUID

import httpx2
import pytest
from joserfc import jws
from joserfc.jwk import RSAKey

from shared.api import authentication
from shared.servers.database import retry_for
from shared.servers.settings import Settings
from tests import loopback
from tests.integration.api.conftest import Client
from tests.integration.api.test_service_api import PLAN
from tests.integration.identity.conftest import Keycloak, an_api
from tests.integration.identity.keycloak import mapper
from tests.integration.identity.signing_in import encoded, part
from tests.integration.identity.stories import status

pytestmark = pytest.mark.slow


@pytest.fixture
async def accepted_token(keycloak: Keycloak, api: Client, stream: UUID) -> str:
    """Return a token that is believed, of one who has just planned the session."""
    token = keycloak.person().token()
    assert (await api.send(stream, PLAN, token=token)).status_code == 201
    return token


async def test_a_token_for_another_audience(keycloak: Keycloak, api: Client, accepted_token: str, stream: UUID) -> None:
    """A client of the same realm whose tokens are for someone else, or for nobody, opens nothing."""
    person = keycloak.person()
    elsewhere = mapper("elsewhere", "oidc-audience-mapper", included_custom_audience="elsewhere")
    for mappers, audience in (((elsewhere,), "elsewhere"), ((), None)):
        token = person.token(keycloak.admin.add_client(without="audience", mappers=mappers))
        assert part(token, 1).get("aud") == audience
        assert await status(api, stream, token) == 401


async def test_a_token_of_another_realm(keycloak: Keycloak, api: Client, accepted_token: str, stream: UUID) -> None:
    """A realm of the same server, made like ours and with the same person in the same role, is not our issuer."""
    keycloak.admin.add_realm("elsewhere")
    token = keycloak.person(realm="elsewhere").token()
    assert part(token, 1)["aud"] == "ooc"
    assert await status(api, stream, token) == 401


async def test_an_expired_token(
    keycloak: Keycloak, settings: Settings, accepted_token: str, stream: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that lives for two seconds is refused when they have passed, and the answer says why."""
    monkeypatch.setattr(authentication, "LEEWAY_SECONDS", 0)
    token = keycloak.person().token(keycloak.admin.add_client(access_token_lifespan="2"))
    assert part(token, 1)["exp"] - part(token, 1)["iat"] == 2
    async with an_api(settings) as api:

        async def refused() -> httpx2.Response:
            answer = await api.read(f"/v1/sessions/{stream}", token=token)
            assert answer.status_code == 401
            return answer

        answer = await retry_for(refused, 10, on=(AssertionError,))
        assert "expired_token" in answer.json()["detail"]
        assert await status(api, stream, accepted_token) == 200


async def test_id_and_refresh_tokens(keycloak: Keycloak, api: Client, accepted_token: str, stream: UUID) -> None:
    """An ID token opens nothing, not even one for our audience with every claim, and neither does a refresh token."""
    person = keycloak.person()
    shipped = person.tokens()
    chatty = person.tokens(keycloak.admin.add_client(everywhere=True))
    claims = part(chatty["id"], 1)
    assert "ooc" in claims["aud"]
    assert claims["role"] == part(shipped["access"], 1)["role"]
    assert await status(api, stream, chatty["access"]) == 200
    for token in (shipped["id"], chatty["id"], shipped["refresh"]):
        assert await status(api, stream, token) == 401


async def test_a_tampered_token(api: Client, accepted_token: str, stream: UUID) -> None:
    """A token with changed claims, or a changed or shortened signature, is refused."""
    head, claims, signature = accepted_token.split(".")
    other = encoded(part(accepted_token, 1) | {"role": "SUPERVISOR"})
    turned = ("B" if signature[0] == "A" else "A") + signature[1:]
    for token in (f"{head}.{other}.{signature}", f"{head}.{claims}.{turned}", f"{head}.{claims}.{signature[:-8]}"):
        assert await status(api, stream, token) == 401


async def test_a_token_that_chooses_how_it_is_checked(
    keycloak: Keycloak, api: Client, accepted_token: str, stream: UUID
) -> None:
    """No signature, one made with the public key as a secret, and one by a key of the sender's own are refused."""
    claims, header = part(accepted_token, 1), part(accepted_token, 0)
    async with loopback.client() as http:
        keys = (await http.get(f"{keycloak.issuer}/protocol/openid-connect/certs")).json()["keys"]
    (public,) = [key for key in keys if key["kid"] == header["kid"]]
    secret = RSAKey.import_key(public).as_pem(private=False)
    own = RSAKey.generate_key(2048)
    for alg in ("none", "None", "NONE"):
        for signature in ("", accepted_token.rpartition(".")[2]):
            assert await status(api, stream, f"{encoded({**header, 'alg': alg})}.{encoded(claims)}.{signature}") == 401
    text = json.dumps(claims)
    signed = f"{encoded({**header, 'alg': 'HS256'})}.{encoded(claims)}"
    digest = hmac.digest(secret, signed.encode(), "sha256")
    forged = [
        f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}",
        jws.serialize_compact(header, text, own),
        jws.serialize_compact({**header, "jwk": own.as_dict(private=False)}, text, own),
        jws.serialize_compact({**header, "kid": "unknown"}, text, own),
        jws.serialize_compact({"alg": "RS256", "typ": "at+jwt"}, text, own),
    ]
    for token in forged:
        assert await status(api, stream, token) == 401


@pytest.mark.parametrize(
    "header",
    [
        {"alg": ["RS256"]},
        {"alg": None},
        {"crit": 5},
        {"crit": [[]]},
        {"crit": ["b64"], "b64": False},
        {"kid": {"a": 1}},
        {"kid": None},
        {"typ": ["at+jwt"]},
        [],
        "at+jwt",
    ],
    ids=str,
)
async def test_a_header_of_an_odd_shape(api: Client, accepted_token: str, stream: UUID, header: object) -> None:
    """A token with a malformed header gets 401, and never 500."""
    _, claims, signature = accepted_token.split(".")
    odd = {**part(accepted_token, 0), **header} if isinstance(header, dict) else header
    assert await status(api, stream, f"{encoded(odd)}.{claims}.{signature}") == 401


async def test_many_forged_tokens_ask_the_issuer_once(
    keycloak: Keycloak, api: Client, accepted_token: str, stream: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred tokens with unknown keys make no hundred questions to Keycloak."""
    requests: list[str] = []
    get = httpx2.AsyncClient.get

    async def counted(client: httpx2.AsyncClient, url: str, **more: object) -> httpx2.Response:
        if url.startswith(keycloak.url):
            requests.append(url)
        return await get(client, url, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(httpx2.AsyncClient, "get", counted)
    monkeypatch.setattr(authentication, "PAUSE_SECONDS", 60.0)
    tail = accepted_token.partition(".")[2]
    tokens = [f"{encoded({**part(accepted_token, 0), 'kid': str(number)})}.{tail}" for number in range(100)]
    assert set(await asyncio.gather(*(status(api, stream, token) for token in tokens))) == {401}
    assert len(requests) <= 2  # the configuration and the keys
