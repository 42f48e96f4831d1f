"""The witness: its real state and checks, behind what its client asks over HTTP. A restore of everything else leaves it alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import httpx2

from shared.evidence.log import EVENTS, origin_of
from shared.evidence.witness_client import WitnessClient
from shared.privacy.signed_note import SigningKeys, VerifierKey
from tests.simulation.network import Network
from tools.witness.application import Rejected, _parse, _verified
from tools.witness.state import OutOfStep, Unfit, WitnessState, witness_key

AUTHORITY: Final = "simulation"
KEYS: Final = SigningKeys({"1": bytes(range(32))})


class Witness:
    """A witness in a folder of its own, which knows the logs of events of some services."""

    def __init__(self, folder: Path, services: list[str], network: Network) -> None:
        self._signer = witness_key(folder, "witness")
        self._state = WitnessState(folder)
        self._network = network
        origins = [origin_of(AUTHORITY, service, EVENTS) for service in services]
        self._logs = {origin: [signer.key for signer in KEYS.signers(origin)] for origin in origins}

    @property
    def settings(self) -> Any:
        """What of the settings names the witness."""
        return SimpleNamespace(witness_url="http://witness", witness_key=str(self.key), log_origin=AUTHORITY)

    @property
    def key(self) -> VerifierKey:
        """The key by which it is known."""
        return self._signer.key

    def size(self, service: str) -> int:
        """Return how many entries of a service's log it has seen."""
        note = self._state.notes().get(origin_of(AUTHORITY, service, EVENTS))
        return 0 if note is None else int(note.splitlines()[1])

    def client(self) -> WitnessClient:
        """Return a client of it."""
        return WitnessClient("http://witness", self.key)

    def http(self, **_: Any) -> Any:
        """Return what the client takes for `httpx2.AsyncClient`."""
        return SimpleNamespace(stream=self._answer, aclose=partial(asyncio.sleep, 0))

    @asynccontextmanager
    async def _answer(self, method: str, url: str, content: bytes | None) -> AsyncIterator[Any]:
        reply = await (self._seen(url) if content is None else self._add(url, content))
        assert method == ("GET" if content is None else "POST")

        async def parts() -> AsyncIterator[bytes]:
            yield reply.content

        yield SimpleNamespace(status_code=reply.status_code, aiter_raw=parts)

    async def _seen(self, url: str) -> httpx2.Response:
        await asyncio.sleep(self._network.delay())
        return httpx2.Response(
            200, json=dict(self._state.notes()), request=httpx2.Request("GET", f"http://witness{url}")
        )

    async def _add(self, url: str, content: bytes) -> httpx2.Response:
        """Answer as the application does."""
        await asyncio.sleep(self._network.delay())
        if self._network.loses():
            raise httpx2.ConnectError("the request was lost")
        answer = partial(httpx2.Response, request=httpx2.Request("POST", f"http://witness{url}"))
        try:
            old, path, signed = _parse(content)
            checkpoint = _verified(signed, self._logs, old)
            note = signed.only(self._logs[checkpoint.origin])
            line = self._state.advance(checkpoint, note, old, path, lambda: self._signer.cosign(signed.text, 1))
        except Rejected as error:
            return answer(error.status, text=str(error))
        except OutOfStep as error:
            return answer(409, text=f"{error.size}\n")
        except Unfit as error:
            return answer(422, text=str(error))
        return answer(200, text=f"{line}\n")
