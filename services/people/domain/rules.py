"""The rules of people, by id. A rule answers True if it holds."""

from services.people.domain import commands
from services.people.domain.corrections import CORRECTIONS
from services.people.domain.state import Person
from services.people.domain.state_machine import IN_EVERY_STAGE, SOURCE, STATE_MACHINE
from services.trade.people import birth_dates, is_forgotten, linked_together
from shared.domain.rules import Context, RuleBook
from shared.domain.state_machine import register

rules: RuleBook[Person] = RuleBook("people")


@rules.forbids("T1", commands.MergePerson, commands.SeparatePerson)
def merged_and_separated_in_order(person: Person | None, context: Context) -> bool:
    """The person was merged or separated after that time: give the time at which it happened."""
    return person is None or person.changed_at is None or context.occurred_at >= person.changed_at


@rules.forbids("ID1", commands.MergePerson, looks_at=("into",))
def merges_two_persons(command: commands.MergePerson, person: Person | None, context: Context) -> bool:
    """One of the two ids is merged into another already, or both are the same: merge the id that is given up into the one that is kept.

    Source: DPA 2018 s38 (accuracy)
    """
    # That the other one is not merged is a claim, judged within the write: what is kept of it may lag.
    merged = person is not None and person.merged_into is not None
    return not merged and command.into != context.stream


@rules.forbids("ID3", commands.MergePerson, looks_at=("into",))
def merges_who_is_not_forgotten(command: commands.MergePerson, _person: Person | None, context: Context) -> bool:
    """One of the two persons is forgotten: nobody can say any more that they are one.

    Source: DPA 2018 s47 (erasure)
    """
    return not any(is_forgotten(id_, context.known) for id_ in (context.stream, command.into))


@rules.forbids("ID3", commands.SeparatePerson)
def separates_who_is_not_forgotten(person: Person | None, context: Context) -> bool:
    """One of the two persons is forgotten: nobody can say any more that they are two.

    Source: DPA 2018 s47 (erasure)
    """
    into = None if person is None else person.merged_into
    return not any(is_forgotten(id_, context.known) for id_ in (context.stream, into) if id_ is not None)


@rules.warns("ID2", commands.MergePerson, looks_at=("into",))
def may_be_one_person(command: commands.MergePerson, _person: Person | None, context: Context) -> bool:
    """The dates of birth differ, or both are linked in one referral: say why they are one person all the same.

    Source: DPA 2018 s38 (accuracy)
    """
    one, other = map(context.known.same_as, (context.stream, command.into))
    born = birth_dates(one, context.known), birth_dates(other, context.known)
    return not (all(born) and born[0] != born[1]) and not linked_together(one, other, context.known)


register(rules, STATE_MACHINE, SOURCE, commands.COMMANDS, IN_EVERY_STAGE)

CORRECTIONS.guard(rules, commands.CorrectRecord)
