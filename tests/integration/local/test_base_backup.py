"""A base backup holds the list of its files that PostgreSQL made, and is compared with it before it is used."""

import hashlib
from pathlib import Path

import pyrage
import pytest

from ooc.backup.base_backup import CLUSTER, _copy_cluster
from ooc.backup.manifest import Manifest
from ooc.backup.sealed import BadBackup
from ooc.restore.recovery import require_as_copied, unpack


def test_a_base_backup_is_what_postgresql_copied(postgres_url: str, tmp_path: Path) -> None:
    """Given a base backup, then it is unpacked as PostgreSQL listed it, and a page that a disk changed on the way is named."""
    identity = pyrage.x25519.Identity.generate()
    file, _ = _copy_cluster(tmp_path / CLUSTER, postgres_url, identity.to_public())
    assert file.sha256 == hashlib.sha256((tmp_path / CLUSTER).read_bytes()).hexdigest()
    moment = "2026-11-29T01:00:00+00:00"
    manifest = Manifest("1", moment, moment, 1, "0/28", "0/F0", (), (), (file,))
    unpack(tmp_path, manifest, data := tmp_path / "data", identity)
    assert (data / "backup_manifest").is_file()
    version = data / "PG_VERSION"
    version.write_bytes(version.read_bytes().replace(b"1", b"2"))
    with pytest.raises(BadBackup, match="PG_VERSION"):
        require_as_copied(data)
