"""`ooc messages`: what notifications sends, to whom and how it stands. Its outbox holds no name, no address and no text."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

import typer

from ooc.databases import result_of
from ooc.evidence.verification import owner_database_url, stores
from ooc.options import AsJson, DryRun, Yes, fail
from ooc.tables import OUT, show, table
from services.console.plain_text import moment
from services.notifications.times import opening_of_next_day
from shared.messaging.consumer.decisions import release_gap, release_quarantined, request_retry
from shared.messaging.consumer.quarantine import QuarantinedStream, quarantined_streams
from shared.runtime.privileges import RoleKind, role_name
from shared.servers.database import WRITABLE, Connection, connected, database_dsn

T = TypeVar("T")

NAME: Final = "notifications"
OPERATOR: Final = "OPERATOR of the database"
"""The actor of decisions: the holder of the owner's login. Notifications accepts no token that would name a person."""
STATES: Final = ("PLANNED", "SENDING", "ACCEPTED", "SENT", "FAILED", "WITHDRAWN")

app = typer.Typer(add_completion=False)
messages = typer.Typer(
    help="What people are told: list, show, retry, withdraw; what is held: held, apply, skip.", no_args_is_help=True
)
app.add_typer(messages, name="messages")

Id = Annotated[UUID, typer.Argument(metavar="ID", help="Its id, as the list shows it.")]

Reason = Annotated[str, typer.Option("--reason", help="Why: a code such as INC_1234. It is kept with the decision.")]

_LIST: Final = """
    select id, state, template, channel, coalesce(next_try, not_before) as due, recipient, case_id, why from message
    where ($1::text is null or state = $1) and ($2::uuid is null or case_id = $2)
    order by due desc, id limit 500
"""
_TODAY: Final = """
    select m.id, m.template, coalesce(m.channel, 'as preferred') as channel, coalesce(m.next_try, m.not_before) as due,
        m.recipient, m.case_id,
        exists (select from data_right as r where r.person_id in (m.recipient, m.concerns)) as restricted
    from message as m where m.state = 'PLANNED' and coalesce(m.next_try, m.not_before) < $1 and m.not_after > now()
    order by due, m.id limit 500
"""
_RETRY: Final = """
    update message set state = 'PLANNED', next_try = null, not_before = now(), tries = 0, repeats = 0, sent_as = null,
        handed_over = false, recorded = false, why = null, planned_at = now()
    where id = $1 and state = 'FAILED' and not_after > now() returning id
"""
_WITHDRAW: Final = """
    update message set state = 'WITHDRAWN', next_try = null, why = 'BY_OPERATOR'
    where id = $1 and (state = 'FAILED' or why = 'NOT_RECORDED' or state = 'PLANNED' and not handed_over) returning id
"""


