"""A backup is opened by its identity alone, and whatever was changed, left out or exchanged in it is named."""

import base64
import gzip
import hashlib
import io
import os
import shutil
import tarfile
import threading
import time
import tracemalloc
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyrage
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ooc.backup import base_backup, follow
from ooc.backup import manifest as backup_manifest
from ooc.backup.base_backup import CLUSTER
from ooc.backup.commands import _secrets
from ooc.backup.expiry import expire, require_log
from ooc.backup.follow import PACKED, RECEIVING, WAL, keep_received
from ooc.backup.manifest import (
    LOG,
    MANIFEST,
    NOTE,
    LogSize,
    Manifest,
    enter,
    origin_of_backups,
    removed_backups,
    require_one_system,
    require_signed,
    require_whole,
)
from ooc.backup.sealed import BadBackup, opened, seal
from ooc.restore.loss import loss_of_backups
from ooc.restore.recovery import unpack, unpack_log
from ooc.restore.system import choose
from shared.evidence.merkle import EMPTY_ROOT
from shared.privacy.signed_note import COSIGNATURE, SignedNote, Signer, SigningKeys, write_note
from shared.servers.settings import Settings

IDENTITY = pyrage.x25519.Identity.generate()
SIGNERS = SigningKeys.read(base64.b64encode(os.urandom(32)).decode()).signers(origin_of_backups("test.example"))
KEYS = [signer.key for signer in SIGNERS]
WITNESS = Signer("witness.test", Ed25519PrivateKey.generate(), COSIGNATURE)
CONTENT = os.urandom(200_000)


