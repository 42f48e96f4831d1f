"""The extract of a pack: it follows its schema, and the Board's inclusion, over its rows alone, gives the figures again."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Final
from xml.etree.ElementTree import fromstring

import pytest
from jsonschema_rs import Draft202012Validator

from services.disposal.summary import DisposalSummary
from services.reporting.measures import Dataset
from services.reporting.measures.period import Period
from services.reporting.returns.extract import as_xml, rows_of, schema
from tests.in_memory_reporting import folded_of, measure_facts
from tests.unit.reporting.made_up_children import MadeUp, facts_of

Row = dict[str, Any]
HEADER: Final = {"source_return_id": "R1", "first": "2026-04-01", "last": "2026-06-30"}
QUARTER: Final = (date(2026, 4, 1), date(2026, 6, 30))
COLUMNS: Final = {
    "YOUTH_CONDITIONAL_CAUTION": "youth_conditional_caution",
    "YOUTH_CAUTION": "youth_caution",
    "COMMUNITY_RESOLUTION_WITH_YJS_INVOLVEMENT": "community_resolution",
    "NO_FURTHER_ACTION_OUTCOME_22_WITH_YJS_INVOLVEMENT": "outcome_22",
    "REPRIMAND": "outcome_22_deferred",
    "NO_FURTHER_ACTION_OUTCOME_20_21_WITH_YJS_INVOLVEMENT": "outcome_20_21",
}
"""The kinds of the Board, from the most serious; a Reprimand is none of KPI 6's."""


def extract_of(children: int) -> tuple[dict[str, Any], list[Any]]:
    """Return the extract of made-up children, and their histories."""
    made_up = MadeUp(7)
    for _ in range(children):
        made_up.child()
    histories = list(facts_of(made_up.histories))
    dataset = Dataset([item.summary for item in folded_of(histories, histories)])
    return HEADER | rows_of(dataset.all_of(DisposalSummary), dataset, Period(*QUARTER)), histories


def ended(extract: dict[str, Any]) -> list[Row]:
    """Return the programmes that the Board counts, each with its offence: by public SQL, parts 1 and 2."""
    offences = {row["offenceID"]: row for row in extract["offence"]}
    links = {row["interventionProgrammeID"]: row["offenceID"] for row in extract["link_offence_intervention_programme"]}
    first, last = HEADER["first"], HEADER["last"]
    rows = [offences[links[row["interventionProgrammeID"]]] | row for row in extract["intervention_programme"]]
    return [
        row
        for row in rows
        if first <= row["endDate"] <= last and 10 <= row["ageOnProgrammeStart"] <= 17
        if row["outcomeAppealStatus"] not in {"Changed on appeal", "Result of appeal successful"}
        if row["residenceOnLegalOutcomeDate"] != "OTHER"
    ]


def completions(rows: Sequence[Row]) -> dict[str, int]:
    ways = {"children": (True, False, None), "completed": (True,), "not_completed": (False,)}
    return {
        name: len({row["ypid"] for row in rows if row["kpi6SuccessfullyCompleted"] in those})
        for name, those in ways.items()
    }


def housed(extract: dict[str, Any], rows: Iterable[Row]) -> dict[str, int]:
    """Count the children of the population by how they lived when their programmes ended."""
    kinds = [*COLUMNS]
    rows = sorted(rows, key=lambda row: (row["outcomeDate"], row["endDate"]), reverse=True)
    population: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: kinds.index(row["disposalType"])):
        population.setdefault(row["ypid"], row)
    homes = defaultdict(list)
    for home in extract["residence"]:
        homes[home["ypid"]].append(home)
    found = dict.fromkeys(("suitable_at_end", "unsuitable_at_end", "not_recorded_at_end"), 0)
    for child, row in population.items():
        on = row["endDate"]
        said = [
            home["kpi1AccommodationSuitability"]
            for home in homes[child]
            if home["date"] <= on and (home["kpi1EndDate"] == "1900-01-01" or on <= home["kpi1EndDate"])
        ]
        verdict = "not_recorded" if not said else "unsuitable" if "UNSUITABLE" in said else "suitable"
        found[f"{verdict}_at_end"] += 1
    return {"children": len(population)} | found


@pytest.mark.parametrize("children", [150, pytest.param(2_000, marks=pytest.mark.nightly)])
def test_the_boards_inclusion_over_the_extract_gives_the_figures_again(children: int) -> None:
    """Given made-up children, when KPI 1, 6 and 10 are counted from the rows of the extract, then they are those of the pack."""
    extract, histories = extract_of(children)
    pack = measure_facts("pack", histories, *QUARTER)
    rows = ended(extract)
    counted = [row for row in rows if row["disposalType"] != "REPRIMAND"]
    assert len(counted) > children // 20
    kpi6 = pack["kpi6_yjb"]
    assert completions(counted) == {name: kpi6[name] for name in ("children", "completed", "not_completed")}
    assert completions([row for row in rows if row not in counted]) == kpi6["outcome_23"]
    assert {
        column: completions([row for row in counted if row["disposalType"] == kind]) for kind, column in COLUMNS.items()
    } == kpi6["columns"]
    found = housed(extract, rows)
    assert found == {name: pack["kpi1"][name] for name in found}

    offences = {row["offenceID"] for row in rows}
    links = {
        row["victimInterventionID"]: row["offenceID"]
        for row in extract["link_offence_victim_intervention"]
        if row["offenceID"] in offences
    }
    victims = [row for row in extract["victim_intervention"] if row["victimInterventionID"] in links]
    consenting = [row for row in victims if row["consentYJSContact"] == "Yes"]
    engaged = [row for row in consenting if row["engagedRJ"] == "Yes"]
    of_pack = pack["kpi10_yjb"]
    for name, those in (("victims", victims), ("consented_to_contact", consenting), ("engaged_and_consented", engaged)):
        assert len({row["victimID"] for row in those}) == of_pack[name], name


def test_an_extract_follows_its_schema_and_is_the_same_in_xml() -> None:
    """Given made-up children, then their extract is what the schema says, names no id of the system, and XML holds each row."""
    extract, histories = extract_of(60)
    assert list(Draft202012Validator(schema()).iter_errors(extract)) == []
    text = str(extract)
    assert not [history for history in histories if str(history[0].stream_id) in text]
    entities = {name: rows for name, rows in extract.items() if isinstance(rows, list)}
    assert all(entities.values()), [name for name, rows in entities.items() if not rows]
    root = fromstring(as_xml(extract))  # noqa: S314 - written here
    for name, rows in entities.items():
        written = [{field.tag: field.text for field in element} for element in root.iter(name)]
        said = [
            {
                field: None if value is None else str(value).lower() if value is True else str(value)
                for field, value in row.items()
            }
            for row in rows
        ]
        assert [*map(str.lower, map(str, written))] == [*map(str.lower, map(str, said))], name
