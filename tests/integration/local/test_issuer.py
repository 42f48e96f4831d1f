"""The development issuer: tokens that verify, and a refusal to run anywhere else."""

import os
import stat
import subprocess
import sys
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import KeySet

from services.trade.vocabulary import PROGRAMS, Role
from tests import loopback
from tests.ports import free_ports
from tools.client.tokens import officer_id
from tools.local.issuer import key_in
from tools.local.people import PEOPLE
from tools.local.readiness import http_ok
from tools.local.supervisor import Process, Supervisor

SUB = str(uuid.uuid4())
OTHERS = [str(uuid.uuid4()), str(uuid.uuid4())]
FORM = {"grant_type": "client_credentials", "sub": SUB, "role": "OFFICER", "organisation": "YJS", "area": "north"}


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """Yield a running issuer, as a client with its address."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    process = Process(
        name="issuer",
        argv=[sys.executable, "-m", "tools.local.issuer"],
        env={"OOC_MODE": "local", "OOC_PORT": str(port), "OOC_VAR": str(tmp_path), "OOC_ISSUER": url},
        ready=http_ok(f"{url}/.well-known/openid-configuration"),
        ports=(port,),
    )
    async with Supervisor(tmp_path, [process]), loopback.client(base_url=url) as client:
        yield client


async def test_a_token_verifies_against_the_published_keys(issuer: httpx2.AsyncClient) -> None:
    """A token asked for by form has the claims asked for, the lifetime, and a signature by the published key."""
    configuration = (await issuer.get("/.well-known/openid-configuration")).json()
    keys = KeySet.import_key_set((await issuer.get(configuration["jwks_uri"])).json())
    form = {**FORM, "conflicts": " ".join(OTHERS)}
    answer = (await issuer.post(configuration["token_endpoint"], data=form)).json()

    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 300)
    token = jwt.decode(answer["access_token"], keys, algorithms=["ES256"])
    claims = token.claims
    assert configuration["issuer"] == str(issuer.base_url)
    assert abs(claims["iat"] - time.time()) < 30
    uuid.UUID(claims["jti"])
    assert claims == {
        **{name: FORM[name] for name in ("sub", "role", "organisation", "area")},
        "conflicts": OTHERS,
        "iss": configuration["issuer"],
        "aud": "ooc",
        "iat": claims["iat"],
        "exp": claims["iat"] + 300,
        "jti": claims["jti"],
    }


async def test_a_changed_token_does_not_verify(issuer: httpx2.AsyncClient) -> None:
    """A token with changed claims is refused."""
    keys = KeySet.import_key_set((await issuer.get("/jwks")).json())
    header, _, signature = (await issuer.post("/token", data=FORM)).json()["access_token"].split(".")
    _, other, _ = (await issuer.post("/token", data={**FORM, "role": "MANAGER"})).json()["access_token"].split(".")
    with pytest.raises(BadSignatureError):
        jwt.decode(f"{header}.{other}.{signature}", keys, algorithms=["ES256"])


async def test_the_private_half_stays_in_a_file_that_its_owner_alone_can_read(
    issuer: httpx2.AsyncClient, tmp_path: Path
) -> None:
    """The published key is the public half of the one in the file, which nobody else can read."""
    (key,) = (await issuer.get("/jwks")).json()["keys"]
    assert "d" not in key
    assert stat.S_IMODE((tmp_path / "issuer" / "key.pem").stat().st_mode) == 0o600
    assert key_in(tmp_path / "issuer").kid == key["kid"]


@pytest.mark.parametrize(
    ("change", "error", "names"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type", "grant_type"),
        ({"sub": "not a uuid"}, "invalid_request", "sub"),
        ({"role": ""}, "invalid_request", "role"),
        ({"area": "<script>"}, "invalid_request", "area"),
        ({"conflicts": f"{OTHERS[0]} nobody"}, "invalid_request", "conflicts"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused_with_the_field(
    issuer: httpx2.AsyncClient, change: dict[str, str], error: str, names: str
) -> None:
    """A malformed request is answered as RFC 6749 says, naming the field."""
    answer = await issuer.post("/token", data={**FORM, **change})
    assert answer.status_code == 400
    assert answer.json()["error"] == error
    assert answer.json()["error_description"].startswith(names)


@pytest.mark.parametrize("mode", [None, "", "production"])
def test_it_does_not_start_outside_local_mode(mode: str | None, tmp_path: Path) -> None:
    """Without OOC_MODE=local the issuer exits, says why, and creates no key."""
    environment = {**os.environ, "OOC_VAR": str(tmp_path)}
    environment.pop("OOC_MODE", None)
    if mode is not None:
        environment["OOC_MODE"] = mode
    ended = subprocess.run(
        [sys.executable, "-m", "tools.local.issuer"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 1
    assert "local mode only" in ended.stderr
    assert list(tmp_path.iterdir()) == []


# --- people who sign in ---------------------------------------------------------------------------

REDIRECT = "http://127.0.0.1:8118/signed-in"
VERIFIER = "a-verifier-of-more-than-forty-three-letters-in-all"
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
QUESTION = {
    "response_type": "code",
    "client_id": "ooc-people",
    "redirect_uri": REDIRECT,
    "state": "a state & more",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


async def _code(issuer: httpx2.AsyncClient) -> str:
    """Pick the supervisor on the page, and return the code that comes back."""
    answer = await issuer.post("/authorize", data={**QUESTION, "person": "SUPERVISOR-1"})
    assert answer.status_code == 303
    address = urlsplit(answer.headers["location"])
    assert answer.headers["location"].startswith(f"{REDIRECT}?")
    query = parse_qs(address.query)
    assert query["state"] == [QUESTION["state"]]
    return query["code"][0]


def _redeeming(code: str) -> dict[str, str]:
    return {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": "ooc-people",
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    }


async def test_the_page_offers_every_person_of_the_development_system(issuer: httpx2.AsyncClient) -> None:
    """Given a client's question, when the page is opened, then it has a button for each role, and nothing runs on it."""
    page = await issuer.get("/authorize", params=QUESTION)
    assert page.status_code == 200
    assert {person.role for person in PEOPLE} == set(Role) - PROGRAMS
    for person in PEOPLE:
        assert f'value="{person.key}"' in page.text
    assert "a state &amp; more" in page.text
    assert "script" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")


