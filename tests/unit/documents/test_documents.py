"""What holds for every printed document: the same bytes, accessible, and its texts apart from its layout."""

import io
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import typst
from pydantic import BaseModel
from pypdf import PdfReader

from services.disposal.documents import DOCUMENTS
from services.disposal.domain.commands import IssueWarning
from services.disposal.events import AssessmentTool, EvidenceStandard, PaymentMethod, ProsecutorDecision
from services.referral.events import ClosingReason
from services.rj_conference.events import PresentRole
from services.trade.victims.letters import DECIDED
from services.trade.vocabulary import Category, ConferenceMode, MemberKind, PersonRole, Recommendation, TrialMode
from shared.domain.documents import DocumentData, pounds
from shared.domain.envelope import Fact
from shared.domain.sealing import Sealed
from shared.printing.documents import (
    AWAITING,
    LANGUAGES,
    PAPER,
    NotPrintable,
    RenderedDocument,
    is_print,
    render,
    text_file,
)
from tests.command_spec import CommandSpec
from tests.unit.disposal.stories import CASE as LEO_CASE
from tests.unit.disposal.stories import FIRST, YJS, CaseStory, absence, condition, opening
from tests.unit.documents.paper import LEO, PRINTING, filled, printed, tags, text_of
from tests.unit.panel.stories import SittingStory
from tests.unit.referral.messages import sent
from tests.unit.referral.stories import MIA, NOON, ReferralStory, outcome
from tests.unit.rj_conference.stories import ConferenceStory

pytestmark = pytest.mark.slow

GOLDEN: dict[str, str] = json.loads(Path(__file__).with_name("golden.json").read_text(encoding="utf-8"))
"""The SHA-256 of each document's story by name, layout and language, as it was printed first."""

NAMELESS = {"victim-letter"}
"""Documents that print nothing personal."""

FOLDERS = [PAPER, *sorted({d.folder for service in PRINTING for d in service.documents.values()})]


def warned() -> CaseStory:
    case = CaseStory().issued(command=opening(details=LEO))
    case.ask(absence(), by=YJS, at="2026-03-18T18:00:00+00:00")
    case.ask(IssueWarning(session_id=FIRST), by=YJS, at="2026-03-19T10:00:00+00:00")
    return case


def sat() -> SittingStory:
    return SittingStory().sat()


def harmed() -> ReferralStory:
    story = ReferralStory().acknowledged().recorded()
    story.does(outcome("10"), NOON)
    story.linked(MIA, "2012-02-03", role=PersonRole.HARMED, category=Category.VICTIM)
    return story


def written_to() -> ReferralStory:
    story = ReferralStory().acknowledged().linked()
    story.does(sent(channel="LETTER"), NOON, "MESSENGER")
    return story


STORIES: dict[str, Callable[[], CommandSpec]] = {
    "ycc": lambda: CaseStory(LEO_CASE).prepared("YCC", condition(), command=opening(details=LEO)),
    "ycc-notice": lambda: CaseStory(LEO_CASE).prepared("YCC", condition(), command=opening(details=LEO)),
    "yc": lambda: CaseStory().issued("YC", command=opening(details=LEO)),
    "yrd": lambda: CaseStory().prepared("YRD", command=opening(details=LEO)),
    "deferral-plan": lambda: CaseStory().deferred(command=opening(details=LEO)),
    "panel-pack": lambda: CaseStory().ready("YCC", command=opening(details=LEO)),
    "warning-letter": warned,
    "conference-agreement": lambda: ConferenceStory().agreed(),
    "closing-letter": lambda: ReferralStory().acknowledged().linked().closed(),
    "message-letter": written_to,
    "victim-information": harmed,
    "victim-decision": harmed,
    "victim-letter": lambda: CaseStory().issued("YC"),
    "minutes": sat,
    "extract": sat,
}


def test_every_declared_document_has_a_story_here() -> None:
    """No document is declared that these tests do not print."""
    assert set(STORIES) == {name for service in PRINTING for name in service.documents}


@pytest.mark.parametrize("language", ["en", "cy"])
@pytest.mark.parametrize("name", STORIES)
def test_it_is_accessible(name: str, language: str) -> None:
    """Each document is tagged PDF/UA-1 (ISO 14289-1) with title, language, first heading and embedded fonts."""
    document = printed(STORIES[name](), name, language)
    reader = PdfReader(io.BytesIO(document.body))
    root: Any = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"] == True  # noqa: E712 - a PDF's own boolean
    assert root["/ViewerPreferences"]["/DisplayDocTitle"] == True  # noqa: E712 - the same
    assert b"pdfuaid:part" in root["/Metadata"].get_data()
    assert root["/Lang"].startswith("cy-GB" if document.languages == ("cy",) else "en-GB")
    assert reader.metadata is not None
    assert reader.metadata.title
    assert next(kind for kind in tags(document) if re.fullmatch(r"/H\d", kind)) == "/H1"
    fonts = [one.get_object() for page in reader.pages for one in page["/Resources"]["/Font"].values()]  # type: ignore[index]
    assert {str(font["/BaseFont"]).partition("+")[2].split("-")[0] for font in fonts} == {"LibertinusSerif"}


