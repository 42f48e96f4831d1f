"""What each measure counts, told on records: no database, no events."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

import pytest

from services.disposal.domain.state import FailedDiversion
from services.disposal.summary import DeferralSummary, SealedTexts
from services.education.summary import SessionSummary
from services.people.events import Accommodation, CareStatus, Provision
from services.referral.summary import Advice, CrimeOutcome, ReferralSummary
from services.reporting.measures import MEASURES, Dataset, answer
from services.reporting.measures.disproportionality import group_of
from services.reporting.measures.period import BadQuestion, Period, quarter, quarter_of, year_of
from services.reporting.measures.policy import POLICY
from services.reporting.measures.programmes import population
from services.reporting.queries.cells import records_in_cell
from services.reporting.queries.csv_export import as_csv
from services.trade.summary import LapsedDuty
from services.trade.vocabulary import OffenceCategory, OutcomeCode, SessionKind, Topic
from shared.domain.messages import ValueObject
from shared.domain.policy import NoPolicy
from tests.in_memory_reporting import measure_facts
from tests.policy_books import with_entry
from tests.unit.reporting.summaries_of import case, conference, day, lives, programme, victim

Q4 = Period(date(2026, 1, 1), date(2026, 3, 31))


def ask(name: str, *summaries: Any, period: Period = Q4, group_by: str | None = None, **more: Any) -> dict[str, Any]:
    return answer(MEASURES[name], Dataset(summaries, **more), period, {"disposal": 7}, group_by)


def kpi6(*summaries: Any) -> dict[str, tuple[int, int, int]]:
    columns = ask("kpi6", *summaries)["columns"]
    return {
        name: (found["ended"], found["completed"], found["not_completed"])
        for name, found in columns.items()
        if found["ended"]
    }


def test_an_answer_says_what_it_is() -> None:
    """Given any measure, when it is answered, then name, period, version and positions stand beside the columns."""
    for name in MEASURES:
        answered = ask(name)
        assert {"measure", "from", "to", "definition_version", "positions"} < set(answered)
        assert (answered["measure"], answered["from"], answered["positions"]) == (name, "2026-01-01", {"disposal": 7})
        unsaid = {key for key, value in answered.items() if isinstance(value, int | float)} - set(
            MEASURES[name].columns
        )
        assert not unsaid, f"services/reporting/measures: say in `columns` of {name} what {sorted(unsaid)} counts"


def test_every_measure_has_a_test() -> None:
    """A measure that no test asks by its name may count anything."""
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    untested = [name for name in MEASURES if f'"{name}"' not in tests]
    assert not untested, f"tests/unit/reporting/test_measures.py: say what {untested} count"


@pytest.mark.parametrize(
    ("disposal", "column"), [("YRD", "community_resolution"), ("YCC", "youth_conditional_caution")]
)
def test_an_intervention_counts_where_it_ended(disposal: str, column: str) -> None:
    """Given disposals, when one ended in the quarter and others before or not at all, then that one counts."""
    found = kpi6(
        case(disposal, "2025-11-01", ended="2026-01-01"),
        case(disposal, "2025-11-01", ended="2026-03-31", completed=False),
        case(disposal, "2025-11-01", ended="2025-12-31"),
        case(disposal, "2026-01-05"),
    )
    assert found == {column: (2, 1, 1)}


def test_a_youth_caution_ends_when_it_is_given() -> None:
    """Given a youth caution, when nothing more is recorded, then it ended, completed, on the day of giving."""
    assert kpi6(case("YC", "2026-01-10", intervened=True)) == {"youth_caution": (1, 1, 0)}
    assert kpi6(case("YC", "2025-12-31", intervened=True)) == {}
    left = case("YC", "2025-12-31", ended="2026-02-01", completed=False, intervened=True)
    assert kpi6(left) == {"youth_caution": (1, 0, 1)}


@pytest.mark.parametrize("what", [{"disposal": "YC"}, {"code": "20"}, {"code": "21"}])
def test_what_the_youth_justice_service_had_no_part_in_is_no_line(what: dict[str, Any]) -> None:
    """Given a youth caution or outcome 20 or 21, when neither programme nor activity is recorded, then KPI 6 has no line."""
    assert kpi6(case(**what)) == {}
    assert len(kpi6(case(**what, intervened=True))) == 1


def test_a_diversion_ends_on_the_day_of_its_code() -> None:
    """Given diversions, when 22 or 21 is assigned, or the child leaves before, then each counts in its column."""
    assert kpi6(case(code="22")) == {"outcome_22": (1, 1, 0)}
    assert kpi6(case(code="22", code_on="2026-04-01")) == {}
    assert kpi6(case(code="21", intervened=True)) == {"outcome_20_21": (1, 1, 0)}
    assert kpi6(case(code="20", intervened=True)) == {"outcome_20_21": (1, 1, 0)}
    assert kpi6(case(ended="2026-02-01", completed=False)) == {"outcome_22": (1, 0, 1)}
    assert kpi6(case(ended="2026-02-01", completed=False, code="22", code_on="2026-04-01")) == {"outcome_22": (1, 0, 1)}
    assert kpi6(case(ended="2026-02-01", completed=False, code="10")) == {"outcome_22": (1, 0, 1)}
    assert kpi6(case(code="1")) == kpi6(case()) == {}


def test_a_deferred_prosecution_has_a_column_of_its_own() -> None:
    """Given deferrals, when one was completed, one failed and one runs, then the first two count, by the day of their end."""
    deferral = DeferralSummary(on=day("2026-02-16"), age=15)
    assert kpi6(case(deferred=deferral, ended="2026-03-31", code="23")) == {"outcome_22_deferred": (1, 1, 0)}
    failed = case(deferred=deferral, ended="2026-03-31", completed=False, code="1")
    assert kpi6(failed) == {"outcome_22_deferred": (1, 0, 1)}
    assert kpi6(case(deferred=deferral, ended="2026-04-01")) == kpi6(case(deferred=deferral)) == {}


def test_only_children_of_ten_to_seventeen_at_the_start_count() -> None:
    """Given ages at the start, when it is 9 or 18, then the row is left out; the age at the decision starts a diversion."""
    ages = {age: kpi6(case("YCC", ended="2026-02-01", age=age)) for age in (9, 10, 17, 18)}
    assert [age for age, found in ages.items() if found] == [10, 17]
    assert kpi6(case(code="22", age=17, decided_age=18)) == {}
    assert kpi6(case(deferred=DeferralSummary(on=day("2026-01-05"), age=18), ended="2026-02-01", age=17)) == {}


def test_a_child_and_offence_count_once_the_most_serious_first() -> None:
    """Given outcome 21 and then a caution for the same offence, when both ended in the quarter, then the caution counts."""
    child = uuid4()
    both = (case(code="21", child=child, intervened=True), case("YCC", ended="2026-03-01", child=child))
    assert kpi6(*both) == kpi6(*reversed(both)) == {"youth_conditional_caution": (1, 1, 0)}
    other = case(code="21", child=child, offence_on="2025-12-21", intervened=True)
    assert kpi6(*both, other) == {"youth_conditional_caution": (1, 1, 0), "outcome_20_21": (1, 1, 0)}


def test_the_board_counts_programmes_that_ended_and_children_once() -> None:
    """Given programmes, when one ended in the quarter of a child of the area and the age, then it counts, and the child once."""
    child = uuid4()
    found = ask(
        "kpi6_yjb",
        case("YC", child=child, programme=programme("youth_caution", completed=False)),
        case("YCC", child=child, programme=programme("youth_conditional_caution")),
        case("YC", programme=programme("youth_caution", completed=None, age=10)),
        case("YC", programme=programme("youth_caution"), lived_here=False),
        case("YC", programme=programme("youth_caution", age=18)),
        case("YC", programme=programme("youth_caution", ended=None)),
        case("YC", programme=programme("youth_caution", ended="2026-04-01")),
        case("YC", programme=programme("youth_caution"), taken_back_on=day("2026-03-20")),
        case("YC"),
    )
    assert [found[name] for name in ("children", "completed", "not_completed")] == [2, 1, 1]
    assert (found["programmes"], found["programmes_completed"]) == (3, 1)
    assert found["columns"]["youth_caution"] == {"children": 2, "completed": 0, "not_completed": 1}
    assert found["by_age"]["10-14"] == {"children": 1, "completed": 0, "not_completed": 0}


def test_a_diversion_that_failed_is_a_programme_beside_the_next() -> None:
    """Given a diversion that failed and a caution after it, when the board's count is asked, then both ended programmes are there."""
    failed = FailedDiversion(day("2026-02-01"), 15, day("2026-01-05"))
    found = ask("kpi6_yjb", case("YC", failed_diversion=failed, programme=programme("youth_caution")))
    assert (found["children"], found["programmes"], found["columns"]["outcome_22"]["not_completed"]) == (1, 2, 1)


