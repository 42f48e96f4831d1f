"""The pages that anybody uses without a sign-in."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from shared.domain.ids import derived_uuid
from tests.integration.console.browsing import Browser
from tests.integration.console.filling import answers
from tests.received_referral import received_referral
from tests.whole_system import client_of, wait_until

pytestmark = pytest.mark.slow

REPORT: Final[dict[str, Any]] = {
    "incident_type": "CRIMINAL_DAMAGE",
    "happened_at": (datetime.now(UTC) - timedelta(hours=3)).isoformat(),
    "setting": "COMMUNITY",
    "on_premises": False,
    "in_school_hours": False,
    "flags": ["NUDE_IMAGERY"],
    "narrative": "A boy broke our mirror.",
}


def test_anybody_reports_and_is_given_a_reference(browser: Browser, system: dict[str, Any]) -> None:
    """Given nobody who is signed in, when they report, twice by a double press, then one referral waits, and the reference is its case."""
    page = browser.open("/report")
    wrong = browser.send(page, page.form("/report"))
    assert (wrong.status, wrong.title.startswith("Error: ")) == (422, True)
    assert wrong.links()["Fill in “What happened”"] == "#f-narrative"
    form = wrong.form("/report")
    done, again = (browser.send(wrong, form, dict(answers(REPORT, form))) for _ in range(2))
    assert (done.heading, again.words) == ("Report received", done.words)
    assert "Do not look at the image" in done.words
    reference = done.words.partition("Your reference")[2].strip()[:8].lower()
    stream = derived_uuid("public", UUID(form.fields["key"][0]))
    with client_of(system["var"]) as client:
        state = client.get("referral", f"/v1/referrals/{stream}", role="SUPERVISOR").body
        assert (state["state"], REPORT["narrative"] in str(state["details"])) == ("RECEIVED", True)

        def cases() -> Any:
            words = {"case": reference}
            return client.post("reporting", "/v1/search", role="SUPERVISOR", body=words, key=reference).body["cases"]

        wait_until(lambda: len(cases()) == 1, 60, "the case")


def test_every_page_leads_to_contact_and_report(browser: Browser) -> None:
    """Given any page, then its foot leads to whom to ring, and to a report; a form of another site is not taken."""
    for path in ("/status", "/contact", "/report"):
        page = browser.open(path)
        assert page.status == 200 or path == "/status"
        assert {"/contact", "/report"} <= set(page.links().values())
    assert "tel:01632960200" in browser.open("/contact").links().values()
    foreign = browser.client.post(f"{browser.base}/report", headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403


def test_feedback_waits_until_an_officer_links_it(browser: Browser, system: dict[str, Any]) -> None:
    """Given a complaint of somebody unknown, when an officer says which case it is about, then it is recorded there, and waits no more."""
    page = browser.open("/feedback")
    wrong = browser.send(page, page.form("/feedback"))
    assert wrong.status == 422
    form = wrong.form("/feedback")
    said = {"kind": "COMPLAINT", "from": "PARENT", "text": "Nobody rang us back.", "wants_answer": False}
    for _ in range(2):
        assert browser.send(wrong, form, dict(answers(said, form))).heading == "Feedback received"
    case, referral = uuid4(), uuid4()
    with client_of(system["var"]) as client:
        report = received_referral(case, (datetime.now(UTC) - timedelta(days=1)).isoformat())
        path = f"/v1/referrals/{referral}"
        client.post("referral", f"{path}/commands", role="SUPERVISOR", body=report | {"source": "OFFICER"}, key="r")
        browser.sign_in("SUPERVISOR-1")
        links = browser.open("/").links()
        assert links["1 piece of feedback from the public waits for a case"] == "/feedback/waiting"
        assert links["Receive a referral"] == "/report"
        waiting = browser.open("/feedback/waiting")
        assert "Nobody rang us back." in waiting.words
        link = waiting.form("/feedback/waiting")
        assert browser.send(waiting, link, {"words": "ffffffff"}).status == 422
        wait_until(lambda: browser.open(f"/cases/{case}").status == 200, 60, "the case")
        browser.send(waiting, link, {"words": str(case)})
        assert "Nothing waits." in browser.open("/feedback/waiting").words
        duties = client.get("referral", f"{path}/duties", role="SUPERVISOR").body
        assert "FEEDBACK_ANSWERED" in {duty["duty"] for duty in duties}
