"""What this service needs to know of a type of condition."""

from collections.abc import Callable
from dataclasses import dataclass

from services.disposal.events import Condition
from services.trade.vocabulary import ConditionObject
from shared.domain.rules import Context


@dataclass(frozen=True, slots=True)
class Requirement:
    """A rule of one type of condition: what a conditional caution must say of each condition of that type."""

    rule: str
    is_met: Callable[[Condition, Context], bool]
    """Its name is that of the rule; its docstring has the text of the refusal and the source. A figure comes from
    the context's policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionDefinition:
    """A type of condition: how it is done, which limits bind it, and its words on paper."""

    english: str
    """What the child must do, as the documents print it."""
    welsh: str | None = None
    """The same in Welsh; None: it awaits translation, and is printed in English."""
    usual_object: ConditionObject | None = None
    """The object that it mostly has, which a form fills in; None: it is asked."""
    attendance: bool = False
    """Whether the child attends sessions for it. The hours count towards the limit of 20 hours (R15), save for
    rehabilitation, and the condition is complete when all are credited. Source: CDA 1998 s66A(4), (5)."""
    one_attendance_completes: bool = False
    """Whether one session, attended to its end, completes it if no hours are set. Source: local policy."""
    unpaid_reparation: bool = False
    """Whether its hours count towards the limit of unpaid reparation (R15). Source: DPP guidance on youth conditional
    cautions, annex A."""
    penalty: bool = False
    """Whether its amount counts towards the maximum of a financial penalty (R16). Source: CDA 1998 s66C; SI 2013/608."""
    agreed_action: bool = True
    """Whether a restorative disposal may hold it (R14). Source: NPCC community resolution guidance."""
    quality_checked: bool = False
    """Whether it is complete only once its quality is checked (D1). Source: local policy on letters of apology."""
    held_again: bool = False
    """Whether its session may be held later under the same id if it did not proceed (E5)."""
    lasts: bool = False
    """Whether it holds until its day, and is not to be done by it: nobody is reminded of that day."""
    requirements: tuple[Requirement, ...] = ()
    """Rules of the type's own, asked when a condition is proposed or varied."""
