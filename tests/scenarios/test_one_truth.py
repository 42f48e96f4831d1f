"""One truth: in whatever order facts are recorded, all that tells of a record agrees, and the latest statement counts.

Each story is played again with one of its commands recorded later than it was, as far as the rules accept that. Then states,
reporting's summaries and lists, planned messages and the page of a conference are compared.
"""

import json
import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest

from services.console.officers.conference import conference_of
from services.notifications.news import READ_MODELS as TELLING
from services.notifications.news import SESSION
from services.notifications.news import fold as records_of
from services.notifications.plan import Message, plan
from services.panel.events import MembersRecorded
from services.referral.events import PreferencesRecorded, VictimDetailsRecorded
from services.reporting.projection.fold import Folded, fold, service_of
from services.reporting.projection.read_models import READ_MODELS
from services.rj_conference.events import ConsentGiven, ConsentWithdrawn, FacilitatorAssigned, RiskAssessed
from services.system.registry import deciding_services
from services.trade.vocabulary import MessageTemplate
from shared.domain.decider import history_at
from shared.domain.envelope import Fact
from shared.domain.messages import Event
from tests.in_memory_reporting import InMemoryReporting
from tools.scenario.in_memory import Memory
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Difference, Run
from tools.scenario.story import CommandStep, Result, Scenario

SERVICES: Final = deciding_services()
STORIES: Final = sorted(Path(__file__).parent.glob("*.yaml"))
SAID_TWICE: Final = Path(__file__).parent / "106-said-twice.yaml"
INVITING: Final = frozenset({MessageTemplate.VICTIM_CONFERENCE, MessageTemplate.CONFERENCE_REMINDER})
DONE: Final = frozenset({"COMPLETED", "EXCUSED", "FAILED"})
SAMPLED: Final = 3
"""How many orders of each story are played by day; at night all are."""


@dataclass(frozen=True)
class Stream:
    """A stream as it was recorded and corrected, with all that tells of it."""

    history: Sequence[Fact]
    state: Any
    view: Mapping[str, Any]
    folded: Folded

    def latest(self, *types: type[Event], **about: Any) -> Any:
        """Return the event of some types that occurred last; of two at one time the later recorded."""
        found = [
            fact
            for fact in self.history
            if isinstance(fact.event, types) and all(getattr(fact.event, name) == said for name, said in about.items())
        ]
        return max(found, key=lambda fact: (fact.occurred_at, fact.version)).event if found else None


def streams(histories: Iterable[Sequence[Fact]]) -> Iterator[tuple[str, Stream]]:
    """Yield each stream that has begun, with its service."""
    for history in histories:
        service = service_of(history[0])
        if (model := READ_MODELS.get(service)) is not None and (folded := fold(history)) is not None:
            shown = history_at(history)
            state = model.decider.fold(shown)
            assert state is not None
            yield service, Stream(shown, state, json.loads(json.dumps(model.view(state))), folded)


def orders(scenario: Scenario) -> Iterator[tuple[str, Sequence[CommandStep]]]:
    """Yield the commands of a story in other orders: one of them after the next, or the last, of the same record."""
    commands = [step for step in scenario.steps if isinstance(step, CommandStep)]
    for n, step in enumerate(commands):
        if step.expected.word is not Result.ACCEPTED:
            continue
        later = [m for m, other in enumerate(commands) if m > n and other.to == step.to]
        for m in sorted({*later[:1], *later[-1:]}):
            moved = replace(step, late=True)
            yield f"{step} after {commands[m]}", [*commands[:n], *commands[n + 1 : m + 1], moved, *commands[m + 1 :]]


def played(scenario: Scenario, commands: Sequence[CommandStep]) -> Collection[Sequence[Fact]]:
    """Play commands, whether or not each is accepted, and return what was recorded."""
    reporting = InMemoryReporting()
    run = Run(replace(scenario, steps=tuple(commands)), Memory(SERVICES, reporting))
    for step in commands:
        with suppress(Difference):  # the rules refuse it in this order, or it names what is not there
            run._take(step)
    return reporting.histories.values()


def disagreements(histories: Collection[Sequence[Fact]]) -> Iterator[str]:
    """Yield where two that tell of the same record differ."""
    recorded = list(streams(histories))
    for service, stream in recorded:
        for what, told, stands in COMPARED.get(service, lambda _stream: ())(stream):
            if told != stands:
                yield f"{service}: {what} is {told!r}, and should be {stands!r}"
    cases: dict[UUID, list[Fact]] = {}
    for history in (history for history in histories if service_of(history[0]) in TELLING):
        as_it_happened = [replace(fact, recorded_at=fact.occurred_at) for fact in history]
        cases.setdefault(history[0].envelope.home, []).extend(as_it_happened)
    told = {stream.history[0].envelope.stream: stream for _, stream in recorded}
    referrals = [stream for service, stream in recorded if service == "referral"]
    sessions = [record for facts in cases.values() for record in records_of(facts) if record.service == SESSION]
    for case_id, facts in cases.items():
        records = [record for record in records_of(facts) if record.service != SESSION]
        for message in plan(case_id, [*records, *sessions]).values():
            yield from _wrong_message(message, told[message.record], referrals)


Comparison = tuple[str, Any, Any]
"""What is compared, as it is told, and as it should be."""


