"""A backup is opened by its identity alone, and whatever was changed, left out or exchanged in it is named."""

from __future__ import annotations

import base64
import io
import os
import time
from dataclasses import replace
from pathlib import Path

import pyrage
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ooc.backup.manifest import LOG, MANIFEST, NOTE, LogSize, Manifest, enter, origin_of_backups, require_whole
from ooc.backup.sealed import BadBackup, opened, seal
from ooc.restore.system import choose
from shared.evidence.checkpoint import COSIGNATURE, SignedNote, Signer, SigningKeys, write_note

IDENTITY = pyrage.x25519.Identity.generate()
SIGNERS = SigningKeys.read(base64.b64encode(os.urandom(32)).decode()).signers(origin_of_backups("test.example"))
KEYS = [signer.key for signer in SIGNERS]
WITNESS = Signer("witness.test", Ed25519PrivateKey.generate(), COSIGNATURE)
CONTENT = os.urandom(200_000)


async def make(folder: Path, name: str) -> Manifest:
    """Make a backup of one file."""
    place = folder / name
    place.mkdir()
    file = seal(io.BytesIO(CONTENT), place / "cluster.age", IDENTITY.to_public())
    ended = f"2026-11-29T0{name}:00:00+00:00"
    logs = (LogSize("test.example/referral/events", 3, "AA=="),)
    manifest = Manifest("1", ended, ended, 1, "0/2000028", "0/2000100", logs, ("first",), (file,))
    await enter(folder, name, manifest, SIGNERS, None)
    return manifest


def cosign(folder: Path, name: str) -> None:
    """Add the witness's cosignature to the note of a backup."""
    note = folder / name / NOTE
    signed, lines = SignedNote.parse(note.read_text()), note.read_text().rpartition("\n\n")[2].splitlines()
    note.write_text(write_note(signed.text, [*lines, WITNESS.cosign(signed.text, int(time.time()))]))


def test_a_file_is_opened_by_its_identity_alone_and_as_a_whole(tmp_path: Path) -> None:
    """Given a sealed file, its identity gives the bytes; another identity, or a file that was cut, gives an error."""
    path = tmp_path / "file.age"
    sealed = seal(io.BytesIO(CONTENT), path, IDENTITY.to_public())
    assert sealed.size == path.stat().st_size
    assert CONTENT[:64] not in path.read_bytes()
    with opened(path, IDENTITY) as reader:
        assert reader.read() == CONTENT
    with (
        pytest.raises(BadBackup, match="cannot be decrypted"),
        opened(path, pyrage.x25519.Identity.generate()) as reader,
    ):
        reader.read()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadBackup, match="cannot be decrypted"), opened(path, IDENTITY) as reader:
        reader.read()


async def test_a_backup_is_whole_as_it_was_signed(tmp_path: Path) -> None:
    """Given two backups, both are whole; the later cosignature counts for both."""
    first, second = await make(tmp_path, "1"), await make(tmp_path, "2")
    assert require_whole(tmp_path, "1", KEYS, None) == first
    with pytest.raises(BadBackup, match="has not cosigned"):
        require_whole(tmp_path, "1", KEYS, WITNESS.key)
    cosign(tmp_path, "2")
    assert require_whole(tmp_path, "1", KEYS, WITNESS.key) == first
    assert require_whole(tmp_path, "2", KEYS, WITNESS.key) == second
    cosign(tmp_path, "1")
    (tmp_path / "2" / NOTE).write_text("")
    assert require_whole(tmp_path, "1", KEYS, WITNESS.key) == first


async def test_what_was_changed_in_a_backup_is_named(tmp_path: Path) -> None:
    """Given a file, manifest, log or signature that is another one, then the backup is not taken."""
    manifest = await make(tmp_path, "1")
    await make(tmp_path, "2")
    file, text, note, log = (tmp_path / "1" / name for name in ("cluster.age", MANIFEST, NOTE, f"../{LOG}"))
    stranger = SigningKeys.read(base64.b64encode(os.urandom(32)).decode()).signers(KEYS[0].name)[0]
    changes = {
        "is not the file that was signed": (file, file.read_bytes()[:-1] + b"x"),
        "is not the one that was signed": (text, replace(manifest, release="2").text.encode()),
        "does not list the backups": (log, b"".join(reversed(log.read_bytes().splitlines(keepends=True)))),
        "names no manifest": (log, log.read_bytes()[1:]),
        "is not signed by a key": (
            note,
            write_note(SignedNote.parse(note.read_text()).text, [stranger.sign("x")]).encode(),
        ),
    }
    for why, (path, content) in changes.items():
        before = path.read_bytes()
        path.write_bytes(content)
        with pytest.raises(BadBackup, match=why):
            require_whole(tmp_path, "1", KEYS, None)
        path.write_bytes(before)
    require_whole(tmp_path, "1", KEYS, None)


async def test_the_last_backup_before_a_moment_is_chosen(tmp_path: Path) -> None:
    """Given a moment, the last backup that was complete then is chosen; without one, the last; before all, none."""
    first, second = await make(tmp_path, "1"), await make(tmp_path, "2")
    assert choose(tmp_path, None) == ("2", second)
    assert choose(tmp_path, second.ended) == ("2", second)
    assert choose(tmp_path, first.ended) == ("1", first)
    with pytest.raises(BadBackup, match="no backup that was complete"):
        choose(tmp_path, first.ended.replace(year=2025))
