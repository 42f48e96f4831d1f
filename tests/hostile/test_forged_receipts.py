"""A receipt that was altered or invented, shown to a third party who has the public keys and no access to the service."""

import base64
import copy
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import asyncpg
import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.evidence import verify_bundle
from shared.evidence.receipts import NotSigned, check_receipt, receipt_signer
from shared.privacy.keyring import KeyEncryptionKeys
from shared.privacy.signed_note import Signer, VerifierKey
from shared.runtime.privileges import RoleKind, role_name
from tests.hostile import partnership as world
from tests.hostile.partnership import Partnership, opened_disposal
from tests.received_referral import received_referral

settings, partnership, pytestmark = world.settings, world.one_partnership, world.ONE_LOOP

WHEN: Final = "2026-03-02T15:20:00+00:00"


async def signed_receipt(partnership: Partnership, *, service: str = "referral") -> dict[str, Any]:
    """Send a command, and return its receipt."""
    token = await partnership.token("SAFE_SCHOOLS_OFFICER" if service == "referral" else "YJS_CASE_MANAGER")
    body = (
        received_referral(uuid4(), WHEN)
        if service == "referral"
        else opened_disposal(uuid4(), uuid4(), {"name": "Robin Roe", "date_of_birth": "2011-03-14"})
    )
    answer = await partnership.send(service, uuid4(), body, token)
    assert answer.status_code == 201, answer.text
    receipt: dict[str, Any] = answer.json()
    return receipt


def keys_of(partnership: Partnership) -> list[VerifierKey]:
    """Return the keys of receipts, as a third party has them from elsewhere."""
    kek = KeyEncryptionKeys.of(partnership.settings)
    return [receipt_signer(kek, partnership.settings.log_origin, name).key for name in ("referral", "disposal")]


def verdicts(receipt: Mapping[str, Any], keys: list[VerifierKey]) -> tuple[bool, bool]:
    """Return whether the kernel's check, and the program for auditors, accept a receipt."""
    try:
        check_receipt(receipt, keys)
        accepted = True
    except NotSigned:
        accepted = False
    return accepted, not verify_bundle.check_receipt(dict(receipt), verify_bundle.Keys([str(key) for key in keys]))


def paths_in(value: Any, *path: str | int) -> list[tuple[str | int, ...]]:
    """List the path of every single value in a receipt."""
    if isinstance(value, (dict, list)):
        inside = value.items() if isinstance(value, dict) else enumerate(value)
        return [deeper for key, one in inside for deeper in paths_in(one, *path, key)]
    return [path]


async def test_every_member_of_a_receipt_is_under_its_signature(partnership: Partnership) -> None:
    """Given a receipt, then both checks accept it, and refuse it with any one of its members altered."""
    receipt, keys = await signed_receipt(partnership), keys_of(partnership)
    assert verdicts(receipt, keys) == (True, True)
    paths = paths_in(receipt)
    assert len(paths) == 8 + 5 * len(receipt["events"]) + 2
    accepted = []
    for path in paths:
        forged: Any = copy.deepcopy(receipt)
        place = forged
        for step in path[:-1]:
            place = place[step]
        old = place[path[-1]]
        place[path[-1]] = old + 1 if isinstance(old, int) else old.replace(old[-3], "A" if old[-3] != "A" else "B")
        if any(verdicts(forged, keys)):
            accepted.append(path)
    # The last letter before the padding has bits that no byte needs.
    value = receipt["signature"]["value"]
    spare = receipt | {"signature": receipt["signature"] | {"value": f"{value[:-3]}{chr(ord(value[-3]) + 1)}=="}}
    assert verdicts(spare, keys) == (False, False)
    assert accepted == []