def _referral(stream: Stream) -> Iterator[Comparison]:
    summary: Any = stream.folded.summary
    for victim in summary.victims:
        said = stream.latest(VictimDetailsRecorded, person_id=victim.person_id)
        yield "a victim's wish for updates", victim.wants_updates, said is not None and said.wants_updates
        yield "a victim's wish for support", victim.wants_support, said is not None and said.wants_support
    for person, contact in stream.view["contacts"].items():
        wish = stream.latest(PreferencesRecorded, person_id=UUID(person))
        yield "a wish for messages", contact["messages_wanted"], None if wish is None else wish.messages_wanted


def _conference(stream: Stream) -> Iterator[Comparison]:
    summary: Any = stream.folded.summary
    view, assigned, risk = stream.view, stream.latest(FacilitatorAssigned), stream.latest(RiskAssessed)
    facilitator = None if assigned is None else assigned.facilitator_id
    yield "the facilitator of the state", view["facilitator_id"], None if facilitator is None else str(facilitator)
    yield "the facilitator of the lists", summary.officer, facilitator
    yield "the day in the summary", None if summary.held_on is None else summary.held_on.isoformat(), view["held_on"]
    yield "the risk of the state", view["risk"], None if risk is None else risk.level.value
    for person, consents in view["consents"].items():
        statement = stream.latest(ConsentGiven, ConsentWithdrawn, person_id=UUID(person))
        yield "a consent of the state", consents, isinstance(statement, ConsentGiven)
    page = conference_of(view, [_line(fact) for fact in stream.history], {})
    parties = [person for person, who in view["participants"].items() if who["role"] in {"HARMER", "HARMED"}]
    all_consent = all(view["consents"].get(person) for person in parties)
    yield "the page's word on consent", page.facts["CONSENT"] == "Given by each", all_consent
    if risk is not None:
        yield "the page's word on risk", page.facts["RISK"].startswith(repr(risk)), True
    if assigned is not None:
        yield "the page's word on the facilitator", page.facts["FACILITATOR"].startswith(repr(assigned)), True


def _line(fact: Fact) -> dict[str, Any]:
    """Return a line of a history, with the event itself as its sentence."""
    at = fact.occurred_at.isoformat()
    return {"version": fact.version, "sentence": repr(fact.event), "corrected_sentence": None, "occurred_at": at}


def _sitting(stream: Stream) -> Iterator[Comparison]:
    summary: Any = stream.folded.summary
    said = stream.latest(MembersRecorded)
    members = [] if said is None else [str(member.officer_id) for member in said.members]
    yield "the members on the page", [member["officer_id"] for member in stream.view["members"]], members
    yield "the agenda in the summary", {str(item.disposal_id) for item in summary.agenda}, set(stream.view["agenda"])


def _disposal(stream: Stream) -> Iterator[Comparison]:
    summary: Any = stream.folded.summary
    view, state = stream.view, stream.state
    yield "the outcome", None if summary.outcome is None else summary.outcome.code.value, view["outcome"]
    yield "the day of issue", None if summary.given is None else summary.given.on.isoformat(), view["issued_on"]
    decided = None if summary.decided is None else summary.decided.decision.value
    yield "the decision", decided, None if view["decided"] is None else view["decided"]["what"]
    yield "the score", summary.yjb_score, state.yjb_seriousness
    for victim in summary.victims:
        said = state.views.get(victim.person_id)
        yield "a victim's consent", victim.consents_to_contact, None if said is None else said.consents_to_contact


COMPARED: Final[Mapping[str, Callable[[Stream], Iterator[Comparison]]]] = {
    "referral": _referral,
    "rj_conference": _conference,
    "panel": _sitting,
    "disposal": _disposal,
}


def _wrong_message(message: Message, record: Stream, referrals: Sequence[Stream]) -> Iterator[str]:
    """Yield what is wrong with a message: it invites without consent, is unwanted, or reminds of what is done."""
    person = str(message.recipient)
    if message.template in INVITING and message.harmed and not record.view["consents"].get(person):
        yield f"{message.template} goes to {person}, who does not consent"
    for contact in (referral.view["contacts"].get(person, {}) for referral in referrals):
        if contact.get("messages_wanted") is False or (message.harmed and contact.get("wants_updates") is False):
            yield f"{message.template} goes to {person}, who wants none"
    if message.template is MessageTemplate.CONDITION_DUE and record.view["conditions"][str(message.item)] in DONE:
        yield f"{message.template} reminds of {message.item}, which is done"


def _check(scenario: Scenario, chosen: Sequence[tuple[str, Sequence[CommandStep]]]) -> None:
    wrong = {order: found for order, steps in chosen if (found := list(disagreements(played(scenario, steps))))}
    assert not wrong, "\n".join(f"{order}: {'; '.join(found)}" for order, found in wrong.items())


def test_the_latest_statement_counts_in_every_order() -> None:
    """Given statements that take each other back, when they are recorded in any order, then all agree on the latest."""
    scenario = read_scenario(SAID_TWICE)
    _check(scenario, list(orders(scenario)))


@pytest.mark.parametrize("file", STORIES, ids=lambda file: file.stem)
def test_all_agree_with_the_state_when_a_fact_is_late(file: Path) -> None:
    """Given a story, when one of its facts is recorded late, then messages, summary, list and page agree with the state."""
    scenario = read_scenario(file)
    possible = list(orders(scenario))
    _check(scenario, random.Random(file.stem).sample(possible, min(SAMPLED, len(possible))))


@pytest.mark.nightly
@pytest.mark.parametrize("file", STORIES, ids=lambda file: file.stem)
def test_all_agree_with_the_state_whatever_is_late(file: Path) -> None:
    """Given a story, when any one of its facts is recorded late, then messages, summary, list and page agree with the state."""
    scenario = read_scenario(file)
    _check(scenario, list(orders(scenario)))
