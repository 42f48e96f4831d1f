"""The table of the state machine: the rules S1 follow from it."""

from services.disposal.domain.rules import rules
from services.disposal.domain.state_machine import SOURCE, STATE_MACHINE
from shared.domain.decisions import RuleKind


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
