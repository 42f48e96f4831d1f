"""An exported case and everything that an attacker may do to it or to the database: each attack is named exactly."""

import base64
import copy
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from shared.api.access_log import AccessLog
from shared.domain.envelope import GENESIS, next_hash
from shared.domain.messages import Actor
from shared.evidence import bundle
from shared.evidence.home_evidence import evidence_of
from shared.evidence.log import ACCESS, EVENTS, prove_consistency
from shared.evidence.statement import Reader
from shared.evidence.verify_bundle import Key, Keys, Unreadable, check, history, read_bundle
from shared.privacy.signed_note import SignedNote, SigningKeys, write_note
from shared.runtime.privileges import RoleKind
from shared.servers.database import Connection, create_pool
from tests.integration.event_store.streams import SERVICE, Stream, as_application
from tests.integration.transparency.conftest import AUTHORITY, Office, running_witness

Bundle = dict[str, Any]


async def bundle_of(office: Office, stream: Stream, *, named: bool = True) -> Bundle:
    """Export a stream as a case, as `ooc export case` does, or as somebody with the API's role who names no record."""
    pool = await create_pool(as_application(office.owner, RoleKind.API))
    try:
        targets = [stream.name] if named else []
        part = await evidence_of(pool, SERVICE, stream.id, targets, b"{}", Reader(logs=(EVENTS, ACCESS)))
    finally:
        await pool.close()
    return bundle.bundle_of(str(stream.id), [part | {"extends": []}])


async def recorded_case(office: Office) -> Stream:
    """Record six events of a case between those of others, and five reads of it."""
    case, other = Stream(), Stream()
    for n in range(6):
        await case.write(office.event_store, b"case %d" % n)
        await other.write(office.event_store, b"other %d" % n)
    pool = await create_pool(as_application(office.owner, RoleKind.API))
    for n in range(5):
        for target in (case.name, f"{case.name}/evidence", f"{other.name}"):
            actor = Actor(id=uuid4(), role="KEEPER", organisation='Brådford "Üni"')
            await AccessLog(pool).record(
                actor, "READ_STATE", target, outcome="GIVEN", reason="AUDIT", rules=["T1"] * (n % 2)
            )
    await pool.close()
    return case


def trusted(office: Office) -> Keys:
    names = [f"{AUTHORITY}/{SERVICE}/{name}" for name in ("events", "access", "statement")]
    return Keys([str(signer.key) for name in names for signer in office.keys.signers(name)])


async def test_an_untouched_case_holds_and_is_told(office: Office) -> None:
    """Given an exported case, when it is checked offline, then it holds, and its history is told."""
    case = await recorded_case(office)
    async with office.signer():
        bundle = await bundle_of(office, case)
    assert check(bundle, trusted(office), [], None) == []
    assert len(bundle["services"][0]["events"]["entries"]) == 6
    assert len(bundle["services"][0]["access"]["entries"]) == 10
    assert len([line for line in history(bundle) if not line.startswith(" ")]) == 6  # and what each says below it


async def test_a_signer_finds_the_records_of_a_case_itself(office: Office) -> None:
    """Given the API's role, when a statement is asked for that names no record, then it counts each access line all the same."""
    case = await recorded_case(office)
    async with office.signer():
        bundle = await bundle_of(office, case, named=False)
    part = bundle["services"][0]
    assert check(bundle, trusted(office), [], None) == []
    assert len(part["access"]["entries"]) == 10
    part["access"]["entries"] = []
    assert "tests, access: 10 of 10 entries are missing" in check(bundle, trusted(office), [], None)


@pytest.mark.parametrize(
    "asked",
    [
        "('{}', E'{\"area\":\"*\"}\nevents 0 0 e3b0')",
        "('{}', '{\"area\":\"\u2028\"}')",
        "('{}', repeat('x', 20000))",
        "(array_fill('x'::text, array[20000]), '{}')",
    ],
)
async def test_nobody_writes_lines_into_what_the_signer_signs(office: Office, asked: str) -> None:
    """Given the API's role, when a statement is asked for whose reader is more than a line, or that names too much, it is refused."""
    intruder = await asyncpg.connect(as_application(office.owner, RoleKind.API))
    try:
        with pytest.raises(asyncpg.CheckViolationError, match="statement_is_short"):
            await intruder.execute(
                f"insert into statement (id, home, targets, scope) select gen_random_uuid(), gen_random_uuid(), {asked[1:-1]}"
            )
    finally:
        await intruder.close()


