"""Patience with a server: the call is sent again while it fails with what passes, and no longer than was said."""

import asyncpg
import pytest

from shared.servers.database import retry_for, retry_or_raise


class Away(Exception):
    """No answer in time."""


class Server:
    """A server that fails with these errors, one after the other, and then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def answer(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "here"


async def test_what_passes_is_waited_for() -> None:
    """Given a server that is away twice, the third call answers."""
    server = Server(ConnectionRefusedError(), TimeoutError())
    assert await retry_for(server.answer, 30) == "here"
    assert server.calls == 3


@pytest.mark.parametrize("error", [ValueError("a fault of ours"), KeyError("another")])
async def test_a_fault_is_not_tried_again(error: Exception) -> None:
    """Given an error that comes every time, then it passes at once, as it is."""
    server = Server(error)
    with pytest.raises(type(error)):
        await retry_or_raise(server.answer, Away)
    assert server.calls == 1


async def test_a_call_that_took_all_the_time_is_the_last() -> None:
    """Given no time left after a call that failed, then it is not sent once more."""
    server = Server(TimeoutError(), TimeoutError())
    with pytest.raises(Away):
        await retry_or_raise(server.answer, Away, seconds=0)
    assert server.calls == 1


async def test_a_full_disk_is_waited_for_and_then_said() -> None:
    """Given a database without room, then it is asked again for a while, and at last it is unavailable: no fault of ours."""
    server = Server(*[asyncpg.DiskFullError("no space left on device")] * 1_000)
    with pytest.raises(Away, match="DiskFullError"):
        await retry_or_raise(server.answer, Away, 0.2)
    assert server.calls > 1
