"""What an auditor sees: proofs that the console computes, a record before and after an event, both clocks, and the export."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.console.browsing import Browser, Page
from tests.integration.console.test_officer_pages import link_of
from tests.whole_system import ooc

pytestmark = pytest.mark.slow

CHECKER = Path(__file__).parents[3] / "shared" / "evidence" / "verify_bundle.py"


@pytest.fixture
def auditor(browser: Browser) -> Browser:
    """Yield the browser of an auditor who has said why they look."""
    browser.sign_in("AUDITOR-1")
    page = browser.open("/reason")
    browser.send(page, page.form("/reason"), {"reason": "AUDIT"})
    return browser


def decided(browser: Browser) -> str:
    """Return the address of a case that has a referral, and a disposal that is completed."""
    addresses = browser.open("/cases?state=COMPLETED").links().values()
    cases = [one for one in addresses if one.startswith("/cases/")]
    return next(one for one in cases if browser.open(one).links().keys() >= {"Referral", "Disposal"})


def test_every_event_of_a_case_is_proved_on_one_page(auditor: Browser) -> None:
    """Given a case, when its proof is opened, then everything holds, and each event leads to its page."""
    page = auditor.open(f"{decided(auditor)}/proof")
    assert "Everything holds" in page.words
    assert "the signature fits" in page.words
    assert "Referral: event log" in page.words
    assert "Disposal: access log" in page.words
    event = auditor.open(next(one for one in page.links().values() if "/events/" in one))
    assert "Proved." in event.words


def test_an_event_shows_its_proof_and_what_it_changed(auditor: Browser) -> None:
    """Given a case's timeline, when an event is opened, then position, root and witness stand there, and the state before and after."""
    timeline = auditor.open(f"{decided(auditor)}/timeline")
    addresses = [one for text, one in timeline.links().items() if text.startswith("Event and proof")]
    pages = [auditor.open(address) for address in addresses[:6]]
    assert all("Proved." in page.words for page in pages)
    assert all("witness.local" in page.words for page in pages)
    assert len({page.title for page in pages}) == len(pages)
    assert any("What this event changed" in page.words for page in pages)
    issued = auditor.open(link_of(timeline, "Event and proof: Issued: "))
    assert "State" in _changes(issued)


def test_events_are_walked_one_after_the_other(auditor: Browser) -> None:
    """Given the first event of a record, when one goes on and back, then one is where one began; beyond the last there is none."""
    timeline = auditor.open(f"{decided(auditor)}/timeline")
    address = link_of(timeline, "Event and proof: Disposal case opened")
    first = auditor.open(address)
    assert "It is the first event of its record" in first.words
    second = auditor.open(first.links()["Event after it"])
    assert second.links()["Event before it"] == address
    nowhere = auditor.open(address.partition("?")[0].rpartition("/")[0] + "/999999")
    assert nowhere.status == 404


def test_the_records_stand_side_by_side_by_either_clock(auditor: Browser) -> None:
    """Given a case, when it is shown side by side, then each record is a column, by when things happened or were recorded."""
    case = decided(auditor)
    page = auditor.open(auditor.open(case).links()["Side by side"])
    columns = [head.text or "" for head in page.root.iter("th") if head.get("scope") == "col"]
    assert columns[0] == "Happened"
    assert {column.rpartition(" ")[0] for column in columns[1:]} >= {"Referral", "Disposal"}
    other = auditor.open(page.links()["Order by when it was recorded"])
    assert other.title != page.title
    assert auditor.open(f"{case}/swimlane?clock=sundial").status == 404


def test_a_case_is_exported_and_checked_without_the_system(auditor: Browser, tmp_path: Path) -> None:
    """Given a case, when it is exported from its page, then the offline checker finds that everything holds; a changed file is caught."""
    case = decided(auditor)
    proof = auditor.open(f"{case}/proof")
    exported = auditor.client.get(f"{auditor.base}{proof.links()['Export the case with its proofs (JSON)']}")
    assert exported.headers["content-disposition"].startswith('attachment; filename="case-')
    whole, changed = tmp_path / "case.json", tmp_path / "changed.json"
    whole.write_bytes(exported.content)
    bundle = json.loads(exported.content)
    assert bundle["case"] == case.removeprefix("/cases/")
    bundle["services"][0]["events"]["entries"][0]["hash"] = "00" * 32
    changed.write_text(json.dumps(bundle), encoding="utf-8")
    results = [
        subprocess.run(
            [sys.executable, str(CHECKER), str(file), "--quiet"], check=False, capture_output=True, text=True
        )
        for file in (whole, changed)
    ]
    assert [result.returncode for result in results] == [0, 1], results
    printed = auditor.client.get(
        f"{auditor.base}{proof.links()['Export the history as PDF, with the proofs attached']}"
    )
    assert printed.content.startswith(b"%PDF")
    assert auditor.open(f"{case}/bundle/docx").status == 404


def test_the_last_verification_is_shown_with_what_proves_it(
    auditor: Browser, system: dict[str, Any], tmp_path: Path
) -> None:
    """Given a verification that was kept, when the evidence is opened, then its result, its checks and every checkpoint stand there."""
    verified = ooc(system["var"], "verify", "--report", str(tmp_path / "report.json"))
    assert verified.returncode == 0, verified.stdout + verified.stderr
    page = auditor.open("/evidence")
    assert "Everything was whole." in page.words
    assert "the report is as it was kept" in page.words
    assert "projection equals a fresh fold" in page.words
    assert page.words.count("the signature fits") >= 9


def test_who_may_not_audit_is_told_so(browser: Browser) -> None:
    """Given roles without the history or the report, when they open proofs, then a page says so, and checkpoints stay open to all."""
    browser.sign_in("AUDITOR-1")
    without_reason = browser.open("/evidence")
    assert (without_reason.status, without_reason.heading) == (200, "Evidence")
    assert "Everything was whole" not in without_reason.words
    browser.sign_in("SUPERVISOR-1")
    case = decided(browser)
    browser.sign_in("ANALYST-1")
    for path in ("/proof", "/swimlane", "/bundle/json"):
        page = browser.open(f"{case}{path}")
        assert (page.status, page.heading) == (403, "You may not see this"), path
    assert "the signature fits" in browser.open("/evidence").words


def _changes(page: Page) -> set[str]:
    """Return what an event's page says that it changed."""
    (table,) = [one for one in page.root.iter("table") if "What this event changed" in "".join(one.itertext())]
    return {"".join(head.itertext()) for head in table.iter("th") if head.get("scope") == "row"}