def test_a_deferred_prosecution_counts_beside_the_kinds_of_the_board() -> None:
    """Given a deferral that was completed, when the board's count is asked, then it is outcome 23, and none of the figures before."""
    found = ask("kpi6_yjb", case(programme=programme("outcome_22_deferred")))
    assert found["outcome_23"] == {"children": 1, "completed": 1, "not_completed": 0}
    assert (found["children"], found["programmes"], found["by_age"]["15-17"]["children"]) == (0, 0, 0)


def test_resolutions_count_by_kind_gravity_and_what_came_before() -> None:
    """Given what was resolved in the quarter, then it counts by kind and gravity; an earlier caution here counts like a recorded one."""
    child, harmed = uuid4(), (victim(),)
    found = ask(
        "resolutions",
        case("YC", "2025-11-03", child=child),
        case("YCC", child=child, gravity=3, victims=harmed, ended="2026-03-01"),
        case("YRD", gravity=2, ended="2026-02-02", completed=False, prior_cautions=1),
        case(deferred=DeferralSummary(on=day("2026-02-16"), age=15), prior_cautions=0),
        case(code="22", code_on="2026-03-31"),
        case("YC", taken_back_on=day("2026-02-02")),
        case(code="1"),
    )
    columns = found["columns"]
    found = columns.pop("all")
    totals = {"resolutions": 4, "children": 4, "with_a_victim": 1, "completed": 1, "not_completed": 1}
    assert {name: found[name] for name in totals} == totals
    assert (found["after_a_caution_or_conviction"], found["earlier_record_unknown"]) == (2, 1)
    assert {kind: of["resolutions"] for kind, of in columns.items()} == {
        "community_resolution": 1,
        "outcome_22": 1,
        "outcome_22_deferred": 1,
        "outcome_20_21": 0,
        "youth_caution": 0,
        "youth_conditional_caution": 1,
    }
    assert [found[f"gravity_{score}"] for score in (1, 2, 3, 4, 5, "unknown")] == [0, 1, 1, 0, 0, 2]
    assert columns["youth_conditional_caution"]["gravity_3"] == 1


