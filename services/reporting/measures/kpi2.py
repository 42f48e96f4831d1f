"""KPI 2: education, training and employment."""

from collections.abc import Callable, Iterable
from typing import Final

from services.reporting.measures.circumstances import Then, codes_in_groups, verdicts_of
from services.reporting.measures.definition import words_of
from shared.domain.policy import Policy

SCHOOL_AGE: Final = ("school_age", "above_school_age", "not_known")


def _school_age(then: Then, _policy: Policy) -> Iterable[str]:
    until = then.child.school_age_until
    return (SCHOOL_AGE[2] if until is None else SCHOOL_AGE[then.on > until],)


def _hours(then: Then, field: str) -> float:
    return sum(float(getattr(item, field) or 0) for item in then.items)


def _time_offered(then: Then, policy: Policy) -> Iterable[str]:
    """Without hours, or while it is not known whether the child is of school age, it is neither."""
    hours, (age,) = _hours(then, "hours_offered"), _school_age(then, policy)
    full = policy.table("full_time_hours").get(age)
    return () if full is None or not hours else ("full_time" if hours >= full else "part_time",)


def _band(field: str) -> Callable[[Then, Policy], Iterable[str]]:
    def labels(then: Then, policy: Policy) -> Iterable[str]:
        hours = _hours(then, field)
        return [band for band, least in policy.table("ete_hours").items() if hours >= least][-1:]

    return labels


MEASURE: Final = verdicts_of(
    "provision",
    {
        "by_school_age": (SCHOOL_AGE, _school_age),
        "by_time_offered": (("full_time", "part_time"), _time_offered),
        "by_provision": ("provision_types", codes_in_groups("provision", "provision_types")),
        "hours_offered": ("ete_hours", _band("hours_offered")),
        "hours_attended": ("ete_hours", _band("hours_attended")),
    },
    **words_of("kpi2"),
)
