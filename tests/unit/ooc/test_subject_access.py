"""The copy for a person: what is taken out of the services' answers, and what is printed of the rest."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

from pypdf import PdfReader
from typer.testing import CliRunner

from ooc.data_rights.redaction import NOT_SHOWN, Redaction
from ooc.data_rights.subject_access import copy_for
from ooc.main import app
from services.console.documents import print_subject_access
from services.system.addresses import SERVICES
from tests.pdf import pdf_text
from tests.unit.ooc.test_console_http import serving

CHILD, OTHER, CASE, RECORD, EVENT, OFFICER = (uuid4() for _ in range(6))
MADE_AT: Final = datetime(2026, 11, 26, 12, tzinfo=UTC)


def line(person: UUID, sentence: str, **data: Any) -> dict[str, Any]:
    """Return an event as a service answers it."""
    return {
        "version": 1,
        "type": "PersonLinked",
        "occurred_at": "2026-03-02T15:20:00+00:00",
        "recorded_at": "2026-03-02T15:21:00+00:00",
        "sentence": sentence,
        "corrected_sentence": None,
        "event_id": str(EVENT),
        "actor": {"id": str(OFFICER), "role": "SUPERVISOR", "organisation": "DORSET_POLICE"},
        "labels": {"regime": "LE_PART3"},
        "rationale": {},
        "corrected_by": [],
        "data": {"person_id": str(person), **data},
    }


def held_data() -> dict[str, Any]:
    """Return a record of two children, as a service answers it for the first."""
    sealed = {"sealed": True, "class": "IDENTITY"}
    return {
        "person_id": str(CHILD),
        "service": "referral",
        "id": str(RECORD),
        "home": str(CASE),
        "state": {"state": "CLOSED", "people": {str(CHILD): "SUSPECT", str(OTHER): "SUSPECT"}, "officer": str(OFFICER)},
        "details": {
            "people": {str(CHILD): {"name": "Robin Roe"}, str(OTHER): {"name": sealed}},
            "texts": [
                {"event": "ReferralReceived", "version": 1, "field": "narrative", "person_id": None, **sealed},
                {"event": "X", "version": 4, "field": "view", "person_id": str(OTHER), "value": "mine"},
            ],
        },
        "history": [line(CHILD, "Somebody aged 14 was linked.", age=14), line(OTHER, "Somebody aged 13.", age=13)],
        "documents": [{"name": "closing-letter", "printable": False, "why_not": "It tells of others."}],
    }


def look() -> dict[str, Any]:
    """Return a line of an access log."""
    target = f"reporting/people/{OTHER}"
    more = {"role": "AUDITOR", "organisation": "DORSET_POLICE", "reason": "AUDIT", "outcome": "GIVEN"}
    return {"at": "2026-03-03T10:00:00+00:00", "actor": str(OFFICER), "action": "READ_STATE", "target": target, **more}


def view() -> dict[str, Any]:
    """Return what a service says of the person's data rights."""
    return {"holds": [], "restricted": True, "review_on": "2032-05-04", "forgotten": False, "forgotten_at": None}


def made_copy() -> dict[str, Any]:
    """Return the copy for the first child."""
    return copy_for(CHILD, "UK_GDPR_ARTICLE_15", {"referral": view()}, [held_data()], [look()], MADE_AT)


def test_nobody_else_and_no_officer_is_in_the_copy_by_id() -> None:
    """Given a record of two children, then the copy has the first one's values and id, and no id of anybody else."""
    copy = made_copy()
    text = json.dumps(copy)
    assert "Robin Roe" in text
    assert str(CHILD) in text
    assert not [id_ for id_ in (OTHER, OFFICER) if str(id_) in text]
    assert copy["records"][0]["state"]["people"] == {str(CHILD): "SUSPECT", "another person 1": NOT_SHOWN}
    assert copy["records"][0]["state"]["officer"] == "reference 1"
    assert copy["looked"][0]["target"] == "reporting/people/another person 1"


def test_an_event_about_another_person_says_no_more_than_that() -> None:
    """Given an event about the other child, then neither its sentence nor its data are in the copy, its times are."""
    mine, other = made_copy()["records"][0]["history"]
    assert mine["data"]["age"] == 14
    assert other["data"] == {"about": "another person 1"}
    assert other["sentence"] == "Something was recorded about another person."
    assert other["recorded_at"] == "2026-03-02T15:21:00+00:00"


