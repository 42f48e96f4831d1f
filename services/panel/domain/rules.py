"""The rules of a sitting, by id. A rule answers True if it holds."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from services.panel.domain import commands
from services.panel.domain.corrections import CORRECTIONS
from services.panel.domain.state import ItemStatus, Sitting
from services.panel.domain.state_machine import IN_EVERY_STAGE, SOURCE, STATE_MACHINE
from services.panel.events import CaseConsidered, PresentMember
from services.trade.shared_records import has_room
from shared.domain.corrections import OF_A_CORRECTION, facts_of
from shared.domain.envelope import has_event
from shared.domain.policy import Policy
from shared.domain.rules import Context, RuleBook
from shared.domain.state_machine import register

rules: RuleBook[Sitting] = RuleBook("panel", "local policy on the joint decision-making panel")


# --- T1: nothing before the fact that it depends on ---------------------------------------------


@rules.forbids("T1", commands.AddToAgenda, looks_at=("disposal_id",))
def added_again_after_its_removal(command: commands.AddToAgenda, sitting: Sitting, context: Context) -> bool:
    """A case is put on the agenda again after it was taken off: give the time at which that happened."""
    removed = sitting.removed.get(command.disposal_id)
    return removed is None or context.occurred_at >= removed


@rules.forbids("T1", commands.RemoveFromAgenda, commands.ConsiderCase, commands.AdjournCase, looks_at=("disposal_id",))
def after_it_was_put_on_the_agenda(
    command: commands.RemoveFromAgenda | commands.ConsiderCase | commands.AdjournCase,
    sitting: Sitting,
    context: Context,
) -> bool:
    """The panel deals with a case after it was put on the agenda, or was adjourned: give the time of that."""
    item = sitting.agenda.get(command.disposal_id)
    return item is None or item.status is ItemStatus.CONSIDERED or context.occurred_at >= item.since


@rules.forbids("T1", commands.CompleteAction, looks_at=("action_id",))
def done_after_it_was_agreed(command: commands.CompleteAction, sitting: Sitting, context: Context) -> bool:
    """An action is done after the panel agreed it: give the time at which that happened."""
    action = sitting.actions.get(command.action_id)
    return action is None or context.occurred_at >= action.agreed_at


@rules.forbids("T1", commands.CloseSitting)
def closed_after_the_last_case(sitting: Sitting, context: Context) -> bool:
    """A sitting closes after its last case: give a time after that."""
    return all(context.occurred_at >= item.since for item in sitting.agenda.values())


# --- P1 to P7: the panel -------------------------------------------------------------------------


def _has_quorum(kinds: frozenset[str], policy: Policy) -> bool:
    return policy.codes("panel_quorum") <= kinds


@rules.allowed_in(commands.RecordMembers, looks_at=("members",))
def organisations_are_of_the_partnership(command: commands.RecordMembers, _sitting: Sitting, context: Context) -> bool:
    """A member comes from an organisation that the partnership has not named: choose one of those that it has.

    Source: local policy: the partnership's own file
    """
    named = context.policy.values.get("panel_organisations")
    return not named or {member.organisation for member in command.members} <= {*named}


@rules.forbids("P1", commands.ConsiderCase, lifted_by=(commands.RecordMembers,))
def police_and_yjs_are_present(sitting: Sitting, context: Context) -> bool:
    """The panel needs at least police and youth justice service: record who is present, or adjourn the case."""
    return _has_quorum(frozenset(member.kind for member in sitting.present(context.occurred_at)), context.policy)


@rules.forbids("P2", commands.ConsiderCase, looks_at=("disposal_id",), lifted_by=(commands.AddToAgenda,))
def the_case_is_on_the_agenda(command: commands.ConsiderCase, sitting: Sitting, _context: Context) -> bool:
    """A case is considered once it is on the agenda, and once a sitting: put it there, or on that of the next sitting."""
    item = sitting.agenda.get(command.disposal_id)
    return item is not None and item.status is not ItemStatus.CONSIDERED


def _abstain_who_must(
    case: UUID, present: Iterable[PresentMember], abstaining: Sequence[UUID] | None, context: Context
) -> bool:
    marks = context.linked(case)
    voting = (member.officer_id for member in present if member.officer_id not in (abstaining or ()))
    return not any(f"disposal.{part}:{officer}" in marks for officer in voting for part in ("INVESTIGATES", "DECIDES"))


@rules.forbids("P3", commands.ConsiderCase, looks_at=("disposal_id", "abstaining"))
def who_has_a_part_in_the_case_abstains(command: commands.ConsiderCase, sitting: Sitting, context: Context) -> bool:
    """A member who investigates or decides the case does not vote on it: name them as abstaining.

    Source: NPCC child gravity matrix (joint decision); local policy on the joint decision-making panel
    """
    item = sitting.agenda.get(command.disposal_id)
    present = sitting.present(context.occurred_at)
    if item is None or item.status is ItemStatus.CONSIDERED:
        return True  # P2 refuses it
    return _abstain_who_must(item.case_id, present, command.abstaining, context)


@rules.warns("P4", commands.ConsiderCase, looks_at=("child_view", "no_child_view_because"))
def the_child_was_heard(command: commands.ConsiderCase, _sitting: Sitting, _context: Context) -> bool:
    """The panel considers the case without the child's voice: record what the child says, or why it was not heard.

    Source: UN Convention on the Rights of the Child, article 12; local policy on the joint decision-making panel
    """
    return command.child_view is not None or command.no_child_view_because is not None


@rules.forbids("P5", commands.CloseSitting, lifted_by=(commands.ConsiderCase, commands.AdjournCase))
def every_case_is_dealt_with(sitting: Sitting, _context: Context) -> bool:
    """A case on the agenda is neither considered nor adjourned: do the one or the other, or take it off the agenda."""
    return all(item.status is not ItemStatus.TO_CONSIDER for item in sitting.agenda.values())


@rules.forbids("P6", commands.AddToAgenda, lifted_by=(commands.RemoveFromAgenda,))
def the_agenda_has_room(sitting: Sitting, context: Context) -> bool:
    """The agenda has as many cases as one may have: put this one on that of another sitting."""
    return len(sitting.agenda) < context.policy.number("cases_of_a_sitting")


@rules.forbids("P7", commands.AddToAgenda, looks_at=("case_id",))
def the_case_has_a_sitting_left(command: commands.AddToAgenda, sitting: Sitting, context: Context) -> bool:
    """The case has been on the agendas of as many sittings as one may: decide it by what the panel has said."""
    most = context.policy.number("sittings_of_a_case")
    return has_room(command.case_id, facts_of(sitting)[0], context, most)


# --- S1: the state machine's table; corrections ---------------------------------------------------

register(rules, STATE_MACHINE, SOURCE, commands.COMMANDS, IN_EVERY_STAGE)

CORRECTIONS.guard(rules, commands.CorrectRecord)


@rules.forbids("P3", commands.CorrectRecord, looks_at=OF_A_CORRECTION)
def still_abstain_who_must(command: commands.CorrectRecord, sitting: Sitting, context: Context) -> bool:
    """A member who investigates or decides the case would have voted on it: correct another field.

    Source: NPCC child gravity matrix (joint decision); local policy on the joint decision-making panel
    """
    considered = [
        fact for fact in facts_of(CORRECTIONS.as_corrected(command, sitting)) if has_event(fact, CaseConsidered)
    ]
    return all(
        _abstain_who_must(fact.event.case_id, fact.event.present, fact.event.abstaining, context) for fact in considered
    )


@rules.forbids("P1", commands.CorrectRecord, looks_at=OF_A_CORRECTION)
def stays_a_quorum(command: commands.CorrectRecord, sitting: Sitting, context: Context) -> bool:
    """Police or youth justice service would have been absent where the panel recommended: correct another field."""
    after = CORRECTIONS.as_corrected(command, sitting)
    return after is None or all(
        _has_quorum(frozenset(member.kind for member in after.present(fact.occurred_at)), context.policy_on(fact.day))
        for fact in facts_of(after)
        if isinstance(fact.event, CaseConsidered)
    )
