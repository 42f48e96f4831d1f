"""Work from the line where it arises: a document signed, a line corrected, a record handed on, and a number opened."""

import re
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.integration.console.browsing import Browser, text_of
from tests.integration.console.conftest import STORIES, play_until
from tests.integration.console.filling import fill_in, record
from tests.integration.console.test_forms import begun, child, form_of
from tests.integration.console.test_officer_pages import link_of
from tests.whole_system import client_of

pytestmark = pytest.mark.slow


def test_a_document_is_printed_signed_and_confirmed_on_one_page(
    browser: Browser, system: dict[str, Any], unsigned: UUID
) -> None:
    """Given a decided caution, when its document is printed and confirmed from one page, then the system knows the paper again."""
    browser.sign_in("POLICE_DECISION_MAKER-1")
    page = browser.open(f"/records/disposals/{unsigned}")
    sign = browser.open(link_of(page, "Sign document"))
    assert sign.heading == "Print, sign and confirm"
    assert "Leo Hartnell" in sign.words
    assert "Youth conditional caution" in sign.words
    printed = browser.client.get(f"{browser.base}{link_of(sign, 'Print the document in English')}")
    assert printed.content.startswith(b"%PDF")
    command = {"consent": True, "signed_by_child": True, "occurred_at": "2025-10-02T15:20:00+00:00"}
    check = fill_in(browser, sign, command)
    done = browser.send(check, check.form("/send"))
    assert "signed" in done.words
    with client_of(system["var"]) as client:
        answer = client.get("disposal", f"/v1/disposals/{unsigned}", role="POLICE_DECISION_MAKER")
    assert answer.body["document_printed_here"] is True


def test_a_turn_is_checked_on_one_page_and_ends_at_the_first_refusal(browser: Browser, system: dict[str, Any]) -> None:
    """Given three steps filled in one after another, when one is refused in its turn, then those before it are recorded, and it waits with its reason."""
    run = play_until(system, STORIES[0], lambda step: step.command == "ExplainEffect")
    disposal, case = run.names.id("d1"), run.names.id("case")
    browser.sign_in("POLICE_DECISION_MAKER-1")
    explain = browser.open(f"/records/disposals/{disposal}/do/ExplainEffect?case={case}")
    said = {"to_child": "yes", "to_appropriate_adult": "yes", "ordinary_language": "yes", "warned_of_prosecution": "no"}
    day = {"day": "2", "month": "10", "year": "2025", "clock": "16:20"}
    said |= {f"occurred_at.{part}": text for part, text in day.items()}
    sign = browser.send(explain, explain.form("/do/"), said, "Next: Print and sign the paper")
    assert sign.heading == "Print, sign and confirm"
    assert sign.form("/do/").fields["occurred_at.clock"] == ["16:20"]
    signed = {"consent": "yes", "signed_by_child": "yes"}
    kept = browser.send(sign, sign.form("/do/"), signed)  # the adult of another day is the case manager's: no next step
    draft = kept.url.rpartition("/")[2]
    give = browser.open(f"/records/disposals/{disposal}/do/IssueDisposal?case={case}&follows={draft}")
    assert "together with this: Explain effect, Sign document" in give.words
    check = browser.send(give, give.form("/do/"))
    assert "It is checked once this is recorded: Explain effect" in check.words
    changed = browser.open(link_of(check, "Change Child agrees: Sign document"))
    again = browser.send(changed, changed.form("/do/"), {"consent": "yes"}, "Continue")
    assert again.url == check.url
    rest = browser.send(again, again.form("/send"))
    assert "Recorded: Explain effect, Sign document. What follows is not recorded yet." in rest.words
    assert "warn that failing may mean prosecution" in rest.words
    assert not [form for form in rest.forms() if "/send" in form.action]
    with client_of(system["var"]) as client:
        events = client.get("disposal", f"/v1/disposals/{disposal}/history", role="POLICE_DECISION_MAKER").body[
            "events"
        ]
    assert [event["type"] for event in events[-2:]] == ["EffectExplained", "DocumentSigned"]


def test_a_page_at_which_something_is_done_says_whose_record_it_is(browser: Browser, system: dict[str, Any]) -> None:
    """Given a conference that is prepared, then its page names the child, and so does on my day a form that was begun."""
    run = play_until(system, "09-victim-withdraws.yaml", lambda step: step.command == "ScheduleConference")
    case, disposal, conference = (run.names.id(name) for name in ("case", "d1", "d1+c1"))
    browser.sign_in("SUPERVISOR-1")
    page = browser.open(f"/records/conferences/{conference}")
    assert page.heading.startswith("Restorative conference of Noah Eddowes"), page.heading
    browser.sign_in("YJS_CASE_MANAGER-1")
    form = browser.open(f"/records/disposals/{disposal}/do/RecordContact?case={case}")
    fill_in(browser, form, {"means": "PHONE", "reached": True, "person_id": str(run.names.id("noah"))})
    assert "Record contact: Noah Eddowes" in browser.open("/").words


