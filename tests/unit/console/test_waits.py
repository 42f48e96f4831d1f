"""What waits, asked of every service that the person may read."""

from types import SimpleNamespace
from typing import Any

import pytest

from services.console.apis import NoAnswer, Problem
from services.console.waits import list_waits


class Services:
    """Services of which each answers with one wait, some with a page more, and some not at all."""

    def __init__(self, silent: str = "", more: str = "", refusing: str = "") -> None:
        self.asked: list[tuple[str, Any]] = []
        self._silent, self._more, self._refusing = silent, more, refusing

    async def get(self, _session: Any, service: str, path: str, params: Any) -> Any:
        assert path == "/v1/waits"
        self.asked.append((service, params["home"]))
        if service == self._silent:
            raise NoAnswer(service)
        if service == self._refusing:
            raise Problem(service, 403, {})
        return {
            "waits": [{"since": f"2026-05-0{len(self.asked)}", "of": service}],
            "next": service == self._more or None,
        }


def signed_in(role: str) -> Any:
    return SimpleNamespace(roles=(role,))


async def test_each_service_is_asked_for_the_case_and_the_longest_stands_first() -> None:
    """Given a supervisor, then every service is asked, reporting too, and what waits stands in the order of its time."""
    services = Services(more="panel")
    waits = await list_waits(services, signed_in("SUPERVISOR"), "c1")  # type: ignore[arg-type]
    everyone = {"referral", "education", "disposal", "rj_conference", "panel", "people", "reporting"}
    assert set(services.asked) == {(name, "c1") for name in everyone}
    assert [line["since"] for line in waits.lines] == sorted(line["since"] for line in waits.lines)
    assert ({line["of"] for line in waits.lines}, waits.silent, waits.more) == (everyone, [], True)


async def test_a_service_that_does_not_answer_takes_only_its_part_away() -> None:
    """Given one service that is down and one that refuses, then the others' waits are listed, and the first is named."""
    services = Services(silent="education", refusing="panel")
    waits = await list_waits(services, signed_in("YJS_CASE_MANAGER"))  # type: ignore[arg-type]
    assert {line["of"] for line in waits.lines} == {"referral", "disposal", "rj_conference", "people", "reporting"}
    assert (waits.silent, waits.more) == (["Education"], False)


@pytest.mark.parametrize(("role", "unasked"), [("SAFE_SCHOOLS_OFFICER", {"panel"}), ("ANALYST", {"panel", "disposal"})])
async def test_no_service_is_asked_that_the_role_may_not_read(role: str, unasked: set[str]) -> None:
    """Given a role without a permission at a service, then that one is not asked: it would log a refused read."""
    services = Services()
    await list_waits(services, signed_in(role))  # type: ignore[arg-type]
    assert unasked.isdisjoint(name for name, _ in services.asked)
