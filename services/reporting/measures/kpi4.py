"""KPI 4: mental health."""

from typing import Final

from services.reporting.measures.definition import words_of
from services.reporting.measures.needs import needs_of

MEASURE: Final = needs_of("MENTAL_HEALTH", **words_of("kpi4"))
