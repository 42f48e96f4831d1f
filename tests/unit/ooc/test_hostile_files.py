"""What the offline verifier and `ooc` read may come from anybody: it neither draws on the terminal nor ends them."""

import base64
import hashlib
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

import pytest

from ooc.cases.reading import NotFound
from ooc.evidence.verify_command import _read_receipt
from shared.evidence import verify_bundle
from shared.evidence.checkpoint import Checkpoint
from shared.evidence.merkle import hash_leaf
from shared.privacy.signed_note import SigningKeys, write_note

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


def line_of(service: str, report: str, action: str, place: str, *, counted: bool = True) -> dict[str, Any]:
    """Return a bundle in which the access log of a service has the line of a report, signed by that service's own keys.

    Not `counted`, the log is left out, and said to be uncounted for the reader.
    """
    keys = SigningKeys.read(base64.b64encode(bytes(32)).decode())
    made_at = datetime.now(UTC)
    line: dict[str, Any] = {"number": 1, "at": made_at.isoformat(), "previous": bytes(32).hex(), "actor": ID}
    line |= {"role": "AUDITOR", "organisation": "AUDIT", "action": action, "reason": "AUDIT", "outcome": "GIVEN"}
    line |= {"target": f"{place}/{ID}/sha256:{hashlib.sha256(report.encode()).hexdigest()}", "rules": [], "proof": []}
    line["hash"] = verify_bundle.access_hash(line).hex()
    entry = verify_bundle.entry_of(line)
    signers = {name: keys.signers(f"test.example/{service}/{name}")[0] for name in ("statement", "access")}

    def signed(name: str, text: str) -> str:
        return write_note(text, [signers[name].sign(text)])

    statement = [
        signers["statement"].name,
        ID,
        str(int(made_at.timestamp())),
        f"contract {hashlib.sha256(b'').hexdigest()}",
    ]
    statement += ["for {}", f"access 1 1 {hashlib.sha256(entry).hexdigest()}" if counted else "access uncounted"]
    checkpoint = Checkpoint(signers["access"].name, 1, hash_leaf(entry)).text
    part = {
        "service": service,
        "home": ID,
        "contract": "",
        "statement": signed("statement", "".join(f"{one}\n" for one in statement)),
        "access": {"checkpoint": signed("access", checkpoint), "entries": [line]},
        "extends": [],
        "keys": [str(signer.key) for signer in signers.values()],
    }
    if not counted:
        del part["access"]
    return {"case": ID, "made_at": made_at.isoformat(), "report": report, "services": [part]}


@pytest.mark.parametrize("format_", verify_bundle.KEPT)
def test_a_report_is_proved_by_the_log_of_its_own_service_alone(format_: str) -> None:
    """Given the line of a report in the log of another service, whose login may write any there, then it proves nothing."""
    report = json.dumps({"whole": True, "findings": []})
    for service, faults in (("reporting", 0), ("referral", 1)):
        bundle = line_of(service, report, *verify_bundle.KEPT[format_]) | {"format": format_}
        trusted = verify_bundle.Keys(bundle["services"][0]["keys"])
        assert len(verify_bundle.check(bundle, trusted, [], None)) == faults, service


def test_a_report_says_each_member_once() -> None:
    """Given a report whose verdict stands twice, then it is unreadable: readers would differ."""
    bundle = line_of("reporting", '{"whole": false, "whole": true}', *verify_bundle.KEPT[verify_bundle.REPORT])
    trusted = verify_bundle.Keys(bundle["services"][0]["keys"])
    with pytest.raises(verify_bundle.Unreadable):
        verify_bundle.check(bundle | {"format": verify_bundle.REPORT}, trusted, [], None)


@pytest.mark.parametrize("format_", [verify_bundle.FORMAT, *verify_bundle.KEPT])
def test_a_time_is_told_in_utc_whatever_its_offset(format_: str, tmp_path: Path) -> None:
    """Given a file whose times were written again at an offset, when it is verified, then it tells the same day as before."""
    report = json.dumps({"whole": True, "started_at": "", "ended_at": "", "findings": []})
    kept = verify_bundle.KEPT.get(format_, ("KEEP_VERIFICATION", "reporting/verifications"))
    bundle = line_of("reporting", report, *kept) | {"format": format_}
    (line,) = bundle["services"][0]["access"]["entries"]
    file = tmp_path / "case.json"
    file.write_text(json.dumps(bundle), encoding="utf-8")
    told = verified(file)
    for place, name in ((line, "at"), (bundle, "made_at")):
        place[name] = elsewhere(place[name])
    file.write_text(json.dumps(bundle), encoding="utf-8")
    assert verified(file) == told
    assert told[0] == 0, told


def test_a_bundle_of_which_nothing_is_counted_proves_nothing(tmp_path: Path) -> None:
    """Given the bundle of a reader of another area, whom no service counts anything for, then its exit code is no success."""
    bundle = line_of("referral", "", *verify_bundle.KEPT[verify_bundle.REPORT], counted=False)
    file = tmp_path / "case.json"
    file.write_text(json.dumps(bundle | {"format": verify_bundle.FORMAT}), encoding="utf-8")
    code, said = verified(file)
    assert (code, said.splitlines()[-1].partition(":")[0]) == (3, "Nothing was checked")


def test_an_event_is_told_as_recorded_in_utc() -> None:
    """Given an event whose time was written again at an offset, then its line is the same."""
    body = {"type": "ooc.referral.CrimeRecorded.v1", "data": {}, "actor": {"role": "OFFICER", "organisation": "POLICE"}}
    body |= {"occurred_at": "2026-11-29T09:00:00Z"}
    entry = {"stream": f"referral/{ID}", "version": 1, "at": "2026-11-29T10:00:00+00:00"}
    entry["body"] = base64.b64encode(json.dumps(body).encode()).decode()
    lines = [
        list(verify_bundle.history({"services": [{"events": {"entries": [entry | {"at": at}]}}]}))
        for at in (str(entry["at"]), elsewhere(str(entry["at"])))
    ]
    assert lines[0] == lines[1]


def elsewhere(at: str) -> str:
    """Write the same time as a clock of the next day shows it."""
    return datetime.fromisoformat(at).astimezone(timezone(timedelta(hours=23, minutes=59))).isoformat()
