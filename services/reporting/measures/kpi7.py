"""KPI 7: wider services."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from services.reporting.measures.circumstances import Standing, by_order, measure_of
from services.reporting.measures.definition import Dataset, words_of
from services.reporting.measures.period import Period


def _with_any(when: str, codes: set[str], rows: Sequence[Standing]) -> int:
    return sum(any(item.care_status in codes for item in row.at[when].items) for row in rows)


def _count(services: Mapping[str, Sequence[str]], rows: Sequence[Standing]) -> dict[str, int]:
    codes = set[str]().union(*services.values())
    referrals = [
        (row.summary.subject, item.since < row.programme.starts_on)
        for row in rows
        for item in row.items
        if item.care_status == "EARLY_HELP_REFERRAL" and item.since <= row.programme.ended_on
    ]
    return {
        "children": len(rows),
        "with_a_service": _with_any("during", codes, rows),
        "with_a_service_at_start": _with_any("start", codes, rows),
        "with_a_service_at_end": _with_any("end", codes, rows),
        "referred_before_start": len({child for child, before in referrals if before}),
        "referred_from_start": len({child for child, before in referrals if not before}),
    }


def _aggregate(rows: Sequence[Standing], dataset: Dataset, period: Period) -> dict[str, Any]:
    """Count who had one of the services in the programme, and who was referred to Early Help; also by service, and by order."""
    services = dataset.policy.on(period.last).table("wider_services")
    count = partial(_count, services)
    return {
        **count(rows),
        "by_service": {
            when: {name: _with_any(when, set(codes), rows) for name, codes in services.items()}
            for when in ("start", "during")
        },
        "by_order": by_order(count, rows),
    }


MEASURE: Final = measure_of("care_status", _aggregate, **words_of("kpi7"))
