"""KPI 2: education, training and employment."""

from collections.abc import Callable, Iterable
from typing import Final

from services.reporting.measures.circumstances import POPULATION, Then, codes_in_groups, measure_of
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


MEASURE: Final = measure_of(
    "provision",
    {
        "by_school_age": (SCHOOL_AGE, _school_age),
        "by_time_offered": (("full_time", "part_time"), _time_offered),
        "by_provision": ("provision_types", codes_in_groups("provision", "provision_types")),
        "hours_offered": ("ete_hours", _band("hours_offered")),
        "hours_attended": ("ete_hours", _band("hours_attended")),
    },
    name="kpi2",
    version="1",
    definition=(
        "Children whose education, training or employment was suitable when their programme ended, of all whose programme"
        " ended in the period."
        + POPULATION
        + " Hours are those of a week, of all records of a child together. Full-time is 25 hours or more at school age, and 16"
        " or more above. Not followed, as faults of the public SQL: at the start no hours count as part-time, and unsuitable above"
        " school age asks the end."
    ),
    source="YJB key performance indicator 2, from 1 April 2023; KPI inclusion",
    columns={
        "by_school_age": "the children of compulsory school age and above, at the start and at the end (2b)",
        "by_time_offered": "the children who were offered full time or part time (2c)",
        "by_provision": "the children in each provision then (2d)",
        "hours_offered": "the children by the hours that they were offered (2e)",
        "hours_attended": "the children by the hours that they attended (2e)",
    },
)
