"""KPI 1: accommodation."""

from typing import Final

from services.reporting.measures.circumstances import codes_in_groups, verdicts_of
from services.reporting.measures.definition import words_of

MEASURE: Final = verdicts_of(
    "accommodation",
    {"by_type": ("accommodation_types", codes_in_groups("accommodation", "accommodation_types"))},
    **words_of("kpi1"),
)
