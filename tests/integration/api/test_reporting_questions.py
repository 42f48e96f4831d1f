"""What reporting's API answers to a bad question: which parameter is wrong and what to do, and never what was given."""

from typing import Any
from urllib.parse import unquote

import pytest

from services.reporting.measures import MEASURES
from tests.integration.api.conftest import Client, last_line

YEAR = "from=2025-04-01&to=2026-12-31"
SOME_CASE = "1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11"
ODD = [
    "",
    "%00",
    "%ED%A0%80",
    "%FF%FE",
    "%F0%9F%98%80",
    "Leo%20Hartnell",
    "'%3B%20drop%20table%20stream",
    "-1",
    "1e3",
    "0x10",
    "%20",
    "%D9%A1%D9%A2",
    "9" * 5000,
    "A" * 5000,
    "1%0A",
]
"""No value of any parameter."""
NO_TIMES = [
    *ODD,
    "2026-02-30",
    "2025-02-29",
    "2026-13-01",
    "1899-12-31",
    "2200-01-01",
    "0000-01-01",
    "0001-01-01T00:00:00%2B14:00",
    "9999-12-31",
    "9999-12-31T23:59:59Z",
    "99999-01-01",
    "2026-05-08T09:00:00",
    "2026-05-08T09:00:00%2B25:00",
    "2026-05-08T09:00:00Europe/London",
    "2026-05-08T25:00:00Z",
    "2026-05-08x09:00:00Z",
    "2026-05-08%0009:00:00Z",
    "2026-05-08%00",
    "%202026-05-08",
    "2026-W19-5",
    "20260508",
    "08/05/2026",
    "1767225600",
    "%D9%A2%D9%A0%D9%A2%D9%A6-%D9%A0%D9%A5-%D9%A0%D9%A8",
    "%D9%A2%D9%A0%D9%A2%D9%A6-%D9%A0%D9%A5-%D9%A0%D9%A8T09:00:00Z",
]
NO_IDS = [*ODD, "1" * 32, "%D9%A1" * 32, f"urn:uuid:{SOME_CASE}", f"{{{SOME_CASE}}}", SOME_CASE + "0", "1_0" * 12]
NO_POSITIONS = [
    *ODD,
    *(f"disposal:{odd}" for odd in ODD),
    "disposal",
    "console:1",
    "Disposal:1",
    ":1",
    "disposal:+1",
    "disposal:1_0",
    "disposal:1:2",
    "disposal%3A%201",
    "disposal:" + "9" * 19,
]
QUESTIONS = {
    "from": ("/v1/measures/kpi6?to=2026-12-31&from=", NO_TIMES),
    "to": ("/v1/measures/kpi6?from=2025-04-01&to=", NO_TIMES),
    "as_of": (f"/v1/measures/kpi6?{YEAR}&as_of=", NO_TIMES),
    "known_at": (f"/v1/measures/kpi6?{YEAR}&known_at=", NO_TIMES),
    "group_by": (f"/v1/measures/kpi6?{YEAR}&group_by=", [*ODD, "officer", "AREA"]),
    "format": (f"/v1/measures/kpi6?{YEAR}&format=", [*ODD, "JSON", "xml", "csv,json"]),
    "cell": (f"/v1/measures/kpi6/records?{YEAR}&cell=", [value for value in ODD if value not in {"-1", "1e3", "0x10"}]),
    "state": ("/v1/cases?state=", [*ODD, "panel_queue", "PANEL%00QUEUE"]),
    "officer": ("/v1/cases?officer=", NO_IDS),
    "due_before": ("/v1/cases?due_before=", NO_TIMES),
    "changed_since": ("/v1/cases?changed_since=", NO_TIMES),
    "sort": ("/v1/cases?sort=", [*ODD, "DUE", "due,changed"]),
    "page": ("/v1/cases?page=", [*ODD, "0", "01", "+1", "1.0", "100000"]),
    "min_position": (f"/v1/cases/{SOME_CASE}?min_position=", NO_POSITIONS),
    "after": (f"/v1/cases/{SOME_CASE}/changes?after=", NO_POSITIONS),
    "order": (f"/v1/cases/{SOME_CASE}/timeline?order=", [*ODD, "OCCURRED_AT", "position"]),
    "overdue": ("/v1/duties?overdue=", [*ODD, "True", "1", "yes", "null"]),
    "limit": ("/v1/duties?limit=", [*ODD, "0", "01", "501", "-1"]),
    "officer of a sheet": ("/v1/duties?officer=", NO_IDS),
    "case_id": ("/v1/cases/", NO_IDS[1:]),
    "measure": ("/v1/measures/", [*ODD[1:], "KPI6", "kpi77"]),
    **{
        f"{name} of {path}": (f"{path}?{name}=", NO_TIMES)
        for path in (f"/v1/cases/{SOME_CASE}", f"/v1/cases/{SOME_CASE}/timeline", "/v1/duties")
        for name in ("as_of", "known_at")
    },
}
"""What is asked, by the name of its parameter, which may say of what."""


async def _is_malformed(reporting: Client, token: str, path: str, field: str, value: str) -> None:
    answer = await reporting.read(path + value, token=token)
    assert answer.status_code == 422, (value[:60], answer.text)
    errors = answer.json()["errors"]
    assert [error["field"] for error in errors] == [field], value[:60]
    assert errors[0]["message"]
    decoded = unquote(value, errors="replace").strip()
    assert len(decoded) < 4 or decoded not in answer.text.replace("disposal:1234", "")