PRINT_ELSEWHERE = """
import datetime, json, sys
from services.system.registry import deciding_services
from shared.domain.documents import DocumentData
from shared.printing.documents import render
services = {service.name: service for service in deciding_services()}
for line in sys.stdin:
    given = json.loads(line)
    document = services[given["service"]].documents[given["name"]]
    data = DocumentData(given["values"], datetime.datetime.fromisoformat(given["at"]))
    print(render(given["name"], document, data, "en").sha256)
"""


@pytest.fixture(scope="module")
def printed_elsewhere() -> dict[str, str]:
    """Return the SHA-256 of each document of the stories, printed in another process with another zone, hash seed and clock."""
    lines = []
    for name, tell in STORIES.items():
        story = tell()
        data = filled(story, name)
        assert isinstance(data, DocumentData)
        inputs = {"name": name, "service": story.service.name, "values": data.values, "at": data.at.isoformat()}
        lines.append(json.dumps(inputs))
    process = subprocess.run(
        [sys.executable, "-c", PRINT_ELSEWHERE],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=True,
        cwd=PAPER.parents[2],
        env={
            "TZ": "Pacific/Auckland",
            "PYTHONHASHSEED": "7",
            "SOURCE_DATE_EPOCH": "1",
            "HOME": "/nonexistent",
            "OOC_PARTNERSHIP": os.environ["OOC_PARTNERSHIP"],
        },
    )
    return dict(zip(STORIES, process.stdout.split(), strict=True))


@pytest.mark.parametrize("name", STORIES)
def test_the_same_state_prints_the_same_bytes(name: str, printed_elsewhere: dict[str, str]) -> None:
    """The same facts print the same bytes in another process, time zone and hash seed, at another time."""
    story = STORIES[name]()
    first = printed(story, name)
    assert printed(story, name).body == first.body
    assert printed_elsewhere[name] == first.sha256


def test_a_signature_does_not_print_again_what_was_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a print, when its SHA-256 is signed, then it is known without printing; another state's is printed."""
    story = STORIES["yc"]()
    document = story.service.documents["yc"]
    sha256 = printed(story, "yc").sha256
    state = story.service.decider.fold(story.facts)
    monkeypatch.setattr(typst, "compile", None)
    assert is_print(sha256, "yc", document, state, story.facts)
    other = CaseStory().issued("YC", command=opening(details=LEO.model_copy(update={"name": Sealed("Another Child")})))
    with pytest.raises(TypeError):
        is_print(sha256, "yc", document, other.service.decider.fold(other.facts), other.facts)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", STORIES)
def test_every_layout_prints_what_it_has_always_printed(name: str, language: str) -> None:
    """Given the story of a document, when it is printed in a layout of any time, then its SHA-256 is that of the first printing.

    A changed layout or text is the next layout, with its file, its texts and its line in golden.json; none is edited.
    """
    story = STORIES[name]()
    for layout in range(1, story.service.documents[name].layout + 1):
        assert printed(story, name, language, layout=layout).sha256 == GOLDEN.get(f"{name}.{layout}.{language}")


def test_its_date_is_that_of_the_facts() -> None:
    """The date of a document is that of its latest fact, not of the clock or the recording."""
    reader = PdfReader(io.BytesIO(printed(STORIES["ycc"](), "ycc").body))
    assert reader.metadata is not None
    assert str(reader.metadata.creation_date).startswith("2026-03-11 09:00")


@pytest.mark.parametrize("name", STORIES)
def test_a_forgotten_person_is_printed_as_erased(name: str) -> None:
    """After the keys are destroyed, a document can be printed, without names."""
    story = STORIES[name]()
    facts = [forgotten(fact) for fact in story.facts]
    document = printed(story, name, facts=facts)
    assert ("[erased]" in text_of(document)) is (name not in NAMELESS)
    assert not re.search("Leo|Hart|Wollaston|downstairs", text_of(document))


def forgotten(fact: Fact) -> Fact:
    """Return a fact as it is read after the keys of everybody in it were destroyed."""

    def without(value: Any) -> Any:
        if isinstance(value, Sealed):
            return Sealed.of_token("s1:x:1:y:AA:AA").as_forgotten()
        if isinstance(value, BaseModel):
            fields = {name: without(getattr(value, name)) for name in type(value).model_fields}
            return value.model_copy(update=fields)
        return tuple(without(one) for one in value) if isinstance(value, tuple) else value

    return replace(fact, event=without(fact.event))


