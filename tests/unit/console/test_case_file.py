"""The printed case file: what is on the page, and the bundle attached to it, to the byte."""

import base64
import hashlib
import io
import json
from typing import Any, Final

import zxingcpp
from pypdf import PdfReader

from services.console.documents import print_case_file
from shared.evidence.checkpoint import Checkpoint
from shared.privacy.signed_note import SigningKeys, write_note
from tests.pdf import pdf_text

CASE: Final = "5d1f0f5e-7a7c-4a6e-9a58-5c5d6f1c2a01"
STREAM: Final = f"referral/{CASE}"
KEYS: Final = SigningKeys.read(base64.b64encode(bytes(range(32))).decode())
ROOT: Final = hashlib.sha256(b"root").digest()

EVENTS: Final = Checkpoint("test/referral/events", 9, ROOT)
ACCESS: Final = Checkpoint("test/referral/access", 2, ROOT)


def note(checkpoint: Checkpoint) -> str:
    """Return a checkpoint with its signature."""
    return write_note(checkpoint.text, [signer.sign(checkpoint.text) for signer in KEYS.signers(checkpoint.origin)])


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
    """Return a bundle of two events, the later one first, with a checkpoint of each log."""
    entries = [
        event(2, "TriageRecorded", "2026-03-03T09:00:00+00:00", rationale="s1:home/x:1:rationale:abc:def"),
        event(1, "ReferralReceived", "2026-03-02T15:20:00+00:00", setting="SCHOOL"),
    ]
    part = {
        "service": "referral",
        "events": {"checkpoint": note(EVENTS), "entries": entries},
        "access": {"checkpoint": note(ACCESS), "entries": [{}, {}]},
    }
    content = {"format": "ooc-case-bundle/1", "case": CASE, "made_at": "2026-11-26T10:00:00+00:00", "services": [part]}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def test_the_page_tells_the_history_and_what_it_proves_and_what_not() -> None:
    """Given a bundle, then the page has its events in order, sealed values closed, the checkpoint, and the limits of its proof."""
    text = pdf_text(print_case_file(bundle()))
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


def test_the_codes_on_the_paper_are_the_signed_checkpoints() -> None:
    """Given the printed pages, then a scanner reads from each code the signed note, word for word, as the bundle has it."""
    read = []
    for page in PdfReader(io.BytesIO(print_case_file(bundle()))).pages:
        for picture in page.get("/Resources", {}).get("/XObject", {}).values():
            drawn = picture.get_object()
            if drawn["/Subtype"] == "/Image":
                read += [code.text for code in zxingcpp.read_barcodes(pixels(drawn))]
    assert sorted(read) == sorted([note(EVENTS), note(ACCESS)])


def test_a_digest_does_not_run_off_the_paper() -> None:
    """Given digests, which have no place where a line could break, then none of them is printed as one line."""
    lines = [
        line
        for page in PdfReader(io.BytesIO(print_case_file(bundle()))).pages
        for line in page.extract_text().split("\n")
    ]
    for digest in (hashlib.sha256(bundle().encode()).hexdigest(), base64.b64encode(ROOT).decode()):
        assert not [line for line in lines if digest in line]


def pixels(drawn: Any) -> memoryview:
    """Return a picture of a PDF in shades of grey, one byte a pixel, enlarged four times as paper is."""
    width, height, raw = drawn["/Width"], drawn["/Height"], drawn.get_data()
    step = len(raw) // (width * height)
    assert len(raw) == step * width * height
    rows = [raw[row * width * step : (row + 1) * width * step : step] for row in range(height)]
    grey = b"".join(bytes(shade for shade in row for _ in range(4)) * 4 for row in rows)
    return memoryview(grey).cast("B", (4 * height, 4 * width))


def test_the_same_bundle_prints_to_the_same_bytes() -> None:
    """Given the same bundle twice, then the same file comes out."""
    assert print_case_file(bundle()) == print_case_file(bundle())
