"""A deferred prosecution by the console alone: the plan read and signed, a step recorded, an alert seen."""

import dataclasses
from typing import Any
from uuid import UUID

import pytest

from tests.integration.console.browsing import Browser
from tests.integration.console.conftest import SCENARIOS
from tests.integration.console.filling import fill_in, record
from tests.integration.console.test_forms import form_of
from tests.integration.console.test_officer_pages import link_of
from tests.whole_system import client_of
from tools.scenario.over_http import Http
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Run
from tools.scenario.story import CommandStep

pytestmark = pytest.mark.slow


@pytest.fixture
def deferred(system: dict[str, Any]) -> tuple[UUID, UUID, str]:
    """Play the story of a knife until the plan is agreed; return the case, the disposal and the child's id."""
    whole = read_scenario(SCENARIOS / "92-knife-at-school.yaml")
    end = next(
        n for n, step in enumerate(whole.steps) if isinstance(step, CommandStep) and step.command == "SignDocument"
    )
    with client_of(system["var"]) as client:
        run = Run(dataclasses.replace(whole, steps=whole.steps[:end]), Http(client))
        run.play()
    return run.names.id("case"), run.names.id("d1"), str(run.names.id("dan"))


def test_a_case_manager_works_through_a_plan(
    browser: Browser, system: dict[str, Any], deferred: tuple[UUID, UUID, str]
) -> None:
    """Given an agreed plan, when it is signed and a step recorded from its page, then the paper is known again and the step is done."""
    _, disposal, _ = deferred
    browser.sign_in("YJS_CASE_MANAGER-1")
    page = browser.open(f"/records/disposals/{disposal}")
    assert "Plan of the deferred prosecution" in page.words
    assert "Walk home with Mr Cole every day." in page.words
    assert "To be reviewed on 12 August 2026" in page.words
    sign = browser.open(link_of(page, "Sign document"))
    printed = browser.client.get(f"{browser.base}{link_of(sign, 'Print the document in English')}")
    assert printed.content.startswith(b"%PDF")
    check = fill_in(
        browser, sign, {"consent": True, "signed_by_child": True, "occurred_at": "2026-04-22T15:20:00+00:00"}
    )
    browser.send(check, check.form("/send"))
    step = browser.open(link_of(browser.open(f"/records/disposals/{disposal}"), "Record deferral step: Workshop"))
    assert "Workshop, due 15 May 2026" in step.words
    done = record(browser, step.url, {"result": "DONE", "occurred_at": "2026-05-15T15:00:00+00:00"})
    assert "Step of the plan: done" in done.words
    with client_of(system["var"]) as client:
        state = client.get("disposal", f"/v1/disposals/{disposal}", role="YJS_CASE_MANAGER").body
    assert state["document_printed_here"] is True
    assert sorted(state["steps"].values()) == ["DONE", "OPEN"]


def test_an_alert_stands_on_the_case(browser: Browser, deferred: tuple[UUID, UUID, str]) -> None:
    """Given a deferred case, when an alert is raised, then its page shows it."""
    case, _, child = deferred
    browser.sign_in("SUPERVISOR-1")
    page = browser.open(f"/cases/{case}")
    alert = {"person_id": child, "kind": "COMMUNICATION_NEED", "review_on": "2027-03-01", "note": "Short sentences."}
    record(browser, form_of(page, "RaiseAlert"), alert)
    page = browser.open(f"/cases/{case}")
    assert "Communication need: Dan Ferris" in page.words
    assert "To be reviewed by 1 March 2027" in page.words
