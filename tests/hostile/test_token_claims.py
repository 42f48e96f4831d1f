"""Tokens that the issuer has signed and that say too little, or for too long: refused, with what to do about it."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import httpx2
import pytest
from joserfc import jws

from shared.api import authentication
from shared.api.authentication import LEEWAY_SECONDS, InvalidToken, TokenVerifier
from shared.servers.database import retry_for
from shared.servers.settings import Settings
from tests import loopback
from tests.ports import free_ports
from tools.local.issuer import ALGORITHM, key_in

HOUR: Final = 3600
PERSON: Final = UUID(int=7)


class Issuer:
    """A real issuer in a process of its own, whose key the test may sign with too."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self._folder = folder

    def sign(self, **changes: Any) -> str:
        """Return a token with the usual claims, but for what is said; None leaves a claim out."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": "ooc",
            "sub": str(PERSON),
            "role": "SUPERVISOR",
            "organisation": "DORSET_POLICE",
            "area": "DORSET",
            "conflicts": [],
            "iat": now,
            "exp": now + 300,
        } | changes
        key = key_in(self._folder / "issuer")
        header = {"alg": ALGORITHM, "kid": key.kid, "typ": "at+jwt"}
        told = {name: value for name, value in claims.items() if value is not None}
        return jws.serialize_compact(header, json.dumps(told), key, algorithms=[ALGORITHM])


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    folder = tmp_path_factory.mktemp("issuer")
    environment = {**os.environ, "OOC_MODE": "local", "OOC_PORT": str(port), "OOC_VAR": str(folder), "OOC_ISSUER": url}
    process = subprocess.Popen([sys.executable, "-m", "tools.local.issuer"], env=environment)

    async def answers() -> None:
        async with loopback.client() as client:
            (await client.get(f"{url}/jwks")).raise_for_status()

    asyncio.run(retry_for(answers, 180, on=(httpx2.HTTPError,)))
    yield Issuer(url, folder)
    process.terminate()
    process.wait(120)


@pytest.fixture
def tokens(issuer: Issuer) -> TokenVerifier:
    """Return the verifier as a production system has it."""
    return TokenVerifier(issuer.url, "ooc", ("area",), needs_conflicts=Settings(mode="production").needs_conflicts)


async def refused(tokens: TokenVerifier, token: str) -> str:
    with pytest.raises(InvalidToken) as raised:
        await tokens.actor(f"Bearer {token}")
    return str(raised.value)


@pytest.mark.parametrize("claim", ["area", "conflicts", "role", "organisation"])
async def test_a_token_without_a_claim_is_refused_by_its_name(
    issuer: Issuer, tokens: TokenVerifier, claim: str
) -> None:
    """A token that lacks the area, the declared conflicts, role or organisation is 401, and the text names the claim."""
    why = await refused(tokens, issuer.sign(**{claim: None}))
    assert repr(claim) in why
    assert "administrator" in why


async def test_a_token_that_says_that_there_is_no_conflict_is_accepted(issuer: Issuer, tokens: TokenVerifier) -> None:
    """An empty list, the word `none`, alone or in a list, and ids are declarations; anything else is malformed."""
    for conflicts in ([], "none", ["none"]):
        assert (await tokens.actor(f"Bearer {issuer.sign(conflicts=conflicts)}")).conflicts == frozenset()
    barred = uuid4()
    for conflicts in ([str(barred)], ["none", str(barred)]):
        assert (await tokens.actor(f"Bearer {issuer.sign(conflicts=conflicts)}")).conflicts == {barred}
    malformed: tuple[Any, ...] = ("", "nobody", ["nobody"], 5, {"none": 1}, [[]])
    for odd in malformed:
        assert "'conflicts'" in await refused(tokens, issuer.sign(conflicts=odd))


@pytest.mark.parametrize("claim", ["role", "organisation", "area"])
@pytest.mark.parametrize(
    "odd",
    ["", "x" * 101, "A\ud800B", "A\nB", "A\x00", "A\u202eB", "A\u200bB", " A", "A ", 5, ["A", 5], {"A": 1}],
    ids=ascii,
)
async def test_a_claim_that_is_no_bounded_line_of_text_is_refused(
    issuer: Issuer, tokens: TokenVerifier, claim: str, odd: Any
) -> None:
    """A claim that would be stored is 401 with its name, if it is too long or has a lone surrogate, a control or a hidden one."""
    why = await refused(tokens, issuer.sign(**{claim: odd}))
    assert repr(claim) in why
    assert "100 characters" in why
    for fine in ("Heddlu Dyfed-Powys Police", "x" * 100, "A & B (Trust)"):
        assert (await tokens.actor(f"Bearer {issuer.sign(**{claim: fine})}")).id == PERSON


async def test_where_policy_does_not_ask_conflicts_may_be_absent(issuer: Issuer) -> None:
    """A token without the claim `conflicts` is accepted in local mode or by a setting, not by default."""
    lenient = TokenVerifier(issuer.url, "ooc", ("area",), needs_conflicts=Settings(mode="local").needs_conflicts)
    assert (await lenient.actor(f"Bearer {issuer.sign(conflicts=None)}")).conflicts == frozenset()
    assert Settings(mode="production").needs_conflicts
    assert not Settings(mode="production", conflicts_claim=False).needs_conflicts
    assert Settings(mode="local", conflicts_claim=True).needs_conflicts


async def test_a_token_that_lives_longer_than_an_hour_is_refused(issuer: Issuer, tokens: TokenVerifier) -> None:
    """A token that is valid for more than an hour, from its issue or from now, gets 401."""
    now = int(time.time())
    beyond = HOUR + LEEWAY_SECONDS + 60
    for iat, exp in (
        (now, now + beyond),
        (now - HOUR, now + 120),
        (None, now + beyond),
        (now + 5, now + beyond),
        (now, 10**15),
    ):
        assert "60 minutes" in await refused(tokens, issuer.sign(iat=iat, exp=exp)), (iat, exp)
    for iat, exp in ((now, now + HOUR), (now - HOUR + 60, now + 60), (None, now + 300)):
        assert (await tokens.actor(f"Bearer {issuer.sign(iat=iat, exp=exp)}")).id == PERSON


@pytest.mark.parametrize(
    "changes",
    [{"exp": float("inf")}, {"exp": float("nan")}, {"iat": "now"}, {"iat": []}, {"exp": "x"}, {"exp": None}],
    ids=str,
)
async def test_a_time_of_an_odd_shape_is_refused(
    issuer: Issuer, tokens: TokenVerifier, changes: dict[str, Any]
) -> None:
    """Any value that is no time in `exp`, `iat` or `nbf` gets 401."""
    assert await refused(tokens, issuer.sign(**changes))


async def test_every_area_is_for_whoever_says_so(issuer: Issuer, tokens: TokenVerifier) -> None:
    """The area `*` stands for all of them."""
    assert (await tokens.actor(f"Bearer {issuer.sign(area='*')}")).labels == {"area": "*"}


async def test_a_token_resembling_one_that_was_accepted_is_refused(issuer: Issuer, tokens: TokenVerifier) -> None:
    """What the API remembers of a verified token opens nothing to another signature, other claims or a cut token."""
    token = issuer.sign(role="INSPECTOR")
    header, claims, signature = token.split(".")
    raised = issuer.sign(role="AUDITOR").split(".")[1]
    for _ in range(2):
        assert (await tokens.actor(f"Bearer {token}")).role == "INSPECTOR"
        for forged in (
            f"{header}.{claims}.{signature[:-2]}{'AA' if signature[-2:] != 'AA' else 'BB'}",
            f"{header}.{raised}.{signature}",
            f"{header}.{claims}.",
            f"{header}.{claims}",
            token[:-1],
        ):
            await refused(tokens, forged)


async def test_a_remembered_token_expires(
    issuer: Issuer, tokens: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token is accepted a second time before it expires, and refused, as expired, afterwards."""
    token = issuer.sign(exp=int(time.time()) + 60)
    for _ in range(2):
        await tokens.actor(f"Bearer {token}")
    later = time.time() + 60 + LEEWAY_SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: later)
    monkeypatch.setattr(authentication, "time", lambda: later)
    assert "expired_token" in await refused(tokens, token)


async def test_the_number_of_remembered_tokens_is_bounded(
    issuer: Issuer, tokens: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens beyond the bound are verified again, not remembered without end; each is accepted all the time."""
    monkeypatch.setattr(authentication, "REMEMBERED_TOKENS", 3)
    signed = [issuer.sign(sub=str(uuid4())) for _ in range(8)]
    for token in signed + signed:
        await tokens.actor(f"Bearer {token}")
        assert 1 <= len(tokens._verified) <= 3
