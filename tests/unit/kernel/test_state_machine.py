"""A state machine's table as rules: the stages, the condition, and the state before the first event."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, cast

import pytest

from shared.domain.decisions import RuleKind
from shared.domain.messages import Command
from shared.domain.rules import Context, RuleBook
from shared.domain.state_machine import NOTHING_YET, AllowedStages, register


class Stage(StrEnum):
    """The stages of a loan."""

    LENT = "LENT"
    RETURNED = "RETURNED"


@dataclass(frozen=True)
class Loan:
    """A loan, and whether its reader owes money."""

    stage: Stage
    owes: bool = False


class LendBook(Command):
    """Lend a book."""

    type: Literal["LendBook"] = "LendBook"


class ReturnBook(Command):
    """Return it."""

    type: Literal["ReturnBook"] = "ReturnBook"


rules: RuleBook[Loan] = RuleBook("lending")
register(
    rules,
    (
        AllowedStages[Loan]("lent_once", (LendBook,), NOTHING_YET, "The book is lent.", "byelaw 3"),
        AllowedStages[Loan](
            "paid_before_returning",
            (ReturnBook,),
            frozenset({Stage.LENT}),
            "Pay what is owed for a book that is lent.",
            "byelaw 4",
            condition=lambda _command, loan: not loan.owes,
        ),
    ),
)


@pytest.mark.parametrize(
    ("command", "loan", "allowed"),
    [
        (LendBook(), None, True),
        (LendBook(), Loan(Stage.LENT), False),
        (LendBook(), Loan(Stage.RETURNED), False),
        (ReturnBook(), Loan(Stage.LENT), True),
        (ReturnBook(), Loan(Stage.LENT, owes=True), False),
        (ReturnBook(), Loan(Stage.RETURNED), False),
    ],
)
def test_a_command_is_allowed_in_the_stages_of_its_row_where_its_condition_holds(
    command: Command, loan: Loan | None, *, allowed: bool
) -> None:
    """A row without stages allows its commands only before the first event."""
    (rule,) = rules.rules_for(type(command), RuleKind.STATE)
    assert rule.check(command, loan, cast("Context", None)) is allowed


def test_a_row_is_a_rule_with_its_name_text_and_source() -> None:
    """The rulebook, and so the reference page and a refusal, says what the row says."""
    (rule,) = rules.rules_for(ReturnBook, RuleKind.STATE)
    assert (rule.id, rule.name) == ("S1", "paid_before_returning")
    assert (rule.text, rule.source) == ("Pay what is owed for a book that is lent.", "byelaw 4")


def test_a_row_is_a_precondition_unless_it_has_a_condition_on_the_command() -> None:
    """A row that stages and standing decide looks at the state alone; one with a condition looks at the command too."""
    book: RuleBook[Loan] = RuleBook("lending")
    stages = frozenset({Stage.LENT})
    row = AllowedStages[Loan]("paid", (ReturnBook,), stages, "Pay.", "byelaw 4", standing=lambda loan: not loan.owes)
    register(book, (row,))
    (rule,) = book.rules_for(ReturnBook, RuleKind.STATE)
    assert rule.is_precondition
    assert rule.check(ReturnBook(), Loan(Stage.LENT), cast("Context", None))
    assert not rule.check(ReturnBook(), Loan(Stage.LENT, owes=True), cast("Context", None))
    (conditional,) = rules.rules_for(ReturnBook, RuleKind.STATE)
    assert not conditional.is_precondition
