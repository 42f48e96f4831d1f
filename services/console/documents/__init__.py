"""What the terminal prints for people, by the layouts and texts of this folder."""

import base64
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import segno

from services.console.plain_text import cell_text, moment
from services.console.words import command_in_words, in_words
from services.system.registry import SERVICES
from services.trade.partnership import POLICE
from services.trade.words import words_of
from shared.domain.documents import Document, DocumentData, NotAvailable, day_of
from shared.domain.words import Words
from shared.evidence.checkpoint import Checkpoint
from shared.evidence.verify_bundle import text_of
from shared.printing.documents import render
from shared.privacy.signed_note import SignedNote

_TITLES: Final = {entry.name: entry.title for entry in SERVICES}


def _unfilled(_state: Any, _facts: Any) -> NotAvailable:
    return NotAvailable("It is printed at the terminal, from the answers of all services.")


PLAIN: Final[Document[Any]] = Document(Path(__file__).parent, _unfilled, frozenset(), sender=POLICE, most_letters=None)
CASE_FILE: Final[Document[Any]] = Document(
    Path(__file__).parent, _unfilled, frozenset(), standards=("a-3a", "ua-1"), sender=POLICE, most_letters=None
)
"""PDF/A-3a (ISO 19005-3), which may hold another file, and PDF/UA-1."""


def print_subject_access(copy: Mapping[str, Any], language: str) -> bytes:
    """Print the copy for a person as PDF. Raises `NotPrintable`."""
    made_at = datetime.fromisoformat(copy["made_at"])
    values = {
        "person": copy["person_id"],
        "basis": copy["basis"],
        "records": [_record(item) for item in copy["records"]],
        "looked": [
            [moment(line["at"]), _who(line), in_words(line["action"]), in_words(line["reason"] or "")]
            for line in copy["looked"]
        ],
        "reviews": sorted({day for item in copy["decided"].values() if (day := item["review_on"])}),
        "restricted": any(item["restricted"] for item in copy["decided"].values()),
    }
    return render("subject-access", PLAIN, DocumentData(values, made_at), language).body


def print_case_file(bundle: str) -> bytes:
    """Print the bundle of a case as PDF, with the bundle attached to the byte. Raises `NotPrintable`."""
    content = json.loads(bundle)
    parts = content["services"]
    notes = [
        part[log]["checkpoint"] for part in parts for log in ("events", "access") if part.get(log, {}).get("entries")
    ]
    checkpoints = [(note, Checkpoint.parse(SignedNote.parse(note).text)) for note in notes]
    values = {
        "bundle": bundle,
        "sha256": hashlib.sha256(bundle.encode()).hexdigest(),
        "case": content["case"],
        "made": moment(content["made_at"]),
        "checkpoints": [
            [checkpoint.origin, str(checkpoint.size), base64.b64encode(checkpoint.root).decode(), list(qr_code(note))]
            for note, checkpoint in checkpoints
        ],
        "events": sorted(_events(parts), key=lambda event: (event["occurred"], event["recorded"])),
        "looks": sum(len(part.get("access", {}).get("entries", ())) for part in parts),
    }
    return render("case-file", CASE_FILE, DocumentData(values, datetime.fromisoformat(content["made_at"])), "en").body


def qr_code(text: str) -> bytes:
    """Draw a text as a QR code (ISO/IEC 18004): a PNG of one pixel for each module, readable with 15 % of it damaged."""
    drawn = io.BytesIO()
    segno.make_qr(text, error="m", boost_error=False).save(drawn, kind="png", scale=1, border=4)
    return drawn.getvalue()


def print_inspection(values: Mapping[str, Any], made_at: datetime) -> bytes:
    """Print the page for inspectors as PDF, from values in words. Raises `NotPrintable`."""
    return render("inspection", PLAIN, DocumentData(values, made_at), "en").body


def print_pack(values: Mapping[str, Any], made_at: datetime) -> bytes:
    """Print the pack of a quarter for the board as PDF, from values in words. Raises `NotPrintable`."""
    return render("pack", PLAIN, DocumentData(values, made_at), "en").body


def _events(parts: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, str]]:
    """Yield the events of a bundle for the page, by the words of its checker; what is sealed stays so."""
    for part in parts:
        for entry in part.get("events", {}).get("entries", ()):
            event = json.loads(base64.b64decode(entry["body"]))
            yield {
                "occurred": moment(event["occurred_at"]),
                "recorded": moment(entry["at"]),
                "what": command_in_words(event["type"].split(".")[2]),
                "who": _who(event["actor"]),
                "place": f"{entry['stream']}, version {entry['version']}, position {entry['number']}",
                "data": ", ".join(
                    f"{name.replace('_', ' ')} {text_of(value)}" for name, value in event["data"].items()
                ),
            }


def _record(record: Mapping[str, Any]) -> dict[str, Any]:
    words = words_of(record["service"])
    return {
        "title": _TITLES[record["service"]],
        "id": record["id"],
        "details": [
            [_title(name, words), cell_text(value)] for name, value in record["details"].items() if value is not None
        ],
        "texts": [[_title(text["field"], words), cell_text(text.get("value"))] for text in record["texts"]],
        "not_shown": len(record["not_shown"]),
        "events": [
            {
                "occurred": day_of(datetime.fromisoformat(line["occurred_at"])),
                "recorded": moment(line["recorded_at"]),
                "sentence": line["corrected_sentence"] or line["sentence"],
                "by": _who(line["by"]),
                "law": line["regime"] or "",
            }
            for line in record["history"]
        ],
        "documents": [[document["name"], document["why_not"] or ""] for document in record["documents"]],
    }


def _who(line: Mapping[str, Any]) -> str:
    return f"{in_words(line['role'])}, {in_words(line['organisation'])}"


def _title(field: str, words: Words) -> str:
    """Return the title of a field by its path: that of the forms, else its letters."""
    last = field.rpartition(".")[2]
    known = words.fields.get(field) or words.fields.get(last)
    return known.title if known is not None else last.replace("_", " ").capitalize()