def test_the_population_has_one_row_for_each_child() -> None:
    """Given programmes of one child, then the most serious is the row, and of two of a kind that of the later outcome."""
    child = uuid4()
    rows = [
        case("YRD", child=child, programme=programme("community_resolution", "2026-03-31")),
        case("YC", child=child, code="3", code_on="2026-01-12", programme=programme("youth_caution", "2026-03-30")),
        case("YC", child=child, code="3", code_on="2026-01-20", programme=programme("youth_caution")),
    ]
    assert [row.summary for row in population(Dataset(rows), Q4)] == [rows[2]]
    assert [row.summary for row in population(Dataset(rows[:2]), Q4)] == [rows[1]]


def test_accommodation_is_that_of_the_first_and_the_last_day() -> None:
    """Given intervals at the edges of a programme, then each counts until its last day, and one without a verdict spoils the others."""
    ends, begins = {"since": day("2019-01-01"), "until": day("2026-01-01")}, {"since": day("2026-03-01")}
    cases = [case("YC", programme=programme("youth_caution")) for _ in range(4)]
    first, last, both, none = cases
    found = ask(
        "kpi1",
        *cases,
        lives(first, {"accommodation": "OTHER", **ends}),
        lives(last, {"accommodation": "OTHER", **begins}, {"accommodation": "OTHER", "until": day("2026-02-28")}),
        lives(both, {"accommodation": "AT_HOME"}),
        lives(both, {"accommodation": "FOSTER_CARE_LA", "suitable": False, **begins}, person=uuid4()),
        lives(none, {"provision": "COLLEGE"}),
    )
    counted = {name: value for name, value in found.items() if name.endswith(("_start", "_end"))}
    assert found["children"] == 4
    assert counted == {
        "suitable_at_start": 3,
        "unsuitable_at_start": 0,
        "not_recorded_at_start": 1,
        "suitable_at_end": 1,
        "unsuitable_at_end": 1,
        "not_recorded_at_end": 2,
    }
    assert found["by_type"]["end"]["parents"] == found["by_type"]["end"]["foster_care"]
    assert found["by_type"]["end"]["parents"] == {"children": 1, "suitable": 0, "unsuitable": 1}


def test_a_pack_is_what_each_of_its_measures_answers() -> None:
    """Given children of several measures, then the pack has the answer of each, its version, and the records of each."""
    one, other = case("YCC", programme=programme("youth_conditional_caution")), case("YC")
    records = (one, other, lives(one, {"accommodation": "AT_HOME"}))
    pack = ask("pack", *records)
    assert pack["kpi1"]["suitable_at_end"] == 1
    for name in ("kpi1", "kpi6_yjb", "kpi9_yjb", "fte_yjb", "outcomes"):
        alone = ask(name, *records) | {"target": None}
        assert pack[name] == {key: alone[key] for key in pack[name]}
    assert records_in_cell(MEASURES["pack"], Dataset(records), Q4, "kpi1.children") == (1, [("disposal", one.stream)])


def test_what_is_missing_is_counted_by_item_and_by_officer() -> None:
    """Given an ended programme of which nobody has said where the child lived at its end, then the officer of the case has this gap."""
    officer, other = uuid4(), uuid4()
    full: dict[str, Any] = {"school_age_until": day("2027-06-25"), "prior_cautions": 0}
    one = case("YC", programme=programme("youth_caution"), officer=officer, **full)
    violent = case("YC", category=OffenceCategory.VIOLENCE, officer=other, **full)
    said: list[dict[str, Any]] = [
        {"provision": "COLLEGE"},
        {"identified": False},
        {"accommodation": "AT_HOME", "until": day("2026-02-01")},
    ]
    found = ask("gaps", one, violent, lives(one, *said))
    assert found["missing"] == 2
    assert found["by_officer"] == {str(officer): {"accommodation_at_end": 1}, str(other): {"seriousness": 1}}
    everything = ask("gaps", case("YC", programme=programme("youth_caution", completed=None)))["by_item"]
    assert {item for item, missing in everything.items() if not missing} == {"seriousness"}
    assert records_in_cell(MEASURES["gaps"], Dataset([violent]), Q4, "by_item.seriousness")[1] == [
        ("disposal", violent.stream)
    ]


