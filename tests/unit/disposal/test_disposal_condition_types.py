"""The types of condition: each has its definition, and words for the documents."""

from __future__ import annotations

import pytest

from services.disposal.documents.words import condition_texts
from services.disposal.domain.conditions import DEFINITIONS
from services.vocabulary import ConditionType
from shared.printing.documents import AWAITING, LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_type_of_condition_has_words_in_each_language(language: str) -> None:
    """Each code has a text in English, and one in Welsh or the mark that it awaits translation."""
    texts = condition_texts(language)
    assert set(texts) == {f"condition.{code}" for code in ConditionType}
    assert all(texts.values())
    assert language != "en" or AWAITING not in texts.values()


def test_what_one_attendance_completes_is_attended() -> None:
    """Only a type that is attended in sessions can be completed by one of them."""
    assert all(kind.attendance for kind in DEFINITIONS.values() if kind.one_attendance_completes)


def test_a_restorative_disposal_holds_neither_penalty_nor_curfew_nor_restriction() -> None:
    """A restorative disposal refuses these three types of condition (R14)."""
    excluded = {code for code, kind in DEFINITIONS.items() if not kind.agreed_action}
    assert excluded == {ConditionType.FINANCIAL_PENALTY, ConditionType.CURFEW, ConditionType.RESTRICTIVE}
