"""Rules by id: what is asked in which order, what is named, and what a rationale lets through."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.decisions import NeedsRationale, Refused
from shared.domain.guidance import Guide, Status
from shared.domain.rules import Approved, Context, RuleBook
from tests.unit.kernel.lamps import NOON, HangLamp, Lamp, LightLamp, LightLampBrightly, PutOut, context

DARK = Lamp("hall", bright=False)
LIT = Lamp("hall", bright=True, lit=True)


@pytest.fixture
def rules() -> RuleBook[Lamp]:
    """Two rules that forbid (one id held by two functions), the state machine, and two warnings."""
    book: RuleBook[Lamp] = RuleBook("lamps")

    @book.warns("W1", LightLamp)
    def not_at_night(_lamp: Lamp | None, when: Context) -> bool:
        """It is late: say why the lamp must be lit.

        Source: the house
        """
        return when.occurred_at.hour < 20

    @book.forbids("L1", LightLamp)
    def not_too_bright(lamp: Lamp | None, _when: Context) -> bool:
        """The lamp is too bright:
        take another.

        Source: the fire officer
        """
        return lamp is None or not lamp.bright

    @book.forbids("L1", LightLamp)
    def not_in_the_cellar(lamp: Lamp | None, _when: Context) -> bool:
        """No lamp is lit in the cellar.

        Source: the fire officer
        """
        return lamp is None or lamp.room != "cellar"

    @book.forbids("L2", LightLamp, PutOut)
    def not_often(lamp: Lamp | None, _when: Context) -> bool:
        """It was lit often enough.

        Source: the house
        """
        return lamp is None or lamp.times_lit < 3

    @book.allowed_in(LightLamp)
    def it_is_out(lamp: Lamp | None, _when: Context) -> bool:
        """It is lit already.

        Source: state machine
        """
        return lamp is not None and not lamp.lit

    @book.warns("W2", LightLamp)
    def somebody_is_in(lamp: Lamp | None, _when: Context) -> bool:
        """Nobody is in: say for whom it is lit.

        Source: the house
        """
        return lamp is not None and lamp.room == "hall"

    return book


def test_all_that_forbids_is_named(rules: RuleBook[Lamp]) -> None:
    """Given a lamp that breaks two rules, when it is lit, then both are named, each once, and nothing else is."""
    verdict = rules.evaluate(LightLamp(), Lamp("cellar", bright=True, lit=True, times_lit=3), context())
    assert isinstance(verdict, Refused)
    assert sorted(verdict.ids) == ["L1", "L2"]


def test_state_machine_speaks_alone(rules: RuleBook[Lamp]) -> None:
    """Given a lamp that is lit and breaks no rule, when it is lit again at night, then S1 is named and no warning."""
    verdict = rules.evaluate(LightLamp(), Lamp("attic", bright=False, lit=True), context(NOON + timedelta(hours=9)))
    assert isinstance(verdict, Refused)
    assert verdict.ids == ("S1",)


def test_what_gives_way_is_named_after_what_forbids_and_before_the_state_machine(rules: RuleBook[Lamp]) -> None:
    """Given a rule that gives way, then it is silent where another forbids, and speaks where only S1 and warnings would."""

    @rules.forbids("L3", LightLamp, gives_way=True)
    def not_in_the_attic(lamp: Lamp | None, _when: Context) -> bool:
        """No lamp is lit in the attic.

        Source: the house
        """
        return lamp is None or lamp.room != "attic"

    at_night = context(NOON + timedelta(hours=9))
    worn = rules.evaluate(LightLamp(), Lamp("attic", bright=False, lit=True, times_lit=3), at_night)
    lit = rules.evaluate(LightLamp(), Lamp("attic", bright=False, lit=True), at_night)
    assert isinstance(worn, Refused)
    assert isinstance(lit, Refused)
    assert (worn.ids, lit.ids) == (("L2",), ("L3",))


def test_warnings_come_last_and_together(rules: RuleBook[Lamp]) -> None:
    """Given nothing that forbids, when a lamp is lit at night for nobody, then both warnings want a reason."""
    late = context(NOON + timedelta(hours=9))
    verdict = rules.evaluate(LightLamp(), Lamp("attic", bright=False), late)
    assert isinstance(verdict, NeedsRationale)
    assert sorted(verdict.ids) == ["W1", "W2"]


@pytest.mark.parametrize("reason", ["", "   "])
def test_empty_reason_is_none(rules: RuleBook[Lamp], reason: str) -> None:
    """Given a blank rationale, then the warning still wants one, and only that one."""
    late = context(NOON + timedelta(hours=9))
    light_command = LightLamp().model_copy(update={"rationale": {"W1": reason, "W2": "For the cat."}})
    verdict = rules.evaluate(light_command, Lamp("attic", bright=False), late)
    assert isinstance(verdict, NeedsRationale)
    assert verdict.ids == ("W1",)


def test_reasons_let_through_and_are_kept(rules: RuleBook[Lamp]) -> None:
    """Given a reason for each warning and one that none needs, then the command passes and all are kept."""
    reasons = {"W1": "A storm.", "W2": "For the cat.", "W9": "Nobody asked."}
    late = context(NOON + timedelta(hours=9))
    verdict = rules.evaluate(LightLamp(rationale=reasons), Lamp("attic", bright=False), late)
    assert isinstance(verdict, Approved)
    assert verdict.rationale == reasons
    assert sorted(verdict.rules) == ["L1", "L2", "S1", "T1", "W1", "W2"]


def test_reason_does_not_move_what_forbids(rules: RuleBook[Lamp]) -> None:
    """Given a reason under a forbidding rule's id, then the rule refuses all the same."""
    verdict = rules.evaluate(LightLamp(rationale={"L1": "I want it."}), Lamp("hall", bright=True), context())
    assert isinstance(verdict, Refused)
    assert verdict.ids == ("L1",)


