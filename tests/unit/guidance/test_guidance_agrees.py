"""Guidance and the rules agree: in every state that a story reaches, for every command and many of its variants."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.dates import end_of_day, local_day
from shared.domain.decisions import NeedsRationale, Refused
from shared.domain.envelope import Fact
from shared.domain.guidance import Answer, CommandGuidance, Guide, Status
from shared.domain.messages import Command, ids_by_name
from shared.domain.rules import Approved, Context, Precedence, Rule
from shared.domain.service import Service
from tests.command_variants import BEGUN_AT, seen_in
from tests.unit.guidance.played_histories import SERVICES, context_at, played_histories, written_commands

MOST: Final = 40
"""The most variants of a command that are tried in one example."""


@dataclass(frozen=True)
class Situation:
    """A command class, before it is written, with the state and the context that it would meet."""

    service: Service[Any]
    history: Sequence[Fact]
    command: type[Command]
    context: Context

    @property
    def state(self) -> Any:
        return self.service.decider.state_at(self.history)

    @property
    def guidance(self) -> CommandGuidance:
        ids = ids_by_name(fact.event for fact in self.history)
        (guided,) = Guide(self.service.decider.rules, self.state, self.context, ids).of_commands([self.command])
        return guided

    def written(self) -> list[Command]:
        """Write the command in many ways, each with a reason for every warning."""
        here = seen_in(fact.event for fact in self.history)
        return written_commands(self.service, here, self.command, self.context.occurred_at, MOST)

    def evaluate(self, command: Command) -> Approved | Refused | NeedsRationale:
        return self.service.decider.rules.evaluate(command, self.state, self.context)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Any part of any story, any command that may be sent then, in any role that may send it, hours or months later."""
    service = draw(st.sampled_from([one for one in SERVICES if played_histories()[one.name].histories]))
    played = draw(st.sampled_from(played_histories()[service.name].histories))
    history = played[: draw(st.integers(min_value=0, max_value=len(played)))]
    command = draw(st.sampled_from([c for c in service.commands if history or c.opens]))
    begun = max((fact.occurred_at for fact in history), default=BEGUN_AT)
    after = draw(st.sampled_from([timedelta(hours=1), timedelta(days=1), timedelta(days=30), timedelta(days=400)]))
    at = min(begun + after, datetime(2027, 6, 1, tzinfo=UTC))
    return Situation(service, history, command, context_at(service, draw(roles(service, command)), at))


def roles(service: Service[Any], command: type[Command]) -> st.SearchStrategy[str]:
    return st.sampled_from(sorted(service.roles_for(command)))


@pytest.mark.slow
@given(situations())
def test_guidance_and_the_rules_agree(situation: Situation) -> None:
    """What is refused is refused however it is written; what else the rules answer is by a rule that guidance named."""
    guided = situation.guidance
    named = {answer.rule.id for answer in guided.rules}
    open_ids = {answer.rule.id for answer in guided.rules if answer.answer is Answer.DEPENDS}
    sure = {answer.rule.id for answer in guided.rules if answer.answer is Answer.BROKEN}
    for command in situation.written():
        unexplained = situation.evaluate(command.model_copy(update={"rationale": {}}))
        explained = situation.evaluate(command)
        match guided.status:
            case Status.REFUSED:
                assert isinstance(explained, Refused)
                first = min(answer.rule.precedence for answer in guided.rules)
                assert first is not Precedence.FORBIDS or named <= set(explained.ids)
            case Status.AVAILABLE:
                assert isinstance(unexplained, Approved)
            case Status.NEEDS_RATIONALE:
                assert isinstance(unexplained, Refused | NeedsRationale)
                assert not isinstance(unexplained, NeedsRationale) or sure <= set(unexplained.ids) <= sure | open_ids
                assert not isinstance(explained, Refused) or set(explained.ids) <= open_ids
            case Status.DEPENDS:
                assert isinstance(unexplained, Approved) or set(unexplained.ids) <= open_ids


@pytest.mark.slow
@given(situations())
def test_an_answer_changes_on_the_day_that_guidance_names(situation: Situation) -> None:
    """The day before, a rule answers as on the day of the question; on the day that is named, it answers otherwise."""
    asked_on = local_day(situation.context.occurred_at)
    for answer in situation.guidance.rules:
        if answer.changes_on is None or answer.answer is Answer.DEPENDS:
            continue
        assert answer.changes_on >= asked_on
        before = answer.changes_on - timedelta(days=1)
        assert answer_on(situation, answer.changes_on, answer.rule) is not answer.answer
        if before >= asked_on:
            assert answer_on(situation, before, answer.rule) is answer.answer


def answer_on(situation: Situation, day: Any, rule: Rule) -> Answer:
    """Ask a rule that looks at no field of the command, at the end of another day."""
    context = context_at(situation.service, situation.context.actor.role, end_of_day(day))
    unwritten = situation.command.model_construct(type=situation.command.__name__)
    return Answer.HOLDS if rule.check(unwritten, situation.state, context) else Answer.BROKEN


@pytest.mark.slow
@given(situations())
def test_a_value_that_is_said_to_break_a_rule_breaks_it(situation: Situation) -> None:
    """A command with a value of `broken_by` is refused by that rule, whatever its other fields are."""
    for answer in situation.guidance.rules:
        for name, values in answer.broken_by.items():
            for command in situation.written():
                if getattr(command, name) in values:
                    assert not answer.rule.check(command, situation.state, situation.context)


@pytest.mark.slow
@given(situations())
def test_an_id_that_fits_is_among_the_choices(situation: Situation) -> None:
    """Given a command that no rule refuses, then each id in it that the record names under that field is a choice."""
    named, guided = ids_by_name(fact.event for fact in situation.history), situation.guidance
    for command in situation.written():
        if isinstance(situation.evaluate(command), Refused):
            continue
        for name in type(command).model_fields:
            value = getattr(command, name)
            if isinstance(value, UUID) and value in named.get(name, ()):
                assert value in guided.choices.get(name, ()), (type(command), command.model_dump_json(), named)


@pytest.mark.slow
def test_an_id_that_a_rule_refuses_is_no_choice() -> None:
    """Given conditions, some of them complete, then those alone that are active can be completed, by their ids."""
    service = next(one for one in SERVICES if one.name == "disposal")
    command = next(one for one in service.commands if one.__name__ == "CompleteCondition")
    partial_matches = 0
    for history in played_histories()["disposal"].histories:
        at = max(fact.occurred_at for fact in history) + timedelta(hours=1)
        situation = Situation(service, history, command, context_at(service, "SUPERVISOR", at))
        states = service.read_model.view(situation.state)["conditions"]
        active = {UUID(key) for key, state in states.items() if state == "ACTIVE"}
        chosen = situation.guidance.choices.get("condition_id", ())
        assert set(chosen) <= active
        partial_matches += 0 < len(chosen) < len(states)
    assert partial_matches > 2
