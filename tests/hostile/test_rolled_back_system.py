"""A stopped system of which PostgreSQL and Kafka are put back together, as from a backup; its keys and its witness stay."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

from tests.received_referral import received_referral
from tests.whole_system import WholeSystem, client_of, ooc, status_reasons, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

WHEN = "2026-03-02T15:20:00+00:00"
SERVERS = ("postgres", "kafka")


def copy_servers(source: Path, target: Path) -> None:
    """Put the servers' data of a directory into the place of another's."""
    for name in SERVERS:
        shutil.rmtree(target / name, ignore_errors=True)
        target.mkdir(exist_ok=True)
        subprocess.run(["cp", "-a", str(source / name), str(target)], check=True)  # with the owners of the files


def refer(system: WholeSystem) -> tuple[int, str]:
    """Send a referral; return the status, and what was answered."""
    with client_of(system.var, patience=0) as client:
        headers = {"Authorization": f"Bearer {client.tokens.token('SAFE_SCHOOLS_OFFICER', 1).text}"}
        answer = client._http.post(
            f"{client.addresses.of('referral')}/v1/referrals/{uuid4()}/commands",
            json=received_referral(uuid4(), WHEN),
            headers=headers | {"Idempotency-Key": str(uuid4())},
        )
        return answer.status_code, answer.text


def test_a_position_is_not_given_a_second_time(tmp_path: Path) -> None:
    """Given a system put back by one event, then it says so, refuses the next command, and goes on once it is put right."""
    system, earlier, whole = WholeSystem(tmp_path), tmp_path / "earlier", tmp_path / "whole"
    try:
        system.start()
        assert refer(system)[0] == 201
        verified = ooc(system.var, "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        system.stop()
        copy_servers(system.var, earlier)
        system.start()
        assert refer(system)[0] == 201
        seen = ooc(system.var, "evidence", "checkpoints", "-o", str(tmp_path / "kept"))
        assert seen.returncode == 0
        wait_until(lambda: "2 entries" in kept_of(system, tmp_path), 300, "the checkpoint of the second event")
        system.stop()
        copy_servers(system.var, whole)
        copy_servers(earlier, system.var)

        system.launch()
        wait_until(lambda: "log_behind_witness" in "".join(status_reasons(system.var)), 300, "the alarm")
        status, text = refer(system)
        assert (status, "/problems/log-behind-witness" in text, "has seen 2 entries" in text) == (503, True, True), text
        broken = ooc(system.var, "verify")
        assert broken.returncode == 1
        assert "entry 2 or one soon after it is missing, and a checkpoint of 2 that the witness" in broken.stdout
        assert "1 entries" in kept_of(system, tmp_path)
        system.stop()

        copy_servers(whole, system.var)
        system.start()
        assert refer(system)[0] == 201
        verified = ooc(system.var, "verify", "--known", str(tmp_path / "kept" / "referral-events.checkpoint"))
        assert verified.returncode == 0, verified.stdout + verified.stderr
    finally:
        system.stop()


def kept_of(system: WholeSystem, folder: Path) -> str:
    """Return what the latest checkpoint of referral's events is told to have."""
    told = ooc(system.var, "evidence", "checkpoints", "-o", str(folder / "latest")).stdout
    return next((line for line in told.splitlines() if line.startswith("referral, events")), "")
