"""Exactly one message: whatever dies between two steps, and however many workers there are."""

import asyncio
from datetime import UTC, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from ooc.messages import _RETRY
from services.notifications import follow, outbox
from services.notifications.apis import Apis, NoAnswer
from services.notifications.channels import NotSent, Refused, Uncertain
from services.notifications.channels.record import RecordOnly
from services.notifications.follow import following
from services.notifications.settings import NotificationsSettings
from services.notifications.times import next_open
from services.system.addresses import Addresses
from shared.domain.data_rights import PersonForgotten, data_rights_events, data_rights_id
from shared.domain.envelope import EventRegistry, encode_event
from shared.event_store import RecordedEvent
from tests.hostile.partnership import SERVICES
from tests.integration.notifications.conftest import NOW, Killed, Post, Told
from tests.unit.notifications.case_events import fact_of

LATER = NOW + outbox.LEASE + timedelta(minutes=30)


async def test_a_booked_place_is_told_once_and_recorded_sealed(told: Told) -> None:
    """Given a booked place, when its events come twice and a worker sends twice, then one message is sent and recorded."""
    await told.begin()
    await told.book()
    await told.follow()
    await told.follow()
    post = Post()
    assert await told.sender(post).send_due() == 1
    assert await told.sender(post).send_due() == 0
    (sent,) = post.taken
    assert (sent.channel, sent.address) == ("SMS", "07700 900321")
    assert "The old court house" in sent.body
    assert await told.states() == [("PLACE_BOOKED", "SENT"), ("PLACE_REMINDER", "PLANNED")]
    (recorded,) = await told.recorded()
    assert recorded["data"]["channel"] == "SMS"
    assert recorded["data"]["text"] == sent.body


async def test_the_outbox_holds_neither_address_nor_text(told: Told) -> None:
    """Given a message that was sent, then no table of notifications holds name, number, place or text in clear."""
    await told.begin(email="robin.roe@example.org")
    await told.book()
    await told.follow()
    await told.sender(Post()).send_due()
    for table in ("message", "stream_event", "stream_case", "data_right", "alarm"):
        for row in await told.pool.fetch(f"select t::text from {table} as t"):
            raw = (
                bytes.fromhex("".join(part for part in row[0].split("\\x")[1:2]).rstrip('")'))
                if "\\x" in row[0]
                else b""
            )
            for secret in ("7700 900321", "7700900321", "Robin", "example.org", "court house", "You have a place"):
                assert secret not in row[0], table
                assert secret.encode() not in raw, table


