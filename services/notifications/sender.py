"""The sender: claims due messages, reads the address, sends and records, so that each message goes out once.

Each step is committed before the next begins, and a worker that dies leaves the row where it was. What may have gone out is
never sent again unasked: Notify is asked by the message's id; a mail server cannot be, and gets one repeat, marked as such.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from mode import Service as Part

from services.notifications import outbox
from services.notifications.apis import Apis, Contact, NoAnswer, NotRecorded
from services.notifications.channels import Carrier, Envelope, NotSent, Refused, Uncertain
from services.notifications.channels.record import RecordOnly
from services.notifications.follow import CONSUMER, Followed, is_behind, planned, session_of
from services.notifications.outbox import NO_ADDRESS, Batch
from services.notifications.plan import Message, Plan, plan
from services.notifications.policy import POLICY
from services.notifications.rendering import METHODS, Text, invitation, render, render_digest, templates
from services.notifications.table import LINKED, AccountTemplate
from services.notifications.times import at_hour, next_open, opening_of_next_day, pause_after
from shared.domain.dates import end_of_day, is_working_day, local_day
from shared.messaging.consumer.alarms import clear_alarm, raise_alarm
from shared.messaging.consumer.effects import is_transient, log_transient
from shared.messaging.polling import Poll
from shared.servers.database import Pool

AT_ONCE: Final = 6
"""The most messages that one worker sends at once."""
RECEIPTS_SECONDS: Final = 60.0
"""Seconds between two looks for delivery receipts."""
RECEIPT_DAYS: Final = 3
"""Days for which a receipt is queried."""
DEAD: Final = "message_dead"
PLACE: Final = "messages"
WITH_A_PLACE: Final = frozenset({"education", "rj_conference"})
"""The services whose records say where somebody is to be."""
_ORDER: Final = ("SMS", "EMAIL", "LETTER")

_log = structlog.get_logger("notifications")


@dataclass(frozen=True, slots=True)
class _Way:
    """The carrier, channel and address of a message."""

    carrier: Carrier
    channel: str
    address: str = field(repr=False)


class Sender(Part):
    """Sends due messages while the process runs."""

    def __init__(
        self,
        pool: Pool,
        apis: Apis,
        carriers: Sequence[Carrier],
        *,
        in_the_past: bool = False,
        plan_of: Plan = plan,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__()
        self.poll = Poll(longest=5.0)
        self._pool, self._apis, self._carriers = pool, apis, carriers
        self._in_the_past, self._plan_of, self._now = in_the_past, plan_of, now
        self._digested: date | None = None

    @Part.task
    async def _send_all(self) -> None:
        while not self.should_stop:
            with log_transient(_log, "sending_later"):
                async with self._pool.acquire() as connection:
                    behind = await is_behind(connection)
                if not behind:
                    await self.end_links()
                    await self.plan_digests()
                    await asyncio.gather(*(self.send_due() for _ in range(AT_ONCE)))
                    await self.note_failures()
            await self.poll.pause()

    @Part.task
    async def _look_for_receipts(self) -> None:
        while not self.should_stop:
            with log_transient(_log, "receipts_later"):
                await self.note_deliveries()
            await self.sleep(RECEIPTS_SECONDS)

    async def send_due(self) -> int:
        """Send all due messages; return how many were claimed."""
        taken = 0
        if self._is_open():
            async with self._pool.acquire() as connection:
                await outbox.withdraw_overtaken(connection, self._now(), in_the_past=self._in_the_past)
        while (batch := await self._claim()) is not None:
            taken += 1
            try:
                await self._send(batch)
            except NoAnswer as error:
                await self._later(batch, str(error), "NO_ANSWER")
            except Exception as error:
                if is_transient(error):
                    raise
                # A defect, or what nobody foresaw in an answer: one message waits for it, and not all. Its text may be personal.
                await self._later(batch, type(error).__name__, "DEFECT")
        return taken

    async def plan_digests(self) -> None:
        """Plan the officers' reminders of a working day from its morning on, once a day and worker."""
        now = self._now()
        day = local_day(now)
        begins = at_hour(day, POLICY.on(day).number("digest_hour"))
        if self._in_the_past or self._digested == day or now < begins or not is_working_day(day):
            return
        try:
            officers = await self._apis.digests()
        except NoAnswer as error:
            _log.warning("digests_later", error=str(error))
            return
        async with self._pool.acquire() as connection, connection.transaction():
            await outbox.put_digests(connection, officers, begins, end_of_day(day))
        self._digested = day

    def _is_open(self) -> bool:
        now = self._now()
        return self._in_the_past or next_open(now) <= now

    async def _claim(self) -> Batch | None:
        now = self._now()
        if not self._is_open():
            return None
        async with self._pool.acquire() as connection, connection.transaction():
            return await outbox.claim(
                connection,
                now,
                day=at_hour(local_day(now), 0),
                tomorrow=opening_of_next_day(now),
                most=POLICY.on(local_day(now)).number("messages_a_day"),
                in_the_past=self._in_the_past,
            )

    async def _step(self, batch: Batch, name: str, *values: Any) -> None:
        async with self._pool.acquire() as connection:
            await outbox.step(connection, batch, name, *values)

    async def _send(self, batch: Batch) -> None:
        """Take a message through the steps that are possible now. Raises `NoAnswer`."""
        to_account = batch["to_account"]
        recipient = batch["recipient"]
        contact = await (
            self._apis.account(recipient) if to_account else self._apis.contact(batch["referral_id"], recipient)
        )
        batch, messages = await self._still_true(batch)
        if not messages:
            return
        if contact is not None and batch.id in contact.recorded:  # a restore may have set the outbox back
            await self._step(batch, "finish")
            return
        places = {
            record: await self._apis.place(record)
            for record in sorted({message.record for message in messages})
            if record.partition("/")[0] in WITH_A_PLACE
        }
        if batch["template"] == AccountTemplate.OFFICER_DIGEST:
            text = render_digest((await self._apis.digests(recipient)).get(recipient, {}))
        else:
            text = render(messages, places, welsh=contact is not None and contact.welsh)
        if batch["state"] == "ACCEPTED":
            await self._record(batch, text, batch["channel"])
            return
        way = self._way(batch, contact)
        if contact is None:
            await self._give_up(batch, NO_ADDRESS)
        elif not contact.may_be_told:
            await self._give_up(batch, "NOT_WANTED")
        elif way is None and to_account:
            await self._give_up(batch, NO_ADDRESS)
        elif way is None:
            await self._ring_instead(batch, messages)
        else:
            link = await self._link(way, messages, welsh=contact.welsh)
            await self._hand_over(batch, way, _envelope(batch, way, messages, places, text, link), text)

    async def _link(self, way: _Way, messages: Sequence[Message], *, welsh: bool) -> str | None:
        (message, *others) = messages
        if others or message.template not in LINKED or way.channel == "LETTER" or way.carrier.name == RecordOnly.name:
            return None
        return await self._apis.link(message, welsh=welsh)

    async def end_links(self) -> None:
        """End the links to withdrawn appointments, at any hour; retry if the console does not answer."""
        async with self._pool.acquire() as connection:
            rows = await connection.fetch("select * from message where link = 'OFF' limit 100")
        for row in rows:
            if not await self._apis.end_links(row["recipient"], row["record"]):
                return
            await self._step(Batch([dict(row)]), "unlinked")

    async def _give_up(self, batch: Batch, why: str) -> None:
        """Withdraw unsent messages; leave those that may have been sent."""
        if batch["handed_over"]:
            await self._fail(batch, "NO_ANSWER")
        else:
            await self._step(batch, "withdraw", why)

    async def _ring_instead(self, batch: Batch, messages: Sequence[Message]) -> None:
        """Have staff ring if a family has no address at all, except about days that are over."""
        if batch["handed_over"] or self._in_the_past:
            await self._give_up(batch, NO_ADDRESS)
            return
        async with self._pool.acquire() as connection, connection.transaction():
            rings = await outbox.lack_address(connection, batch, messages)
        if rings:
            await self.note_failures()

    async def _hand_over(self, batch: Batch, way: _Way, envelope: Envelope, text: Text) -> None:
        carrier = way.carrier
        try:
            if envelope.repeated and (reference := await carrier.find(envelope)) is not None:
                await self._accept(batch, reference, text, way.channel)
                return
        except NotSent as error:
            await self._pause(batch, str(error), "NO_ANSWER", handed_over=True)
            return
        if envelope.repeated and batch["repeats"] >= carrier.most_repeats:
            await self._fail(batch, "NO_ANSWER")
            return
        await self._step(batch, "hand_over", carrier.name, way.channel, text.language, text.version)
        batch = Batch([{**row, "channel": way.channel} for row in batch.rows])
        try:
            reference = await carrier.send(envelope)
        except NotSent as error:
            await self._pause(batch, str(error), "NOT_SENT", handed_over=False)
        except Uncertain as error:
            await self._pause(batch, str(error), "UNCERTAIN", handed_over=True)
        except Refused:
            await self._fail(batch, "ADDRESS_REFUSED")
        except Exception as error:  # noqa: BLE001 - whatever a carrier's answer did: it may have been sent
            await self._pause(batch, type(error).__name__, "UNCERTAIN", handed_over=True)
        else:
            await self._accept(batch, reference, text, way.channel)

    async def _accept(self, batch: Batch, reference: str | None, text: Text, channel: str) -> None:
        await self._step(batch, "accept", reference, self._now())
        try:
            await self._record(batch, text, channel)
        except NoAnswer as error:
            await self._wait(batch, str(error))

    # --- what is sent -----------------------------------------------------------------------------

    async def _still_true(self, batch: Batch) -> tuple[Batch, Sequence[Message]]:
        """Plan the messages anew, by the events as they stand now; withdraw those whose reason is gone."""
        messages: dict[UUID, Message] = {}
        async with self._pool.acquire() as connection:
            followed = Followed(connection)
            for case_id, session in {(row["case_id"], session_of(row["record"])) for row in batch.rows}:
                messages |= await planned(connection, followed, case_id, session, self._plan_of)
        begun = batch["handed_over"] or batch["state"] == "ACCEPTED"
        begun |= batch["template"] == AccountTemplate.OFFICER_DIGEST  # what it says is true when it is sent
        gone = [row for row in batch.rows if row["id"] not in messages and not begun]
        if gone:
            await self._step(Batch(gone), "withdraw", "NO_LONGER_TRUE")
        left = [row for row in batch.rows if row not in gone]
        return Batch(left), [messages.get(row["id"]) or _of_row(row) for row in left]

    def _way(self, batch: Batch, contact: Contact | None) -> _Way | None:
        """Choose carrier, channel and address: for a repeat those of the first attempt. None if there is no address."""
        if contact is None:
            return None
        postal = "\n".join(filter(None, (contact.name, contact.address))) if contact.address else None
        known = {"SMS": contact.telephone, "EMAIL": contact.email, "LETTER": postal}
        # A letter is sent only to those who asked for letters: others expect none at home.
        wanted = [contact.preferred] if contact.preferred in known else []
        channels = [*wanted, *(channel for channel in _ORDER if channel != "LETTER" and channel not in wanted)]
        carriers = self._carriers
        if batch["handed_over"]:
            channels, carriers = (
                [batch["channel"]],
                [carrier for carrier in carriers if carrier.name == batch["provider"]],
            )
        for channel in channels:
            for carrier in carriers:
                address = known[channel]
                if address and channel in carrier.channels:
                    return _Way(carrier, channel, address)
        return None

    # --- what becomes of it -----------------------------------------------------------------------

    async def _record(self, batch: Batch, text: Text, channel: str) -> None:
        """Have the referral record what was sent, once. Raises `NoAnswer`."""
        if not batch["to_account"]:
            body = _about(batch, "RecordMessage", text.template, text.version, channel) | {"text": text.body}
            try:
                await self._apis.command(batch["referral_id"], f"message-{batch.id}", body)
            except NotRecorded as error:
                _log.critical("message_not_recorded", message=str(batch.id), why=str(error))
                await self._step(batch, "leave", "NOT_RECORDED")
                await self._raise_dead(batch, str(error))
                return
        await self._step(batch, "finish")

    async def _pause(self, batch: Batch, error: str, why: str, *, handed_over: bool) -> None:
        """Try again after a pause that grows; give up after a day."""
        now = self._now()
        first = max(batch["not_before"], batch["planned_at"])
        hours = POLICY.on(local_day(now)).number("give_up_hours")
        if now - first >= timedelta(hours=hours):
            await self._fail(batch, "NO_ANSWER")
            return
        _log.warning("message_paused", message=str(batch.id), why=why, error=error, tries=batch["tries"] + 1)
        await self._step(batch, "pause", now + pause_after(batch["tries"] + 1), handed_over, why)

    async def _later(self, batch: Batch, error: str, why: str) -> None:
        if batch["state"] == "ACCEPTED":
            await self._wait(batch, error)
        else:
            await self._pause(batch, error, why, handed_over=batch["handed_over"])

    async def _wait(self, batch: Batch, error: str) -> None:
        """Record it later: it was sent, so recording is never given up."""
        _log.warning("message_to_be_recorded", message=str(batch.id), error=error)
        await self._step(batch, "wait", self._now() + pause_after(batch["tries"] + 1))

    async def _fail(self, batch: Batch, why: str) -> None:
        await self._step(batch, "fail", why)
        await self._raise_dead(batch, why)
        await self.note_failures()

    async def _raise_dead(self, batch: Batch, why: str) -> None:
        async with self._pool.acquire() as connection:
            count = await connection.fetchval(
                "select count(*) from message where state = 'FAILED' and why <> $1", NO_ADDRESS
            )
            await raise_alarm(connection, CONSUMER, DEAD, PLACE, f"{count} messages; the last is {batch.id}: {why}")

    async def note_failures(self) -> None:
        """Record failures in the referral, so that staff ring; clear the alarm when nothing is dead."""
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(
                "select * from message where state = 'FAILED' and not recorded and not to_account limit 100"
            )
            if not await connection.fetchval(
                "select exists (select from message where state = 'FAILED' and why <> $1 or why = 'NOT_RECORDED')",
                NO_ADDRESS,
            ):
                await clear_alarm(connection, CONSUMER, DEAD, PLACE)
        for row in rows:
            batch = Batch([dict(row)])
            body = _about(
                batch,
                "RecordMessageFailure",
                row["template"],
                row["template_version"] or 1,
                row["channel"] or _ORDER[0],
            )
            try:
                key = f"failure-{row['id']}"
                await self._apis.command(
                    row["referral_id"], key, body | {"message_id": str(row["id"]), "why": row["why"]}
                )
            except NoAnswer:
                return
            except NotRecorded as error:
                _log.critical("failure_not_recorded", message=str(row["id"]), why=str(error))
            await self._step(batch, "note_failure")

    async def note_deliveries(self) -> None:
        """Query carriers for the delivery of sent messages, and record it."""
        carriers = {carrier.name: carrier for carrier in self._carriers}
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(
                "select * from (select distinct on (sent_as) * from message where state = 'SENT' and delivered is null"
                " and not to_account and provider = 'NOTIFY' and sent_at > $1) as sent order by random() limit 200",
                self._now() - timedelta(days=RECEIPT_DAYS),
            )
        for row in rows:
            try:
                outcome = await carriers[row["provider"]].outcome(row["sent_as"])
                if outcome is not None:
                    body = {"type": "RecordMessageDelivery", "message_id": str(row["sent_as"]), "outcome": outcome}
                    await self._apis.command(row["referral_id"], f"delivery-{row['sent_as']}", body)
            except (KeyError, NotSent, NoAnswer):
                continue
            except NotRecorded as error:
                _log.critical("delivery_not_recorded", message=str(row["sent_as"]), why=str(error))
                outcome = "NOT_RECORDED"
            if outcome is not None:
                async with self._pool.acquire() as connection:
                    await connection.execute(
                        "update message set delivered = $2 where sent_as = $1", row["sent_as"], outcome
                    )