def test_a_text_that_was_not_opened_is_named_and_another_persons_is_not() -> None:
    """Given a sealed text of the case and one of the other child, then the first is listed as left out, the second is not there."""
    record = made_copy()["records"][0]
    assert record["not_shown"] == [{"event": "ReferralReceived", "version": 1, "field": "narrative"}]
    assert record["texts"] == []


def test_the_same_id_becomes_the_same_words_and_what_is_sealed_or_erased_says_so() -> None:
    """Given values of every kind, then ids within texts and keys are replaced alike, and marks of sealing become words."""
    redaction = Redaction(CHILD, [CASE], [{"victims": [str(OTHER)]}])
    given = {
        "victims": [str(OTHER), str(CHILD)],
        "target": f"disposal/{OFFICER}/history of {CASE}",
        "text": {"sealed": True, "class": "NARRATIVE"},
        "gone": {"forgotten": True, "class": "IDENTITY"},
        "hours": 2,
    }
    assert redaction.apply(given) == {
        "victims": ["another person 1", str(CHILD)],
        "target": f"disposal/reference 1/history of {CASE}",
        "text": "[not shown]",
        "gone": "[erased]",
        "hours": 2,
    }


def test_the_copy_is_printed_with_the_persons_rights() -> None:
    """Given a copy, then the PDF has its values, its times and whom to complain to, and nobody's id but the child's own."""
    printed = print_subject_access(made_copy(), "en")
    text = pdf_text(printed)
    for part in (
        "Robin Roe",
        "2 March 2026",
        "Information Commissioner",
        "UK GDPR, article 15",
        "are kept and not used",
    ):
        assert part in text
    assert str(OTHER) not in text
    metadata = PdfReader(io.BytesIO(printed)).metadata
    assert metadata is not None
    assert metadata.title == "What we hold about you"


def test_a_welsh_copy_has_english_where_a_text_awaits_translation() -> None:
    """Given Welsh, then the document is printed, with months in Welsh."""
    assert "Mawrth" in pdf_text(print_subject_access(made_copy(), "cy"))


def run(url: str, *arguments: str) -> Any:
    """Run `ooc subject-access` against a server that is every service."""
    urls = [part for name in SERVICES for part in ("--url", f"{name}={url}")]
    return CliRunner().invoke(app, ["subject-access", *arguments, *urls], env={"OOC_ISSUER": url})


def test_a_forgotten_person_gets_no_copy_and_the_reader_learns_when_and_what_remains(tmp_path: Path) -> None:
    """Given a person who is forgotten, then nothing is written, and the error names the day and the records that remain."""
    record = {"id": str(RECORD), "home": str(CASE), "state": "CLOSED", "open": False}
    gone = view() | {"records": [record], "forgotten": True, "forgotten_at": "2026-11-20T10:00:00+00:00"}
    with serving((200, gone)) as (url, _):
        result = run(url, str(CHILD), "--basis", "DPA_2018_SECTION_45", "-o", str(tmp_path / "copy"))
    assert result.exit_code != 0
    assert "referral on 2026-11-20" in str(result.exception)
    assert f"referral/{RECORD} (CLOSED)" in str(result.exception)
    assert not (tmp_path / "copy").exists()


def test_a_person_whom_nobody_knows_and_a_case_of_somebody_else_are_named(tmp_path: Path) -> None:
    """Given an unknown person, or free texts of a case without the person, then the error says what to check."""
    with serving((404, {"detail": "No record."})) as (url, _):
        result = run(url, str(CHILD), "--basis", "UK_GDPR_ARTICLE_15", "-o", str(tmp_path))
    assert "check the id" in str(result.exception)
    record = {"id": str(RECORD), "home": str(CASE), "state": "CLOSED", "open": False}
    with serving((200, view() | {"records": [record]})) as (url, _):
        result = run(url, str(CHILD), "--basis", "UK_GDPR_ARTICLE_15", "--free-texts", str(OTHER), "-o", str(tmp_path))
    assert "--free-texts" in str(result.exception)
    assert list(tmp_path.iterdir()) == []
