"""Reading printed documents back: their text, their headings, and what they say of themselves."""

import io
import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from pypdf import PdfReader

from services.system.registry import deciding_services
from services.trade.vocabulary import PersonDetails
from shared.domain.decider import history_at
from shared.domain.documents import DocumentData, NotAvailable, facts_by_item
from shared.domain.envelope import Fact
from shared.domain.sealing import Sealed
from shared.domain.service import Service
from shared.printing.documents import RenderedDocument, render
from tests.command_spec import CommandSpec
from tests.pdf import pdf_text

PRINTING: tuple[Service[Any], ...] = tuple(service for service in deciding_services() if service.documents)

LEO = PersonDetails(
    name=Sealed("Leo Hartnell"),
    date_of_birth=Sealed(date(2011, 3, 14)),
    address=Sealed("12 Wollaston Road\nDorchester DT1 1EH"),
    school_urn="113911",
    needs=Sealed(("dyslexia",)),
)


def filled(story: CommandSpec, name: str, facts: Sequence[Fact] | None = None) -> DocumentData | NotAvailable:
    """Return the data of a document, of its first item if it has some, by the story, or why there is none yet."""
    document, fold = story.service.documents[name], story.service.decider.fold
    history: Sequence[Fact] = history_at(story.facts if facts is None else facts)
    (_, chosen), *_ = facts_by_item(document, fold(history), history, ())
    return document.fill(fold(chosen), chosen)


def why_not(story: CommandSpec, name: str) -> str:
    """Why the story has no such document."""
    found = filled(story, name)
    assert isinstance(found, NotAvailable), found
    return found.why


def printed(
    story: CommandSpec, name: str, language: str = "en", facts: Sequence[Fact] | None = None, layout: int | None = None
) -> RenderedDocument:
    """Print the document."""
    found = filled(story, name, facts)
    assert isinstance(found, DocumentData), found
    return render(name, story.service.documents[name], found, language, layout)


def text_of(document: RenderedDocument) -> str:
    """Everything that stands on its pages, spaces evened out."""
    return pdf_text(document.body)


def contains_in_order(document: RenderedDocument, *words: str) -> bool:
    """Whether the document says all of this, in this order."""
    return re.search(".*".join(map(re.escape, words)), text_of(document)) is not None


def headings(document: RenderedDocument, level: int) -> int:
    """How many headings of a level are tagged."""
    return sum(1 for kind in tags(document) if kind == f"/H{level}")


def tags(document: RenderedDocument) -> list[str]:
    """Return the kinds of the structure elements, in reading order."""
    root: Any = PdfReader(io.BytesIO(document.body)).trailer["/Root"]
    found: list[str] = []

    def walk(element: Any) -> None:
        element = element.get_object() if hasattr(element, "get_object") else element
        if isinstance(element, list):
            for one in element:
                walk(one)
        elif isinstance(element, dict):
            if "/S" in element:
                found.append(str(element["/S"]))
            if "/K" in element:
                walk(element["/K"])

    walk(root["/StructTreeRoot"])
    return found