def test_hours_are_those_of_all_provisions_and_weighed_by_school_age() -> None:
    """Given two provisions of 8 and 9 hours, then a child above school age is full-time, one of it part-time, and one not known neither."""
    ages = (day("2026-03-01"), day("2026-02-28"), None)
    cases = [case("YC", programme=programme("youth_caution"), school_age_until=until) for until in ages]
    items = [
        {"provision": "COLLEGE", "hours_offered": Decimal(8)},
        {"provision": "EMPLOYMENT", "hours_offered": Decimal(9)},
    ]
    found = ask("kpi2", *cases, *(lives(one, *items) for one in cases))
    at_end = {label: n["children"] for label, n in found["by_time_offered"]["end"].items()}
    assert at_end == {"full_time": 1, "part_time": 1}
    assert [n["children"] for n in found["by_school_age"]["end"].values()] == [1, 1, 1]
    assert [n["children"] for n in found["hours_offered"]["end"].values()] == [0, 3, 0]
    assert not any(n["children"] for n in found["hours_attended"]["end"].values())


def test_a_plan_counts_with_its_need_on_the_last_day() -> None:
    """Given needs that ended before, began after or stand on the last day, then the last counts, with a plan of its own alone."""
    last = day("2026-03-01")
    cases = [case("YC", programme=programme("youth_caution")) for _ in range(4)]
    ended, begun, both, apart = cases
    found = ask(
        "kpi3",
        *cases,
        lives(ended, {"identified": True, "formal_plan": True, "until": day("2026-02-28")}),
        lives(begun, {"identified": True, "formal_plan": True, "since": day("2026-03-02")}),
        lives(both, {"identified": True, "formal_plan": True, "since": last, "until": last}, {"provision": "COLLEGE"}),
        lives(apart, {"identified": True}, {"identified": False, "formal_plan": True}),
    )
    assert [found[name] for name in ("children", "identified", "with_formal_plan")] == [4, 2, 1]
    assert found["by_ete"]["suitable"] == {"children": 1, "identified": 1, "with_formal_plan": 1}


@pytest.mark.parametrize(
    ("name", "offer"),
    [
        ("kpi4", {"kind": "MENTAL_HEALTH", "mental_health_intervention": "GETTING_HELP"}),
        ("kpi5", {"kind": "SUBSTANCES", "substances_intervention": "COMPLEX_CARE"}),
    ],
)
def test_a_need_is_screened_by_the_end_or_in_treatment_at_the_start(name: str, offer: dict[str, Any]) -> None:
    """Given days at the edges of a programme, then screening counts by its end, treatment on its first day, and offers within."""
    before, first, last, after = map(day, ("2025-12-31", "2026-01-01", "2026-03-01", "2026-03-02"))
    said: list[dict[str, Any]] = [
        {"screened_on": last, "offered_on": last, "attended_from": last},
        {"screened_on": before, "offered_on": first, "attended_from": after},
        {"screened_on": after, "offered_on": last},
        {"screened_on": first, "offered_on": after},
        {"attended_from": before, "attended_until": first},
        {"attended_from": first, "attended_until": first, "until": before},
        {"attended_from": before, "attended_until": before},
        {"kind": "CARE", "screened_on": first, "offered_on": first},
    ]
    cases = [case("YC", programme=programme("youth_caution")) for _ in said]
    found = ask(name, *cases, *(lives(one, {**offer, **days}) for one, days in zip(cases, said, strict=True)))
    counted = {key: value for key, value in found.items() if isinstance(value, int)}
    assert counted == {"children": 8, "need": 5, "in_treatment_at_start": 2, "offered": 2, "offered_or_in_treatment": 4}
    (type_,) = {*offer.values()} - {offer["kind"]}
    assert found["by_type"][type_] == {"offered": 2, "attended": 1, "not_attended": 1}
    assert found["by_order"]["youth_caution"] == counted


def test_a_wider_service_counts_on_any_day_of_the_programme() -> None:
    """Given statuses at the edges of a programme, then each counts at the start, in it or at its end, and a child once in each."""
    first, last = day("2026-01-01"), day("2026-03-01")
    cases = [case("YC", programme=programme("youth_caution")) for _ in range(4)]
    two, within, referred, after = cases
    found = ask(
        "kpi7",
        *cases,
        lives(two, {"care_status": "LOOKED_AFTER", "until": first}, {"care_status": "CHILD_IN_NEED", "since": last}),
        lives(within, {"care_status": "EARLY_HELP_PLAN", "since": day("2026-02-01"), "until": day("2026-02-01")}),
        lives(referred, *({"care_status": "EARLY_HELP_REFERRAL", "since": on} for on in (day("2025-12-31"), last))),
        lives(after, *({"care_status": one, "since": day("2026-03-02")} for one in get_args(CareStatus))),
    )
    counted = [found[name] for name in ("with_a_service", "with_a_service_at_start", "with_a_service_at_end")]
    assert (counted, found["referred_before_start"], found["referred_from_start"]) == ([2, 1, 1], 1, 1)
    assert found["by_service"]["start"]["looked_after"] == found["by_service"]["during"]["early_help_plan"] == 1
    assert found["by_service"]["start"]["child_in_need"] == 0


@pytest.mark.parametrize(("name", "codes"), [("accommodation_types", Accommodation), ("provision_types", Provision)])
def test_each_code_counts_in_one_group(name: str, codes: Any) -> None:
    """Given a code of a circumstance, then one type or provision of the returns has it."""
    grouped = [code for group in POLICY.on(Q4.last).table(name).values() for code in group]
    assert sorted(grouped) == sorted(get_args(codes))