async def test_an_invented_receipt_proves_nothing(partnership: Partnership) -> None:
    """Given a line more, no signature, a stranger's key, or the key of another service, then neither check accepts it."""
    receipt, keys = await signed_receipt(partnership), keys_of(partnership)
    invented = {**receipt["events"][0], "version": 2, "position": receipt["position"] + 1, "event_id": str(uuid4())}
    content = {name: value for name, value in receipt.items() if name != "signature"}

    def by(signer: Signer) -> dict[str, Any]:
        value = base64.b64encode(signer.private.sign(rfc8785.dumps(content))).decode()
        return {**content, "signature": {"key": f"{signer.name}+{signer.key.identifier.hex()}", "value": value}}

    stranger = Signer(keys[0].name, Ed25519PrivateKey.generate())
    other = receipt_signer(KeyEncryptionKeys.of(partnership.settings), partnership.settings.log_origin, "disposal")
    elsewhere = receipt_signer(
        KeyEncryptionKeys.read(base64.b64encode(os.urandom(32)).decode()), "ooc.local", "referral"
    )
    forgeries = [
        receipt | {"events": [*receipt["events"], invented]},
        receipt | {"events": []},
        receipt | {"signature": None},
        receipt | {"note": "more"},
        by(stranger),
        by(other),
        by(elsewhere),
    ]
    assert [verdicts(forged, keys) for forged in forgeries] == [(False, False)] * len(forgeries)


async def test_a_repeated_command_gets_the_same_signature(partnership: Partnership) -> None:
    """Given a command sent twice, and its outcome asked for, then each has the receipt with the same signature."""
    token, stream, key = await partnership.token("SAFE_SCHOOLS_OFFICER"), uuid4(), str(uuid4())
    body = received_referral(uuid4(), WHEN)
    first = await partnership.send("referral", stream, body, token, key)
    second = await partnership.send("referral", stream, body, token, key)
    assert first.json()["signature"]
    assert first.json() == second.json()
    outcome = await partnership.read("referral", f"/v1/commands/{first.json()['command_id']}", token)
    assert outcome.json()["receipt"] == first.json()


async def test_a_program_without_our_code_writes_the_same_bytes(partnership: Partnership) -> None:
    """Given a receipt, then sorted JSON without spaces is its canonical form (RFC 8785): any program can check it."""
    content = await signed_receipt(partnership, service="disposal")
    del content["signature"]
    assert rfc8785.dumps(content) == json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


async def test_the_page_for_partners_shows_how_to_check_one(partnership: Partnership, tmp_path: Path) -> None:
    """Given a receipt and a file of keys, then the program on the page for partners accepts it, and refuses it altered."""
    page = Path(__file__).parents[2] / "docs" / "how-to" / "react-from-outside.md"
    (program,) = [
        textwrap.dedent(block)
        for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        if "rfc8785" in block
    ]
    (tmp_path / "keys.txt").write_text("".join(f"{key}\n" for key in keys_of(partnership)), encoding="utf-8")
    receipt = await signed_receipt(partnership)
    ran = [
        subprocess.run(
            [sys.executable, "-c", f"receipt = {one!r}\n{program}"],
            cwd=tmp_path,
            check=False,
            capture_output=True,
            text=True,
        )
        for one in (receipt, receipt | {"position": receipt["position"] + 1})
    ]
    assert [one.returncode for one in ran] == [0, 1], ran
    assert "InvalidSignature" in ran[1].stderr


@pytest.mark.parametrize("text", ["{}", '{"command_id": 1, "events": [], "signature": 3}'])
async def test_what_is_no_receipt_is_refused(text: str) -> None:
    """Given JSON that is no receipt, then the check refuses it."""
    with pytest.raises(NotSigned):
        check_receipt(json.loads(text), [])


@pytest.mark.parametrize("listed_by", ["referral", "disposal"])
async def test_no_key_of_receipts_is_listed_that_the_service_does_not_sign_by(
    partnership: Partnership, listed_by: str
) -> None:
    """Given a signer's database role, when a stranger's key of receipts is listed, then no service gives it out, but its own."""
    origin, name = partnership.settings.log_origin, f"{partnership.settings.log_origin}/referral/receipt"
    stranger = Signer(name, Ed25519PrivateKey.generate()).key
    signing = Signer(f"{origin}/{listed_by}/events", Ed25519PrivateKey.generate()).key
    relaying = Signer(f"{origin}/{listed_by}/position", Ed25519PrivateKey.generate()).key
    intruder = await asyncpg.connect(partnership.settings.database(listed_by, role_name(RoleKind.SIGNER, listed_by)))
    for key in (stranger, signing, relaying):
        await intruder.execute("insert into log_key (name, key) values ($1, $2)", key.name, str(key))
    await intruder.close()
    answer = await partnership.read(listed_by, "/evidence/keys", await partnership.token("AUDITOR"))
    (true_key,) = [key for key in keys_of(partnership) if f"/{listed_by}/" in key.name]
    assert str(stranger) not in answer.json()
    assert {str(signing), str(relaying), str(true_key)} <= set(answer.json())
