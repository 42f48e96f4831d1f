"""Documents of a stream as data: what is printed, by whom, and from which facts. shared/printing sets them."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, Generic, Literal, TypeVar
from uuid import UUID

from shared.domain.dates import LONDON, local_day
from shared.domain.envelope import Fact
from shared.domain.messages import Event
from shared.domain.sealing import Forgotten, Sealed

S = TypeVar("S")

LINE: Final = 60
"""Letters in a printed line."""
ITEMS: Final = 20
"""How many items of a document are asked whether it can be printed."""
ERASED: Final = "[erased]"
"""The printed text for a value whose key was destroyed."""


@dataclass(frozen=True, slots=True)
class DocumentData:
    """The printed data, as JSON values, and the time of the latest fact behind it."""

    values: Mapping[str, Any]
    at: datetime
    signed: str | None = None
    """The SHA-256 (hexadecimal) of the document that was signed, if one was: it is printed in the layout of then."""


@dataclass(frozen=True, slots=True)
class NotAvailable:
    """A document that the state does not allow; `why` gives the reason and the remedy."""

    why: str


@dataclass(frozen=True, slots=True)
class Items(Generic[S]):
    """The items of a stream of which each has a document about it alone (`?item=`)."""

    ids: Callable[[S], Iterable[UUID]]
    facts: Callable[[Sequence[Fact], UUID], Sequence[Fact]]
    """The facts that the document of an item is filled from; none if there is no such item."""


@dataclass(frozen=True)
class Document(Generic[S]):
    """A printable document of a stream.

    `fill` receives the state and its facts, decrypted and corrected. It has no other input, so the same facts always
    print the same bytes.
    """

    folder: Path
    """The folder of the layout `NAME.typ` and the texts `LANGUAGE.toml`."""
    fill: Callable[[S, Sequence[Fact]], DocumentData | NotAvailable]
    roles: frozenset[str]
    more_texts: Callable[[str], Mapping[str, str]] | None = None
    """The texts by dotted key in a language (ISO 639-1) that the service keeps beside its code, if there are any."""
    layout: int = 1
    """The number of the current layout. Layout 1 is NAME.typ, a later one NAME-NUMBER.typ."""
    items: Items[S] | None = None
    """The items that it is about, one in each print; None: it is about the stream."""
    sender: Callable[[date, str], Mapping[str, Any]] = lambda _day, _language: {"name": ""}
    """The operator's letterhead (`name`) and addresses for a day, in a language. A day has the same ones for ever."""
    standards: tuple[Literal["ua-1", "a-3a"], ...] = ("ua-1",)
    """The standards that the PDF meets, as typst names them."""
    most_letters: int | None = 200_000
    """The most letters of all its texts, each line of which counts as `LINE` at least: some eighty pages, which take 30 MB to print.

    None: no limit, for what nobody else waits for.
    """


def facts_by_item(
    document: Document[S], state: S, facts: Sequence[Fact], first: Collection[UUID]
) -> Iterator[tuple[UUID | None, Sequence[Fact]]]:
    """Yield what a print of a document is filled from: the facts of an item, with its id, or all facts and None.

    Of many items so many are asked, those of `first` before others: each costs a fold of the record.
    """
    if document.items is None:
        yield None, facts
        return
    items = sorted(document.items.ids(state), key=lambda item: item not in first)
    for item in items[:ITEMS]:
        if chosen := document.items.facts(facts, item):
            yield item, chosen


def personal_value(value: Sealed[Any] | None) -> Any:
    """Convert a personal value to JSON: `[erased]` if its key was destroyed, None if there is none. Raises `NotOpened`."""
    if value is None:
        return None
    try:
        plain = value.value
    except Forgotten:
        return ERASED
    return plain.isoformat() if isinstance(plain, date) else plain


def value_if_open(value: Sealed[Any] | None) -> Any:
    """Convert a personal value that a document may go without: None if the reader's role may not read it."""
    return None if value is None or value.is_closed else personal_value(value)


def day_of(moment: datetime) -> str:
    """Convert a timestamp to its Europe/London date (ISO 8601). The layout formats it in the language."""
    return local_day(moment).isoformat()


def clock_of(moment: datetime) -> str:
    """Convert a timestamp to its Europe/London time of day, such as 16:30."""
    return moment.astimezone(LONDON).strftime("%H:%M")


def pounds(pence: int | None) -> str | None:
    """Format an amount in pence as pounds: £50, £38.50."""
    if pence is None:
        return None
    return f"£{pence // 100}" if pence % 100 == 0 else f"£{pence // 100}.{pence % 100:02}"


def latest(facts: Iterable[Fact], *kinds: type[Event]) -> datetime:
    """Return the time of the last fact of these types. Raises ValueError if there is none."""
    return max(fact.occurred_at for fact in facts if isinstance(fact.event, kinds))
