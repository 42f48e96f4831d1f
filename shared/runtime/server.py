"""The HTTP server of every process with a port."""

import asyncio
import logging
import socket
import ssl
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Final

import uvicorn

from shared.observing.certificate import note_end

_LOG: Final = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """A server that wakes up once a second, while uvicorn's does ten times: an idle system costs little."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = asyncio.Event()
        self._written = _written(config)
        self._tls: ssl.SSLContext | None = None

    def end(self) -> None:
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._ending.set)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self.end()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen. If the connections begin TLS (`BoundedProtocol.tls`), the sockets do not."""
        self._tls = self.config.ssl
        self._tell_its_end()
        if getattr(self.config.http_protocol_class, "tls", None) is not None:
            self.config.ssl = None
        await super().startup(sockets)

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            self._take_a_new_certificate()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), 1)

    def _take_a_new_certificate(self) -> None:
        tls = self._tls
        try:
            if tls is not None and (written := _written(self.config)) != self._written:
                # A context that refuses a certificate has lost the one before.
                for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), tls):
                    context.load_cert_chain(self.config.ssl_certfile or "", self.config.ssl_keyfile)
                self._written = written
                self._tell_its_end()
        except OSError as error:  # ssl.SSLError is one: the old one is shown until a whole one is there
            _LOG.warning("the new certificate cannot be read: %r", error)

    def _tell_its_end(self) -> None:
        if file := self.config.ssl_certfile:
            note_end(str(file))


def _written(config: uvicorn.Config) -> list[float]:
    return [Path(file).stat().st_mtime for file in (config.ssl_certfile, config.ssl_keyfile) if file]


def run(config: uvicorn.Config) -> None:
    """Serve until SIGTERM, then finish the running requests."""
    server = Server(config)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(1)  # it has said why
