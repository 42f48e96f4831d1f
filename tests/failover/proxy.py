"""A TCP proxy before a server, by which a network is made slow, silent or broken."""

import asyncio
import contextlib
from typing import Final

from tools.local.ports import HOST

CHUNK: Final = 65_536


class Proxy:
    """Passes what comes to a port on to a server, until it is told otherwise."""

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self.delay = 0.0
        """Seconds for which each chunk is kept, in both directions."""
        self._target = target
        self._passes = asyncio.Event()
        self._passes.set()
        self._refuses = False
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._serve, HOST, self.port)

    async def stop(self) -> None:
        """End every connection, and listen no more."""
        self.sever()
        if self._server is not None:
            self._server.close()

    def hold(self) -> None:
        """Pass nothing on and say nothing, as a network does that is parted."""
        self._passes.clear()

    def sever(self) -> None:
        """End every connection, lose what is under way, and refuse new ones."""
        self._refuses = True
        for writer in list(self._open):
            writer.transport.abort()

    def mend(self) -> None:
        """Pass on what was held, and whatever comes."""
        self._refuses, self.delay = False, 0.0
        self._passes.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if self._refuses:
                return
            await self._passes.wait()
            there, back = await asyncio.open_connection(HOST, self._target)
            self._open.add(back)
            try:
                await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
            finally:
                self._open.discard(back)
                back.transport.abort()
        except OSError:
            pass  # the server is not there, or one end has gone
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while chunk := await source.read(CHUNK):
            if self.delay:
                await asyncio.sleep(self.delay)
            await self._passes.wait()
            sink.write(chunk)
            await sink.drain()
        with contextlib.suppress(OSError):
            sink.write_eof()