def test_a_crime_has_one_outcome_and_each_suspect_another() -> None:
    """Given a referral with two outcomes, and disposals with and without a referral, then only the latter is a crime of its own."""
    first, second = (
        CrimeOutcome(code=OutcomeCode(code), on=day(on)) for code, on in (("8", "2026-01-05"), ("15", "2026-03-31"))
    )
    referral = ReferralSummary(
        stream=uuid4(), home=uuid4(), reported_on=day("2026-01-02"), outcome=first, outcomes=(first, second)
    )
    carried, alone = case("YRD", code="8", referral_id=referral.stream), case(code="15", code_on="2026-01-31")
    annulled = case("YC", code="3", taken_back_on=day("2026-03-01"))
    found = ask("outcomes", referral, carried, alone, annulled, case(code="15", code_on="2026-04-01"))
    assert (found["crimes"], found["suspects"]) == (2, 3)
    assert found["by_quarter"] == {"2025-26-Q4": {"crimes": 2, "suspects": 3}}
    assert found["by_code"]["15"] == {"crimes": 1, "suspects": 2}
    assert found["by_code"]["3"] == {"crimes": 0, "suspects": 0}


def test_serious_violence_needs_category_score_and_a_caution() -> None:
    """Given cautions, when category, YJB score, kind or day is another, then KPI 9 leaves them out."""
    robbery = OffenceCategory.ROBBERY
    found = ask(
        "kpi9",
        case("YCC", category=robbery, yjb_score=5, age=15),
        case("YC", category=OffenceCategory.VIOLENCE, yjb_score=6, age=16),
        case("YCC", category=robbery, yjb_score=4),
        case("YCC", category=robbery),
        case("YRD", category=robbery, yjb_score=5),
        case("YCC", category=OffenceCategory.THEFT, yjb_score=8),
        case("YCC", "2026-04-01", category=robbery, yjb_score=5),
    )
    assert found["cases"] == 2
    assert found["by_category"] == {"DRUGS": 0, "ROBBERY": 1, "VIOLENCE": 1}
    assert found["by_age"] == {"10-15": 1, "16-17": 1}


def test_the_board_counts_serious_offences_of_children_once_and_their_rate() -> None:
    """Given cautions, when age, kind or score is another, or it is the same offence, then the board counts a child and offence once."""
    child, crime, robbery = uuid4(), uuid4(), OffenceCategory.ROBBERY
    population = with_entry(POLICY, "children_10_17", date(2020, 1, 1), 40_000)
    found = ask(
        "kpi9_yjb",
        case("YCC", category=robbery, yjb_score=5, age=15, child=child, referral_id=crime),
        case("YC", category=robbery, yjb_score=5, age=15, child=child, referral_id=crime),
        case("YCC", category=robbery, yjb_score=8, age=15, child=child),
        case("YC", category=OffenceCategory.DRUGS, yjb_score=6, age=17, lived_here=False),
        case("YC", category=OffenceCategory.DRUGS, yjb_score=6, age=18),
        case("YC", category=OffenceCategory.DRUGS, yjb_score=4),
        case("YC", category=OffenceCategory.THEFT, yjb_score=6),
        case("YRD", category=robbery, yjb_score=5),
        case("YC", "2026-04-01", category=robbery, yjb_score=5),
        case("YC", category=robbery, yjb_score=5, taken_back_on=day("2026-03-01")),
        policy=with_entry(population, "children_10_17", date(2025, 4, 1), 20_000),
    )
    assert (found["offences"], found["all_offences"], found["children"], found["rate"]) == (3, 5, 2, 0.8)
    assert found["by_category"] == {"DRUGS": 1, "ROBBERY": 2, "VIOLENCE": 0}
    assert found["by_score"] == {"5": 1, "6": 1, "7": 0, "8": 1}
    assert sum(found["by_order"].values()) == 3
    assert found["by_age"] == {"10-15": 2, "16-17": 1}
    assert ask("kpi9_yjb")["rate"] is None


def test_seniors_at_the_board_are_those_whom_the_clerk_loaded_for_the_quarter() -> None:
    """Given attendance of a quarter, then sectors count that are expected; before it is loaded, or for a year, it is not known."""
    came = {"2025-26-Q4": {"seniors": ["POLICE", "HEALTH", "CHARITY"], "delegates": ["PROBATION"]}}
    policy = with_entry(POLICY, "board_attendance", date(2026, 1, 1), came)
    found = ask("kpi8", policy=policy)
    assert (found["sectors"], found["seniors"], found["delegates"]) == (5, 2, 1)
    assert found["by_sector"]["POLICE"] == {"seniors": 1, "delegates": 0}
    for unknown in (ask("kpi8"), ask("kpi8", policy=policy, period=year_of(Q4.first))):
        assert (unknown["sectors"], unknown["seniors"], unknown["by_sector"]["POLICE"]["delegates"]) == (5, None, None)


