"""Signed checkpoints: read back, refused when changed, and signed by two epochs during a rotation."""

import base64
from pathlib import Path

import pytest

from shared.evidence.checkpoint import Checkpoint, open_checkpoint
from shared.privacy.signed_note import (
    COSIGNATURE,
    BadNote,
    InvalidSigningKey,
    SignedNote,
    Signer,
    SigningKeys,
    VerifierKey,
    write_note,
)

ONE = base64.b64encode(bytes(range(32))).decode()
TWO = base64.b64encode(bytes(range(1, 33))).decode()
ORIGIN = "example.org/lending/events"
CHECKPOINT = Checkpoint(ORIGIN, 7, bytes(32))


def note_of(keys: SigningKeys, checkpoint: Checkpoint = CHECKPOINT) -> str:
    return write_note(checkpoint.text, [signer.sign(checkpoint.text) for signer in keys.signers(checkpoint.origin)])


KEYS = SigningKeys.read(ONE)
PUBLIC = [signer.key for signer in KEYS.signers(ORIGIN)]


def test_a_checkpoint_is_read_back() -> None:
    """Given a signed checkpoint, when it is opened with the log's key, then it says what was signed."""
    assert open_checkpoint(note_of(KEYS), PUBLIC) == CHECKPOINT


def test_a_key_is_read_back() -> None:
    """Given a public key as text, when it is parsed, then it is the same key."""
    assert VerifierKey.parse(str(PUBLIC[0])) == PUBLIC[0]


@pytest.mark.parametrize("change", [("\n7\n", "\n8\n"), ("AAAA", "BAAA"), ("lending", "selling"), ("— ", "- ")])
def test_a_changed_checkpoint_is_refused(change: tuple[str, str]) -> None:
    """Given a checkpoint with one changed character, when it is opened, then it is refused."""
    changed = note_of(KEYS).replace(*change, 1)
    assert changed != note_of(KEYS)
    with pytest.raises(BadNote):
        open_checkpoint(changed, PUBLIC)


def test_another_logs_signature_is_refused() -> None:
    """Given a checkpoint that another key has signed, when it is opened, then it is refused."""
    other = SigningKeys.read(TWO)
    with pytest.raises(BadNote, match="no known key"):
        open_checkpoint(note_of(other), PUBLIC)


def test_each_log_has_a_key_of_its_own() -> None:
    """Given one secret, when the keys of two logs are derived, then they differ."""
    assert KEYS.signers("a")[0].key.public != KEYS.signers("b")[0].key.public


def test_during_a_rotation_both_epochs_sign() -> None:
    """Given two epochs of secrets, when a checkpoint is signed, then each of the two keys opens it."""
    both = SigningKeys.read(f"1:{ONE} 2:{TWO}")
    note = note_of(both)
    older, newer = (signer.key for signer in both.signers(ORIGIN))
    assert older == PUBLIC[0]
    assert open_checkpoint(note, [older]) == open_checkpoint(note, [newer]) == CHECKPOINT
    assert SignedNote.parse(note).signers_among([older, newer]) == [older, newer]


def test_a_cosignature_covers_its_time() -> None:
    """Given a witness's cosignature, when its time is changed, then it is refused."""
    witness = Signer("witness.example", KEYS.signers("w")[0].private, COSIGNATURE)
    text = CHECKPOINT.text
    line = witness.cosign(text, 1_700_000_000)
    assert SignedNote.parse(write_note(text, [line])).signers_among([witness.key]) == [witness.key]
    name, signature = SignedNote.parse(write_note(text, [line])).signatures[0]
    later = signature[:11] + bytes([signature[11] + 1]) + signature[12:]
    forged = f"— {name} {base64.b64encode(later).decode()}"
    with pytest.raises(BadNote):
        SignedNote.parse(write_note(text, [forged])).signers_among([witness.key])


@pytest.mark.parametrize("text", ["", "abc", "1:abc", base64.b64encode(b"short").decode()])
def test_a_malformed_signing_key_is_refused(text: str) -> None:
    """Given a secret of another length or form, when it is read, then the error says how to make one."""
    with pytest.raises(InvalidSigningKey, match="openssl rand"):
        SigningKeys.read(text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Given no file of secrets, when it is read, then the error names the variable."""
    with pytest.raises(InvalidSigningKey, match="OOC_SIGNING_KEY_FILE"):
        SigningKeys.from_file(tmp_path / "none")


@pytest.mark.parametrize("text", ["", "name", "name+00000000+AAAA", f"other{str(PUBLIC[0])[6:]}", "na me+1+2"])
def test_a_malformed_public_key_is_refused(text: str) -> None:
    """Given a text that is no public key, when it is parsed, then it is refused."""
    with pytest.raises(BadNote):
        VerifierKey.parse(text)


@pytest.mark.parametrize(
    "text", ["", "a\n1\n", "a\n-1\nAAAA\n", "a\n01\n" + base64.b64encode(bytes(32)).decode() + "\n"]
)
def test_a_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    """Given a text of another form, when it is parsed as a checkpoint, then it is refused."""
    with pytest.raises(BadNote):
        Checkpoint.parse(text)