def test_rules_guard_their_commands_only(rules: RuleBook[Lamp]) -> None:
    """Given a rule for lighting, then it guards a kind of lighting too, and neither hanging nor putting out."""
    assert isinstance(rules.evaluate(PutOut(), LIT, context()), Approved)
    assert isinstance(rules.evaluate(HangLamp(room="hall"), None, context()), Approved)
    assert isinstance(rules.evaluate(LightLampBrightly(), LIT, context()), Refused)


def test_future_is_refused() -> None:
    """Given any command, when it happened after it was received, then T1 refuses; at the same instant it does not."""
    rules: RuleBook[Lamp] = RuleBook("lamps")
    verdict = rules.evaluate(PutOut(), LIT, context(NOON + timedelta(microseconds=1), received_at=NOON))
    assert isinstance(verdict, Refused)
    assert verdict.ids == ("T1",)
    assert isinstance(rules.evaluate(PutOut(), LIT, context(NOON, received_at=NOON)), Approved)


def test_refusal_says_the_rule_in_one_line(rules: RuleBook[Lamp]) -> None:
    """Given a broken rule, then its text is one line of its docstring, and its source stands beside it."""
    verdict = rules.evaluate(LightLamp(), Lamp("hall", bright=True), context())
    assert isinstance(verdict, Refused)
    assert verdict.rules[0].text == "The lamp is too bright: take another."
    assert verdict.rules[0].source == "the fire officer"


def test_broken_text_is_that_of_the_broken_function(rules: RuleBook[Lamp]) -> None:
    """Given two functions under one id, when the second is broken, then the text is the second's."""
    verdict = rules.evaluate(LightLamp(), Lamp("cellar", bright=False), context())
    assert isinstance(verdict, Refused)
    assert verdict.rules[0].text == "No lamp is lit in the cellar."


@pytest.mark.parametrize("text", [None, "It has no source.", "Source: but no text"])
def test_rule_needs_text_and_source(text: str | None) -> None:
    """Given a rule without text or source, when it is registered, then that is an error that names it."""
    rules: RuleBook[Lamp] = RuleBook("lamps")

    def nameless(_lamp: Lamp | None, _when: Context) -> bool:
        return True

    nameless.__doc__ = text
    with pytest.raises(ValueError, match="nameless"):
        rules.forbids("L9", LightLamp)(nameless)


@pytest.fixture
def brightness() -> RuleBook[Lamp]:
    """A precondition of the lamp, and a check of how it is hung that says something of unlit lamps only."""
    book: RuleBook[Lamp] = RuleBook("lamps")

    @book.forbids("L1", LightLamp)
    def not_too_bright(lamp: Lamp | None, _when: Context) -> bool:
        """The lamp is too bright.

        Source: the fire officer
        """
        return lamp is None or not lamp.bright

    @book.forbids("L2", HangLamp, PutOut, looks_at=("room",), when=lambda lamp: not lamp.lit)
    def not_in_the_cellar(command: HangLamp, _lamp: Lamp | None, _when: Context) -> bool:
        """Hang it elsewhere.

        Source: the house
        """
        return command.room != "cellar"

    return book


