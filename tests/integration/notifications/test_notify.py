"""Texts and letters by GOV.UK Notify's documented API: asked by reference before anything is sent again."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from services.notifications.channels import Envelope, NotSent, Refused, Uncertain
from services.notifications.channels import notify as channel
from services.notifications.channels.notify import Notify
from services.notifications.settings import NotificationsSettings
from tests.hostile.serving import served
from tests.integration.local.waiting import PATIENCE
from tests.integration.notifications.conftest import NOW, Told
from tests.integration.notifications.notify_server import KEY, TEMPLATES, NotifyServer, Problem


class Reached:
    """The server, and a carrier that goes there."""

    def __init__(self, server: NotifyServer, carrier: Notify) -> None:
        self.server, self.carrier = server, carrier


def carrier_at(url: str, folder: Path, key: str = KEY) -> Notify:
    """Return the carrier for a server."""
    file = folder / "key"
    file.write_text(key)
    templates = " ".join(f"{channel}={id_}" for channel, id_ in TEMPLATES.items())
    return Notify(NotificationsSettings(notify_key_file=file, notify_url=url, notify_templates=templates))


@pytest.fixture
async def notify(tmp_path: Path) -> AsyncIterator[Reached]:
    server = NotifyServer()
    async with served(cast("Any", server.application()), NotificationsSettings(mode="local")) as port:
        yield Reached(server, carrier_at(f"http://127.0.0.1:{port}", tmp_path))


def text(address: str = "07700 900321", channel: str = "SMS") -> Envelope:
    return Envelope(uuid4(), channel, address, "Your place", "See you on Monday.")


async def test_a_text_goes_with_its_reference_and_its_receipt_is_recorded(told: Told, notify: Reached) -> None:
    """Given a booked place, then Notify has one text with the message's id, and says later that it arrived."""
    await told.begin()
    await told.book()
    await told.follow()
    await told.sender(notify.carrier).send_due()
    (sent,) = notify.server.taken
    row = (await told.messages())[0]
    assert (sent["reference"], sent["phone_number"]) == (str(row["sent_as"]), "07700 900321")
    assert row["provider_reference"] == sent["id"]
    await told.sender(notify.carrier).note_deliveries()
    assert not await told.recorded("MessageDelivered")
    notify.server.status = "delivered"
    await told.sender(notify.carrier).note_deliveries()
    assert len(await told.recorded("MessageDelivered")) == 1


async def test_a_text_that_notify_took_before_it_broke_is_not_sent_again(told: Told, notify: Reached) -> None:
    """Given a 500 after the text was taken, then Notify is asked by reference, and nothing is sent again."""
    await told.begin()
    await told.book()
    await told.follow()
    notify.server.after_taking = Problem(500, "Exception", "Internal server error")
    await told.sender(notify.carrier).send_due()
    assert (await told.messages())[0]["why"] == "UNCERTAIN"
    notify.server.after_taking = None
    await told.sender(notify.carrier, now=NOW + timedelta(hours=1)).send_due()
    assert len(notify.server.taken) == 1
    assert (await told.messages())[0]["state"] == "SENT"
    assert len(await told.recorded()) == 1


@pytest.mark.parametrize(
    ("problem", "error"),
    [
        (Problem(400, "BadRequestError", "Can't send to this recipient using a team-only API key"), NotSent),
        (Problem(400, "ValidationError", "phone_number Not a valid country prefix"), Refused),
        (Problem(403, "AuthError", "Invalid token: signature"), NotSent),
        (
            Problem(429, "RateLimitError", "Exceeded rate limit for key type LIVE of 3000 requests per 60 seconds"),
            NotSent,
        ),
        (Problem(500, "Exception", "Internal server error"), Uncertain),
    ],
)
async def test_documented_errors_are_understood(notify: Reached, problem: Problem, error: type[Exception]) -> None:
    """Given an error of the documented API, then an address alone is refused for good, and a 500 leaves it open."""
    notify.server.next_problem = problem
    with pytest.raises(error):
        await notify.carrier.send(text())


async def test_the_token_is_checked(notify: Reached, tmp_path: Path) -> None:
    """Given a key with another secret, then Notify refuses it, and nothing was sent."""
    folder = tmp_path / "other"
    folder.mkdir()
    stranger = carrier_at(notify.carrier._url, folder, f"{KEY[:-36]}{uuid4()}")
    with pytest.raises(NotSent):
        await stranger.send(text())
    assert not notify.server.taken


async def test_a_letter_has_its_address_in_lines(notify: Reached) -> None:
    """Given a letter, then each line of the address is one of Notify's."""
    await notify.carrier.send(text("Robin Roe\n1 Mill Lane\nMerrow\nMW1 1AA", "LETTER"))
    (letter,) = notify.server.taken
    assert [letter["personalisation"][f"address_line_{n}"] for n in (1, 2, 4)] == [
        "Robin Roe",
        "1 Mill Lane",
        "MW1 1AA",
    ]


async def test_a_dead_server_leaves_it_open(tmp_path: Path) -> None:
    """Given nobody at the address, then nothing is known of what was sent, and the question of it is asked later."""
    carrier = carrier_at("http://127.0.0.1:9", tmp_path)
    with pytest.raises(Uncertain):
        await carrier.send(text())
    with pytest.raises(NotSent):
        await carrier.outcome(UUID(int=1))


ODD: list[Any] = [
    [],
    "no",
    7,
    None,
    {"id": None},
    {"notifications": {}},
    {"notifications": [7]},
    {"notifications": [{}]},
]
"""Answers that no documentation of Notify's has."""


@pytest.mark.parametrize("odd", ODD)
async def test_an_answer_that_is_none_of_notifys_is_an_open_question(tmp_path: Path, odd: Any) -> None:
    """Given a server in Notify's place that answers anything, then what was sent is uncertain, and nothing else is believed."""

    async def answer(_request: Request) -> JSONResponse:
        return JSONResponse(odd, 201)

    odd_server = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])
    async with served(cast("Any", odd_server), NotificationsSettings(mode="local")) as port:
        carrier = carrier_at(f"http://127.0.0.1:{port}", tmp_path)
        with pytest.raises(Uncertain):
            await carrier.send(text())
        with suppress(NotSent):
            assert await carrier.find(text()) is None
        with suppress(NotSent):
            assert await carrier.outcome(uuid4()) is None


async def test_a_server_that_never_comes_to_an_end_holds_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a server that sends a byte now and then, then each call ends in its time, and the next server is reached."""
    monkeypatch.setattr(channel, "LONGEST_SECONDS", 1.0)
    before, trickles = set(threading.enumerate()), True

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            body = b'{"notifications":[]}'
            length = 1_000_000 if trickles else len(body)
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (length, body))
            while trickles:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.1)

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    carrier = carrier_at(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", tmp_path)
    async with asyncio.timeout(PATIENCE):
        sent = await asyncio.gather(*(carrier.send(text()) for _ in range(20)), return_exceptions=True)
        assert [type(error) for error in sent] == [Uncertain] * 20
        with pytest.raises(NotSent):
            await carrier.find(text())
        trickles = False
        monkeypatch.undo()
        assert await carrier.find(text()) is None
    made = [thread for thread in threading.enumerate() if thread.name.startswith("notify") and thread not in before]
    assert len(made) <= channel.THREADS
    server.close()