def test_a_victim_counts_once_and_is_engaged_only_in_a_conference_that_was_held() -> None:
    """Given one person harmed by two children, when one conference was held, then victims are distinct people."""
    ruth = uuid4()
    first = case("YCC", ended="2026-02-01", victims=(victim(person=ruth, consents=True, asked_before=True),))
    second = case("YCC", ended="2026-02-01", victims=(victim(person=ruth), victim(consents=False)))
    unseen = case("YCC", victims=(victim(consents=True),))
    expected = {"victims": 2, "children_with_a_victim": 2, "consented_to_contact": 1, "view_sought_before_decision": 1}
    for met, engaged in ((conference(first, ruth), 1), (conference(first, ruth, linked=False), 1)):
        found = ask("kpi10", first, second, unseen, met)
        assert {key: found[key] for key in expected} == expected
        assert found["engaged_and_consented"] == engaged
    assert ask("kpi10", first, conference(first, ruth, held=None))["engaged_and_consented"] == 0
    assert ask("kpi10", first, conference(unseen, ruth, linked=False))["engaged_and_consented"] == 0


def test_the_board_counts_a_victim_by_what_was_said_of_the_same_offence() -> None:
    """Given a victim of two offences, when they consented in one and took part in the other, then the headline does not count them."""
    ruth = uuid4()
    caution = programme("youth_caution")
    consenting = case("YC", programme=caution, victims=(victim(person=ruth, consents=True),))
    failed = FailedDiversion(day("2026-02-01"), 15, day("2026-01-05"))
    harmed = (victim(person=ruth, consents=False, asked_before=True, contacted=True),)
    other = case("YC", programme=caution, failed_diversion=failed, victims=harmed)
    later = case("YC", programme=programme("youth_caution", ended="2026-04-01"), victims=(victim(consents=True),))
    found = ask("kpi10_yjb", consenting, other, later, conference(other, ruth))
    assert [found[name] for name in ("victims", "consented_to_contact", "engaged_and_consented")] == [1, 1, 0]
    assert (found["restorative_interventions"], found["contacted"], found["view_sought_before_decision"]) == (1, 1, 0)


def test_a_first_time_entrant_has_nothing_before() -> None:
    """Given cautions, when one is a second, unrecordable, with a prior, or no caution, then it makes no entrant."""
    child = uuid4()
    found = ask(
        "fte",
        case("YCC", "2026-01-10", child=child, prior_cautions=0),
        case("YC", "2026-03-10", child=child),
        case("YC", "2026-02-10", prior_cautions=0),
        case("YC", "2026-02-11"),
        case("YCC", prior_cautions=1),
        case("YCC", recordable=False, prior_cautions=0),
        case("YRD"),
        case(code="22"),
        case("YCC", age=18),
        case("YC", "2025-12-31"),
    )
    assert (found["count"], found["unknown"], found["by_quarter"]) == (2, 1, {"2025-26-Q4": 2})
    before = case("YC", "2025-12-01", child=child)
    assert ask("fte", before, case("YC", "2026-03-10", child=child))["count"] == 0


def test_the_board_counts_the_first_caution_by_offence_and_residence() -> None:
    """Given cautions, when the child's first one was given elsewhere, before or too late, then the board has no entrant."""
    child, moved = uuid4(), uuid4()
    found = ask(
        "fte_yjb",
        case("YC", "2026-01-10", child=child, recordable=False, prior_cautions=0),
        case("YCC", "2026-03-10", child=child),
        case("YC", "2026-01-10", child=moved, lived_here=False),
        case("YC", "2026-02-10", child=moved),
        case("YC", prior_cautions=1),
        case("YC", age=9),
        case("YC", age=18),
        case("YRD"),
        case("YCC"),
        case("YC", taken_back_on=day("2026-03-01")),
        policy=with_entry(POLICY, "children_10_17", date(2020, 1, 1), 40_000),
    )
    assert (found["count"], found["unknown"], found["rate"], found["by_quarter"]) == (2, 1, 5.0, {"2025-26-Q4": 2})
    assert ask("fte_yjb")["rate"] is None


def test_a_child_of_a_cohort_offends_again_within_a_year_proven_in_eighteen_months() -> None:
    """Given later cautions, when offence and giving fall in time, then each offence counts; a disposal of another kind proves none."""
    again, late, before, twice, local = (uuid4() for _ in range(5))
    crime = uuid4()
    found = ask(
        "reoffending",
        case("YC", "2026-01-10", child=again),
        case("YCC", "2026-02-10", child=again, offence_on="2026-01-11", referral_id=crime),
        case("YC", "2026-03-10", child=again, offence_on="2026-01-11", referral_id=crime),
        case("YC", "2027-07-10", child=again, offence_on="2027-01-10"),
        case("YRD", "2026-02-10", child=again, offence_on="2026-01-20"),
        case("YC", "2026-01-10", child=late),
        case("YC", "2027-02-10", child=late, offence_on="2027-01-11"),
        case("YC", "2027-07-11", child=late, offence_on="2026-06-01"),
        case("YCC", "2026-02-01", child=before, offence_on="2026-01-20"),
        case("YC", "2026-03-01", child=before, offence_on="2026-02-01"),
        case("YC", "2026-02-01", child=twice),
        case("YC", "2026-06-01", child=twice, offence_on="2026-04-01", taken_back_on=day("2026-07-01")),
        case("YRD", "2026-01-15", child=local),
        case("YC", "2026-09-15", child=local, offence_on="2026-08-01"),
        case("YC", "2025-12-31"),
    )
    others = found["other_disposals"]
    assert list(others) == ["children", "reoffenders", "reoffences", "rate", "frequency"]
    assert ([found[name] for name in others], list(others.values())) == ([4, 1, 2, 25.0, 2.0], [2, 2, 2, 100.0, 1.0])
    assert (found["complete_on"], ask("reoffending")["rate"]) == ("2027-09-30", None)


