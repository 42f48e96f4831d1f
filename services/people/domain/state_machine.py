"""The state machine of a person: the stages in which each command is allowed (rule S1)."""

from typing import Final

from services.people.domain import commands
from services.people.domain.state import CODED, Person, Stage, fits_its_kind
from shared.domain.rules import Context
from shared.domain.state_machine import NOTHING_YET, AllowedStages

SOURCE: Final = "state machine of a person (rule S1)"
ANY: Final = NOTHING_YET | frozenset(Stage)


def _entry_is_new(command: commands.RecordHistory, person: Person | None, _context: Context) -> bool:
    return command.entry_id not in ({} if person is None else person.history)


STATE_MACHINE: Final[tuple[AllowedStages[Person], ...]] = (
    AllowedStages(
        "separates_what_is_merged",
        (commands.SeparatePerson,),
        frozenset({Stage.MERGED}),
        "This person is not merged into another one.",
    ),
    AllowedStages(
        "the_entry_is_new",
        (commands.RecordHistory,),
        ANY,
        "An entry with this id is recorded already: correct it, or give the new one an id of its own.",
        condition=_entry_is_new,
        looks_at=("entry_id",),
    ),
    AllowedStages(
        "it_was_given_before",
        (commands.RecordHistory,),
        ANY,
        "That day lies ahead: what counts as earlier has been given.",
        condition=lambda command, _, context: command.on <= context.day,
        looks_at=("on",),
    ),
    AllowedStages(
        "says_what_belongs_to_its_kind",
        (commands.RecordCircumstance,),
        ANY,
        "Say what belongs to the kind: of accommodation where the child lives, of education, training or employment in which,"
        " with its hours, of both how suitable it is, and of any other kind what it is, in codes or in words.",
        condition=lambda command, _, __: fits_its_kind(command),
        looks_at=("kind", *CODED, "description"),
    ),
    AllowedStages(
        "it_begins_before_it_ends",
        (commands.RecordCircumstance,),
        ANY,
        "The last day lies before the first one.",
        condition=lambda command, _, __: command.until is None or command.since <= command.until,
        looks_at=("since", "until"),
    ),
    AllowedStages(
        "can_be_suitable",
        (commands.RecordCircumstance,),
        ANY,
        "Such accommodation is never suitable for a child.",
        "YJB key performance indicator 1",
        condition=lambda command, _, context: (
            command.suitable != "SUITABLE" or command.accommodation not in context.policy.codes("never_suitable")
        ),
        looks_at=("accommodation", "suitable"),
    ),
    AllowedStages(
        "a_relation_is_between_two",
        (commands.RecordRelation,),
        ANY,
        "Nobody stands in a relation to themselves: send it to the adult, and name the child.",
        condition=lambda command, _, context: command.child_id != context.stream,
        looks_at=("child_id",),
    ),
)

IN_EVERY_STAGE: Final = (commands.CorrectRecord, commands.MergePerson)
"""ID1 alone refuses to merge who is merged."""
