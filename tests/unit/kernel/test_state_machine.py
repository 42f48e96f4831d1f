"""A state machine's table as rules: the stages, the condition, and the state before the first event."""

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
    damaged: bool = False


NOW = cast("Context", None)
"""No row of these looks at it."""

rules: RuleBook[Loan] = RuleBook("lending")
register(
    rules,
    (
        AllowedStages[Loan]("lent_once", (LendBook,), NOTHING_YET, "The book is lent."),
        AllowedStages[Loan](
            "paid_before_returning",
            (ReturnBook,),
            frozenset({Stage.LENT}),
            "Pay what is owed for a book that is lent.",
            "byelaw 4",
            condition=lambda command, loan, _context: command.damaged or not loan.owes,
            looks_at=("damaged",),
        ),
    ),
    "byelaw 3",
    (LendBook, ReturnBook),
)


@pytest.mark.parametrize(
    ("command", "loan", "allowed"),
    [
        (LendBook(), None, True),
        (LendBook(), Loan(Stage.LENT), False),
        (LendBook(), Loan(Stage.RETURNED), False),
        (ReturnBook(), Loan(Stage.LENT), True),
        (ReturnBook(), Loan(Stage.LENT, owes=True), False),
        (ReturnBook(damaged=True), Loan(Stage.LENT, owes=True), True),
        (ReturnBook(), Loan(Stage.RETURNED), False),
    ],
)
def test_a_command_is_allowed_in_the_stages_of_its_row_where_its_condition_holds(
    command: Command, loan: Loan | None, *, allowed: bool
) -> None:
    """A row without stages allows its commands only before the first event."""
    assert all(rule.check(command, loan, NOW) for rule in rules.rules_for(type(command), RuleKind.STATE)) is allowed


def test_a_row_is_a_rule_with_its_name_text_and_source() -> None:
    """The rulebook, and so the reference page and a refusal, says what the row says, or the table of its source."""
    rows = {(rule.id, rule.name, rule.text, rule.source) for rule in rules.rules if rule.kind is RuleKind.STATE}
    assert rows == {
        ("S1", "lent_once", "The book is lent.", "byelaw 3"),
        ("S1", "paid_before_returning", "Pay what is owed for a book that is lent.", "byelaw 4"),
    }


def test_the_stages_of_a_row_are_a_precondition_and_its_condition_a_check_where_they_allow_it() -> None:
    """Stages and standing look at the state alone; the condition looks at the fields that it declares, and holds elsewhere."""
    book: RuleBook[Loan] = RuleBook("lending")
    stages = frozenset({Stage.LENT})
    row = AllowedStages[Loan]("paid", (ReturnBook,), stages, "Pay.", standing=lambda loan: not loan.owes)
    register(book, (row,), "byelaw 4", (ReturnBook,))
    (rule,) = book.rules_for(ReturnBook, RuleKind.STATE)
    assert rule.looks_at == ()
    assert rule.check(ReturnBook(), Loan(Stage.LENT), NOW)
    assert not rule.check(ReturnBook(), Loan(Stage.LENT, owes=True), NOW)
    precondition, check = rules.rules_for(ReturnBook, RuleKind.STATE)
    assert precondition.looks_at == ()
    assert check.fields_of(ReturnBook) == ("damaged",)
    assert check.check(ReturnBook(), Loan(Stage.RETURNED, owes=True), NOW)
