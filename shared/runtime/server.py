"""The HTTP server of every process that answers one."""

import asyncio
import sys
from contextlib import suppress
from types import FrameType

import uvicorn


class Server(uvicorn.Server):
    """A server that wakes up once a second, where uvicorn's does ten times: an idle system costs little."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Finish the running requests, and end."""
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._ending.set)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self.end()

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), 1)


def run(config: uvicorn.Config) -> None:
    """Serve until SIGTERM, then finish the running requests."""
    server = Server(config)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(1)  # it has said why