def entries(bundle: Bundle, log: str = "events") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = bundle["services"][0][log]["entries"]
    return found


def alter_a_byte(bundle: Bundle) -> None:
    body = bytearray(base64.b64decode(entries(bundle)[2]["body"]))
    body[-4] ^= 1
    entries(bundle)[2]["body"] = base64.b64encode(body).decode()


def rewrite_consistently(bundle: Bundle) -> None:
    """Change an event and take every hash after it anew."""
    previous = GENESIS
    for n, entry in enumerate(entries(bundle)):
        body = base64.b64decode(entry["body"])
        if n == 2:
            body = body.replace(b"note", b"mote")
        previous = next_hash(previous, body)
        entry |= {"body": base64.b64encode(body).decode(), "hash": previous.hex()}


def swap(bundle: Bundle) -> None:
    entries(bundle)[1], entries(bundle)[2] = entries(bundle)[2], entries(bundle)[1]


def backdate(bundle: Bundle) -> None:
    entries(bundle)[3]["at"] = "2020-01-01T00:00:00+00:00"


def forge_checkpoint(bundle: Bundle) -> None:
    events = bundle["services"][0]["events"]
    signed = SignedNote.parse(events["checkpoint"])
    name = signed.text.split("\n")[0]
    forger = SigningKeys.read(base64.b64encode(os.urandom(32)).decode()).signers(name)[0]
    events["checkpoint"] = write_note(signed.text, [forger.sign(signed.text)])


def shrink_checkpoint(bundle: Bundle) -> None:
    events = bundle["services"][0]["events"]
    events["checkpoint"] = events["checkpoint"].replace("\n12\n", "\n11\n", 1)


def recount(bundle: Bundle) -> None:
    """Take the last event away, and say in the statement that there were five."""
    entries(bundle).pop()
    part = bundle["services"][0]
    part["statement"] = part["statement"].replace("events 12 6", "events 12 5")


def alter_a_read(bundle: Bundle) -> None:
    entries(bundle, "access")[4]["organisation"] = "Another"


def alter_the_rules(bundle: Bundle) -> None:
    bundle["services"][0]["contract"] = '{"rules":{}}'


def drop_the_events(bundle: Bundle) -> None:
    del bundle["services"][0]["events"]


@pytest.mark.parametrize(
    ("attack", "fault"),
    [
        (alter_a_byte, "event 5 (version 3 of tests/{id}): its bytes have been altered"),
        (lambda bundle: entries(bundle).pop(2), "version 3 of its stream is missing"),
        (lambda bundle: entries(bundle).pop(), "events: 1 of 6 entries are missing"),
        (lambda bundle: entries(bundle).append(entries(bundle)[5]), "1 entries are more than the 6 of the statement"),
        (swap, "the order was changed"),
        (backdate, "events 7: it is not in the log of the checkpoint"),
        (rewrite_consistently, "events 5: it is not in the log of the checkpoint"),
        (forge_checkpoint, "events: no trusted key has signed its checkpoint"),
        (shrink_checkpoint, "events: no trusted key has signed its checkpoint"),
        (recount, "tests: no trusted key has signed its statement"),
        (alter_a_read, "its content has been altered"),
        (lambda bundle: entries(bundle, "access").pop(0), "access: 1 of 10 entries are missing"),
        (alter_the_rules, "its schemas, rules or policy are not those of the statement"),
        (drop_the_events, "its log events is missing, though its statement counts 6 entries"),
        (lambda bundle: entries(bundle)[0]["proof"].pop(), "events 1: its proof is malformed"),
        (lambda bundle: bundle["services"][0]["access"]["proof"].pop(), "access: its proof is malformed"),
        (lambda bundle: bundle["services"][0]["access"]["proof"].append("AA=="), "access: its proof is malformed"),
        (lambda bundle: entries(bundle, "access")[2].update(number=1), "access: its proof is malformed"),
        (
            lambda bundle: entries(bundle, "access")[4].update(at="2020-01-01T00:00:00+00:00"),
            "access: an entry is not in the log of the checkpoint",
        ),
    ],
)
async def test_a_change_of_the_file_is_named(
    signed_bundle: tuple[Office, Bundle], attack: Callable[[Bundle], object], fault: str
) -> None:
    """Given an exported case, when something in it is changed, then the check names what."""
    office, bundle = signed_bundle
    changed = copy.deepcopy(bundle)
    attack(changed)
    faults = check(changed, trusted(office), [], None)
    expected = fault.replace("{id}", bundle["case"])
    assert any(expected in one for one in faults), faults


