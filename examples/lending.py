"""The kernel on one page: a library lends books. Run it with `python examples/lending.py`.

Each book is a stream of an event store. State is never stored: it is the fold of the stream's events, as of any day.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Annotated
from uuid import UUID, uuid4

from shared.domain.corrections import CorrectionEngine, PastFacts
from shared.domain.decider import BrokenHistory, Decider
from shared.domain.envelope import EventRegistry, Fact
from shared.domain.execution import CommandRequest
from shared.domain.messages import Actor, Command, Correction, CorrectionCommand, Event, event_that_it_records
from shared.domain.policy import PolicyBook
from shared.domain.rules import Context, RuleBook
from shared.domain.sealing import OwnedBy, Sealed
from shared.domain.service import ReadModel, Service
from shared.event_store.memory import MemoryEventStore
from shared.handling.command_handler import Accepted, CommandHandler
from shared.privacy.keyring import MemoryKeyring


# 1. Events: what has happened. A `Sealed` field is encrypted with the reader's own key; destroying it forgets the name.
class BookAcquired(Event):
    title: str


class BookLent(Event):
    reader_id: UUID
    reader: Annotated[Sealed[str], OwnedBy("reader_id")]
    due: date


class BookReturned(Event):
    damaged: bool


class RecordCorrected(Correction): ...


# 2. Commands: what may be asked, and the event that each records with its own fields.
class AcquireBook(Command):
    opens = True
    records = BookAcquired
    title: str


class LendBook(Command):
    records = BookLent
    reader_id: UUID
    reader: Annotated[Sealed[str], OwnedBy("reader_id")]
    due: date


class ReturnBook(Command):
    records = BookReturned
    damaged: bool = False


class CorrectRecord(CorrectionCommand):
    """The kernel has the fields: which event and field, the right value, and why."""

    makes = (RecordCorrected,)


# 3. State, and evolve: the fold of the events. It never validates; an impossible history raises `BrokenHistory`.
@dataclass(frozen=True)
class Book:
    title: str
    due: date | None = None
    damaged: bool = False
    record: PastFacts | None = None


def evolve(state: Book | None, fact: Fact) -> Book:
    match fact.event:
        case BookAcquired(title=title) if state is None:
            return Book(title, record=PastFacts(fact))
        case BookLent(due=due) if state is not None:
            return replace(state, due=due, record=PastFacts(fact, state.record))
        case BookReturned(damaged=damaged) if state is not None:
            return replace(state, due=None, damaged=damaged, record=PastFacts(fact, state.record))
        case RecordCorrected() if state is not None:
            return replace(state, record=PastFacts(fact, state.record))
    raise BrokenHistory(fact, "a book is acquired first, and once")


# 4. Rules: each returns True if it holds. Its docstring is the text for the librarian, with the source.
rules: RuleBook[Book] = RuleBook("lending")


@rules.forbids("L1", LendBook)
def on_the_shelf(state: Book, _context: Context) -> bool:
    """The book is lent: it must be returned before it is lent again.

    Source: byelaw 3
    """
    return state.due is None


@rules.warns("L2", LendBook)
def not_damaged(state: Book, _context: Context) -> bool:
    """The book came back damaged: have it repaired, or say why it is lent.

    Source: byelaw 9
    """
    return not state.damaged


# 5. Decide: the events that follow from a command which no rule refuses. Corrections have one engine for all services.
corrections = CorrectionEngine(RecordCorrected, evolve)
corrections.guard(rules, CorrectRecord)


def decide(command: Command, state: Book | None, _context: Context) -> list[Event]:
    if isinstance(command, CorrectRecord):
        return [corrections.correction(command, state)]
    return [event_that_it_records(command)]


# 6. The service: a declaration. The API, the worker, the relay and the database schema are built from it.
read_model = ReadModel[Book](
    collection="books",
    events=EventRegistry("lending", (BookAcquired, BookLent, BookReturned, RecordCorrected)),
    decider=Decider(rules, decide, evolve),
    view=lambda book: {"title": book.title, "due": book.due and book.due.isoformat(), "damaged": book.damaged},
    duties=lambda _book, _policy_on: (),
    policy=PolicyBook({}),
)
commands: tuple[type[Command], ...] = (AcquireBook, LendBook, ReturnBook, CorrectRecord)
roles, no_labels = frozenset({"LIBRARIAN"}), frozenset[str]()
lending = Service(commands, roles, read_model, home=lambda _event: None, inherited_labels=no_labels)

# 7. The handler: load, fold, evaluate, decide, seal, append under optimistic concurrency; as in production, but in memory.
book, librarian = uuid4(), Actor(id=uuid4(), role="LIBRARIAN", organisation="Town Library")
march = {day: datetime(2026, 3, day, 12, tzinfo=UTC) for day in range(1, 32)}


async def send(library: CommandHandler, day: int, command: Command) -> None:
    """Send a command, and print the events that it made, or the rules that it broke."""
    key = uuid4()  # the idempotency key: the same one again would bring the first receipt again
    result = await library.handle(CommandRequest(command, book, key, librarian, march[day], correlation_id=key))
    made = [event.type for event in result.receipt.events] if isinstance(result, Accepted) else result
    print(f"{day} March, {command.type}: {made}")


async def main() -> None:
    """Lend a book, correct the loan, and read the state by both times."""
    days = iter(march.values())  # the clock of the event store: an event a day
    library = CommandHandler(lending, MemoryEventStore(lambda: next(days)), MemoryKeyring(), digest_key=bytes(32))
    loan = LendBook(reader_id=uuid4(), reader=Sealed("Anna Bright"), due=date(2026, 3, 20))
    await send(library, 1, AcquireBook(title="Middlemarch"))
    await send(library, 2, loan)
    await send(library, 2, loan)  # refused: the book is lent
    await send(library, 3, ReturnBook(damaged=True))
    await send(library, 4, loan)  # a warning, which a rationale lets through
    await send(library, 4, loan.model_copy(update={"rationale": {"L2": "Only the cover is torn."}}))
    records = (await library.event_store.load(lending.stream_name(book))).records
    wrong, why = records[1].event_id, Sealed("The due date was mistyped.")
    await send(library, 5, CorrectRecord(corrects=wrong, field="due", value="2026-03-30", why=why))
    history = await library.open((await library.event_store.load(lending.stream_name(book))).records)
    for as_of, known_at in ((5, 5), (2, 5), (2, 4)):
        view = read_model.view_of(history, as_of=march[as_of], known_at=march[known_at])
        print(f"as of {as_of} March, as known on {known_at} March: {view}")


if __name__ == "__main__":
    asyncio.run(main())
