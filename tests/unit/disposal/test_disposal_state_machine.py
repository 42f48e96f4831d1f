"""The table of the state machine: which commands it names, and that the rules S1 follow from it."""

from __future__ import annotations

from collections import Counter

from services.disposal.domain.commands import COMMANDS, AssignOutcome, CorrectRecord, DecideBreach
from services.disposal.domain.rules import rules
from services.disposal.domain.state_machine import STATE_MACHINE
from shared.domain.decisions import RuleKind


def test_a_command_stands_on_one_line_unless_other_rules_say_when_it_is_allowed() -> None:
    """No command stands on two lines, and only those of R23, O3, O4 and the corrections stand on none."""
    named = Counter(command for line in STATE_MACHINE for command in line.commands)
    assert set(named.values()) == {1}
    assert set(COMMANDS) - set(named) == {DecideBreach, AssignOutcome, CorrectRecord}


def test_each_line_is_a_rule_with_its_text_and_source() -> None:
    """The rules S1 have the names, commands, texts and sources of the table."""
    registered = {rule.name: rule for rule in rules.rules if rule.kind is RuleKind.STATE}
    for line in STATE_MACHINE:
        rule = registered[line.name]
        assert (rule.id, rule.commands, rule.text, rule.source) == ("S1", line.commands, line.text, line.source)
