"""The panel's lists in pages: some states after one another, as the API gives each in pages of its own."""

from collections.abc import Mapping
from typing import Any

import pytest

from services.console.apis import Apis
from services.console.officers.panel import Listed
from services.console.routing import read_page
from services.console.sessions import Session, Tokens

API_PAGE = 50
SESSION = Session("key", "person", "SUPERVISOR", "YJS", "DORSET", Tokens("token", 2e9, None))


class Cases(Apis):
    """The list of cases of reporting: so many in each state, of which it counts some at most."""

    def __init__(self, most: int = 1_000, **states: int) -> None:
        self.states, self.most = states, most
        self.asked: list[tuple[str, int]] = []

    async def get_projected(
        self, session: Session, path: str, params: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        assert (session, path) == (SESSION, "/v1/cases")
        assert params is not None
        state, page = str(params["state"]), int(params["page"])
        self.asked.append((state, page))
        cases = [{"case_id": f"{state} {n}"} for n in range(self.states[state])]
        total = len(cases)
        return {
            "cases": cases[(page - 1) * API_PAGE : page * API_PAGE],
            "page_size": API_PAGE,
            "total": min(total, self.most),
            "more_than_total": total > self.most,
        }


async def read(apis: Cases, page: int, size: int = 8) -> Listed:
    return await Listed.read(apis, SESSION, tuple(apis.states), page, size)


def names(listed: Listed) -> list[str]:
    return [str(case["case_id"]) for case in listed.cases]


@pytest.mark.parametrize(("opened", "assessed"), [(0, 0), (3, 0), (0, 3), (8, 8), (60, 3), (52, 120), (5, 2)])
async def test_every_case_stands_on_one_page(opened: int, assessed: int) -> None:
    """Given cases in two states, when all pages are read, then each case stands there once, in order, and all are counted."""
    apis = Cases(OPENED=opened, ASSESSED=assessed)
    first = await read(apis, 1)
    pages = [await read(apis, page) for page in range(1, first.pages + 1)]
    expected = [f"OPENED {n}" for n in range(opened)] + [f"ASSESSED {n}" for n in range(assessed)]
    assert [name for page in pages for name in names(page)] == expected
    assert {page.total for page in pages} == {opened + assessed}
    assert all(len(page.cases) == 8 for page in pages[:-1])


async def test_a_page_beyond_the_last_is_the_last() -> None:
    """Given an address of a page that is not there any more, then the last page is shown."""
    found = await read(Cases(OPENED=10), 9)
    assert (found.page, found.pages) == (2, 2)
    assert names(found) == ["OPENED 8", "OPENED 9"]


async def test_one_page_asks_once_for_each_state_and_for_the_page_of_the_api_that_it_lies_in() -> None:
    """Given a page deep in a list, then no page of the API between is read."""
    apis = Cases(OPENED=200, ASSESSED=1)
    await read(apis, 14)
    assert apis.asked == [("OPENED", 1), ("ASSESSED", 1), ("OPENED", 3)]


async def test_more_than_is_counted_is_said() -> None:
    """Given more cases than the API counts, then the pages end there, and the list says that there are more."""
    found = await read(Cases(most=20, OPENED=30), 99)
    assert (found.total, found.more_than_total, found.pages) == (20, True, 3)


@pytest.mark.parametrize(
    ("text", "page"), [(None, 1), ("", 1), ("3", 3), ("0", 1), ("-1", 1), ("x", 1), ("9" * 9, 1), ("²", 1)]
)
def test_a_page_is_a_number(text: str | None, page: int) -> None:
    """Given the page of an address, however it was written, then it is a number; the list takes what is there."""
    assert read_page(text) == page