def test_a_name_is_never_read_as_markup() -> None:
    """What people are called is a value, not source: signs of the layout language print as they are."""
    name = '#panic("x") *bold* _it_ $x$ <a> @b \\ {name} [c]'
    document = render_with(name)
    assert name in text_of(document)


def test_names_of_other_scripts_are_printed() -> None:
    """Welsh, Polish, Vietnamese, Greek and Cyrillic letters are printed."""
    for name in ("Llŷr Gŵyn", "Zażółć Gęślą", "Nguyễn Thị Ánh", "Ελένη", "Наталія"):
        assert name.split()[0] in text_of(render_with(name))


def test_a_character_without_a_shape_is_refused_in_a_sentence() -> None:
    """A document with a hole in it is never printed: the answer names the character."""
    with pytest.raises(NotPrintable, match="😀"):
        render_with("Leo 😀")


def test_a_long_text_is_printed_whole() -> None:
    """A detail of twenty thousand characters runs over pages, and none of it is lost."""
    found = filled(STORIES["ycc"](), "ycc")
    assert isinstance(found, DocumentData)
    words = " ".join(f"word{number}" for number in range(2000))
    one = {**found.values["conditions"][0], "detail": words}
    document = render("ycc", DOCUMENTS["ycc"], DocumentData({**found.values, "conditions": [one]}, found.at), "en")
    assert all(f"word{number}" in text_of(document) for number in (0, 999, 1999))


def render_with(name: str) -> RenderedDocument:
    """Return the conditional caution's document with another name in it."""
    found = filled(STORIES["ycc"](), "ycc")
    assert isinstance(found, DocumentData)
    values = {**found.values, "child": {**found.values["child"], "name": name}}
    return render("ycc", DOCUMENTS["ycc"], DocumentData(values, found.at), "en")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_both_languages_have_the_same_texts(folder: Path) -> None:
    """English and Welsh have the same keys with the same placeholders."""
    english, welsh = text_file(folder / "en.toml"), text_file(folder / "cy.toml")
    assert list(english) == list(welsh)
    assert AWAITING not in english.values()
    for key, text in english.items():
        if welsh[key] != AWAITING:
            assert set(re.findall(r"\{\w+\}", welsh[key])) == set(re.findall(r"\{\w+\}", text)), key


def test_what_awaits_translation_is_printed_in_english_and_says_so() -> None:
    """A Welsh document is as Welsh as its texts are, and is labelled with the languages that it is in."""
    document = printed(STORIES["ycc"](), "ycc", "cy")
    assert document.languages == ("en", "cy")
    assert "Dyddiad geni" in text_of(document)
    assert "2 Mawrth 2026" in text_of(document)
    assert AWAITING not in text_of(document)
    assert printed(STORIES["ycc"](), "ycc").languages == ("en",)


@pytest.mark.parametrize("layout", sorted({p for f in FOLDERS for p in f.glob("*.typ")}), ids=lambda path: path.name)
def test_a_layout_holds_no_words(layout: Path) -> None:
    """A text in a layout could not be translated: between its signs there is nothing to read."""
    source = re.sub(r"//.*", "", layout.read_text(encoding="utf-8"))
    assert not re.findall(r"^[A-Z][a-z]+ [a-z]+.*", source, re.MULTILINE)
    assert not [text for text in re.findall(r'"([^"]*)"', source) if re.search(r"[a-z] [a-z]", text)]


@pytest.mark.parametrize("folder", FOLDERS[1:], ids=lambda folder: folder.parent.name)
def test_every_code_has_its_words(folder: Path) -> None:
    """Each value of an enum that a layout looks up has a text, so that no case fails to print."""
    wanted: dict[str, dict[str, Any]] = {
        "disposal": {
            "method": PaymentMethod,
            "trial": TrialMode,
            "standard": EvidenceStandard,
            "tool": AssessmentTool,
            "prosecutor": ProsecutorDecision,
            "recommendation": Recommendation,
        },
        "rj_conference": {"mode": ConferenceMode, "part": PresentRole},
        "referral": {"reason": get_args(ClosingReason)},
        "panel": {"recommendation": Recommendation, "member": MemberKind},
        "victims": {},
    }
    texts = tomllib.loads((folder / "en.toml").read_text(encoding="utf-8"))
    if folder.parent.name == "victims":
        decided = {*DECIDED.values(), "other", "heading", "annulled"}
        assert (set(texts["decided"]) - {"completed"}, set(texts["why"])) == (decided, decided)
        assert set(texts["each"]) == decided - {"heading", "annulled"} | {"no_outcome"}
    for table, codes in wanted[folder.parent.name].items():
        assert set(texts[table]) == {str(code) for code in codes}


def test_pence_are_shown_as_pounds() -> None:
    """Pence are printed as pounds: whole pounds without decimals, others with two."""
    assert [pounds(amount) for amount in (None, 0, 5000, 3850, 5)] == [None, "£0", "£50", "£38.50", "£0.05"]