@pytest.mark.parametrize("point", range(5))
async def test_a_worker_that_dies_between_two_steps_sends_once(
    told: Told, point: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a worker that is killed before or after each step, when another goes on, then one message went out."""
    await told.begin()
    await told.book()
    await told.follow()
    post, first = Post(), told.sender(Post())
    first._carriers = [post]
    done, step = 0, first._step

    async def dying(*arguments: Any) -> None:
        nonlocal done
        if done == point:
            raise Killed
        await step(*arguments)
        done += 1
        if done == point:
            raise Killed

    def kill() -> None:
        raise Killed

    if point == 3:
        post.before = kill
    elif point == 4:
        post.after = kill
    else:
        monkeypatch.setattr(first, "_step", dying)
    with pytest.raises(Killed):
        await first.send_due()
    post.before = post.after = lambda: None
    assert await told.sender(post, now=NOW + timedelta(seconds=1)).send_due() == 0  # its lease still holds
    await told.sender(post, now=LATER).send_due()
    assert len(post.taken) == 1
    assert len(await told.recorded()) == 1
    assert (await told.states())[0] == ("PLACE_BOOKED", "SENT")


async def test_workers_at_once_send_each_message_once(told: Told) -> None:
    """Given two people to be told and four workers at once, then each is told once."""
    await told.begin()
    await told.link(told.mother, "PARENT_CARER", "PARENT_CARER", telephone="07700 900322", date_of_birth="1980-02-02")
    await told.book()
    await told.follow()
    post = Post()
    await asyncio.gather(*(told.sender(post).send_due() for _ in range(4)))
    assert sorted(one.address for one in post.taken) == ["07700 900321", "07700 900322"]
    assert len(await told.recorded()) == 2
    assert "young person you look after" in next(one.body for one in post.taken if one.address.endswith("2"))


async def test_without_a_carrier_the_record_alone_has_it(told: Told) -> None:
    """Given neither mail server nor Notify, then the message stands in the referral, and nowhere else."""
    await told.begin()
    await told.book()
    await told.follow()
    await told.sender(RecordOnly()).send_due()
    assert len(await told.recorded()) == 1
    assert (await told.messages())[0]["provider"] == "RECORD"


async def test_what_falls_due_together_is_one_message_and_a_day_has_two(told: Told) -> None:
    """Given three places at once, then they are one message; after two messages on a day, the rest waits for the next."""
    await told.begin()
    sessions = [told.session, uuid4(), uuid4()]
    for session in sessions[1:]:
        await told.plan_session(session)
    for session in sessions:
        await told.book(session)
    await told.follow()
    post = Post()
    assert await told.sender(post).send_due() == 1
    assert post.taken[0].body.count("The old court house") == 3
    assert (await told.recorded())[0]["data"]["template"] == "SEVERAL"
    for _ in range(2):
        sessions.append(uuid4())
        await told.plan_session(sessions[-1])
        await told.book(sessions[-1])
        await told.follow()
        await told.sender(post).send_due()
    assert len(post.taken) == 2
    await told.sender(post, now=next_open(NOW + timedelta(days=1))).send_due()
    assert len(post.taken) == 3


async def test_a_cancelled_place_is_withdrawn_before_it_is_told(told: Told) -> None:
    """Given a place that is given back before anybody was told, then nothing is sent; afterwards, its end is told."""
    await told.begin()
    await told.book()
    await told.follow()
    cancel = {"person_id": str(told.child), "why": "OTHER"}
    await told.tell("education", told.session, "CancelPlace", **cancel)
    await told.follow()
    post = Post()
    assert await told.sender(post).send_due() == 0
    assert {state for _, state in await told.states()} == {"WITHDRAWN"}
    await told.book()
    await told.follow()
    await told.sender(post).send_due()
    await told.tell("education", told.session, "CancelPlace", **cancel)
    await told.follow()
    await told.sender(post).send_due()
    assert ["place" in one.body and "need not" not in one.body for one in post.taken] == [True, False]


async def test_nobody_is_told_while_their_data_are_restricted_or_once_they_are_forgotten(told: Told) -> None:
    """Given a restriction, then a message waits until it is lifted; of somebody forgotten it is withdrawn."""
    await told.begin()
    await told.book()
    await told.follow()
    post = Post()
    await told.pool.execute(
        "insert into data_right (person_id, service, kind) values ($1, 'referral', 'RESTRICTED')", told.child
    )
    assert await told.sender(post).send_due() == 0
    await told.pool.execute("delete from data_right where person_id = $1", told.child)
    assert await told.sender(post).send_due() == 1


async def test_whoever_says_no_meanwhile_is_not_told(told: Told) -> None:
    """Given a message that is planned, when the person says no and the follower has not heard it yet, then none is sent."""
    await told.begin()
    await told.book()
    await told.follow()
    await told.tell("referral", told.referral, "RecordPreferences", person_id=str(told.child), messages_wanted=False)
    post = Post()
    await told.sender(post).send_due()
    assert not post.taken
    assert (await told.messages())[0]["why"] == "NOT_WANTED"


async def test_a_refused_address_is_dead_at_once_and_somebody_rings(told: Told) -> None:
    """Given an address that the carrier refuses, then the failure is recorded with its duty, and an alarm stands."""
    await told.begin()
    await told.book()
    await told.follow()

    def refuse() -> None:
        raise Refused

    await told.sender(Post(before=refuse)).send_due()
    (failed,) = await told.recorded("MessageFailed")
    assert failed["data"]["why"] == "ADDRESS_REFUSED"
    assert await told.pool.fetchval("select name from alarm") == "message_dead"
    token = await told.partnership.token("SUPERVISOR")
    duties = await told.partnership.read("referral", f"/v1/referrals/{told.referral}/duties", token)
    assert "RING_INSTEAD" in {duty["duty"] for duty in duties.json()}


@pytest.mark.parametrize("mother_has_one", [True, False])
async def test_where_no_one_of_a_family_has_an_address_somebody_rings(told: Told, *, mother_has_one: bool) -> None:
    """Given a child without an address, then somebody rings once, unless the mother is written to."""
    await told.begin(telephone=None)
    reached = {"telephone": "07700 900322"} if mother_has_one else {}
    await told.link(told.mother, "PARENT_CARER", "PARENT_CARER", date_of_birth="1980-02-02", **reached)
    await told.book()
    await told.follow()
    await told.sender(Post()).send_due()
    failed = [line["data"]["why"] for line in await told.recorded("MessageFailed")]
    assert failed == ([] if mother_has_one else ["NO_ADDRESS"])
    assert await told.pool.fetchval("select count(*) from alarm") == 0


async def test_a_carrier_that_does_not_answer_is_asked_for_a_day(told: Told) -> None:
    """Given a carrier that takes nothing, then the pauses grow, and after a day the message is given up."""
    await told.begin()
    await told.book()
    await told.follow()

    def silent() -> None:
        raise NotSent

    now, attempts, first = NOW, 0, (await told.messages())[0]
    due = max(first["not_before"], first["planned_at"])
    while (await told.messages())[0]["state"] == "PLANNED":
        attempts += await told.sender(Post(before=silent), now=now).send_due()
        row = (await told.messages())[0]
        now = next_open((row["next_try"] or now).astimezone(UTC))
    assert 5 <= attempts <= 15
    assert now - due >= timedelta(hours=24)
    assert (await told.recorded("MessageFailed"))[0]["data"]["why"] == "NO_ANSWER"


async def test_a_carrier_that_cannot_be_asked_gets_one_repeat(told: Told) -> None:
    """Given a mail server that dies with each message, then the second is marked, and there is no third."""
    await told.begin(email="robin.roe@example.org", preferred_channel="EMAIL")
    await told.book()
    await told.follow()

    def lost() -> None:
        raise Uncertain

    mail = Post(name="SMTP", channels=("EMAIL",), most_repeats=1, after=lost)
    mail.find = lambda _envelope: asyncio.sleep(0)  # type: ignore[method-assign,assignment]
    now = NOW
    for _ in range(4):
        await told.sender(mail, now=now).send_due()
        now += timedelta(hours=1)
    assert [one.repeated for one in mail.taken] == [False, True]
    assert (await told.messages())[0]["state"] == "FAILED"


async def test_what_arrived_is_recorded(told: Told) -> None:
    """Given a carrier that says that a message arrived, then the referral records it, once."""
    await told.begin()
    await told.book()
    await told.follow()
    post = Post()
    await told.sender(post).send_due()
    for _ in range(2):
        await told.sender(post).note_deliveries()
    assert len(await told.recorded("MessageDelivered")) == 1


async def follow_forgetting(told: Told, person: UUID) -> None:
    """Follow that the referral's service forgets somebody."""
    event = PersonForgotten(person_id=person, basis="RETENTION_ENDED")
    made = fact_of(data_rights_events("referral"), event, 1, NOW)
    stream = f"referral/{data_rights_id('referral', person)}"
    envelope = made.envelope.model_copy(update={"stream": stream})
    body = encode_event(envelope, event)
    record = RecordedEvent(1, NOW, stream, 1, made.event_id, envelope.type, envelope.home, b"", body)
    async with told.pool.acquire() as connection, connection.transaction():
        await following()(connection, [cast("Any", record)])


async def test_forgetting_withdraws_what_is_unsent_and_ends_the_link(told: Told) -> None:
    """Given a child who is forgotten, then nothing is sent to them any more, not what a dead worker began, and no link stands."""
    await told.begin()
    await told.book()
    await told.follow()
    await told.pool.execute(
        "update message set link = 'OPEN', state = 'SENDING', sent_as = id, leased_until = '-infinity'"
        " where template = 'PLACE_BOOKED'"
    )
    await follow_forgetting(told, told.child)
    post = Post()
    await told.sender(post).send_due()
    assert not post.taken
    rows = await told.messages()
    assert {row["why"] for row in rows} <= {"FORGOTTEN", "NO_LONGER_TRUE"}
    assert {row["link"] for row in rows} <= {None, "OFF", "ENDED"}


async def test_a_childs_forgetting_makes_no_other_familys_parent_theirs(told: Told) -> None:
    """Given two children and a parent of whom nobody said whose, when one child is forgotten, then the parent still hears nothing."""
    await told.begin()
    other = uuid4()
    await told.link(other, "HARMER", "SUSPECT")
    await told.link(told.mother, "PARENT_CARER", "PARENT_CARER", telephone="07700 900322", date_of_birth="1980-02-02")
    await told.book()
    await told.follow()
    await follow_forgetting(told, other)
    await told.follow("education")
    assert {row["recipient"] for row in await told.messages()} == {told.child}


async def test_whoever_is_forgotten_is_found_without_reading_every_message(told: Told) -> None:
    """Given somebody who is forgotten, when their cases are looked for, then indexes find the messages."""
    async with told.pool.acquire() as connection, connection.transaction():
        await connection.execute("set local enable_seqscan = off")
        plan = await connection.fetch(f"explain {follow._CASES_OF}", uuid4())
    assert not [row[0] for row in plan if "Filter: " in row[0]]
    assert len([row[0] for row in plan if "Index Cond: " in row[0]]) == 2


async def test_the_keys_of_relays_are_read_without_an_account(told: Told, unused_tcp_port: int) -> None:
    """Given an issuer that does not answer, as before the messenger has an account, then it follows, and cannot ask for a person."""
    issuer = f"http://127.0.0.1:{unused_tcp_port}"
    services = {service: f"http://{service}" for service in SERVICES}
    apis = Apis(NotificationsSettings(mode="local", issuer=issuer), Addresses(issuer, services), told.apis._http)
    with pytest.raises(NoAnswer, match="referral answered 503"):  # no worker runs here, so nothing has signed
        await apis.public_keys("referral")
    with pytest.raises(NoAnswer, match="the issuer"):
        await apis.contact(told.referral, told.child)


async def test_a_message_that_nothing_can_send_stops_no_other(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a carrier that fails as nobody foresaw, then the message waits, is given up after a day, and the worker goes on."""
    await told.begin()
    await told.book()
    await told.follow()
    post = Post()

    def fail() -> None:
        raise IndexError("07700 900321")

    post.before = fail
    assert await told.sender(post).send_due() == 1
    row = (await told.messages())[0]
    assert (row["state"], row["why"], row["handed_over"]) == ("PLANNED", "UNCERTAIN", True)
    monkeypatch.setattr(post, "find", fail)
    assert await told.sender(post, now=next_open(NOW + timedelta(days=2))).send_due() >= 1
    assert (await told.messages())[0]["state"] == "FAILED"


async def test_a_restored_outbox_sends_nothing_again_that_the_record_has(told: Told) -> None:
    """Given an outbox that is restored to before a message was sent, when a worker starts, then the person is told no second time."""
    await told.begin()
    await told.book()
    await told.follow()
    await told.sender(Post()).send_due()
    await told.pool.execute(
        "update message set state = 'PLANNED', handed_over = false, provider = null, provider_reference = null,"
        " channel = null, language = null, template_version = null, sent_at = null, sent_as = null, recorded = false"
        " where case_id = $1",
        told.case,
    )
    assert (await told.states())[0] == ("PLACE_BOOKED", "PLANNED")
    post = Post()
    await told.sender(post, now=LATER).send_due()
    assert post.taken == []
    assert (await told.states())[0] == ("PLACE_BOOKED", "SENT")
    assert len(await told.recorded()) == 1


async def test_a_message_that_is_sent_after_it_failed_is_recorded(told: Told) -> None:
    """Given a message that was given up, when an operator has it sent again, then the record says that it was sent, and its text."""
    await told.begin()
    await told.book()
    await told.follow()
    post = Post()

    def refuse() -> None:
        raise Refused("400")

    post.before = refuse
    await told.sender(post).send_due()
    assert len(await told.recorded("MessageFailed")) == 1
    (row, _) = await told.messages()
    assert await told.pool.fetchval(_RETRY, row["id"]) == row["id"]
    post.before = lambda: None
    await told.sender(post, now=LATER).send_due()
    assert len(post.taken) == 1
    (recorded,) = await told.recorded()
    assert recorded["data"]["text"] == post.taken[0].body


async def test_a_session_of_many_cases_is_read_once_for_all_of_them(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a session with places of many cases, when it is followed, then each event is read a few times, and each case its own alone."""
    await told.begin()
    for _ in range(12):
        ids = {"person_id": str(uuid4()), "case_id": str(uuid4())}
        await told.tell("education", told.session, "BookPlace", **ids)
    await told.book()
    read, reads = EventRegistry.read, 0

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal reads
        reads += 1
        return read(*arguments, **named)

    monkeypatch.setattr(EventRegistry, "read", counted)
    await told.follow()
    assert reads <= 3 * (14 + 2)
    await told.sender(Post()).send_due()
    assert await told.states() == [("PLACE_BOOKED", "SENT"), ("PLACE_REMINDER", "PLANNED")]


async def test_a_parent_who_is_linked_later_is_told_of_the_places_there_are(told: Told) -> None:
    """Given a place that stands, when a parent is linked to the case, then they are told of it too, and nobody again of what is over."""
    await told.begin()
    await told.book()
    await told.follow()
    await told.sender(Post()).send_due()
    await told.link(told.mother, "PARENT_CARER", "PARENT_CARER", telephone="07700 900322", date_of_birth="1980-02-02")
    await told.follow("referral")
    assert {row["recipient"] for row in await told.messages()} == {told.child, told.mother}
    assert [state for _, state in await told.states()].count("SENT") == 1