def test_a_rule_that_looks_at_no_field_is_a_precondition(brightness: RuleBook[Lamp]) -> None:
    """Given rules with and without declared fields, then the latter are preconditions, and both refuse."""
    assert {rule.name: rule.looks_at for rule in brightness.rules} == {
        "not_in_the_future": (),
        "not_before_the_stream_began": (),
        "not_too_bright": (),
        "not_in_the_cellar": ("room",),
    }
    for command, lamp in ((LightLamp(), Lamp("hall", bright=True)), (HangLamp(room="cellar"), DARK)):
        assert isinstance(brightness.evaluate(command, lamp, context()), Refused)


def test_a_check_looks_at_the_declared_fields_that_a_command_has(brightness: RuleBook[Lamp]) -> None:
    """Given a check of two commands, one of which has the field that it declares, then it looks at no field of the other."""
    (check,) = (rule for rule in brightness.rules if rule.id == "L2")
    assert (check.fields_of(HangLamp), check.fields_of(PutOut)) == (("room",), ())


def test_a_check_holds_in_the_states_of_which_it_says_nothing(brightness: RuleBook[Lamp]) -> None:
    """Given a lamp that is lit, when a check is declared for unlit lamps only, then it refuses nothing."""
    assert isinstance(brightness.evaluate(HangLamp(room="cellar"), LIT, context()), Approved)


def test_a_rule_with_another_signature_is_an_error() -> None:
    """Given a function that fits its declaration not, then its name is reported, and that of a field that no command has."""
    rules: RuleBook[Lamp] = RuleBook("lamps")

    def needs_nothing() -> bool:
        """It is always so.

        Source: the house
        """
        return True

    def looks_at_the_room(command: HangLamp, _lamp: Lamp | None, _when: Context) -> bool:
        """Hang it elsewhere.

        Source: the house
        """
        return command.room != "cellar"

    for declare, function in (
        (rules.forbids("L9", LightLamp), needs_nothing),
        (rules.forbids("L9", HangLamp), looks_at_the_room),
        (rules.forbids("L9", HangLamp, looks_at=("cellar",)), looks_at_the_room),
    ):
        with pytest.raises(ValueError, match=function.__name__):
            declare(function)


def test_a_rule_that_is_asked_first_refuses_alone() -> None:
    """Given two broken rules of which one is asked first, then it alone is named, and the other is not evaluated."""
    rules: RuleBook[Lamp] = RuleBook("lamps")

    @rules.forbids("L1", LightLamp)
    def fails(_lamp: Lamp | None, _when: Context) -> bool:
        """It cannot be asked.

        Source: the house
        """
        raise AssertionError

    @rules.forbids("L0", LightLamp, first=True)
    def never(_lamp: Lamp | None, _when: Context) -> bool:
        """No lamp is lit today.

        Source: the house
        """
        return False

    verdict = rules.evaluate(LightLamp(), LIT, context())
    assert isinstance(verdict, Refused)
    assert verdict.ids == ("L0",)


def test_day_of_an_occasion_is_londons() -> None:
    """Given half past eleven at night in UTC in summer, then the day is London's next."""
    assert context(NOON.replace(month=7, hour=23, minute=30)).day.day == NOON.day + 1


@pytest.mark.parametrize("looks_at", [(), ("room",)], ids=["precondition", "check"])
@pytest.mark.parametrize("warns", [False, True])
@pytest.mark.parametrize(
    ("days", "began", "spares", "asked"),
    [
        (-1, None, False, False),
        (0, None, False, True),
        (0, -1, False, True),
        (0, -1, True, False),
        (1, 0, True, True),
        (0, None, True, True),
    ],
    ids=["recorded late", "first day", "old record", "old record spared", "new record", "opening"],
)
def test_a_rule_holds_from_its_first_day(
    days: int, began: int | None, looks_at: tuple[str, ...], *, spares: bool, asked: bool, warns: bool
) -> None:
    """Given a rule with a first day, then it refuses no fact that occurred before, and spares old records if it says so."""
    book: RuleBook[Lamp] = RuleBook("lamps")
    function: Callable[..., bool] = (lambda _command, _lamp, _at: False) if looks_at else (lambda _lamp, _at: False)
    function.__doc__ = "No lamp is hung any more.\n\nSource: the house"
    register = book.warns if warns else book.forbids
    register("L9", HangLamp, looks_at=looks_at, since=NOON.date(), spares_old_records=spares)(function)
    at = NOON + timedelta(days=days)
    now = replace(context(at), began_at=None if began is None else NOON + timedelta(days=began))
    verdict = book.evaluate(HangLamp(room="hall"), Lamp("hall", bright=True), now)
    assert (not isinstance(verdict, Approved)) is asked
    (guidance,) = Guide(book, Lamp("hall", bright=True), now, later=False).of_commands([HangLamp])
    assert (guidance.status is not Status.AVAILABLE) is asked
