"""Firefox as Playwright starts it: Debian's own, driven by WebDriver BiDi.

Run as a program it starts Firefox with the same arguments and stands between the two. Playwright sends each new context a
command that the Firefox of Debian does not know yet, and which asks for nothing (no colour scheme): it is answered here.
"""

import asyncio
import json
import re
import sys
from functools import partial
from pathlib import Path
from typing import Final

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web

from tests.browsers import FIREFOX

UNKNOWN: Final = "emulation.setMediaFeaturesOverride"
LISTENS: Final = re.compile(r"(WebDriver BiDi listening on )(ws://\S+)")
MOST_BYTES: Final = 256 * 1024 * 1024
"""The largest message, such as a picture of a long page."""


def program(folder: Path) -> Path:
    """Write a program that Playwright can start in place of Firefox; returns its path."""
    path = folder / "firefox"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).resolve()}" "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return path


async def _stand_between(request: web.Request, firefox: str) -> web.WebSocketResponse:
    playwright = web.WebSocketResponse(max_msg_size=MOST_BYTES)
    await playwright.prepare(request)
    async with ClientSession() as client, client.ws_connect(f"{firefox}/session", max_msg_size=MOST_BYTES) as browser:
        answers = asyncio.create_task(_pass_on(browser, playwright))
        async for message in playwright:
            command = json.loads(message.data)
            if command["method"] == UNKNOWN:
                await playwright.send_json({"type": "success", "id": command["id"], "result": {}})
            else:
                await browser.send_str(message.data)
        answers.cancel()
    return playwright


async def _pass_on(browser: ClientWebSocketResponse, playwright: web.WebSocketResponse) -> None:
    async for message in browser:
        if message.type is WSMsgType.TEXT:
            await playwright.send_str(message.data)
    await playwright.close()


async def main(arguments: list[str]) -> int:
    """Start Firefox, and say the address of the server that stands before it as Firefox would say its own."""
    assert FIREFOX is not None
    process = await asyncio.create_subprocess_exec(FIREFOX, *arguments, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    async for line in process.stderr:
        text = line.decode(errors="replace")
        if found := LISTENS.search(text):
            runner = web.AppRunner(web.Application())
            runner.app.router.add_get("/session", partial(_stand_between, firefox=found[2]))
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            text = f"{found[1]}ws://127.0.0.1:{runner.addresses[0][1]}\n"
        sys.stderr.write(text)
        sys.stderr.flush()
    return await process.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
