"""KPI 5: substances."""

from typing import Final

from services.reporting.measures.definition import words_of
from services.reporting.measures.needs import needs_of

MEASURE: Final = needs_of("SUBSTANCES", **words_of("kpi5"))