def _envelope(
    batch: Batch,
    way: _Way,
    messages: Sequence[Message],
    places: Mapping[str, str | None],
    text: Text,
    link: str | None = None,
) -> Envelope:
    """Return the message as it goes; with an invitation if a mail server takes it, and it changes one appointment.

    A link is at the end of the sent text, and not in the record: it opens the page to every holder.
    """
    sender, diary, method = getattr(way.carrier, "sender", None), None, None
    if sender is not None and len(messages) == 1:
        method = METHODS.get(messages[0].template)
        diary = invitation(messages[0], places.get(messages[0].record), sender, way.address)
    words = templates(text.language)["words"]
    body = text.body if link is None else f"{text.body} {words['page']} {link}"
    parts = (batch.id, way.channel, way.address, text.subject, body, diary, method)
    return Envelope(*parts, repeated=batch["handed_over"], again=words["again"])


def _about(batch: Batch, command: str, template: str, version: int, channel: str) -> dict[str, Any]:
    return {
        "type": command,
        "message_id": str(batch.id),
        "person_id": str(batch["recipient"]),
        "about": str(batch["event_id"]),
        "channel": channel,
        "template": template,
        "template_version": version,
    }


def _of_row(row: Mapping[str, Any]) -> Message:
    """Return the message of a row whose reason is gone, as it may have been sent."""
    names = ("event_id", "template", "recipient", "concerns", "case_id", "referral_id", "record", "item", "to_account")
    known: dict[str, Any] = {name: row[name] for name in names}
    times = {"not_before": row["not_before"], "not_after": row["not_after"], "moment": row["not_after"]}
    return Message(**known, **times, follows=tuple(row["follows"]), hours=None, sequence=0)
