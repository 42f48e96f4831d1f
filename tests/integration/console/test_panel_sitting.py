"""A sitting of the panel from its agenda to its minutes, by pages alone."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from tests.integration.console.browsing import Browser, Page
from tests.integration.console.filling import record
from tests.pdf import pdf_text

pytestmark = pytest.mark.slow

CHAIR, OTHER = "YJS_CASE_MANAGER-1", "POLICE_DECISION_MAKER-1"


def planned(browser: Browser) -> Page:
    """Plan a sitting for tomorrow, which the person chairs."""
    form = browser.open("/begin/sittings/PlanSitting")
    controls = form.form("/do/").element.iter("input")
    you = next(control.get("value", "") for control in controls if control.get("name") == "chair")
    tomorrow = datetime.now(UTC).replace(microsecond=0, second=0) + timedelta(days=1)
    plan = {"starts_at": tomorrow.isoformat(), "place": "The old court house", "chair": you}
    return record(browser, form.url.removeprefix(browser.base), plan)


def test_a_sitting_from_its_agenda_to_its_minutes(browser: Browser, waiting: list[UUID]) -> None:
    """Given three cases that wait, when the chair fills the agenda in one press, records who is there, considers and closes, then the minutes are printed."""
    browser.sign_in(CHAIR)
    sitting = planned(browser)
    assert "No case is on the agenda yet." in sitting.words
    form = sitting.form("/agenda")
    ticked = form.fields["case"]
    assert {str(one) for one in waiting} <= {line.partition(".")[0] for line in ticked}
    own = [line for line in ticked if UUID(line.partition(".")[0]) in waiting]
    filled = browser.send(sitting, form, {"case": own})
    again = browser.send(sitting, form, {"case": own})
    for page in (filled, again):
        assert page.status == 200
        assert page.words.count("To consider") == 3
    case_pages = [address for address in filled.links().values() if "/cases/" in address and "/panel/" in address]
    assert len(case_pages) == 3
    my_day = browser.open("/")
    assert "Next sitting of the panel: " in my_day.words
    assert _path(sitting) in my_day.links().values()

    early = browser.open(f"{_do(sitting)}/ConsiderCase?disposal_id={waiting[0]}")
    assert early.status == 200
    members = {
        **{f"organisation-{n}": "" for n in range(1, 11)},
        "organisation-1": "Merrowshire Police",
        "present-1": "yes",
        "organisation-2": "Merrowshire Youth Justice Service",
        "present-2": "yes",
    }
    seated = browser.send(filled, filled.form("/members"), members)
    assert seated.status == 200
    assert "Panel of" in seated.heading
    assert "sitting" in seated.heading

    for disposal in waiting[:2]:
        page = browser.open(f"{_path(sitting)}/cases/{disposal}")
        assert "Gravity" in page.words
        assert "Who was harmed" in page.words
        address = page.links()["Record the recommendation"]
        said = {
            "recommended": "YC",
            "reasons": "She is sorry.",
            "child_view": "I am sorry.",
            "parent_view": "Grounded.",
        }
        done = record(browser, address, said)
        assert done.url.startswith(f"{browser.base}{_path(sitting)}")
    page = browser.open(f"{_path(sitting)}/cases/{waiting[2]}")
    record(browser, page.links()["Adjourn this case"], {"why": "The assessment is late."})
    closed = record(browser, f"{_do(sitting)}/CloseSitting", {})
    assert "closed" in closed.heading

    knew = next(address for text, address in closed.links().items() if text.startswith("What the panel knew"))
    assert "This is not how the case stands now" in browser.open(knew).words
    assert _path(sitting) in browser.open(knew.partition("?")[0]).links().values()
    printed = {text: address for text, address in closed.links().items() if text.endswith("(PDF)") or "Extract" in text}
    minutes = browser.client.get(f"{browser.base}{printed['Minutes, with an extract for each case (PDF)']}")
    assert "The assessment is late." in pdf_text(minutes.content)
    extract = next(address for address in printed.values() if address.endswith(f"item={waiting[0]}"))
    assert "She is sorry." in pdf_text(browser.client.get(f"{browser.base}{extract}").content)
    past = browser.open("/panel?list=past")
    assert "Recommended" not in past.heading
    assert _path(sitting) not in browser.open("/panel").links().values()


def test_the_others_look_on(browser: Browser, waiting: list[UUID]) -> None:
    """Given a sitting, when somebody who is not its chair opens a case, then what the panel knows is there, and no form to recommend."""
    browser.sign_in(CHAIR)
    sitting = planned(browser)
    own = [line for line in sitting.form("/agenda").fields["case"] if UUID(line.partition(".")[0]) == waiting[0]]
    browser.send(sitting, sitting.form("/agenda"), {"case": own})
    listed = browser.open("/panel")
    assert _path(sitting) in listed.links().values()
    browser.sign_in(OTHER)
    page = browser.open(f"{_path(sitting)}/cases/{waiting[0]}")
    assert "The chair records the recommendation" in page.words
    assert "Record the recommendation" not in page.links()
    browser.sign_in("VICTIM_WORKER-1")
    assert browser.open(_path(sitting)).status == 403


def _path(sitting: Page) -> str:
    id_ = sitting.url.partition("?")[0].rpartition("/")[2]
    return f"/panel/sittings/{id_}"


def _do(sitting: Page) -> str:
    return _path(sitting).replace("/panel", "/records") + "/do"
