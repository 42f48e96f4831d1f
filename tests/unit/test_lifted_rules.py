"""What lifts a refusal is a command of the service, and a rule that a command can lift names it."""

from typing import Any

import pytest

from services.system.registry import deciding_services
from shared.domain.decisions import RuleKind
from shared.domain.service import Service

LIFTED_BY_NO_COMMAND = {
    # Time and age pass by themselves, or never back.
    "the_conference_has_begun",
    "there_is_time_to_prosecute",
    "was_ten_at_the_offence",
    "is_not_yet_eighteen",
    "prosecution_may_still_be_deferred",
    # It stays so.
    "session_not_cancelled",
    "caution_can_be_breached",
    "nothing_attached_to_nudes",
    "everyone_may_be_in_contact",
    "separates_who_is_not_forgotten",
    # It comes by itself, from another service or with a later command.
    "a_deferral_brings_its_outcome",
    # Another person acts.
    "high_risk_is_approved_by_a_supervisor",
    "high_risk_is_approved_by_another",
    "a_caution_is_given_by_the_police",
}
"""Preconditions that no command of the record lifts."""


@pytest.mark.parametrize("service", deciding_services(), ids=lambda service: service.name)
def test_what_the_state_forbids_names_what_lifts_it(service: Service[Any]) -> None:
    """Each forbidding precondition names commands of its service that lift it, or is one that none lifts (a wrong time, T1, is given anew); none names a command that it forbids."""
    for rule in service.decider.rules.rules:
        assert set(rule.lifted_by) <= set(service.commands), rule.name
        assert not set(rule.lifted_by) & set(rule.commands), rule.name
        if rule.kind is RuleKind.FORBIDS and not rule.looks_at and rule.id != "T1":
            assert bool(rule.lifted_by) is not (rule.name in LIFTED_BY_NO_COMMAND), rule.name