async def test_people_are_those_by_whom_ooc_acts(issuer: httpx2.AsyncClient) -> None:
    """A person who signs in has the id under which `ooc` and the scenarios act in that role."""
    for person in PEOPLE:
        assert person.form()["sub"] == str(officer_id(person.role, person.number))


async def test_a_code_gives_tokens_once_and_they_are_renewed(issuer: httpx2.AsyncClient) -> None:
    """A code gives an access token of the person picked, once; its refresh token gives another."""
    code = await _code(issuer)
    first = await issuer.post("/token", data=_redeeming(code))
    assert first.status_code == 200, first.text
    keys = KeySet.import_key_set((await issuer.get("/jwks")).json())
    claims = jwt.decode(first.json()["access_token"], keys, algorithms=["ES256"]).claims
    assert (claims["role"], claims["sub"]) == ("SUPERVISOR", str(officer_id("SUPERVISOR", 1)))
    again = await issuer.post("/token", data=_redeeming(code))
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    renewal = {"grant_type": "refresh_token", "refresh_token": first.json()["refresh_token"], "client_id": "ooc-people"}
    renewed = (await issuer.post("/token", data=renewal)).json()
    assert jwt.decode(renewed["access_token"], keys, algorithms=["ES256"]).claims["sub"] == claims["sub"]


@pytest.mark.parametrize(
    "change",
    [
        {"code_verifier": "another-verifier-of-more-than-forty-three-letters"},
        {"redirect_uri": "http://127.0.0.1:8118/elsewhere"},
        {"client_id": "another"},
        {"code": "no code"},
        {"grant_type": "refresh_token", "refresh_token": "no token"},
    ],
)
async def test_a_code_is_for_whoever_asked_for_it(issuer: httpx2.AsyncClient, change: dict[str, str]) -> None:
    """A code gives nothing without its verifier, to another client, or for another address; nor does an invented one."""
    answer = await issuer.post("/token", data=_redeeming(await _code(issuer)) | change)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


async def test_an_access_token_renews_nothing(issuer: httpx2.AsyncClient) -> None:
    """An access token is no refresh token, though the same key has signed it."""
    access = (await issuer.post("/token", data=FORM)).json()["access_token"]
    form = {"grant_type": "refresh_token", "refresh_token": access, "client_id": "ooc-people"}
    assert (await issuer.post("/token", data=form)).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "change",
    [
        {"redirect_uri": "https://elsewhere.example/signed-in"},
        {"redirect_uri": "javascript:alert(1)"},
        {"response_type": "token"},
        {"code_challenge_method": "plain"},
        {"code_challenge": ""},
    ],
)
async def test_a_question_that_would_give_a_code_away_is_refused(
    issuer: httpx2.AsyncClient, change: dict[str, str]
) -> None:
    """A code goes to a client on this machine alone, and only with a challenge."""
    for answer in (
        await issuer.get("/authorize", params={**QUESTION, **change}),
        await issuer.post("/authorize", data={**QUESTION, **change, "person": "SUPERVISOR-1"}),
    ):
        assert answer.status_code == 400
        assert "location" not in answer.headers


async def test_a_sign_out_leads_back_to_a_client_on_this_machine(issuer: httpx2.AsyncClient) -> None:
    """With the ID token of a sign-in the way back is taken; elsewhere, or without one, it is not."""
    identity = (await issuer.post("/token", data=_redeeming(await _code(issuer)))).json()["id_token"]
    back = "http://127.0.0.1:8118/signed-out"
    endpoint = (await issuer.get("/.well-known/openid-configuration")).json()["end_session_endpoint"]
    path = urlsplit(endpoint).path
    answer = await issuer.get(path, params={"post_logout_redirect_uri": back, "id_token_hint": identity})
    assert (answer.status_code, answer.headers["location"]) == (303, back)
    for wrong in (
        {"post_logout_redirect_uri": "https://elsewhere.example/", "id_token_hint": identity},
        {"post_logout_redirect_uri": back, "id_token_hint": f"{identity[:-4]}AAAA"},
        {"post_logout_redirect_uri": back},
    ):
        refused = await issuer.get(path, params=wrong)
        assert refused.status_code == 400
        assert "location" not in refused.headers