def test_timeliness_takes_each_stretch_where_it_ends() -> None:
    """Given stretches of known length, when the quarter is asked, then n, median and in-target follow from days."""

    def referral(reported: str, triaged: str | None) -> ReferralSummary:
        return ReferralSummary(
            stream=uuid4(),
            home=uuid4(),
            reported_on=day(reported),
            triaged_on=triaged and day(triaged),  # type: ignore[arg-type]
        )

    found = ask(
        "timeliness",
        referral("2026-01-09", "2026-01-13"),
        referral("2026-01-09", "2026-01-14"),
        referral("2026-01-09", None),
        referral("2026-03-31", "2026-04-01"),
        case(
            "YCC",
            "2026-01-10",
            offence_on="2025-12-20",
            ended="2026-02-10",
            assessment_asked_on=day("2025-12-22"),
            assessed_on=day("2026-01-09"),
        ),
        case("YCC", "2025-10-10", ended="2026-01-31", completed=False),
        case("YCC", "2025-10-10", ended="2026-01-31"),
    )
    assert found["report_to_triage"] == {"n": 2, "median_days": 4.5, "in_target": 1}
    assert found["referral_to_assessment"] == {"n": 1, "median_days": 18.0, "in_target": 0}
    assert found["offence_to_disposal"] == {"n": 1, "median_days": 21.0, "in_target": 1}
    assert found["issue_to_completion"] == {"n": 2, "median_days": 72.0, "in_target": 1}
    assert ask("timeliness")["report_to_triage"] == {"n": 0, "median_days": None, "in_target": 0}


def test_timeliness_counts_the_duties_that_lapsed() -> None:
    """Given records closed with unmet duties, when a quarter is asked, then those that lapsed in it count by name."""
    contact = LapsedDuty(duty="FIRST_CONTACT", on=day("2026-01-20"))
    later = LapsedDuty(duty="FIRST_CONTACT", on=day("2026-04-01"))
    referral = LapsedDuty(duty="YOT_REFERRAL", on=day("2026-03-31"))
    found = ask("timeliness", case(lapsed=(contact, referral)), case(lapsed=(contact, later)))
    assert found["lapsed"] == {"FIRST_CONTACT": 2, "YOT_REFERRAL": 1}
    assert found["referral_to_assessment"]["n"] == 0


def session(topic: Topic, on: str | None, **heads: Any) -> SessionSummary:
    return SessionSummary(
        stream=uuid4(),
        home=uuid4(),
        topic=topic,
        kind=SessionKind.GROUP,
        starts_at=datetime(2026, 1, 1, tzinfo=UTC),
        delivered_on=None if on is None else day(on),
        **heads,
    )


def test_education_counts_heads_as_delivered() -> None:
    """Given sessions, when one gave no headcount and one was never delivered, then nothing is inferred."""
    found = ask(
        "education",
        session(Topic.DIVERSITY, "2026-01-01", pupils=28, staff=2, key_stage="KS3"),
        session(Topic.DIVERSITY, "2026-03-31", parents=14),
        session(Topic.WEAPONS, None, pupils=30),
        session(Topic.WEAPONS, "2026-04-01", pupils=30),
        group_by="key_stage",
    )
    assert (found["sessions"], found["pupils"], found["staff"], found["parents"]) == (2, 28, 2, 14)
    assert found["by_topic"] == {"DIVERSITY": {"sessions": 2, "pupils": 28}}
    assert {key: group["sessions"] for key, group in found["by_key_stage"].items()} == {"KS3": 1, "NOT_RECORDED": 1}


def test_advice_counts_in_education_with_the_minutes_that_were_noted() -> None:
    """Given advice in and after the period, when one has no minutes, then it counts, and no time is inferred."""
    given = [(Topic.DIVERSITY, "2026-01-05", 20), (Topic.WEAPONS, "2026-02-05", None), (Topic.WEAPONS, "2026-04-05", 9)]
    advice = tuple(Advice(on=day(on), topic=topic, minutes=minutes) for topic, on, minutes in given)
    advised = ReferralSummary(stream=uuid4(), home=uuid4(), reported_on=day("2026-01-02"), advice=advice)
    found = ask("education", session(Topic.DIVERSITY, "2026-01-01", pupils=28), advised, group_by="kind")
    assert (found["sessions"], found["advice"], found["advice_minutes"]) == (1, 2, 20)
    assert {kind: group["advice"] for kind, group in found["by_kind"].items()} == {"GROUP": 0, "NOT_RECORDED": 2}


