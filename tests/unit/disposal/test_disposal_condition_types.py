"""The types of condition: each has its definition, and words for the documents."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pkgutil import iter_modules

import pytest

from services.disposal.documents.words import condition_texts
from services.disposal.domain import conditions
from services.disposal.domain.commands import ProposeCondition
from services.disposal.domain.conditions import DEFINITIONS
from services.disposal.domain.conditions.definition import Requirement
from services.disposal.domain.rules.conditions import requirement_rule
from services.disposal.events import Condition
from services.trade.vocabulary import ConditionType
from shared.domain.rules import Context
from shared.printing.documents import AWAITING, LANGUAGES
from tests.unit.disposal.stories import CaseStory, condition
from tests.unit.kernel.lamps import context


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_type_of_condition_has_words_in_each_language(language: str) -> None:
    """Each code has a text in English, and one in Welsh or the mark that it awaits translation."""
    texts = condition_texts(language)
    assert set(texts) == {f"condition.{code}" for code in ConditionType}
    assert all(texts.values())
    assert language != "en" or AWAITING not in texts.values()


def test_every_module_of_a_type_has_its_code() -> None:
    """A definition whose code is forgotten is imported by nobody: no form would offer the type."""
    modules = {info.name.upper() for info in iter_modules(conditions.__path__)} - {"DEFINITION"}
    assert modules == set(ConditionType), (
        f"services/trade/vocabulary.py: add {sorted(modules - set(ConditionType))} to ConditionType"
    )


def test_what_one_attendance_completes_is_attended() -> None:
    """Only a type that is attended in sessions can be completed by one of them."""
    assert all(kind.attendance for kind in DEFINITIONS.values() if kind.one_attendance_completes)


def test_a_restorative_disposal_holds_neither_penalty_nor_curfew_nor_restriction() -> None:
    """A restorative disposal refuses these three types of condition (R14)."""
    excluded = {code for code, kind in DEFINITIONS.items() if not kind.agreed_action}
    assert excluded == {ConditionType.FINANCIAL_PENALTY, ConditionType.CURFEW, ConditionType.RESTRICTIVE}


def test_what_a_type_requires_may_depend_on_policy() -> None:
    """Given a requirement with a figure of policy, a condition is refused beyond the figure of the day, and not within it."""

    def within_the_limit(terms: Condition, asked: Context) -> bool:
        return terms.hours is None or terms.hours <= asked.policy.number("attendance_limit_hours")

    story = CaseStory().decided("YCC")
    then = datetime(2026, 3, 11, 12, tzinfo=UTC)
    asked = replace(context(then), policy=story.service.policy.on(then.date()))
    limit = Decimal(asked.policy.number("attendance_limit_hours"))
    rule = requirement_rule(ConditionType.RETAIL_WORKSHOP, Requirement("R15", within_the_limit))
    for hours, met in ((limit, True), (limit + 1, False)):
        workshop = condition(ConditionType.RETAIL_WORKSHOP, hours=hours)
        assert rule(ProposeCondition(condition=workshop), story.state, asked) is met
