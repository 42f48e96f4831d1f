"""Reading printed PDFs back."""

import io

from pypdf import PdfReader


def pdf_text(body: bytes) -> str:
    """Return the text of all pages of a PDF, in the order of printing, with single spaces between the words."""
    return " ".join(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(body)).pages).split())
