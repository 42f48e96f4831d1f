"""The outbox: rows that follow the plan until they are sent, and the steps of sending, each one a statement.

PLANNED -> SENDING -> ACCEPTED -> SENT
              |           (the provider has it)   (and the referral records it)
              +-> PLANNED again after a pause, or FAILED
PLANNED -> WITHDRAWN
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from services.notifications.plan import Message
from services.notifications.table import LINKED, AccountTemplate
from shared.domain.ids import derived_uuid
from shared.servers.database import Connection

NO_ADDRESS: Final = "NO_ADDRESS"
"""The failure that is no fault: the alarm leaves it out, and staff ring."""
LEASE: Final = timedelta(minutes=2)
"""The lease of a worker on a message: longer than all its waits while sending."""

_COLUMNS: Final = (
    *("id", "event_id", "template", "recipient", "concerns", "case_id", "referral_id", "record", "item"),
    *("not_before", "not_after", "to_account", "follows"),
)
_PUT: Final = f"""
    insert into message ({", ".join(_COLUMNS)}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
    on conflict (id) do update set not_before = excluded.not_before, not_after = excluded.not_after,
        referral_id = excluded.referral_id, concerns = excluded.concerns, state = 'PLANNED', why = null
    where message.state = 'PLANNED' and not message.handed_over
       or message.state = 'WITHDRAWN'
          and (message.why = 'NO_LONGER_TRUE' or message.why = 'TOO_LATE' and excluded.not_after > now())
"""  # noqa: S608 - the columns above, and no value
# The messages (m) of a case's place in a session, or of its own records.
_OF_PART: Final = (
    "m.case_id = $1 and case when $2::text is null then not starts_with(m.record, 'education/') else m.record = $2 end"
)
_WITHDRAW_OTHERS: Final = f"""
    update message as m set state = 'WITHDRAWN', why = 'NO_LONGER_TRUE', next_try = null
    where {_OF_PART} and m.state = 'PLANNED' and not m.handed_over and not m.id = any($3::uuid[])
"""  # noqa: S608 - the text above
_LINKS_OFF: Final = f"""
    update message as m set link = 'OFF' where {_OF_PART} and m.link = 'OPEN' and not exists (
        select from unnest($3::uuid[], $4::text[]) as p (recipient, record)
        where p.recipient = m.recipient and p.record = m.record
    )
"""  # noqa: S608 - the text above
_FORGOTTEN: Final = """
    update message as m set state = 'WITHDRAWN', why = 'FORGOTTEN', next_try = null
    where m.case_id = $1 and m.state = 'PLANNED'
      and exists (select from data_right as r where r.person_id in (m.recipient, m.concerns) and r.kind = 'FORGOTTEN')
"""


async def settle(connection: Connection, case_id: UUID, session: str | None, messages: Mapping[UUID, Message]) -> None:
    """Bring the unsent messages of a case's place in a session, or of its own records, to their plan.

    Add, move, withdraw; mark links of withdrawn appointments.
    """
    rows = [
        (key, *(getattr(message, column) for column in _COLUMNS[1:-1]), list(message.follows))
        for key, message in messages.items()
    ]
    await connection.executemany(_PUT, rows)
    await connection.execute(_WITHDRAW_OTHERS, case_id, session, list(messages))
    stand = [message for message in messages.values() if message.template in LINKED]
    await connection.execute(
        _LINKS_OFF, case_id, session, [message.recipient for message in stand], [message.record for message in stand]
    )
    await connection.execute(_FORGOTTEN, case_id)


_DIGEST: Final = f"""
    insert into message ({", ".join(_COLUMNS)})
    values ($1, $2, '{AccountTemplate.OFFICER_DIGEST}', $3, $3, $2, $2, 'digest', null, $4, $5, true, '{{}}')
    on conflict do nothing
"""  # noqa: S608 - the names above, and no value


async def put_digests(connection: Connection, officers: Iterable[UUID], begins: datetime, ends: datetime) -> None:
    """Plan the reminder of each officer for the day that begins then, once; its text is made when it is sent."""
    day = derived_uuid("digest", begins.isoformat())
    await connection.executemany(
        _DIGEST, [(derived_uuid("digest", day, officer), day, officer, begins, ends) for officer in officers]
    )


# --- sending -------------------------------------------------------------------------------------

# A message (m) that is not sent now: the data of its recipient or subject are restricted.
_RESTRICTED: Final = "exists (select from data_right as r where r.person_id in (m.recipient, m.concerns))"
_EARLIER: Final = "m.follows && array[e.template] and e.recipient = m.recipient and e.record = m.record"
# Whether it has to wait until it is known what became of the message that it follows.
_OPEN_BEFORE: Final = f"""
    exists (select from message as e where {_EARLIER} and (e.state = 'SENDING' or e.state = 'PLANNED' and e.handed_over))
"""
_TOO_LATE: Final = """
    update message set state = 'WITHDRAWN', why = 'TOO_LATE', next_try = null
    where state = 'PLANNED' and not handed_over and not_after < $1
"""
_NEVER_TOLD: Final = f"""
    update message as m set state = 'WITHDRAWN', why = 'NEVER_TOLD', next_try = null
    where m.state = 'PLANNED' and not m.handed_over and cardinality(m.follows) > 0
      and coalesce(m.next_try, m.not_before) <= $1 and not {_OPEN_BEFORE}
      and not exists (select from message as e where {_EARLIER} and e.state in ('ACCEPTED', 'SENT'))
"""  # noqa: S608 - no value
_TOLD_BEFORE: Final = f"exists (select from message as e where {_EARLIER} and e.state in ('ACCEPTED', 'SENT'))"
_DUE: Final = f"""
    m.state = 'PLANNED' and coalesce(m.next_try, m.not_before) <= $1 and not {_RESTRICTED} and not {_OPEN_BEFORE}
    and (m.handed_over or m.not_after >= $2 and (cardinality(m.follows) = 0 or {_TOLD_BEFORE}))
"""
_LEFT: Final = """
    m.state in ('SENDING', 'ACCEPTED') and coalesce(m.leased_until, '-infinity') < $1
    and coalesce(m.next_try, '-infinity') <= $1
"""
# The first rows of an index: if ten thousand are due, the rest is not looked at.
_CANDIDATES: Final = f"""
    select recipient from message as m where m.state in ('PLANNED', 'SENDING', 'ACCEPTED')
    and coalesce(m.next_try, m.not_before) <= $1 and ({_LEFT} or {_DUE})
    order by coalesce(m.next_try, m.not_before) limit 200
"""  # noqa: S608 - no value
_TAKE_LEFT: Final = f"""
    select * from message where sent_as = (select m.sent_as from message as m where recipient = $2 and {_LEFT} limit 1)
    order by not_before, id for update
"""  # noqa: S608 - no value
_TAKE_DUE: Final = (
    f"select * from message as m where m.recipient = $3 and {_DUE} order by m.not_before, m.id for update"  # noqa: S608 - no value
)
_SENT_TODAY: Final = """
    select count(distinct sent_as) from message where recipient = $1 and state <> 'FAILED' and coalesce(sent_at, $2) >= $2
    and sent_as is not null
"""
_POSTPONE: Final = "update message set next_try = $2 where id = any($1::uuid[])"
_LEASE: Final = """
    update message set state = case state when 'PLANNED' then 'SENDING' else state end, leased_until = $3,
        sent_as = coalesce(sent_as, $2),
        -- Before it is looked whether the appointment still stands: who calls it off later finds the link to end.
        link = case when link is null and template = any($4) then 'OPEN' else link end
    where id = any($1::uuid[]) returning *
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one recipient that are due together, which a worker sends as one message."""

    rows: Sequence[Mapping[str, Any]]

    @property
    def id(self) -> UUID:
        """The message's id, by which the provider and the record know it."""
        sent_as: UUID = self.rows[0]["sent_as"]
        return sent_as

    def __getitem__(self, column: str) -> Any:
        """Return a column that the rows share: any but their subject."""
        return self.rows[0][column]

    @property
    def keys(self) -> list[UUID]:
        return [row["id"] for row in self.rows]


async def withdraw_overtaken(connection: Connection, now: datetime, *, in_the_past: bool) -> None:
    """Withdraw messages that are too late, and ends of appointments that were never announced: `claim` returns neither."""
    if not in_the_past:
        await connection.execute(_TOO_LATE, now)
    await connection.execute(_NEVER_TOLD, now)


async def claim(
    connection: Connection, now: datetime, *, day: datetime, tomorrow: datetime, most: int, in_the_past: bool = False
) -> Batch | None:
    """Claim the due messages of one recipient, in a transaction of the caller; None if there are none.

    Messages that a worker left behind come first. `most` messages go to one person since `day` began; the rest waits until
    `tomorrow`, unless it were too late then. `in_the_past`: nothing is late, merged or too much.
    """
    useful = datetime.min.replace(tzinfo=UTC) if in_the_past else now
    for recipient in dict.fromkeys(row["recipient"] for row in await connection.fetch(_CANDIDATES, now, useful)):
        if not await connection.fetchval("select pg_try_advisory_xact_lock(hashtextextended($1, 0))", str(recipient)):
            continue
        rows = await connection.fetch(_TAKE_LEFT, now, recipient)
        if not rows:
            rows = await connection.fetch(_TAKE_DUE, now, useful, recipient)
            # What may have gone out goes on as it went; the rest is sent together, as far as one record holds it.
            first = next((row for row in rows if row["handed_over"]), rows[0] if rows else None)
            rows = [row for row in rows if first is not None and _record_of(row) == _record_of(first)]
            if in_the_past:
                rows = rows[:1]
            elif rows and not rows[0]["handed_over"] and await connection.fetchval(_SENT_TODAY, recipient, day) >= most:
                await connection.execute(
                    _POSTPONE, [row["id"] for row in rows if row["not_after"] > tomorrow], tomorrow
                )
                rows = [row for row in rows if row["not_after"] <= tomorrow]
        if rows:
            keys = [row["id"] for row in rows]
            leased = await connection.fetch(_LEASE, keys, keys[0], now + LEASE, sorted(LINKED))
            return Batch(sorted(map(dict, leased), key=lambda row: (row["not_before"], row["id"])))
    return None


def _record_of(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the key of rows that are recorded together; messages to accounts are not recorded."""
    if row["handed_over"]:
        return (row["sent_as"],)
    alone = row["template"] == AccountTemplate.OFFICER_DIGEST
    return (row["to_account"], row["id"] if alone else None if row["to_account"] else row["referral_id"])


# Whether the rest of a family is told the same, or will be.
_FAMILY_IS_TOLD: Final = """
    select exists (select from message where id = any($1::uuid[]) and state in ('PLANNED', 'SENDING', 'ACCEPTED', 'SENT'))
"""


async def lack_address(connection: Connection, batch: Batch, messages: Sequence[Message]) -> bool:
    """Withdraw messages without an address; return whether staff have to ring instead.

    In a transaction of the caller.
    """
    for key in sorted({min(message.key, *message.beside) for message in messages}):
        await connection.execute("select pg_advisory_xact_lock(hashtextextended($1, 1))", str(key))
    rings = False
    for row, message in zip(batch.rows, messages, strict=True):
        heard = await connection.fetchval(_FAMILY_IS_TOLD, list(message.beside))
        rings |= not heard
        await step(connection, Batch([row]), "withdraw" if heard else "fail", NO_ADDRESS)
    return rings


_STEPS: Final[Mapping[str, str]] = {
    "hand_over": "handed_over = true, provider = $2, channel = $3, language = $4, template_version = $5,"
    " repeats = repeats + (case when handed_over then 1 else 0 end)",
    "unlinked": "link = 'ENDED'",
    "accept": "state = 'ACCEPTED', handed_over = true, provider_reference = $2, sent_at = $3, next_try = null",
    "finish": "state = 'SENT', recorded = true, leased_until = null, next_try = null",
    "pause": "state = case state when 'SENDING' then 'PLANNED' else state end, leased_until = null, tries = tries + 1,"
    " next_try = $2, handed_over = $3, why = $4, sent_as = case when $3 or state = 'ACCEPTED' then sent_as end",
    "wait": "leased_until = null, tries = tries + 1, next_try = $2",
    "fail": "state = 'FAILED', leased_until = null, next_try = null, why = $2",
    "note_failure": "recorded = true, leased_until = null",
    "leave": "state = 'SENT', leased_until = null, next_try = null, why = $2",
    "withdraw": "state = 'WITHDRAWN', leased_until = null, next_try = null, sent_as = null, why = $2",
}


async def step(connection: Connection, batch: Batch, name: str, *values: Any) -> None:
    """Take one step of `_STEPS` with every row of a batch."""
    await connection.execute(f"update message set {_STEPS[name]} where id = any($1::uuid[])", batch.keys, *values)  # noqa: S608 - the steps above