@pytest.fixture
async def signed_bundle(office: Office) -> tuple[Office, Bundle]:
    case = await recorded_case(office)
    async with office.signer():
        return office, await bundle_of(office, case)


async def test_a_case_rewritten_in_the_database_is_found(office: Office, owner: Connection) -> None:
    """Verification finds an event that was rewritten with every hash of its stream and log."""
    case = await recorded_case(office)
    async with office.signer():
        await office.signed(owner, 12)
        async with owner.transaction():
            await owner.execute("set local session_replication_role = replica")
            previous = GENESIS
            for row in await owner.fetch("select position, body from event where home = $1 order by version", case.id):
                body = row["body"].replace(b"note", b"mote")
                previous = next_hash(previous, body)
                await owner.execute(
                    "update event set body = $2, hash = $3 where position = $1", row["position"], body, previous
                )
        await Stream().write(office.event_store)
        bundle = await bundle_of(office, case)
    faults = check(bundle, trusted(office), [], None)
    assert any("events 1: it is not in the log of the checkpoint" in fault for fault in faults), faults


async def test_a_log_must_extend_the_checkpoint_that_was_kept(office: Office, owner: Connection) -> None:
    """Given a checkpoint from earlier, when the log does not extend it, was rolled back or is not proved, then that is named."""
    case = await recorded_case(office)
    async with office.signer():
        checkpoint = await office.signed(owner, 12)
        await case.write(office.event_store)
        bundle = await bundle_of(office, case)
    keys = trusted(office)
    assert "export again with --extends" in check(bundle, keys, [checkpoint], None)[0]
    path = [base64.b64encode(one).decode() for one in await prove_consistency(owner, EVENTS, 12, 13)]
    bundle["services"][0]["extends"] = [{"log": "events", "checkpoint": checkpoint, "proof": path}]
    assert check(bundle, keys, [checkpoint], None) == []

    other = [*checkpoint.split("\n")[:2], base64.b64encode(hashlib.sha256(b"other").digest()).decode(), ""]
    text = "\n".join(other)
    signer = office.keys.signers(f"{AUTHORITY}/{SERVICE}/events")[0]
    forked = write_note(text, [signer.sign(text)])
    bundle["services"][0]["extends"] = [{"log": "events", "checkpoint": forked, "proof": path}]
    assert "has been rewritten" in check(bundle, keys, [forked], None)[0]

    later = f"{AUTHORITY}/{SERVICE}/events\n99\n{base64.b64encode(bytes(32)).decode()}\n"
    assert "it was rolled back" in check(bundle, keys, [write_note(later, [signer.sign(later)])], None)[0]


async def test_a_witness_that_has_not_cosigned_is_missed(office: Office, owner: Connection, tmp_path: Path) -> None:
    """Given a witness's key, when its cosignature is taken away, then that is named."""
    case = await recorded_case(office)
    async with running_witness(tmp_path, [*office.public_keys(), *office.public_keys(ACCESS)]) as witness:
        client = witness.client()
        async with office.signer(client):
            bundle = await bundle_of(office, case)
    key = Key(str(client.key))
    assert check(bundle, trusted(office), [], key) == []
    events = bundle["services"][0]["events"]
    events["checkpoint"] = "\n".join(events["checkpoint"].split("\n")[:-2]) + "\n"
    assert "has not cosigned" in check(bundle, trusted(office), [], key)[0]


def test_a_file_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    """Given a file of another form, when it is read, then it is refused as unreadable."""
    file = tmp_path / "case.json"
    for text in ("", "[]", json.dumps({"format": "another"})):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(Unreadable):
            read_bundle(file)
    with pytest.raises(Unreadable, match="malformed"):
        check({"case": "1", "services": [{"service": "tests"}]}, Keys([]), [], None)
