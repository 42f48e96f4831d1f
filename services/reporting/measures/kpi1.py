"""KPI 1: accommodation."""

from typing import Final

from services.reporting.measures.circumstances import POPULATION, codes_in_groups, measure_of

MEASURE: Final = measure_of(
    "accommodation",
    {"by_type": ("accommodation_types", codes_in_groups("accommodation", "accommodation_types"))},
    name="kpi1",
    version="1",
    definition=(
        "Children whose accommodation was suitable when their programme ended, of all whose programme ended in the period."
        + POPULATION
        + " By type, the verdict is the child's: it counts in each type in which it lived then."
    ),
    source="YJB key performance indicator 1, from 1 April 2023; KPI inclusion",
    columns={"by_type": "the children who lived so at the start and at the end (1b)"},
)
