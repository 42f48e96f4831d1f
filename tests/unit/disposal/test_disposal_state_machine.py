"""The table of the state machine: which commands it names, and that the rules S1 follow from it."""

from __future__ import annotations

from services.disposal.domain.commands import COMMANDS, AssignOutcome, CorrectRecord, DecideBreach, TellVictim
from services.disposal.domain.rules import rules
from services.disposal.domain.state_machine import SOURCE, STATE_MACHINE
from shared.domain.decisions import RuleKind


def test_a_command_stands_on_a_line_unless_other_rules_say_when_it_is_allowed() -> None:
    """Only the commands of R23, O3, O4, the corrections, and telling a victim what was decided stand on no line."""
    named = {command for line in STATE_MACHINE for command in line.commands}
    assert set(COMMANDS) - named == {DecideBreach, AssignOutcome, CorrectRecord, TellVictim}


def test_each_line_is_a_rule_with_its_text_and_source() -> None:
    """The rules S1 have the names, commands, texts and sources of the table."""
    registered = {rule.name: rule for rule in rules.rules if rule.kind is RuleKind.STATE}
    for line in STATE_MACHINE:
        rule = registered[line.name]
        assert (rule.id, rule.commands, rule.text, rule.source) == (
            "S1",
            line.commands,
            line.text,
            line.source or SOURCE,
        )
