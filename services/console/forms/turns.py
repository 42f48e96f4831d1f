"""The steps of one person's turn: filled in one after another, checked on one page, and recorded by one press.

Each step is a draft with a key of its own and is sent as a command of its own, in the order in which it was filled in. The
first that is not accepted ends it: what came before is recorded, and the check page shows what is left. No transaction holds
them together: each has one key, one receipt and one expected version, as from every other program, and what was said and
signed did happen, whether or not the disposal can be given.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from services.console.forms.fields import Answers, Field
from services.console.forms.next_steps import page_of
from services.console.rendering import address
from services.console.sessions import Draft, Drafts

MOST: Final = 30
"""The most steps of a turn."""


async def turn_of(drafts: Drafts, person: str, last: Draft) -> list[Draft]:
    """Return the drafts of a turn in their order, from its last one; also those that were sent."""
    turn = [last]
    while turn[0].follows and len(turn) < MOST:
        earlier = await drafts.find(person, UUID(turn[0].follows))
        if earlier is None or earlier.stream != last.stream or earlier in turn:
            break
        turn.insert(0, earlier)
    return turn


def last_of_turns(drafts: Iterable[Draft]) -> list[Draft]:
    """Leave of drafts those that no other follows: each leads to the check of its whole turn."""
    kept = list(drafts)
    followed = {draft.follows for draft in kept}
    return [draft for draft in kept if str(draft.id) not in followed]


def step_after(
    turn: Sequence[tuple[str, Answers]],
    guidance: Mapping[str, Any],
    roles: Collection[str],
    path: str,
    case: str | None,
) -> tuple[str, str] | None:
    """Return what comes next in a person's turn after commands with their answers: its title, and the address of its form.

    A step that cannot start yet is next unless a rule that refuses it waits for another step, which is not of this turn.
    """
    sent = {command for command, _ in turn}
    tasks = [task for journey in guidance.get("journeys", ()) for task in journey["tasks"]]
    waits = {name for task in tasks if task["progress"] != "completed" for name in task["commands"]} - sent
    for task in tasks:
        if not set(roles) & {*task["roles"]} or task["progress"] == "completed":
            continue
        taken = [n for n, command in enumerate(task["commands"]) if _is_in(turn, command, task["about"])]
        left = task["commands"][max(taken, default=-1) + 1 :]
        if left and (taken or task["progress"] != "cannot_start" or not _is_barred(guidance, left[0], sent, waits)):
            return task["title"], address(f"{path}/{page_of(left[0])}", case=case, **task["about"])
    return None


def _is_barred(guidance: Mapping[str, Any], command: str, sent: set[str], waits: set[str]) -> bool:
    lines = (line for line in guidance["commands"] if line["type"] == command)
    rules = [rule for line in lines for rule in line["rules"] if rule["answer"] == "broken" and rule["kind"] != "warns"]
    return any(sent.isdisjoint(rule["lifted_by"]) and not waits.isdisjoint(rule["lifted_by"]) for rule in rules)


def _is_in(turn: Sequence[tuple[str, Answers]], command: str, about: Mapping[str, str]) -> bool:
    return any(
        name == command and all(id_ in answers.get(field, ()) for field, id_ in about.items()) for name, answers in turn
    )


def answered_alike(fields: Sequence[Field], turn: Sequence[Draft]) -> dict[str, Sequence[str]]:
    """Return the answers that the turn has given already: the time, and the choice of a field of the same name and codes."""
    answers: dict[str, Sequence[str]] = {}
    for draft in turn:
        for field in fields:
            if field.kind == "time" and field.name == "occurred_at":
                answers |= {name: given for name, given in draft.answers.items() if name.startswith("occurred_at.")}
            elif field.kind == "choice" and set(draft.answers.get(field.name, ())) & {
                option.value for option in field.options
            }:
                answers[field.name] = draft.answers[field.name]
    return answers
