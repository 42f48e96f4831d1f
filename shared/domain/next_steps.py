"""How far the journeys of a stream are, and its recommended next step, from its state and its rules. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from shared.domain.duties import Duty
from shared.domain.envelope import Fact
from shared.domain.guidance import Answer, CommandGuidance, Guide, Status, read_standing
from shared.domain.journeys import Journey, Step, Task
from shared.domain.messages import Actor, Command
from shared.domain.persons import NOTHING_KNOWN, Known
from shared.domain.rules import Context, Rule
from shared.domain.service import Service

S = TypeVar("S")

NOBODY: Final = UUID(int=0)
"""The actor for guidance on a step that is another role's turn."""


class Progress(StrEnum):
    """How far a task is, in the words of a task list of the GOV.UK design system."""

    CANNOT_START = "cannot_start"
    NOT_STARTED = "not_started"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class TaskProgress(Generic[S]):
    """A task as it stands: how far it is, what it waits for, and by when it is due."""

    step: Step[S]
    task: Task
    progress: Progress
    waits_for: tuple[Rule, ...] = ()
    """The rules that refuse every command of the step now."""
    due: date | None = None
    overdue: bool = False

    @property
    def commands(self) -> tuple[type[Command], ...]:
        """The commands that are left: of a task that has begun, those after the first."""
        begun = self.progress is Progress.IN_PROGRESS
        return self.step.commands[1:] or self.step.commands if begun else self.step.commands

    @property
    def can_be_done(self) -> bool:
        return self.progress in {Progress.NOT_STARTED, Progress.IN_PROGRESS}


@dataclass(frozen=True, slots=True)
class JourneyProgress(Generic[S]):
    """A journey that is shown now, with its tasks in order."""

    journey: Journey[S]
    tasks: tuple[TaskProgress[S], ...]


def journeys_at(
    service: Service[S], actor: Actor, stream: UUID, history: Sequence[Fact], at: datetime, known: Known = NOTHING_KNOWN
) -> list[JourneyProgress[S]]:
    """Say how far each journey of a stream is at a moment, from its decrypted history. Raises `NoPolicy`, `BeyondCalendar`."""
    state, context = read_standing(service, actor, stream, history, at, known=known)
    if state is None:
        return []
    day = context.day
    every_duty = service.read_model.duties(state, service.policy.on)
    duties: dict[tuple[str, str], Duty] = {}
    for duty in every_duty:
        if duty.is_open(day):
            key = duty.duty, duty.item
            duties[key] = min(duties.get(key, duty), duty, key=lambda either: either.due)

    def tasks_of(step: Step[S]) -> Iterator[TaskProgress[S]]:
        tasks = step.tasks_on(state, day, every_duty)
        asked = [] if all(task.done for task in tasks) else _ask_rules(service, state, context, step)
        return (_standing(step, task, asked, duties, day) for task in tasks)

    return [
        JourneyProgress(journey, tuple(task for step in journey.steps for task in tasks_of(step)))
        for journey in service.journeys
        if journey.is_shown(state)
    ]


def of_role(journey: JourneyProgress[S], *roles: str) -> JourneyProgress[S]:
    """Leave the tasks of some roles, without what they wait for: for who may read a part of the record."""
    tasks = (replace(task, waits_for=()) for task in journey.tasks if not task.step.who.isdisjoint(roles))
    return replace(journey, tasks=tuple(tasks))


def next_step(journeys: Iterable[JourneyProgress[S]], *roles: str) -> TaskProgress[S] | None:
    """Return the recommended next step: the first that can be done and is the turn of one of these roles, else another's; None if none can."""
    waiting = [task for journey in journeys for task in journey.tasks if task.can_be_done]
    mine = (task for task in waiting if not task.step.who.isdisjoint(roles))
    return next(mine, next(iter(waiting), None))


def _ask_rules(service: Service[S], state: S, context: Context, step: Step[S]) -> list[CommandGuidance]:
    """Ask the rules about the commands of a step, for the actor if it is their turn, else for somebody whose turn it is."""
    actor = context.actor
    if step.who.isdisjoint(actor.roles):
        actor = actor.model_copy(update={"id": NOBODY, "role": min(step.who)})
    actor = actor.with_roles(role for role in actor.roles if role in step.who)
    return Guide(service.decider.rules, state, replace(context, actor=actor), later=False).of_commands(step.commands)


def _standing(
    step: Step[S], task: Task, asked: Sequence[CommandGuidance], duties: Mapping[tuple[str, str], Duty], day: date
) -> TaskProgress[S]:
    if task.done:
        return TaskProgress(step, task, Progress.COMPLETED)
    items = {"", task.item, *map(str, task.about.values())}
    found = (duties.get((step.duty, item)) for item in items)
    due = min((duty for duty in found if duty is not None), key=lambda duty: duty.due, default=None)
    standing: Any = {"due": None if due is None else due.due, "overdue": due is not None and due.overdue(day)}
    if all(command.status is Status.REFUSED for command in asked):
        refusing = (answer.rule for command in asked for answer in command.rules if answer.answer is Answer.BROKEN)
        return TaskProgress(step, task, Progress.CANNOT_START, tuple(dict.fromkeys(refusing)), **standing)
    return TaskProgress(step, task, Progress.IN_PROGRESS if task.begun else Progress.NOT_STARTED, **standing)
