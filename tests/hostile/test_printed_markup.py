"""Markup of typst in a value that is printed stands on the page as it was typed: no value is run, in any document."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import pytest
import typst

from services.console import documents as console_documents
from shared.domain.documents import Document, DocumentData
from shared.printing.documents import PAPER, NotPrintable, RenderedDocument, render
from tests.pdf import pdf_text
from tests.unit.console import test_case_file, test_inspection, test_pack
from tests.unit.documents import test_documents
from tests.unit.documents.paper import filled
from tests.unit.ooc import test_subject_access

pytestmark = pytest.mark.slow

MARKUP: Final = (
    '#panic("ran") #read("/pyproject.toml") *b* _u_ $x^2$ @ref <l> = h // c /* d */ `r` {number} {title} \\ ~ "q" -- x'
)
CLOSED: Final = ("does not contain key", "is not a valid", "failed to parse SVG")
"""What typst says where a value is a code of a closed list, which its text is looked up by, or a picture."""

Place = tuple[str | int, ...]


def strings_in(value: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the place of each text in the data of a document."""
    if isinstance(value, str):
        yield place
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from strings_in(item, (*place, name))
    elif isinstance(value, Sequence):
        for n, item in enumerate(value):
            yield from strings_in(item, (*place, n))


def with_text(value: Any, place: Place, text: str) -> Any:
    """Return the data with another text at a place."""
    if not place:
        return text
    first, *rest = place
    if isinstance(value, Mapping):
        return {**value, first: with_text(value[first], tuple(rest), text)}
    return [with_text(item, tuple(rest), text) if n == first else item for n, item in enumerate(value)]


def of_console(print_it: Callable[[], object]) -> tuple[str, Document[Any], DocumentData]:
    """Return what the console prints a page from."""
    found: list[tuple[str, Document[Any], DocumentData]] = []

    def noted(name: str, document: Document[Any], data: DocumentData, language: str) -> RenderedDocument:
        found.append((name, document, data))
        return render(name, document, data, language)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(console_documents, "render", noted)
        print_it()
    return found[0]


def of_story(name: str) -> tuple[str, Document[Any], DocumentData]:
    """Return what a service prints a document from."""
    story = test_documents.STORIES[name]()
    data = filled(story, name)
    assert isinstance(data, DocumentData)
    return name, story.service.documents[name], data


DOCUMENTS: Final[dict[str, Callable[[], tuple[str, Document[Any], DocumentData]]]] = {
    **{name: (lambda name=name: of_story(name)) for name in test_documents.STORIES},  # type: ignore[misc]
    "subject-access": lambda: of_console(
        lambda: console_documents.print_subject_access(test_subject_access.made_copy(), "en")
    ),
    "case-file": lambda: of_console(lambda: console_documents.print_case_file(test_case_file.bundle())),
    "inspection": lambda: of_console(
        lambda: console_documents.print_inspection(test_inspection.VALUES, test_inspection.MADE)
    ),
    "pack": lambda: of_console(lambda: console_documents.print_pack(test_pack.VALUES, test_pack.MADE)),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_markup_in_a_value_is_text(name: str) -> None:
    """Given markup in each text of the data in turn, then the page has it to the letter, or does not print that text."""
    stem, document, data = DOCUMENTS[name]()
    expected = "".join(MARKUP.split())
    printed = []
    for place in strings_in(data.values):
        values = with_text(data.values, place, MARKUP)
        try:
            body = render(stem, document, DocumentData(values, data.at), "en").body
        except typst.TypstError as error:
            if any(words in str(error) for words in CLOSED):
                continue
            raise
        text = "".join(pdf_text(body).split())
        if expected in text:
            printed.append(place)
        else:
            assert "buildsystem" not in text
            assert "#panic" not in text, place
    assert len(printed) >= 2, "markup was tried in next to nothing that is printed"


@pytest.mark.parametrize(
    "needs", [["a\n" * 10_000] * 12, ["a\u2028" * 10_000] * 12, ["a b c d e f " * 1_600] * 12, ["a"] * 60_000]
)
def test_texts_of_many_pages_are_not_printed(needs: list[str]) -> None:
    """Given texts as long as one command can hold, which would take the memory of an API, then the print is refused."""
    stem, document, data = of_story("panel-pack")
    values = {**data.values, "child": {**data.values["child"], "needs": needs}}
    with pytest.raises(NotPrintable, match="fill more pages than are printed at once"):
        render(stem, document, DocumentData(values, data.at), "en")
    longest = {**data.values, "child": {**data.values["child"], "needs": ["a long text " * (20_000 // 12)] * 2}}
    assert render(stem, document, DocumentData(longest, data.at), "en").body


def test_every_document_of_the_product_is_tried() -> None:
    """No layout is left out."""
    folders = {console_documents.PLAIN.folder, *test_documents.FOLDERS} - {PAPER}
    layouts = {path.stem for folder in folders for path in folder.glob("*.typ")}
    assert {one.removesuffix("-2") for one in layouts} - {"conditions", "case", "letter"} == set(DOCUMENTS)
