"""The development issuer: tokens that verify, and a refusal to run anywhere else."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import KeySet

from tools import local
from tools.local import Process, Supervisor
from tools.local.issuer import key_in

SUB = str(uuid.uuid4())
OTHERS = [str(uuid.uuid4()), str(uuid.uuid4())]
FORM = {"grant_type": "client_credentials", "sub": SUB, "role": "OFFICER", "organisation": "YJS", "area": "north"}


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A running issuer, as a client with its address."""
    (port,) = local.free_ports(1)
    url = f"http://127.0.0.1:{port}"
    process = Process(
        name="issuer",
        argv=[sys.executable, "-m", "tools.local.issuer"],
        env={"OOC_MODE": "local", "OOC_PORT": str(port), "OOC_VAR": str(tmp_path), "OOC_ISSUER": url},
        ready=local.http_ok(f"{url}/.well-known/openid-configuration"),
        ports=(port,),
    )
    async with Supervisor(tmp_path, [process]), httpx.AsyncClient(base_url=url) as client:
        yield client


async def test_a_token_verifies_against_the_published_keys(issuer: httpx.AsyncClient) -> None:
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


async def test_a_changed_token_does_not_verify(issuer: httpx.AsyncClient) -> None:
    """Claims under the signature of other claims are refused."""
    keys = KeySet.import_key_set((await issuer.get("/jwks")).json())
    header, _, signature = (await issuer.post("/token", data=FORM)).json()["access_token"].split(".")
    _, other, _ = (await issuer.post("/token", data={**FORM, "role": "MANAGER"})).json()["access_token"].split(".")
    with pytest.raises(BadSignatureError):
        jwt.decode(f"{header}.{other}.{signature}", keys, algorithms=["ES256"])


async def test_the_private_half_stays_in_a_file_that_its_owner_alone_can_read(
    issuer: httpx.AsyncClient,
    tmp_path: Path,
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
    issuer: httpx.AsyncClient,
    change: dict[str, str],
    error: str,
    names: str,
) -> None:
    """A malformed request is answered as RFC 6749 says, naming the field."""
    answer = await issuer.post("/token", data={**FORM, **change})
    assert answer.status_code == 400
    assert answer.json()["error"] == error
    assert answer.json()["error_description"].startswith(names)


@pytest.mark.parametrize("mode", [None, "", "production"])
def test_it_does_not_start_outside_local_mode(mode: str | None, tmp_path: Path) -> None:
    """Without OOC_MODE=local it exits, says why, and leaves no key behind."""
    environment = {**os.environ, "OOC_VAR": str(tmp_path)}
    environment.pop("OOC_MODE", None)
    if mode is not None:
        environment["OOC_MODE"] = mode
    ended = subprocess.run(
        [sys.executable, "-m", "tools.local.issuer"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    assert "local mode only" in ended.stderr
    assert list(tmp_path.iterdir()) == []
