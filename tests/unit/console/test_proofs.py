"""The proof of an event as the console computes it: what holds, and what each wrong answer of a service leads to."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.exceptions import HTTPException

from services.console.auditors.audit import MOST_LANES, lanes_of
from services.console.auditors.proofs import CheckedCheckpoint, check_checkpoint, check_event
from shared.event_store.log_hash import log_entry
from shared.evidence.checkpoint import Checkpoint
from shared.evidence.merkle import TileId, append_leaves, hash_leaf, inclusion_spans, proof, root_hash
from shared.privacy.signed_note import COSIGNATURE, Signer, VerifierKey, write_note

BEGIN = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
SIZE = 7
ORIGIN = "ooc.example/disposal/events"
LOG = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
WITNESS = Signer("witness.example", Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))), COSIGNATURE)
SEEN = 1_772_450_000


def event(number: int) -> dict[str, Any]:
    """Return a line of a history."""
    return {
        "position": number,
        "recorded_at": (BEGIN + timedelta(seconds=number)).isoformat(),
        "hash": bytes([number] * 32).hex(),
    }


TILES: dict[TileId, bytes] = {}
append_leaves(
    TILES, 0, [hash_leaf(log_entry(n, BEGIN + timedelta(seconds=n), bytes([n] * 32))) for n in range(1, SIZE + 1)]
)
TEXT = Checkpoint(ORIGIN, SIZE, root_hash(TILES, SIZE)).text
NOTE = write_note(TEXT, [LOG.sign(TEXT), WITNESS.cosign(TEXT, SEEN)])
KEYS = [str(LOG.key)]


def path_of(number: int) -> list[str]:
    """Return the proof of an event as a service answers it."""
    return [base64.b64encode(one).decode() for one in proof(TILES, inclusion_spans(number - 1, SIZE))]


def checked(witness: VerifierKey | None = WITNESS.key) -> CheckedCheckpoint:
    """Return the checkpoint as the console checks it."""
    return check_checkpoint(NOTE, KEYS, witness)


@pytest.mark.parametrize("number", range(1, SIZE + 1))
def test_an_event_of_the_log_is_proved(number: int) -> None:
    """Given an event and the service's proof, when the proof is followed, then it leads to the signed root."""
    found = check_event(event(number), checked(), path_of(number))
    assert found.holds
    assert len(found.path) == len(path_of(number))


@pytest.mark.parametrize(
    "change",
    [
        {"hash": bytes([9] * 32).hex()},
        {"recorded_at": (BEGIN + timedelta(seconds=3, microseconds=1)).isoformat()},
        {"position": 4},
        {"hash": "no hash"},
    ],
)
def test_an_altered_event_is_not_proved(change: dict[str, Any]) -> None:
    """Given another hash, time or position of an event, when its proof is followed, then it does not hold, and says why."""
    found = check_event({**event(3), **change}, checked(), path_of(3))
    assert (found.holds, bool(found.fault)) == (False, True)


@pytest.mark.parametrize("path", [[], path_of(4), path_of(3)[:-1], ["not base64"]])
def test_another_proof_does_not_hold(path: list[str]) -> None:
    """Given a proof that is missing, another event's, too short or malformed, when it is followed, then it does not hold."""
    assert check_event(event(3), checked(), path).fault


def test_an_event_beyond_the_checkpoint_waits() -> None:
    """Given an event that no checkpoint reaches yet, when it is checked, then it is neither proved nor broken."""
    found = check_event(event(SIZE + 1), checked(), [])
    assert (found.holds, found.waits, found.fault) == (False, True, "")


def test_a_checkpoint_says_who_has_signed_it_and_when() -> None:
    """Given a cosigned checkpoint, when it is checked, then the witness stands there with its time, checked by its key alone."""
    (known,) = checked().cosignatures
    (unknown,) = checked(None).cosignatures
    assert (known.name, known.at, known.checked) == ("witness.example", datetime.fromtimestamp(SEEN, UTC), True)
    assert (unknown.name, unknown.at, unknown.checked) == (known.name, known.at, False)
    assert (checked().fault, checked().size, checked().origin) == ("", SIZE, ORIGIN)


@pytest.mark.parametrize(
    ("note", "keys"),
    [(NOTE, [str(WITNESS.key)]), (NOTE.replace("\n7\n", "\n8\n"), KEYS), ("no note", KEYS), (NOTE, ["no key"])],
)
def test_a_checkpoint_without_its_logs_signature_proves_nothing(note: str, keys: list[str]) -> None:
    """Given a checkpoint that its log's key has not signed as it is, when an event is checked by it, then nothing is proved."""
    broken = check_checkpoint(note, keys, WITNESS.key)
    assert broken.fault
    assert not check_event(event(3), broken, path_of(3)).holds


def test_a_swimlane_has_a_column_for_each_record_and_a_row_for_each_time() -> None:
    """Given events of two records, two of them at one time, when lanes are made, then each stands in its column and row."""
    events = [
        {"service": service, "stream": stream, "occurred_at": at, "version": version}
        for service, stream, at, version in (
            ("referral", "r", "2026-03-02T09:00:00+00:00", 1),
            ("referral", "r", "2026-03-02T10:00:00+00:00", 2),
            ("disposal", "d", "2026-03-02T10:00:00+00:00", 1),
        )
    ]
    lanes, rows = lanes_of(events, "occurred_at")
    assert [(lane.collection, lane.id) for lane in lanes] == [("referrals", "r"), ("disposals", "d")]
    assert [(at, [len(cell) for cell in cells]) for at, cells in rows] == [
        ("2026-03-02T09:00:00+00:00", [1, 0]),
        ("2026-03-02T10:00:00+00:00", [1, 1]),
    ]


def test_a_case_of_very_many_records_is_not_drawn_side_by_side() -> None:
    """Given a case into which somebody has put more records than fit beside each other, then its timeline is named, and no cell is made."""
    at = "2026-03-02T09:00:00+00:00"
    events = [
        {"service": "referral", "stream": f"r{n}", "occurred_at": at, "version": 1} for n in range(MOST_LANES + 1)
    ]
    assert len(lanes_of(events[1:], "occurred_at")[0]) == MOST_LANES
    with pytest.raises(HTTPException, match="look at its timeline"):
        lanes_of(events, "occurred_at")


@pytest.mark.parametrize("seconds", [2**63, 2**60])
def test_a_cosignature_of_no_day_has_no_time(seconds: int) -> None:
    """Given a witness that signs at a time beyond every calendar, when its cosignature is shown, then without a time."""
    note = write_note(TEXT, [LOG.sign(TEXT), WITNESS.cosign(TEXT, seconds)])
    (seen,) = check_checkpoint(note, KEYS, WITNESS.key).cosignatures
    assert (seen.name, seen.at) == (WITNESS.name, None)
