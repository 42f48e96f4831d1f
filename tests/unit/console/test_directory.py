"""Officers by name: whom a field may name, and what of the identity provider's claims is believed."""

import asyncio
import time
from dataclasses import asdict, replace
from typing import Any, cast

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from services.console.analysts.returns import table_of
from services.console.directory import Directory, Officer, roles_for
from services.console.everyone.sign_in import _email_in, _name_in
from services.console.forms.choices import _manager, officers_in
from services.console.records import holders_of
from services.console.sessions import Session, Tokens
from shared.api.authentication import InvalidToken, TokenVerifier
from shared.domain.permissions import EVERY

GRACE = Officer("grace", "Grace Lund", "RJ_FACILITATOR", "DORSET")
RAVI = Officer("ravi", "Ravi Menon", "YJS_CASE_MANAGER", "DORSET")
DEB = Officer("deb", "Deb Lane", "YJS_CASE_MANAGER", "DEVON")
EVE = Officer("eve", "Eve Hall", "YJS_CASE_MANAGER", EVERY)
ISSUER, CLIENT = "http://127.0.0.1:9", "ooc-people"


def session(role: str) -> Session:
    return Session("k", "me", role, "TEST", "DORSET", Tokens("t", 0, None), "Hanna Weiss")


def recorded_by(id_: str, role: str) -> dict[str, Any]:
    return {"actor": {"id": id_, "role": role}}


def test_a_facilitator_is_chosen_from_the_facilitators() -> None:
    """Given a case that others have worked on, then for a facilitator only facilitators are offered, by name; System never is."""
    events = [
        recorded_by("nobody", "SYSTEM"),
        recorded_by("ravi", "YJS_CASE_MANAGER"),
        recorded_by("unnamed-1", "RJ_FACILITATOR"),
        recorded_by("grace", "RJ_FACILITATOR"),
    ]
    offered = officers_in(session("SUPERVISOR"), events, [GRACE, RAVI], roles_for("facilitator"))
    assert [option.text for option in offered] == [
        "Grace Lund (RJ facilitator)",
        "RJ facilitator unnamed-, name not known here",
    ]
    others = officers_in(session("SUPERVISOR"), events, [GRACE, RAVI], roles_for("to"))
    assert [option.text for option in others] == ["You", "Ravi Menon (YJS case manager)"]


class Signed:
    """The rows of officers who have signed in, which open as they are."""

    async def fetch(self, _: str) -> list[dict[str, Any]]:
        return [{"sealed": asdict(officer), "owner": b""} for officer in (GRACE, RAVI, DEB, EVE)]

    def open(self, sealed: dict[str, Any], _: bytes) -> dict[str, Any]:
        return sealed


@pytest.mark.parametrize(
    ("area", "until", "offered"),
    [
        ("DORSET", None, ["Deb", "Eve", "Ravi"]),
        (EVERY, None, ["Deb", "Eve", "Ravi"]),
        (EVERY, "2026-08-10", ["Eve", "Ravi"]),
    ],
)
def test_a_case_is_handed_over_within_the_areas_that_hold_it(area: str, until: str | None, offered: list[str]) -> None:
    """Given a case that another area holds, or held once, then it goes to officers of those that hold it now, whoever asks, and whoever worked on it."""
    moved = [{"area": "DORSET", "until": None}, {"area": "DEVON", "until": until}]
    holders = holders_of({"area": "DORSET", "disposals": [{"areas": moved}]})
    me, signed = replace(session("SUPERVISOR"), area=area), Signed()
    known = asyncio.run(Directory(cast("Any", signed), cast("Any", signed)).of_area(me, holders))
    worked = [recorded_by("deb", "YJS_CASE_MANAGER"), recorded_by("kit", "YJS_CASE_MANAGER")]
    options = officers_in(me, worked, known, roles_for("case_manager"))
    assert [option.text.split()[0] for option in options] == [*offered, "YJS"]


@pytest.mark.parametrize(
    ("officer", "worked", "likeliest"),
    [("ravi", "rhys", "ravi"), ("tom", "rhys", "rhys"), ("tom", "tom", None), (None, "ravi", "ravi")],
)
def test_the_likeliest_case_manager_is_suggested(officer: str | None, worked: str, likeliest: str | None) -> None:
    """Given who has a disposal and who worked on it last, then of those who may manage it the first is suggested, else the last."""
    case = {"disposals": [{"id": "d1", "officer": officer}]}
    events = [{"stream": "d1", "actor": {"id": id_}} for id_ in ("old", worked)]
    offered = _manager(case, [*events, {"stream": "r1", "actor": {"id": "ravi"}}], "d1", {"ravi", "rhys"})
    assert next((option.value for _, option in offered), None) == likeliest


def test_a_number_of_an_officer_has_the_name() -> None:
    """In the workload stands whose work it is, by name where one is known."""
    answer = {
        "measure": "workload",
        "from": "2026-01-01",
        "to": "2026-03-31",
        "by_officer": {"grace": 2, "x": 1},
        "open": 3,
    }
    assert [row[0] for row in table_of(answer, {"grace": "Grace Lund"}).rows][:2] == [
        "By officer, Grace Lund",
        "By officer, x",
    ]


@pytest.mark.parametrize(
    ("claim", "name"),
    [
        ("Grace Lund", "Grace Lund"),
        (" Grace  Lund ", "Grace Lund"),
        ("x" * 200, "x" * 100),
        ("a\u202eb", ""),
        (7, ""),
        (None, ""),
    ],
)
def test_a_name_is_one_line_of_visible_text(claim: Any, name: str) -> None:
    """A name is trimmed and cut; what could hide or turn other text is none."""
    assert _name_in({"name": claim}) == name


def test_an_address_counts_once_the_issuer_has_verified_it() -> None:
    """Given an e-mail claim, then it is taken if it is verified, and no other text is."""
    claims = {"email": "sam@example.org", "email_verified": True}
    assert _email_in(claims) == "sam@example.org"
    for other in ({"email_verified": "true"}, {"email_verified": False}, {"email": "a\r\nb"}, {"email": "x" * 255}):
        assert _email_in(claims | other) == ""


@pytest.mark.parametrize(
    ("wrong", "is_valid"),
    [
        ({}, True),
        ({"aud": "another"}, False),
        ({"iss": "http://elsewhere"}, False),
        ({"exp": 5}, False),
        ({"sub": None}, False),
    ],
)
async def test_an_id_token_is_believed_if_it_is_ours(wrong: dict[str, Any], is_valid: bool) -> None:
    """Given an ID token of the issuer, then its claims are read if it is for this client, of now and signed by a known key."""
    key = ECKey.generate_key("P-256")
    key.ensure_kid()
    verifier = TokenVerifier(ISSUER, "ooc", [])
    verifier._keys, verifier._fetched_at = KeySet([key]), time.monotonic()
    claims = {"iss": ISSUER, "aud": CLIENT, "sub": "grace", "name": "Grace Lund", "exp": int(time.time()) + 60, **wrong}
    held = {name: value for name, value in claims.items() if value is not None}

    def signed_by(signer: ECKey) -> str:
        return jwt.encode({"alg": "ES256", "kid": key.kid}, held, signer)

    if is_valid:
        assert (await verifier.identity(signed_by(key), CLIENT))["name"] == "Grace Lund"
        with pytest.raises(InvalidToken):
            await verifier.identity(signed_by(ECKey.generate_key("P-256")), CLIENT)
    else:
        with pytest.raises(InvalidToken):
            await verifier.identity(signed_by(key), CLIENT)