@messages.command("list")
def list_messages(
    state: Annotated[
        str | None, typer.Option("--state", help=f"Only those in this state: {', '.join(STATES)}.")
    ] = None,
    case: Annotated[UUID | None, typer.Option("--case", help="Only those of this case.")] = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="What would be sent today: to whom and by which channel, without a text.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List messages, the latest first; with `--dry-run` what would be sent today."""
    if dry_run:
        end = opening_of_next_day(datetime.now(UTC))
        rows = ask_database(lambda connection: connection.fetch(_TODAY, end))
    else:
        rows = ask_database(lambda connection: connection.fetch(_LIST, state and state.upper(), case))
    print_rows("Would be sent today" if dry_run else "Messages", [dict(row) for row in rows], as_json=as_json)


@messages.command("show")
def show_message(id_: Id, *, as_json: AsJson = False) -> None:
    """Show one message: its reason, its times, its attempts and what became of it."""
    row = ask_database(lambda connection: connection.fetchrow("select * from message where id = $1", id_))
    if row is None:
        fail(f"There is no message {id_}.")
    shown = {name: value for name, value in dict(row).items() if value is not None}
    rows = [(name, _words(value)) for name, value in shown.items()]
    show(shown, table(f"Message {id_}", "", "", rows=rows), as_json=as_json)


@messages.command("retry")
def retry_message(id_: Id, *, dry_run: DryRun = False) -> None:
    """Send a message again that was given up, as long as it is news."""
    _change(_RETRY, id_, "was not given up, or is no longer news", "It is sent again.", dry_run=dry_run)


@messages.command("withdraw")
def withdraw_message(id_: Id, *, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Withdraw a message before it is sent, or close one that was given up."""
    if not (yes or dry_run):
        typer.confirm(f"Withdraw message {id_}?", abort=True)
    _change(_WITHDRAW, id_, "was sent, or may have been", "It is withdrawn.", dry_run=dry_run)


@messages.command("held")
def list_held(*, as_json: AsJson = False) -> None:
    """List the streams whose events notifications could not apply, or whose versions are missing."""
    rows = [dict(stream) for stream in ask_database(quarantined_streams, as_owner=True)]
    shown = [{name: value for name, value in row.items() if name != "consumer"} for row in rows]
    print_rows("Held by notifications", shown, as_json=as_json)


@messages.command("apply")
def apply_held(id_: Id, reason: Reason) -> None:
    """Try the held events of a stream again."""

    async def retry(connection: Connection, held: QuarantinedStream) -> None:
        await request_retry(connection, held.consumer, held.stream, actor=OPERATOR, reason=reason)

    _settle(id_, retry, dry_run=False)
    OUT.print("They are tried within a second: see `ooc messages held`.")


@messages.command("skip")
def skip_held(id_: Id, reason: Reason, *, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Never apply the held events of a stream, or do without its missing versions."""
    if not (yes or dry_run):
        typer.confirm(f"Skip what is held of {id_}?", abort=True)

    async def skip(connection: Connection, held: QuarantinedStream) -> None:
        who = {"actor": OPERATOR, "reason": reason}
        if held.cause == "gap":
            await release_gap(connection, held.consumer, held.stream, **who)
        else:
            await release_quarantined(connection, held.consumer, held.stream, through_offset=None, **who)

    _settle(id_, skip, dry_run=dry_run)
    OUT.print("Nothing is changed: it would be." if dry_run else "It is never applied; what came later is tried next.")


def _settle(id_: UUID, decide: Callable[[Connection, QuarantinedStream], Awaitable[None]], *, dry_run: bool) -> None:
    async def settle(connection: Connection) -> bool:
        held = next((stream for stream in await quarantined_streams(connection) if stream.id == id_), None)
        if held is not None:
            await decide(connection, held)
        return held is not None

    if not _tried(settle, as_owner=True, dry_run=dry_run):
        fail(f"Notifications holds nothing of the id {id_}: see `ooc messages held`.")


def _change(statement: str, id_: UUID, refusal: str, done: str, *, dry_run: bool) -> None:
    if not _tried(lambda connection: connection.fetchval(statement, id_), as_owner=False, dry_run=dry_run):
        fail(f"Message {id_} {refusal}.")
    OUT.print("Nothing is changed: it would be." if dry_run else done)


def _tried(change: Callable[[Connection], Awaitable[object]], *, as_owner: bool, dry_run: bool) -> bool:
    """Make a change, which a dry run takes back; return whether there was anything to change."""

    async def tried(connection: Connection) -> bool:
        transaction = connection.transaction()
        await transaction.start()
        changed = await change(connection)
        await (transaction.rollback() if dry_run else transaction.commit())
        return bool(changed)

    return ask_database(tried, as_owner=as_owner)


async def _answer(question: Callable[[Connection], Awaitable[T]], *, as_owner: bool) -> T:
    """Ask the database of notifications: by its own role, or for what an operator decides as its owner."""
    address = (
        database_dsn(owner_database_url(), f"ooc_{NAME}")
        if as_owner
        else stores().database(NAME, role_name(RoleKind.WORKER, NAME))
    )
    async with connected(address, timeout=10, target_session_attrs=WRITABLE) as connection:
        return await question(connection)


def ask_database(question: Callable[[Connection], Awaitable[T]], *, as_owner: bool = False) -> T:
    """Ask the database of notifications; exit with a sentence if it does not answer."""
    return result_of(_answer(question, as_owner=as_owner), "The messages cannot be read")


def print_rows(title: str, rows: list[dict[str, Any]], *, as_json: bool) -> None:
    lines = [tuple(map(_words, row.values())) for row in rows]
    show(rows, table(title, *rows[0], rows=lines) if rows else "There is none.", as_json=as_json)


def _words(value: Any) -> str:
    return "" if value is None else moment(value.isoformat()) if isinstance(value, datetime) else str(value)
