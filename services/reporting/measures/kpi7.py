"""KPI 7: wider services."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any, Final

from services.reporting.measures.circumstances import Standing, by_order, measure_of
from services.reporting.measures.definition import Dataset, words_of
from services.reporting.measures.period import Period

REFERRAL: Final = "EARLY_HELP_REFERRAL"
Services = Mapping[str, Sequence[str]]
"""The codes of each service."""


def _during(row: Standing) -> set[str | None]:
    days = row.programme.starts_on, row.programme.ended_on
    return {item.care_status for item in row.items if item.stands(*days)}


def _then(moment: str, row: Standing) -> set[str | None]:
    return {item.care_status for item in row.at[moment].items}


def _referred_on(row: Standing) -> list[date]:
    return [item.since for item in row.items if item.care_status == REFERRAL]


def _count(services: Services, rows: Sequence[Standing]) -> dict[str, int]:
    codes = {code for of_service in services.values() for code in of_service}
    referred = [(on, row.programme) for row in rows for on in _referred_on(row)]
    return {
        "children": len(rows),
        "with_a_service": sum(bool(_during(row) & codes) for row in rows),
        "with_a_service_at_start": sum(bool(_then("start", row) & codes) for row in rows),
        "with_a_service_at_end": sum(bool(_then("end", row) & codes) for row in rows),
        "referred_before_start": len({one.summary.subject for on, one in referred if on < one.starts_on}),
        "referred_from_start": len(
            {one.summary.subject for on, one in referred if one.starts_on <= on <= one.ended_on}
        ),
    }


def _by_service(services: Services, had: Sequence[set[str | None]]) -> dict[str, int]:
    return {name: sum(not codes.isdisjoint(members) for codes in had) for name, members in services.items()}


def _aggregate(rows: Sequence[Standing], dataset: Dataset, period: Period) -> dict[str, Any]:
    """Count who had one of the services in the programme, and who was referred to Early Help; also by service, and by order."""
    services: Services = dataset.policy.on(period.last).table("wider_services")
    count = partial(_count, services)
    return {
        **count(rows),
        "by_service": {
            "start": _by_service(services, [_then("start", row) for row in rows]),
            "during": _by_service(services, [_during(row) for row in rows]),
        },
        "by_order": by_order(count, rows),
    }


MEASURE: Final = measure_of("care_status", _aggregate, **words_of("kpi7"))