def test_a_document_of_nothing_is_not_there_to_sign(browser: Browser) -> None:
    """Given a record without a decided disposal, when its signature is asked for, then a page says so; another language is none."""
    browser.sign_in("POLICE_DECISION_MAKER-1")
    assert browser.open(f"/records/referrals/{uuid4()}/sign").status == 404
    assert browser.open(f"/records/disposals/{uuid4()}/sign").status == 404
    assert browser.open(f"/records/disposals/{uuid4()}/sign?lang=la").status == 404


def test_a_line_that_is_wrong_leads_to_its_correction(browser: Browser) -> None:
    """Given a line of a timeline, when it is corrected from there, then the form names the event, and the timeline shows both."""
    browser.sign_in("SUPERVISOR-1")
    case = begun(browser)
    timeline = browser.open(case.links()["History"])
    form = browser.open(link_of(timeline, "Correct this: Referral received"))
    drawn = form.form("/do/")
    assert len(drawn.fields["corrects"][0]) == 36
    assert "Setting: At a school" in [text_of(option) for option in drawn.element.iter("option")]
    check = fill_in(browser, form, {"field": "setting", "value": "COMMUNITY", "why": "It was in the park."})
    assert any("/send" in one.action for one in check.forms()), check.words
    corrected = browser.send(check, check.form("/send"))
    assert corrected.status == 200
    after = browser.open(case.links()["History"])
    assert "Corrects: Referral received" in after.words


def test_who_may_not_correct_has_no_such_link(browser: Browser) -> None:
    """Given an auditor, when a timeline is opened, then no line offers a correction."""
    browser.sign_in("AUDITOR-1")
    page = browser.open("/reason")
    browser.send(page, page.form("/reason"), {"reason": "AUDIT"})
    case = next(one for one in browser.open("/cases").links().values() if one.startswith("/cases/"))
    assert "Correct this" not in browser.open(f"{case}/timeline").words


def test_a_referral_is_handed_to_another_officer(browser: Browser) -> None:
    """Given a triaged referral, when it is handed on from the case, then the command's form has the officer, and the page says who has it."""
    browser.sign_in("SAFE_SCHOOLS_OFFICER-1")
    case = begun(browser)
    address = case.url.removeprefix(browser.base).partition("?")[0]
    record(browser, form_of(case, "LinkPerson"), child())
    record(browser, form_of(browser.open(address), "AcknowledgeReferral"), {})
    triage = {"outcome": "ACCEPT_INTERVENTION", "rationale_text": "Advice will do.", "supervisor_reviewed": True}
    record(browser, form_of(browser.open(address), "TriageReferral"), triage)
    browser.sign_in("SUPERVISOR-1")
    page = browser.open(browser.open(address).links()["Who works on it, and handing it over"])
    assert "Nobody is named as having it" in page.words
    assert "Sam Okafor (Safe schools officer)" in page.words
    wrong = browser.send(page, page.form("/officer"), {"other": "somebody"})
    assert (wrong.status, wrong.title.startswith("Error: ")) == (422, True)
    officer = str(uuid4())
    form = browser.send(page, page.form("/officer"), {"other": officer})
    assert form.form("/do/AllocateReferral").fields["officer_id"] == [officer]
    done = record(browser, form.url, {})
    assert "Recorded" in done.words
    given = browser.open(f"{address}/officer").words
    assert f"It is with: Officer {officer[:8]}, name not known here" in given
    assert "Zoë O'Hara-Whiteley" in given
    assert f"Referral with Officer {officer[:8]}, name not known here" in browser.open(address).words
    browser.sign_in("SAFE_SCHOOLS_OFFICER-1")
    assert "A supervisor of its area hands it on" in browser.open(f"{address}/officer").words


def test_a_number_opens_its_cases_for_those_who_may_see_them(browser: Browser) -> None:
    """Given KPI 6, when a supervisor follows a number, then its cases stand there; an analyst has no link, and the address is a 403."""
    browser.sign_in("SUPERVISOR-1")
    address = "/returns?measure=kpi6&from=2025-10-01&to=2026-11-20"
    page = browser.open(address)
    link = link_of(page, "in KPI6 (out-of-court disposals), Youth conditional caution, Ended")
    opened = browser.open(link)
    assert opened.heading == "KPI6 (out-of-court disposals): Youth conditional caution, Ended"
    names = {re.split("[,:]", text)[0] for text, one in opened.links().items() if one.startswith("/cases/")}
    assert "Leo Hartnell" in names
    assert "Leo" not in opened.title
    browser.sign_in("ANALYST-1")
    assert "/returns/cases" not in browser.open(address).text
    assert browser.open(link).status == 403
    browser.sign_in("SUPERVISOR-1")
    assert browser.open(link.replace("kpi6", "disproportionality")).status == 404
    assert browser.open(link.replace(".ended", ".nothing")).status == 422
