"""Policy is data: each value that the measures compare with, changed, moves an answer, and nothing else had to change."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import uuid4

import pytest

from services.disposal.summary import SealedTexts
from services.referral.summary import ReferralSummary
from services.reporting.measures import MEASURES, Dataset, answer
from services.reporting.measures.period import BadQuestion, Period
from services.reporting.measures.policy import POLICY
from services.reporting.queries.publication import require_publishable
from services.reporting.returns.extract import rows_of
from services.trade.summary import Summary
from services.trade.vocabulary import OffenceCategory
from shared.domain.policy import PolicyBook
from tests.policy_books import with_entry
from tests.unit.reporting.summaries_of import case, day, lives, programme

Q4: Final = Period(date(2026, 1, 1), date(2026, 3, 31))

SINCE: Final = date(2025, 2, 2)
"""The day of the changed entry: before every story, after every entry that the file holds."""

Asked = Callable[[PolicyBook], Any]


@dataclass(frozen=True)
class Moved:
    """A value, what it becomes, and what is asked with the old value and with the new one."""

    becomes: Any
    observe: Asked


def counts(measure: str, *summaries: Summary) -> Asked:
    return lambda policy: answer(MEASURES[measure], Dataset(summaries, policy=policy), Q4, {})


# --- who is counted -----------------------------------------------------------------------------

CHILD: Final = uuid4()
TWICE: Final = (case(code="21", child=CHILD, intervened=True), case("YCC", ended="2026-03-01", child=CHILD))
PROGRAMME: Final = case("YC", programme=programme("youth_caution", age=15))
SCHOOL: Final = {"provision": "MAINSTREAM_SCHOOL", "hours_offered": Decimal(20), "hours_attended": Decimal(20)}
TAUGHT: Final = case("YC", programme=programme("youth_caution"), school_age_until=day("2025-06-27"))
PUPIL: Final = (TAUGHT, lives(TAUGHT, SCHOOL, {"accommodation": "OTHER"}))
ADVICE: Final = {"mental_health_intervention": "GETTING_ADVICE", "offered_on": day("2026-01-02")}
ADVISED: Final = (PROGRAMME, lives(PROGRAMME, {"kind": "MENTAL_HEALTH", "screened_on": day("2020-01-02"), **ADVICE}))
ROBBERY: Final = case("YCC", category=OffenceCategory.ROBBERY, yjb_score=5, age=15)


# --- how long it took ---------------------------------------------------------------------------

TRIAGED: Final = ReferralSummary(
    stream=uuid4(), home=uuid4(), reported_on=day("2026-01-09"), triaged_on=day("2026-01-13")
)
ASSESSED: Final = case(assessment_asked_on=day("2026-01-05"), assessed_on=day("2026-01-19"))
GIVEN: Final = case("YCC", "2026-02-03", offence_on="2025-12-20")
COMPLETED: Final = case("YCC", "2025-10-20", ended="2026-02-09")


# --- ethnic groups ------------------------------------------------------------------------------

POPULATION: Final = {"WHITE": 60_000, "BLACK": 1_000}


def groups(**counted: int) -> Asked:
    """Disproportionality, where so many children were recorded in these words; the population is loaded."""
    words = {SealedTexts(event_id=uuid4(), token=f"s1:{text}"): text for text, n in counted.items() for _ in range(n)}
    cases = [case("YCC", ethnicity=sealed) for sealed in words]

    def observe(policy: PolicyBook) -> Any:
        if not policy.on(Q4.last).table("population_10_17"):
            policy = with_entry(policy, "population_10_17", date(2020, 1, 1), POPULATION)
        return answer(MEASURES["disproportionality"], Dataset(cases, ethnicities=words, policy=policy), Q4, {})

    return observe


def published_by(on: date) -> Asked:
    """Whether a measure of a protected characteristic is published by a day."""

    def observe(policy: PolicyBook) -> bool:
        try:
            require_publishable(MEASURES["disproportionality"], Q4, {}, on, policy)
        except BadQuestion:
            return False
        return True

    return observe


def disposal_types(policy: PolicyBook) -> Any:
    """Return the kinds of disposal in the extract of a programme."""
    return [
        row["disposalType"]
        for row in rows_of([PROGRAMME], Dataset([PROGRAMME], policy=policy), Q4)["intervention_programme"]
    ]


ENOUGH: Final = groups(white=5, black=5, asian=5)

TABLE: Final = {
    "child_age_from": Moved(16, counts("kpi6", case("YCC", ended="2026-02-01", age=15))),
    "child_age_to": Moved(14, counts("fte", case("YC", age=15))),
    "seriousness": Moved(["outcome_20_21", "youth_conditional_caution"], counts("kpi6", *TWICE)),
    "serious_violence_categories": Moved(["DRUGS"], counts("kpi9", ROBBERY)),
    "serious_violence_score": Moved(6, counts("kpi9", ROBBERY)),
    "serious_violence_disposals": Moved(["YC"], counts("kpi9", ROBBERY)),
    "board_sectors": Moved(["POLICE"], counts("kpi8")),
    "board_codes": Moved(
        {"youth_caution": dict.fromkeys(("disposalType", "legalOutcome", "legalOutcomeGroup"), "X")}, disposal_types
    ),
    "board_attendance": Moved({"2025-26-Q4": {"seniors": ["POLICE"]}}, counts("kpi8")),
    "age_bands": Moved({"10-14": [10, 14], "15-17": [15, 17]}, counts("kpi9", ROBBERY)),
    "programme_age_bands": Moved({"10-15": [10, 15], "16-17": [16, 17]}, counts("kpi6_yjb", PROGRAMME)),
    "accommodation_types": Moved({"other": []}, counts("kpi1", *PUPIL)),
    "provision_types": Moved({"school": []}, counts("kpi2", *PUPIL)),
    "full_time_hours": Moved({"above_school_age": 21}, counts("kpi2", *PUPIL)),
    "ete_hours": Moved({"1-20": 1, "21-24": 21, "25-or-more": 25}, counts("kpi2", *PUPIL)),
    "wider_services": Moved(
        {"looked_after": []}, counts("kpi7", PROGRAMME, lives(PROGRAMME, {"care_status": "LOOKED_AFTER"}))
    ),
    "intervention_types": Moved({"MENTAL_HEALTH": ["GETTING_HELP"]}, counts("kpi4", *ADVISED)),
    "first_time_entrant_disposals": Moved(["YCC"], counts("fte", case("YC"))),
    "reoffending_proofs": Moved(["YCC"], counts("reoffending", case("YC"))),
    "reoffending_months": Moved({"offence": 12, "proof": 24}, counts("reoffending")),
    "targets": Moved({"kpi1": 90}, counts("pack")),
    "report_to_triage_working_days": Moved(1, counts("timeliness", TRIAGED)),
    "referral_to_assessment_working_days": Moved(9, counts("timeliness", ASSESSED)),
    "offence_to_disposal_working_days": Moved(28, counts("timeliness", GIVEN)),
    "issue_to_completion_weeks": Moved(15, counts("timeliness", COMPLETED)),
    "settled_after": Moved(90, published_by(Q4.last + timedelta(days=29))),
    "suppress_below": Moved(6, ENOUGH),
    "ethnic_groups": Moved([["white", "BLACK"]], ENOUGH),
    "reference_group": Moved("BLACK", ENOUGH),
    "children_10_17": Moved(50_000, counts("fte_yjb", case("YC"))),
    "population_10_17": Moved({"WHITE": 30_000}, ENOUGH),
}


@pytest.mark.parametrize("name", sorted(POLICY.terms))
def test_a_changed_value_moves_a_measure(name: str) -> None:
    """Given records, when one value of policy is another from a day before them, then a measure answers otherwise."""
    moved = TABLE[name]
    assert moved.observe(POLICY) != moved.observe(with_entry(POLICY, name, SINCE, moved.becomes))


@pytest.mark.parametrize("name", sorted(POLICY.terms))
def test_a_later_value_leaves_a_return_that_was_made(name: str) -> None:
    """Given records, when a value changes only after the period, then the return of the period is as it was."""
    moved = TABLE[name]
    after = Q4.last + timedelta(days=1)
    assert moved.observe(POLICY) == moved.observe(with_entry(POLICY, name, after, moved.becomes))


def test_no_value_is_left_out() -> None:
    """Given the file of policy, when its values are listed, then each has its story here, and no other has."""
    assert set(TABLE) == set(POLICY.terms)
