"""The printed case file: what is on the page, and the bundle attached to it, to the byte."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from typing import Any, Final

from pypdf import PdfReader

from services.console.documents import print_case_file
from shared.transparency.checkpoint import Checkpoint, SigningKeys, write_note

CASE: Final = "5d1f0f5e-7a7c-4a6e-9a58-5c5d6f1c2a01"
STREAM: Final = f"referral/{CASE}"
KEYS: Final = SigningKeys.read(base64.b64encode(bytes(range(32))).decode())
ROOT: Final = hashlib.sha256(b"root").digest()


def event(version: int, type_: str, at: str, **data: Any) -> dict[str, Any]:
    """Return an entry of a bundle."""
    body = {
        "type": f"ooc.referral.{type_}.v1",
        "occurred_at": at,
        "actor": {"role": "SUPERVISOR", "organisation": "DORSET_POLICE"},
        "data": data,
    }
    encoded = base64.b64encode(json.dumps(body).encode()).decode()
    return {"number": version + 4, "at": at, "stream": STREAM, "version": version, "body": encoded, "proof": []}


def bundle() -> str:
    """Return a bundle of two events, the later one first, with a checkpoint."""
    text = Checkpoint("test/referral/events", 9, ROOT).text
    note = write_note(text, [signer.sign(text) for signer in KEYS.signers("test/referral/events")])
    entries = [
        event(2, "TriageRecorded", "2026-03-03T09:00:00+00:00", rationale="s1:home/x:1:rationale:abc:def"),
        event(1, "ReferralReceived", "2026-03-02T15:20:00+00:00", setting="SCHOOL"),
    ]
    part = {
        "service": "referral",
        "events": {"checkpoint": note, "entries": entries},
        "access": {"checkpoint": note, "entries": [{}, {}]},
    }
    content = {"format": "ooc-case-bundle/1", "case": CASE, "made_at": "2026-11-26T10:00:00+00:00", "services": [part]}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def test_the_page_tells_the_history_and_what_it_proves_and_what_not() -> None:
    """Given a bundle, then the page has its events in order, sealed values closed, the checkpoint, and the limits of its proof."""
    text = " ".join(
        " ".join(page.extract_text() for page in PdfReader(io.BytesIO(print_case_file(bundle()))).pages).split()
    )
    assert text.index("Referral received") < text.index("Triage recorded")
    assert "setting SCHOOL" in text
    assert "[sealed]" in text
    assert "s1:" not in text
    for part in ("test/referral/events", "The paper alone proves nothing", "2 lines of the access log"):
        assert part in text
    assert base64.b64encode(ROOT).decode() in text.replace(" ", "")
    assert hashlib.sha256(bundle().encode()).hexdigest() in text.replace(" ", "")


def test_the_bundle_is_attached_to_the_byte_and_the_file_is_for_archives() -> None:
    """Given a bundle, then the PDF carries it unchanged, and says that it is PDF/A-3 with level A and PDF/UA-1."""
    printed = print_case_file(bundle())
    reader = PdfReader(io.BytesIO(printed))
    assert reader.attachments["case.json"] == [bundle().encode()]
    metadata = reader.xmp_metadata
    assert metadata is not None
    text = metadata.stream.get_data().decode()
    assert "<pdfaid:part>3</pdfaid:part>" in text
    assert "<pdfaid:conformance>A</pdfaid:conformance>" in text
    assert "<pdfuaid:part>1</pdfuaid:part>" in text


def test_the_same_bundle_prints_to_the_same_bytes() -> None:
    """Given the same bundle twice, then the same file comes out."""
    assert print_case_file(bundle()) == print_case_file(bundle())