@pytest.mark.parametrize("field", QUESTIONS)
async def test_a_bad_value_names_its_parameter_and_is_not_repeated(
    reporting: Client, field: str, projected: Any
) -> None:
    """A malformed parameter gets 422 with the remedy, without the value, and without a line in the access log."""
    path, values = QUESTIONS[field]
    field = field.partition(" ")[0]
    token = await reporting.token("SUPERVISOR")
    before = await last_line(projected)
    for value in values:
        await _is_malformed(reporting, token, path, field, value)
    assert await last_line(projected) == before


@pytest.mark.parametrize("path", ["/v1/cases?after=", "/v1/duties?after="])
async def test_a_place_that_no_answer_gave_is_malformed(reporting: Client, path: str) -> None:
    """A page begins after the `next` of an answer: another text, or a day that does not exist, is 422."""
    token = await reporting.token("SUPERVISOR")
    another_order = f"2026-02-03T09:00:00.000000Z:{SOME_CASE}"
    no_time = f"2026-02-30T09:00:00.000000Z:{SOME_CASE}"
    no_days = (f"2026-02-30:{SOME_CASE}", f"2026-02-30:disposal:{SOME_CASE}:ASSESSMENT:")
    for value in ("x", "none", "1", another_order, no_time, *no_days):
        await _is_malformed(reporting, token, path, "after", value)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/measures/kpi6", ["from", "to"]),
        ("/v1/measures/kpi6?from=2026-01-01", ["to"]),
        (f"/v1/measures/kpi6?{YEAR}&from=2026-01-01", ["from"]),
        (f"/v1/measures/kpi6?{YEAR}&format=csv&format=csv", ["format"]),
        (f"/v1/measures/kpi6?{YEAR}&page=1&From=2026-01-01", ["page", "From"]),
        ("/v1/measures/kpi6?from=2026-05-08&to=2026-05-07", ["to"]),
        ("/v1/measures/kpi6?from=2026-05-08T23:30:00Z&to=2026-05-08", ["to"]),
        (f"/v1/measures/disproportionality?{YEAR}&group_by=area", ["group_by"]),
        (f"/v1/measures/disproportionality/records?{YEAR}&cell=groups.WHITE.disposals", ["measure"]),
        (f"/v1/measures/kpi6/records?{YEAR}", ["cell"]),
        (f"/v1/measures/kpi6/records?{YEAR}&cell=nothing", ["cell"]),
        (f"/v1/measures/timeliness/records?{YEAR}&cell=report_to_triage.median_days", ["cell"]),
        ("/v1/measures/kpi6/records?from=2026-05-08&to=2026-05-07&cell=columns", ["to"]),
        ("/v1/cases?page=1&page=2", ["page"]),
        ("/v1/cases?officer&state", ["state"]),
        ("/v1/cases?area=DEVON", ["area"]),
        ("/v1/cases?%00=1", ["…"]),
        (f"/v1/cases/{SOME_CASE}?as_of=2026-01-01&order=occurred_at", ["order"]),
        (f"/v1/cases/{SOME_CASE}/timeline?after=disposal:1", ["after"]),
        (f"/v1/cases/{SOME_CASE}/changes", ["after"]),
        (f"/v1/cases/{SOME_CASE}/changes?after=disposal:1&as_of=2026-01-01", ["as_of"]),
        (f"/v1/cases/{SOME_CASE}/changes?after=disposal:1&after=x", ["after"]),
        (f"/v1/cases/{SOME_CASE}?min_position=disposal:1&min_position=x", ["min_position"]),
        ("/v1/duties?overdue=true&overdue=true", ["overdue"]),
        ("/v1/duties?known_at=2026-01-01&known_at=2026-01-01", ["known_at"]),
    ],
)
async def test_what_is_missing_unknown_or_given_twice_is_named(reporting: Client, path: str, fields: list[str]) -> None:
    """A parameter that is missing, unknown, given twice, or that does not go with another is named, each of them."""
    answer = await reporting.read(path)
    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == fields


@pytest.mark.parametrize("name", [name for name, measure in MEASURES.items() if measure.sealed_texts is None])
async def test_every_year_that_may_be_asked_for_is_answered(reporting: Client, name: str) -> None:
    """For every accepted year each measure answers, or says that its policy values begin later."""
    token = await reporting.token("ANALYST")
    # the indicators of the YJB began on 1 April 2023
    begins = "2023-04-01" if name.startswith(("kpi", "pack", "gaps")) else "1998-09-30"
    for first, last in [(begins, begins), ("2199-12-31", "2199-12-31"), ("1900-01-01", "2199-12-31")]:
        answer = await reporting.read(f"/v1/measures/{name}?from={first}&to={last}", token=token)
        assert answer.status_code == 200, answer.text
        assert (answer.json()["from"], answer.json()["to"]) == (first, last)
        for cut in ("as_of", "known_at"):
            for moment in ("1900-01-01T00:00:00%2B14:00", "2199-12-31T23:59:59.999999-14:00"):
                path = f"/v1/measures/{name}?from={first}&to={last}&{cut}={moment}"
                assert (await reporting.read(path, token=token)).status_code == 200
    early = await reporting.read(f"/v1/measures/{name}?from=1900-01-01&to=1900-01-01", token=token)
    fields = [error["field"] for error in early.json().get("errors", [])]
    assert (early.status_code, fields) in ((200, []), (422, ["to"]))
    officer = await reporting.token("SUPERVISOR")
    for day in ("1900-01-01", "2199-12-31"):
        assert (await reporting.read(f"/v1/duties?as_of={day}", token=officer)).json()["as_of"] == day
        assert (await reporting.read(f"/v1/cases?due_before={day}", token=officer)).status_code == 200
