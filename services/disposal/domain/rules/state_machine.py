"""S1, the state machine: registers each line of its table as a rule, asked only when no other rule refuses; and corrections."""

from typing import Final

from services.disposal import events
from services.disposal.domain.commands import (
    COMMANDS,
    AgreeDeferral,
    AssignOutcome,
    CorrectRecord,
    DecideBreach,
    DecideDisposal,
    RecordConditionAttendance,
    VaryConditions,
)
from services.disposal.domain.corrections import CORRECTIONS
from services.disposal.domain.rules.rulebook import rules
from services.disposal.domain.state import DisposalState, Stage
from services.disposal.domain.state_machine import IN_EVERY_STAGE, SOURCE, STATE_MACHINE
from services.trade.vocabulary import Role
from shared.domain.corrections import OF_A_CORRECTION, Uncorrectable
from shared.domain.rules import Context
from shared.domain.state_machine import register

register(rules, STATE_MACHINE, SOURCE, COMMANDS, IN_EVERY_STAGE)
CORRECTIONS.guard(rules, CorrectRecord)


def _assigned(event: events.OutcomeAssigned, before: DisposalState) -> AssignOutcome | None:
    """Write the command of an outcome that a person assigned; one that came with proceedings or a completed deferral came by itself."""
    by_itself = before.proceedings_at is not None or (before.deferral is not None and before.stage is Stage.COMPLETED)
    return None if by_itself else AssignOutcome(code=event.code)


CORRECTIONS.judge_again(rules, CorrectRecord, AssignOutcome, events.OutcomeAssigned, "code", asked=_assigned)
CORRECTIONS.judge_again(rules, CorrectRecord, DecideDisposal, events.DisposalDecided, "decision")
CORRECTIONS.judge_again(rules, CorrectRecord, DecideBreach, events.BreachDecided, "decision")
CORRECTIONS.judge_again(
    rules, CorrectRecord, RecordConditionAttendance, events.RecordOfSession, "hours_credited", "status"
)
CORRECTIONS.judge_again(rules, CorrectRecord, VaryConditions, events.ConditionsVaried, "changes", "consent")
CORRECTIONS.judge_again(
    rules,
    CorrectRecord,
    AgreeDeferral,
    events.ProsecutionDeferred,
    *("plan", "review_on", "child_agrees", "appropriate_adult_present"),
)


_OF_THE_REGISTER: Final = frozenset({"status", "hours_credited", "complied", "because"})


@rules.forbids("E3", CorrectRecord, looks_at=OF_A_CORRECTION)
def a_register_says_how_its_session_ended(command: CorrectRecord, state: DisposalState, _context: Context) -> bool:
    """The register of education or the record of the conference says how the session ended: correct it there.

    Source: local policy on registers
    """
    try:
        correction, fact = CORRECTIONS.correction(command, state), CORRECTIONS.target(command, state)
    except Uncorrectable:
        return True  # S1 refuses it
    registered = isinstance(fact.event, events.RecordOfSession) and fact.actor.role == Role.SYSTEM
    return correction.field not in _OF_THE_REGISTER or not registered
