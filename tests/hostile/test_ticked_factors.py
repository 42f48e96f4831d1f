"""The form of a gravity score on real servers: what is ticked is recorded, and what is forged is not sent on."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx2

from services.console.routing import COOKIE
from tests.hostile import partnership as world
from tests.hostile.partnership import Partnership
from tests.hostile.test_console_requests import console_on, sign_in
from tests.integration.console.browsing import Page, page_of

settings, partnership = world.settings, world.partnership

PLANNED: Final = json.dumps({"code": "A1", "direction": "UP"})
FORGED: Final = (json.dumps({"code": "A1", "direction": "DOWN"}), "{", "3")


async def sent(http: httpx2.AsyncClient, page: Page, action: str, values: Mapping[str, str]) -> Page:
    """Send a form of a page, and return the page to which that leads."""
    form = page.form(action)
    answer = await http.post(form.action, data={**form.fields, **values})
    while answer.is_redirect:
        answer = await http.get(answer.headers["location"])
    return page_of(answer)


@asynccontextmanager
async def gravity_form(
    postgres_url: str, partnership: Partnership, folder: Path
) -> AsyncIterator[tuple[httpx2.AsyncClient, Page]]:
    """Yield a browser of a police decision-maker, and the empty form of a gravity score; the console has no fault meanwhile."""
    scored, faults = await world.disposal(partnership), list[str]()
    async with console_on(postgres_url, partnership, folder, faults) as (console, http):
        session = await sign_in(console, partnership, "POLICE_DECISION_MAKER", "CASE_REVIEW")
        http.cookies.set(COOKIE, session.key)
        yield http, page_of(await http.get(f"/records/disposals/{scored.stream}/do/ScoreGravity"))
    assert faults == []


async def test_ticked_factors_are_recorded(
    postgres_url: str, partnership: Partnership, tmp_path: Path, sample_matrix: str
) -> None:
    """Given a line that was chosen, then its factors are boxes; forged ones are not sent on, and those ticked are recorded."""
    async with gravity_form(postgres_url, partnership, tmp_path) as (http, empty):
        assert "factors" not in empty.form("/do/").names
        chosen = await sent(http, empty, "/do/", {"line": "TH68010"})
        filled = chosen.form("/do/").fields
        assert (filled["offence_score"], filled["matrix_version"]) == (["2"], [sample_matrix])
        for forged in FORGED:
            refused = await sent(http, chosen, "/do/", {"factors": forged, "final_score": "3"})
            assert not [form for form in refused.forms() if "/send" in form.action], forged
        check = await sent(http, chosen, "/do/", {"factors": PLANNED, "final_score": "3"})
        assert "Aggravating: It was planned (A1)" in check.words
        done = await sent(http, check, "/send", {})
        assert "Gravity scored 3 (offence 2, line TH68010)" in done.words


async def test_what_is_recorded_is_what_the_page_showed(
    postgres_url: str, partnership: Partnership, tmp_path: Path, sample_matrix: str
) -> None:
    """Given answers that were changed in another window after their check, when that is sent, then it shows them and records nothing."""
    async with gravity_form(postgres_url, partnership, tmp_path) as (http, empty):
        chosen = await sent(http, empty, "/do/", {"line": "TH68010"})
        check = await sent(http, chosen, "/do/", {"final_score": "2"})
        assert sample_matrix in check.words
        changed = await sent(http, chosen, "/do/", {"factors": PLANNED, "final_score": "3"})
        shown = await sent(http, check, "/send", {})
        assert (shown.heading, shown.words) == (changed.heading, changed.words)
        done = await sent(http, shown, "/send", {})
        assert "Gravity scored 3 (offence 2, line TH68010)" in done.words
