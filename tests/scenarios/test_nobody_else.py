"""What goes to one person: nothing to an adult who may not be in contact with a child, and no word about anybody else.

Each story is played; then the messages that it would have sent and the papers that it would print are read.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest

from services.disposal.events import DisposalCaseOpened
from services.notifications.plan import Message, told_as_it_happened
from services.notifications.rendering import render
from services.people.events import Contact, RelationRecorded
from services.referral.events import PersonLinked
from services.system.registry import deciding_services
from services.trade.vocabulary import PersonRole
from shared.domain.dates import local_day
from shared.domain.decider import history_at
from shared.domain.documents import DocumentData, facts_by_item
from shared.domain.envelope import Fact, has_event
from shared.domain.persons import Known
from tests.in_memory_reporting import InMemoryReporting
from tools.scenario.in_memory import Memory
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Run
from tools.scenario.story import CommandStep

STORIES: Final = sorted(Path(__file__).parent.glob("*.yaml"))
SERVICES: Final = deciding_services()
OF_THE_CHILD: Final = frozenset({"ycc", "ycc-notice", "yc", "yrd", "deferral-plan", "warning-letter"})
OF_SEVERAL: Final = frozenset({"panel-pack", "conference-agreement"})
"""The papers that a panel or a whole conference reads."""

Names = Mapping[UUID, str]


def _histories(file: Path) -> list[list[Fact]]:
    """Play a story and return its records, opened and corrected."""
    reporting = InMemoryReporting()
    memory = Memory(SERVICES, reporting)
    run = Run(read_scenario(file), memory)
    for step in run.scenario.steps:
        if isinstance(step, CommandStep):
            run._take(step)
    streams = (name.partition("/") for name in reporting.histories)
    return [list(memory._history(memory._services[service], UUID(id_))) for service, _, id_ in streams]


def _links(histories: Iterable[Sequence[Fact]], home: UUID) -> Iterator[PersonLinked]:
    """Yield the links of the people of a case."""
    for fact in (fact for history in histories for fact in history_at(history)):
        if fact.envelope.home == home and has_event(fact, PersonLinked):
            yield fact.event


def _is_kept_apart(adult: UUID, children: Iterable[UUID], facts: Sequence[Fact], at: datetime) -> bool:
    """Tell by the records alone whether, of what had been said by then, the last keeps an adult from one of the children."""
    known = Known(facts).at(at)
    adults = known.same_as(adult)
    for child in map(known.same_as, children):
        said = [
            fact
            for fact in facts
            if has_event(fact, RelationRecorded)
            and fact.occurred_at <= at
            and fact.event.person_id in adults
            and fact.event.child_id in child
        ]
        last = max(said, key=lambda fact: fact.occurred_at, default=None)
        if last is not None and last.event.contact is not Contact.ALLOWED:
            until = last.event.until
            if until is None or local_day(at) <= until:
                return True
    return False


def _papers(histories: Sequence[Sequence[Fact]]) -> Iterator[tuple[str, UUID, str | None, Any]]:
    """Yield each paper that goes to one person: its name, its case, the name of the recipient, and what it says."""
    services = {running.name: running for running in SERVICES}
    for history in histories:
        service, facts = services[history[0].envelope.stream.partition("/")[0]], history_at(history)
        fold, home = service.decider.fold, history[0].envelope.home
        for name, document in service.documents.items():
            for _, chosen in facts_by_item(document, fold(facts), facts, ()):
                filled = document.fill(fold(chosen), chosen)
                if name in OF_SEVERAL or not isinstance(filled, DocumentData):
                    continue
                for values in filled.values.get("letters", [filled.values]):
                    to = values.get("name")
                    if name in OF_THE_CHILD and has_event(facts[0], DisposalCaseOpened):
                        to = facts[0].event.details.name.value
                    yield name, home, to, values


@pytest.mark.parametrize("file", STORIES, ids=lambda file: file.stem)
def test_what_goes_to_one_person_is_theirs_alone(file: Path) -> None:
    """Given a story, then no message goes to an adult kept from a child of the case, and no message or paper names another."""
    histories = _histories(file)
    facts = [fact for history in histories for fact in history_at(history)]
    places = {
        fact.envelope.stream: str(place.value)
        for fact in facts
        if (place := getattr(fact.event, "place", None)) is not None and hasattr(place, "value")
    }
    homes = {history[0].envelope.home: list(_links(histories, history[0].envelope.home)) for history in histories}
    names = {
        home: {link.person_id: str(link.details.name.or_else("")) for link in links} for home, links in homes.items()
    }
    told: list[Message] = [
        message
        for person in {link.person_id for links in homes.values() for link in links}
        for message in told_as_it_happened(person, [fact for history in histories for fact in history])
    ]
    wrong = list[str]()
    for message in told:
        children = {message.concerns, *names[message.case_id]} - {message.recipient}
        if _is_kept_apart(message.recipient, children, facts, message.not_before):
            wrong.append(f"{message.template} goes to {message.recipient}, who may have no contact")
        text = render([message], places, welsh=False)
        wrong += [
            f"{message.template} names {name}" for name in names[message.case_id].values() if name and name in text.body
        ]
    for paper, home, recipient, values in _papers(histories):
        said = json.dumps(values, ensure_ascii=False, default=str)
        parts = {PersonRole.HARMER, PersonRole.HARMED}
        others = {names[home][link.person_id] for link in homes[home] if link.role in parts} - {recipient, ""}
        wrong += [f"{paper} to {recipient} names {name}" for name in others if name in said]
    assert not wrong, "\n".join(wrong)