def test_advice_of_a_moved_case_counts_in_the_area_that_leads_it() -> None:
    """Given advice in a case that another area leads since a transfer, then it counts there, as in every other measure (K8)."""
    advice = (Advice(on=day("2026-01-05"), topic=Topic.WEAPONS, minutes=20),)
    moved = ReferralSummary(
        stream=uuid4(), home=uuid4(), area="DORSET", led_by="DEVON", reported_on=day("2026-01-02"), advice=advice
    )
    found = ask("education", moved, group_by="area")["by_area"]
    assert {area: group["advice"] for area, group in found.items()} == {"DEVON": 1}


def test_a_small_ethnic_group_is_never_shown() -> None:
    """Given a grant of keys, then every group is named; small ones, zero, and one that would complete a total are null."""
    words: dict[ValueObject, str] = {}
    cases = []
    for text, n in (("White British", 7), ("British Indian", 4), ("Black British African", 6), ("Other", 5)):
        for _ in range(n):
            sealed = SealedTexts(event_id=uuid4(), token=f"s1:{text}")
            words[sealed] = text
            cases.append(case("YCC", ethnicity=sealed))
    policy = with_entry(POLICY, "population_10_17", date(2020, 1, 1), {"WHITE": 70_000, "BLACK": 1_000, "ASIAN": 900})
    found = ask("disproportionality", *cases, ethnicities=words, policy=policy)["groups"]
    null = {"disposals": None, "rate": None, "relative_rate_index": None}
    assert found == {
        "WHITE": {"disposals": 7, "rate": 0.1, "relative_rate_index": 1.0},
        "BLACK": {"disposals": 6, "rate": 6.0, "relative_rate_index": 60.0},
        **dict.fromkeys(("ASIAN", "MIXED", "NOT_KNOWN", "OTHER"), null),
    }
    without_keys: tuple[dict[ValueObject, str] | None, ...] = (None, {})
    for nothing in without_keys:
        assert ask("disproportionality", *cases, ethnicities=nothing)["groups"] == dict.fromkeys(found, null)


@pytest.mark.parametrize(
    ("words", "group"),
    [
        ("Mixed White and Asian", "MIXED"),
        ("White and Black Caribbean", "MIXED"),
        ("British Indian", "ASIAN"),
        ("Black British African", "BLACK"),
        ("White British", "WHITE"),
        (None, "NOT_KNOWN"),
        ("would rather not say", "NOT_KNOWN"),
        ("W1", "WHITE"),
        (" m3 ", "MIXED"),
        ("A4", "ASIAN"),
        ("B9", "BLACK"),
        ("O2", "OTHER"),
        ("NS", "NOT_KNOWN"),
        ("W8", "NOT_KNOWN"),
    ],
)
def test_recorded_words_have_a_group(words: str | None, group: str) -> None:
    """Given what an officer wrote, when it is grouped, then the first telling word decides."""
    assert group_of(words, POLICY.on(date(2026, 1, 1))) == group


@pytest.mark.parametrize("name", ["kpi6", "kpi9", "kpi10"])
def test_the_indicators_begin_on_their_day(name: str) -> None:
    """Given a period that ends before 1 April 2023, when an indicator is asked for, then the answer says that there was none."""
    with pytest.raises(NoPolicy, match="2023-03-31"):
        ask(name, period=Period(date(2023, 1, 1), date(2023, 3, 31)))


def test_a_bad_question_says_what_to_ask() -> None:
    """Given an unknown measure, grouping or a reversed period, when asked, then the refusal names what there is."""
    with pytest.raises(BadQuestion, match="kpi6"):
        measure_facts("kpi77", [], date(2026, 1, 1), date(2026, 1, 2))
    with pytest.raises(BadQuestion, match="area"):
        ask("kpi6", group_by="shoe_size")
    with pytest.raises(BadQuestion, match="before"):
        Period(date(2026, 1, 2), date(2026, 1, 1))


def test_a_period_is_a_quarter_or_a_year_of_the_returns() -> None:
    """Given any day, then its quarter and its year hold it, begin on the first of a month, and end where the next begins."""
    for n in range(2 * 366):
        on = date(2023, 12, 1) + timedelta(days=n)
        for period, months in ((quarter_of(on), 3), (year_of(on), 12)):
            assert on in period
            assert (period.first.day, (period.first.month - 4) % months) == (1, 0)
            assert quarter_of(period.last + timedelta(days=1)).first == period.last + timedelta(days=1)


def test_quarters_begin_in_april() -> None:
    """Given days at the edges, when a quarter is named, then the year of the returns runs from April to March."""
    days = ("2025-03-31", "2025-04-01", "2025-12-31", "2026-01-01")
    assert [quarter(day(text)) for text in days] == ["2024-25-Q4", "2025-26-Q1", "2025-26-Q3", "2025-26-Q4"]


def test_csv_has_the_same_names_as_the_json() -> None:
    """Given an answer, when written as CSV, then each column is named by its path and null is empty."""
    head, line = as_csv(ask("timeliness")).splitlines()
    row = dict(zip(head.split(","), line.split(","), strict=True))
    assert row["measure"] == "timeliness"
    assert row["report_to_triage.n"] == "0"
    assert not row["report_to_triage.median_days"]
