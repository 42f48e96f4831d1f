"""A system in memory that tries a dry run of each command before it is sent, and compares the two."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from shared.domain.consequences import DutyChange, duty_changes, following_commands, new_documents
from shared.domain.decider import history_at
from shared.domain.decisions import NeedsRationale
from shared.domain.documents import DocumentData, facts_by_item
from shared.domain.duties_by_day import all_duties
from shared.domain.envelope import Fact
from shared.domain.execution import CommandRequest
from shared.domain.sealing import to_json
from shared.domain.service import Service
from shared.event_store.memory import MemoryEventStore
from shared.handling.command_handler import CommandHandler, DryRun
from shared.handling.command_handler import Result as HandlerResult
from tools.scenario.backend import Request, Response
from tools.scenario.in_memory import Memory
from tools.scenario.story import Result

AFTERWARDS: Final = datetime(2030, 1, 1, tzinfo=UTC)
"""When the stories are played: after all of them, so that none lies in the future."""


class NotingHandler(CommandHandler):
    """The production handler; it also notes every request."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.requests: list[CommandRequest] = []

    async def handle(self, request: CommandRequest) -> HandlerResult:
        self.requests.append(request)
        return await super().handle(request)


class Rehearsal(Memory):
    """A backend that asserts of every command that its dry run records nothing, and says what the command then does."""

    accepted = 0

    def handler(self, service: Service[Any]) -> CommandHandler:
        plain = super().handler(service)
        return NotingHandler(service, plain.event_store, self.keyring, b"digest key of the rehearsal")

    def send(self, request: Request) -> Response:
        service = self._services[request.service].service
        history = self._history(self._services[request.service], request.stream)
        before = self._written()
        foreseen = self.dry_run(request)
        assert self._written() == before
        for handler in self._handlers():
            handler.requests.clear()
        real = super().send(request)
        if isinstance(foreseen, Response):
            assert foreseen == real
            return real
        self._compare(service, history, foreseen, real, request.stream)
        return real

    def _compare(
        self, service: Service[Any], history: Sequence[Fact], foreseen: DryRun, real: Response, stream: UUID
    ) -> None:
        assert list(foreseen.history) == list(history)
        if not isinstance(foreseen.outcome, tuple):
            warned = isinstance(foreseen.outcome, NeedsRationale)
            assert real.word is (Result.NEEDS_RATIONALE if warned else Result.REFUSED)
            assert foreseen.outcome.ids == real.rules
            assert "; ".join(rule.text for rule in foreseen.outcome.rules) == real.why
            return
        assert real.word is Result.ACCEPTED
        self.accepted += 1
        facts = foreseen.outcome
        recorded = self._history(self._services[service.name], stream)[: real.receipt["version"]]
        mine = recorded[len(history) :]
        assert [_plain_fact(fact) for fact in facts] == [_plain_fact(fact) for fact in mine]
        self._compare_duties(service, history, facts, recorded)
        printable = _printable(service, recorded) - _printable(service, history)
        assert set(new_documents(service, history, facts)) == {name for name, _ in printable}
        self._compare_commands(service, facts, mine)

    def _compare_duties(
        self, service: Service[Any], history: Sequence[Fact], facts: Sequence[Fact], recorded: Sequence[Fact]
    ) -> None:
        changes = list(duty_changes(service, history, facts))
        after = set(all_duties(service.read_model, recorded))
        before = set(all_duties(service.read_model, history))
        standing = {duty for change, duty in changes if duty in after}
        removed = {duty for change, duty in changes if duty not in after}
        assert standing >= {duty for duty in after - before if duty.is_shown(duty.opened_on)}
        assert all(change is DutyChange.CLOSED for change, duty in changes if duty in removed)
        assert removed <= before

    def _compare_commands(self, service: Service[Any], facts: Sequence[Fact], recorded: Sequence[Fact]) -> None:
        followers = [running.service for running in self._services.values()]
        ids = {fact.event_id for fact in recorded}
        sent = {
            request.command_id: (handler.service.stream_name(request.stream), _plain_command(request.command))
            for handler in self._handlers()
            for request in handler.requests
            if request.causation_id in ids
        }
        assert sent == {
            following.command_id: (following.stream, _plain_command(following.effect.command))
            for following in following_commands(service, followers, facts)
        }

    def _handlers(self) -> Sequence[NotingHandler]:
        handlers = [running.handler for running in self._services.values()]
        return [handler for handler in handlers if isinstance(handler, NotingHandler)]

    def _written(self) -> Mapping[str, Any]:
        """Everything that a command may write: events, receipts, claims, keys and parked reactions."""
        stores = {name: running.handler.event_store for name, running in self._services.items()}
        written: dict[str, Any] = {"keys": dict(self.keyring._keys), "parked": list(self.parked)}
        for name, store in stores.items():
            assert isinstance(store, MemoryEventStore)
            written[name] = (list(store._records), dict(store._answers), dict(store._claims))
        return written


def _plain_fact(fact: Fact) -> Any:
    # Labels and conflicts of the actor stand in no event.
    envelope = {**to_json(fact.envelope, _value), "actor": fact.actor.model_dump(mode="json")}
    return envelope, to_json(fact.event, _value)


def _value(sealed: Any) -> Any:
    return "FORGOTTEN" if sealed.is_forgotten else sealed.value


def _plain_command(command: Any) -> Any:
    return to_json(command, lambda _sealed: "sealed")


def _printable(service: Service[Any], history: Sequence[Fact]) -> set[tuple[str, UUID | None]]:
    """Return the documents that the API prints of a recorded stream, with the item that each is about."""
    if not history:
        return set()
    facts = history_at(history)
    state = service.decider.fold(facts)
    return {
        (name, item)
        for name, document in service.documents.items()
        for item, chosen in facts_by_item(document, state, facts, ())
        if isinstance(document.fill(service.decider.fold(chosen), chosen), DocumentData)
    }
