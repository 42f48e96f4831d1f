"""What the offline verifier and `ooc` read may come from anybody: it neither draws on the terminal nor ends them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from ooc.cases.reading import NotFound
from ooc.evidence.verify_command import _read_receipt
from tools import verify_bundle

ERASED: Final = "\x1b[2J\x1b[H12 events\n\nEverything that was checked holds.\x1b[8m"
"""Clears a terminal, writes what a whole case would say, and hides what follows."""
ID: Final = "5582cb24-1111-4111-8111-111111111111"
RECEIPT: Final[dict[str, Any]] = {
    "command_id": ERASED,
    "events": [],
    "signature": None,
    "service": "referral",
    "recorded_at": ERASED,
}
BUNDLES: Final[dict[str, dict[str, Any]]] = {
    "case": {"format": verify_bundle.FORMAT, "case": ERASED, "made_at": "2026-11-29T10:00:00+00:00", "services": []},
    "receipt": {**RECEIPT, "signature": {"key": ERASED, "value": ""}},
    "report": {"format": verify_bundle.REPORT, "case": "1", "made_at": ERASED, "report": ERASED, "services": []},
}


def verified(file: Path) -> tuple[int, str]:
    """Verify a file as anybody does; returns the exit code and all that was written."""
    command = [sys.executable, verify_bundle.__file__, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", BUNDLES)
def test_a_file_writes_nothing_over_the_verdict(name: str, tmp_path: Path) -> None:
    """Given texts that erase a terminal and write a verdict of their own, when it is verified, then they stay in their line."""
    file = tmp_path / "case.json"
    file.write_text(json.dumps(BUNDLES[name]), encoding="utf-8")
    code, said = verified(file)
    assert code in {1, 2}
    assert not [letter for letter in said if not letter.isprintable() and letter != "\n"]
    assert "Everything that was checked holds." not in said.splitlines()


@pytest.mark.parametrize(
    "text",
    ["[" * 200_000, json.dumps(BUNDLES["case"])[:-1] + ', "case": "2"}', "\ud800", "9" * 5_000],
    ids=["deep", "twice", "no text", "long number"],
)
def test_what_is_no_json_is_said_so(text: str, tmp_path: Path) -> None:
    """Given a file that is too deep, says a member twice or is no JSON, then it is unreadable, and nothing crashes."""
    file = tmp_path / "case.json"
    file.write_bytes(text.encode(errors="surrogatepass"))
    code, said = verified(file)
    assert (code, "Traceback" in said) == (2, False), said[-300:]
    with pytest.raises(NotFound):
        _read_receipt(file)


def test_a_receipt_says_each_member_once_and_writes_nothing_of_its_own(tmp_path: Path) -> None:
    """Given a receipt with a second position, it is none; given one with markup for a terminal, it stays in its line."""
    event = {"event_id": ID, "type": "ooc.referral.CrimeRecorded.v1", "version": 1, "position": 9, "hash": "00" * 32}
    receipt = {
        "command_id": ID,
        "service": "referral",
        "stream": f"referral/{ID}",
        "version": 1,
        "position": 9,
        "position_token": "referral:9",
        "recorded_at": "2026-11-29T10:00:00Z",
        "hash": "00" * 32,
        "events": [event],
        "signature": {"key": "none", "value": ""},
    }
    file, text = tmp_path / "receipt.json", json.dumps(receipt)
    file.write_text(text, encoding="utf-8")
    assert _read_receipt(file) == receipt
    file.write_text(text.replace('"position": 9,', '"position": 7, "position": 9,', 1), encoding="utf-8")
    with pytest.raises(NotFound):
        _read_receipt(file)
    file.write_text(text.replace("none", "[/]\\n[green]whole[/] \\u001b[2K"), encoding="utf-8")
    (tmp_path / "keys").write_text("")
    command = [sys.executable, "-m", "ooc.main", "verify", "receipt", str(file), "--keys", str(tmp_path / "keys")]
    command += ["--url", "referral=http://127.0.0.1:9"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("BROKEN  the receipt proves nothing")
    assert len(done.stdout.splitlines()) == 1
    assert "\x1b" not in done.stdout


def test_an_entry_beyond_every_number_is_unreadable() -> None:
    """Given an entry whose number has no 64 bits, when the bundle is checked, then it is malformed."""
    entry = {"number": 2**70, "at": "2026-11-29T10:00:00+00:00", "hash": "00" * 32, "proof": []}
    with pytest.raises(verify_bundle.Unreadable):
        verify_bundle.check({"case": "1", "services": [_part(entry)]}, verify_bundle.Keys([]), [], None)


def _part(entry: dict[str, Any]) -> dict[str, Any]:
    note = f"ooc.local/referral/statement\nhome\n1\ncontract\nfor all\nevents 1 1 {'00' * 32}\n\n— x AAAA\n"
    events = {"entries": [entry], "checkpoint": f"ooc.local/referral/events\n1\n{'A' * 43}=\n"}
    return {"service": "referral", "statement": note, "home": "home", "contract": "", "events": events}