async def make(folder: Path, name: str, system: str = "") -> Manifest:
    """Make a backup of one file."""
    place = folder / name
    place.mkdir()
    file = seal(io.BytesIO(CONTENT), place / CLUSTER, IDENTITY.to_public())
    ended = f"2026-11-29T0{name}:00:00+00:00"
    start, end = (f"0/{int(name) + 1}0000{byte}" for byte in ("28", "F0"))
    logs = (LogSize("test.example/referral/events", 3, "AA=="),)
    manifest = Manifest("1", ended, ended, 1, start, end, logs, ("first",), (file,), system)
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
    with opened(path, IDENTITY, sealed.sha256) as reader:
        assert reader.read() == CONTENT
    with (
        pytest.raises(BadBackup, match="cannot be decrypted"),
        opened(path, pyrage.x25519.Identity.generate(), sealed.sha256) as reader,
    ):
        reader.read()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadBackup, match="cannot be decrypted"), opened(path, IDENTITY, sealed.sha256) as reader:
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
    file, text, note, log = (tmp_path / "1" / name for name in (CLUSTER, MANIFEST, NOTE, f"../{LOG}"))
    sealed = file.read_bytes()
    stranger = SigningKeys.read(base64.b64encode(os.urandom(32)).decode()).signers(KEYS[0].name)[0]
    changes = {
        "is not the file that was signed": (file, sealed[:-1] + bytes([sealed[-1] ^ 1])),
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


async def test_a_list_of_backups_that_was_lost_comes_from_the_last_backup(tmp_path: Path) -> None:
    """Given a folder whose oldest backup was removed and whose list is gone, then the log goes on from the last backup's list."""
    await make(tmp_path, "1")
    second = await make(tmp_path, "2")
    before = (tmp_path / LOG).read_text()
    (tmp_path / LOG).unlink()
    shutil.rmtree(tmp_path / "1")
    assert require_whole(tmp_path, "2", KEYS, None) == second
    third = await make(tmp_path, "3")
    assert require_whole(tmp_path, "3", KEYS, None) == third
    assert (tmp_path / LOG).read_text().startswith(before)


async def test_backups_that_were_removed_are_named(tmp_path: Path) -> None:
    """Given a folder without its last backup, and its list without the line, then what the witness has seen tells of it."""
    await make(tmp_path, "1")
    before = (tmp_path / LOG).read_text()
    await make(tmp_path, "2")
    seen = {KEYS[0].name: (tmp_path / "2" / NOTE).read_text()}
    assert removed_backups(tmp_path, seen, KEYS) == []
    shutil.rmtree(tmp_path / "2")
    (tmp_path / LOG).write_text(before)
    require_whole(tmp_path, "1", KEYS, None)
    (line,) = removed_backups(tmp_path, seen, KEYS)
    assert "has seen 2 backups" in line


@pytest.mark.parametrize("renamed", [{}, {"1": "3"}, {"1": "3", "2": "3"}], ids=["removed", "renamed", "exchanged"])
async def test_an_older_backup_is_not_taken_for_the_newest(tmp_path: Path, renamed: Mapping[str, str]) -> None:
    """Given a folder without its last backup, whose line is left, and perhaps an older one under its name, then that is named."""
    await make(tmp_path, "1")
    await make(tmp_path, "2")
    seen = {KEYS[0].name: (tmp_path / "2" / NOTE).read_text()}
    shutil.rmtree(tmp_path / "2")
    (tmp_path / "1").rename(tmp_path / renamed.get("1", "1"))
    names = ((old, renamed.get(old, old)) for old in ("1", "2"))
    lines = (tmp_path / LOG).read_text().splitlines()
    lines = [line.replace(f"  {old}/", f"  {new}/") for line, (old, new) in zip(lines, names, strict=True)]
    (tmp_path / LOG).write_text("".join(f"{line}\n" for line in lines))
    require_whole(tmp_path, renamed.get("1", "1"), KEYS, None)
    (found,) = removed_backups(tmp_path, seen, KEYS)
    assert "is not there" in found


@pytest.mark.parametrize("left", [[0, 0], [0, 1, 0]], ids=["in its place", "after it"])
async def test_a_line_that_is_there_twice_hides_no_removed_backup(tmp_path: Path, left: list[int]) -> None:
    """Given a folder without its last backup, with the line of an older one once more, then the removed one is named."""
    await make(tmp_path, "1")
    await make(tmp_path, "2")
    seen = {KEYS[0].name: (tmp_path / "2" / NOTE).read_text()}
    shutil.rmtree(tmp_path / "2")
    lines = (tmp_path / LOG).read_text().splitlines(keepends=True)
    (tmp_path / LOG).write_text("".join(lines[n] for n in left))
    require_whole(tmp_path, "1", KEYS, None)
    assert len(removed_backups(tmp_path, seen, KEYS)) == 1


async def test_a_list_of_which_no_copy_is_left_is_given_up_by_a_statement(tmp_path: Path) -> None:
    """Given the witness's checkpoint of a list that is lost, then a statement names it, and nothing of another log."""
    await make(tmp_path, "1")
    note = (tmp_path / "1" / NOTE).read_text()
    loss = loss_of_backups(SIGNERS[0].name, [note], KEYS)
    assert loss is not None
    assert (loss.common, [size for size, _ in loss.void]) == ((0, EMPTY_ROOT), [1])
    assert loss_of_backups("other.example/backups", [note], KEYS) is None


async def test_the_last_backup_before_a_moment_is_chosen(tmp_path: Path) -> None:
    """Given a moment, the last backup that was complete then is chosen; without one, the last; before all, none."""
    first, second = await make(tmp_path, "1"), await make(tmp_path, "2")
    assert choose(tmp_path, None) == ("2", second)
    assert choose(tmp_path, second.ended) == ("2", second)
    assert choose(tmp_path, first.ended) == ("1", first)
    with pytest.raises(BadBackup, match="no backup that was complete"):
        choose(tmp_path, first.ended.replace(year=2025))


@pytest.mark.parametrize("written", [b"[" * 100_000, b"\xff", b"a moment without a zone"])
async def test_a_manifest_that_nobody_here_has_written_is_named(tmp_path: Path, written: bytes) -> None:
    """Given a manifest that cannot be read, or does not say when, then what names it says so, since it hides every backup."""
    manifest = await make(tmp_path, "1")
    odd = tmp_path / "2" / MANIFEST
    odd.parent.mkdir()
    moment = manifest.text.replace(manifest.ended_at, "2099-01-01").encode()
    odd.write_bytes(moment if written.endswith(b"zone") else written)
    with pytest.raises(BadBackup, match=str(odd)):
        choose(tmp_path, None)


async def test_the_last_backup_is_the_last_whatever_its_folder_is_called(tmp_path: Path) -> None:
    """Given two backups whose folders were given each other's name, in the list too, which signs none, then the later one is chosen."""
    first, second = await make(tmp_path, "1"), await make(tmp_path, "2")
    for old, new in (("1", "3"), ("2", "1"), ("3", "2")):
        (tmp_path / old).rename(tmp_path / new)
        log = (tmp_path / LOG).read_text().replace(f"  {old}/", f"  {new}/")
        (tmp_path / LOG).write_text(log)
    assert [require_whole(tmp_path, name, KEYS, None) for name in ("1", "2")] == [second, first]
    assert choose(tmp_path, None) == ("1", second)
    assert choose(tmp_path, first.ended) == ("2", first)


def receive(folder: Path, name: str, content: bytes) -> Path:
    """Receive a segment of the write-ahead log as `ooc backup follow` does, and return its file."""
    spool, wal = folder / "spool", folder / WAL
    for made in (spool, wal / RECEIVING):
        made.mkdir(parents=True, exist_ok=True)
    (spool / name).write_bytes(content)
    keep_received(spool, wal, IDENTITY.to_public(), SIGNERS)
    return wal / f"{name}{PACKED}"


@pytest.mark.parametrize("changed", ["exchanged", "added", "renamed", "cut"])
def test_only_the_log_that_was_received_is_recovered(tmp_path: Path, changed: str) -> None:
    """Given a segment that whoever has the folder changed or added, for which the public key is enough, then it is not recovered."""
    first, second = (f"00000001000000000000000{n}" for n in (2, 3))
    kept = {first: b"one" * 1000, second: b"two" * 1000}
    files = {name: receive(tmp_path, name, content) for name, content in kept.items()}
    assert unpack_log(tmp_path, tmp_path / "whole", IDENTITY, KEYS, first[8:]) == second
    assert {file.name: file.read_bytes() for file in (tmp_path / "whole").iterdir()} == kept
    if changed in {"exchanged", "added"}:
        other = files[second] if changed == "exchanged" else files[second].with_name(f"{'0' * 23}9{PACKED}")
        seal(io.BytesIO(gzip.compress(b"evil")), other, IDENTITY.to_public())
    elif changed == "renamed":
        for suffix in ("", ".note"):
            shutil.copyfile(f"{files[first]}{suffix}", f"{files[second]}{suffix}")
    else:
        files[second].write_bytes(files[second].read_bytes()[:-1])
    with pytest.raises(BadBackup, match=r"is not (?:signed|the file that was signed)|cannot be decrypted"):
        unpack_log(tmp_path, tmp_path / "restored", IDENTITY, KEYS, first[8:])


@pytest.mark.parametrize("suffix", ["", ".partial"])
def test_a_segment_that_is_not_the_signed_one_takes_no_memory(tmp_path: Path, suffix: str) -> None:
    """Given a small file in the place of a segment, which holds a hundred megabytes of zeros, then it is refused before they are read."""
    name, zeros = f"{'0' * 23}2{suffix}", 100_000_000
    file = receive(tmp_path, name, b"true" * 100)
    if suffix:
        file = tmp_path / WAL / RECEIVING / name
        file.write_bytes(b"evil")
        os.truncate(file, zeros)
    else:
        seal(io.BytesIO(gzip.compress(bytes(zeros))), file, IDENTITY.to_public())
    tracemalloc.start()
    with pytest.raises(BadBackup, match="is not"):
        unpack_log(tmp_path, tmp_path / "restored", IDENTITY, KEYS, "0" * 16)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < zeros / 10


def test_nothing_is_signed_that_was_not_received(tmp_path: Path) -> None:
    """Given a segment that whoever has the folder puts where the last one is, then it is not signed, nor does it replace a signed one."""
    first, second = (f"{'0' * 23}{n}" for n in (2, 3))
    receive(tmp_path, first, b"true" * 100)
    for name in (first, second, f"{second}.partial"):
        (tmp_path / WAL / RECEIVING / name).write_bytes(b"evil" * 100)
    receive(tmp_path, f"{'0' * 23}4.partial", b"true" * 100 + bytes(600))
    assert not (tmp_path / WAL / f"{second}{PACKED}").exists()
    with pytest.raises(BadBackup, match="is not signed"):
        unpack_log(tmp_path, tmp_path / "restored", IDENTITY, KEYS, first[8:])
    assert (tmp_path / "restored" / first).read_bytes() == b"true" * 100


def test_what_is_received_of_a_segment_grows_until_it_is_full(tmp_path: Path) -> None:
    """Given a segment that is received in parts, then its copy has what was received, in the size of a segment, and goes when it is full."""
    name, place = f"{'0' * 23}2", tmp_path / WAL / RECEIVING / f"{'0' * 23}2.partial"
    longest = b""
    # Then it is received anew, and at last another one is, after a note that somebody spoilt.
    for received in (b"one", b"one\0two", b"on", b"one\0two, three", b"four"):
        longest = max(longest, received, key=len)
        if received == b"four":
            place.with_name(f"{place.name}.note").write_text("a b c d e f g h")
            longest = received
        receive(tmp_path, f"{name}.partial", received.ljust(1000, b"\0"))
        assert place.read_bytes() == longest.ljust(1000, b"\0")
    # Listed as a part, and full when it is read: renamed.
    (tmp_path / "spool" / f"{name}.partial").unlink()
    (tmp_path / "spool" / f"{name}.partial").symlink_to("renamed")
    receive(tmp_path, name, b"full" * 250)
    assert not list(place.parent.iterdir())


def test_a_link_in_the_folder_leads_nothing_elsewhere(tmp_path: Path) -> None:
    """Given links under the names of what is written next, then what they lead to stays as it is."""
    (kept := tmp_path / "kept").write_text("mine")
    name = f"{'0' * 23}2"
    (tmp_path / WAL / RECEIVING).mkdir(parents=True)
    for place in (f"{name}{PACKED}.new", f"{name}{PACKED}.note.new", f"receiving/{name}.partial"):
        (tmp_path / WAL / place).symlink_to(kept)
    receive(tmp_path, f"{name}.partial", b"received")
    (tmp_path / "spool" / f"{name}.partial").unlink()
    receive(tmp_path, name, b"received")
    assert kept.read_text() == "mine"


def test_of_the_last_segment_only_what_was_signed_is_recovered(tmp_path: Path) -> None:
    """Given a segment that is still being received, to which somebody adds, then what was signed is recovered, and nothing else."""
    name = f"{'0' * 23}2"
    receive(tmp_path, f"{name}.partial", b"true" * 100 + bytes(600))
    partial = tmp_path / WAL / RECEIVING / f"{name}.partial"
    partial.write_bytes(b"true" * 100 + b"evil" * 100 + bytes(200))
    unpack_log(tmp_path, tmp_path / "restored", IDENTITY, KEYS, name[8:])
    assert (tmp_path / "restored" / name).read_bytes() == b"true" * 100 + bytes(600)
    partial.write_bytes(b"evil" * 100 + bytes(600))
    with pytest.raises(BadBackup, match="is not what was signed"):
        unpack_log(tmp_path, tmp_path / "again", IDENTITY, KEYS, name[8:])


def test_a_file_that_is_exchanged_after_it_was_checked_is_named(tmp_path: Path) -> None:
    """Given another file in the place of the one that was signed, encrypted to the same key, then reading it ends in an error."""
    path = tmp_path / CLUSTER
    signed = seal(io.BytesIO(CONTENT), path, IDENTITY.to_public())
    seal(io.BytesIO(b"evil"), path, IDENTITY.to_public())
    with (
        pytest.raises(BadBackup, match="is not the file that was signed"),
        opened(path, IDENTITY, signed.sha256) as file,
    ):
        file.read()


@pytest.mark.parametrize("exchanged", [MANIFEST, LOG])
async def test_what_was_signed_is_what_is_read(tmp_path: Path, exchanged: str) -> None:
    """Given a folder that gives out what was signed and then something else, then no manifest but the signed one is taken."""
    signed = await make(tmp_path, "1")
    forged = replace(signed, files=(replace(signed.files[0], sha256="0" * 64),)).text
    manifest, listed = tmp_path / "1" / MANIFEST, tmp_path / LOG
    answers = {
        manifest: [manifest.read_text(), forged],
        listed: [listed.read_text(), f"{hashlib.sha256(forged.encode()).hexdigest()}  1/{MANIFEST}\n"],
    }
    place = manifest if exchanged == MANIFEST else listed
    if exchanged == LOG:
        manifest.write_text(forged)
    place.unlink()
    os.mkfifo(place)

    def give_out() -> None:
        with place.open("w") as reader:  # it has been opened for the first time
            (tmp_path / "other").write_text(answers[place][1])
            (tmp_path / "other").replace(place)
            reader.write(answers[place][0])

    threading.Thread(target=give_out, daemon=True).start()
    refused = pytest.raises(BadBackup, match="is not the one that was signed") if exchanged == LOG else nullcontext()
    with refused:
        assert require_signed(tmp_path, "1", KEYS, None) == signed


async def test_what_is_entered_is_what_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a folder in which the manifest is another one as soon as it is written, then that one is not signed."""
    write = backup_manifest.write_whole

    def write_and_exchange(path: Path, text: str) -> None:
        write(path, text)
        if path.name == MANIFEST:
            path.write_text(text.replace('"release": "1"', '"release": "2"'))

    monkeypatch.setattr(backup_manifest, "write_whole", write_and_exchange)
    await make(tmp_path, "1")
    with pytest.raises(BadBackup, match="is not the one that was signed"):
        require_signed(tmp_path, "1", KEYS, None)


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.SYMTYPE])
async def test_an_exchanged_cluster_writes_nowhere_else(tmp_path: Path, kind: bytes) -> None:
    """Given a cluster that is exchanged after it was checked, with a link out of its folder and a file behind it, then nothing outside is written."""
    manifest = await make(tmp_path, "1")
    (tmp_path / "kept").mkdir()
    (kept := tmp_path / "kept" / "file").write_text("mine")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        link, evil = tarfile.TarInfo("link"), tarfile.TarInfo("link")
        link.type, link.linkname, evil.size = kind, "../kept/file", 4
        tar.addfile(link)
        tar.addfile(evil, io.BytesIO(b"evil"))
    seal(io.BytesIO(packed.getvalue()), tmp_path / "1" / CLUSTER, IDENTITY.to_public())
    with pytest.raises(BadBackup):
        unpack(tmp_path / "1", manifest, tmp_path / "data", IDENTITY)
    assert kept.read_text() == "mine"


@pytest.mark.parametrize(
    "owner",
    [
        "postgresql://postgres:hunter%2F2@one:5432/postgres?sslmode=verify-full",
        "postgresql://one:5432/postgres?user=postgres&p%61ssword=hunter%2F2&sslmode=verify-full",
    ],
)
async def test_no_argument_of_a_program_has_the_owners_password(
    owner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given an owner with a password, then the programs of PostgreSQL are given it where nobody else on the machine can read."""
    said = tmp_path / "said"
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\nprintf "%s " "$@" >> {said}\necho "[$PGPASSWORD]" >> {said}\nexit 1\n')
    program.chmod(0o755)

    async def itself(address: str) -> str:
        return address

    for module in (base_backup, follow):
        monkeypatch.setattr(module, "program_of", lambda _name: str(program))
    monkeypatch.setattr(follow, "writable_host", itself)
    with pytest.raises(BadBackup):
        base_backup._copy_cluster(tmp_path / CLUSTER, owner, IDENTITY.to_public())
    with pytest.raises(BadBackup):
        await follow._with_slot(owner)
    lines = said.read_text().splitlines()
    assert len(lines) == 2
    for line in lines:
        arguments, _, password = line.partition("[")
        assert "hunter" not in arguments
        assert "postgresql://postgres@one:5432/postgres?sslmode=verify-full" in arguments
        assert password == "hunter/2]"


def test_what_webhooks_are_signed_by_is_backed_up_and_no_key_that_opens_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given the files of keys, then a backup has those that sign, and the key-encryption keys never."""
    for name in ("WEBHOOK_KEY", "KEK"):
        monkeypatch.setenv(f"OOC_{name}_FILE", str(tmp_path / name))
    held = _secrets(Settings())
    assert held["webhooks"] == tmp_path / "WEBHOOK_KEY"
    assert tmp_path / "KEK" not in held.values()


async def test_a_backup_expires_with_its_log(tmp_path: Path) -> None:
    """Given three backups, when a moment between two has to be restorable, then what only the first needs goes, and the list stays."""
    made = {name: await make(tmp_path, name) for name in ("1", "2", "3")}
    files = [receive(tmp_path, f"{'0' * 23}{number}", b"log") for number in (2, 3, 4)]
    (history := tmp_path / WAL / f"00000002.history{PACKED}").touch()
    assert expire(tmp_path, made["1"].ended) == []
    assert expire(tmp_path, made["3"].ended - timedelta(seconds=1)) == ["1"]
    assert choose(tmp_path, None) == ("3", require_whole(tmp_path, "3", KEYS, None))
    assert choose(tmp_path, made["3"].ended - timedelta(seconds=1)) == ("2", require_whole(tmp_path, "2", KEYS, None))
    require_log(tmp_path, made["2"])
    assert [path.exists() for path in (*files, history)] == [False, True, True, True]
    assert not files[0].with_name(f"{files[0].name}.note").exists()


async def test_a_log_that_lacks_a_segment_is_refused_before_anything_is_recovered(tmp_path: Path) -> None:
    """Given a segment that is missing before the last signed one, in the middle or at the end, then it is named."""
    first, segments = await make(tmp_path, "1"), [f"{'0' * 23}{number}" for number in (3, 4, 5)]
    require_log(tmp_path, first)  # without a log the backup itself is restored
    files = [receive(tmp_path, name, b"log") for name in segments]
    files += [tmp_path / WAL / RECEIVING / receive(tmp_path, f"{'0' * 23}6.partial", b"log").name.removesuffix(PACKED)]
    require_log(tmp_path, first)
    for file in files:
        file.rename(tmp_path / "apart")
        with pytest.raises(BadBackup, match=f"goes on to 0{{15}}6, and lacks segment {file.name[8:24]}"):
            require_log(tmp_path, first)
        (tmp_path / "apart").rename(file)
    with pytest.raises(BadBackup, match="lacks segment"):
        require_log(tmp_path, replace(first, start="0/28", end="0/F0"))


async def test_backups_of_two_clusters_are_in_no_one_folder(tmp_path: Path) -> None:
    """Given a cluster that was made anew, then its backups are refused beside the first's, whose segments have the same names."""
    for name, system in (("1", ""), ("2", "first"), ("3", "first")):
        await make(tmp_path, name, system)
    require_one_system(tmp_path, "first")
    with pytest.raises(BadBackup, match="another PostgreSQL cluster, such as 3"):
        require_one_system(tmp_path, "second")
    await make(tmp_path, "4", "second")
    with pytest.raises(BadBackup, match="another PostgreSQL cluster"):
        require_one_system(tmp_path)


async def test_a_backup_that_fails_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a disk that is full under way, then nothing of the backup is left, however often it is tried."""

    async def system(_server: str) -> str:
        return "first"

    async def full(_server: str) -> None:
        assert (tmp_path / "1").is_dir()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(base_backup, "system_of", system)
    monkeypatch.setattr(base_backup, "_state_of", full)
    with pytest.raises(OSError, match="No space"):
        await base_backup.take_base(tmp_path / "1", "", IDENTITY.to_public(), {})
    assert not list(tmp_path.iterdir())
