"""The public keys of the relays' position records (ADR 76), read from the services: this program has no secret of theirs."""

from collections.abc import Iterable, Sequence
from typing import Final

from mode import Service as Part

from services.notifications.apis import Apis, NoAnswer
from shared.messaging.consumer.position_signature import PositionKeys
from shared.privacy.signed_note import VerifierKey
from shared.servers.database import retry_for

PATIENCE_SECONDS: Final = 120.0
"""How long a service may take to list its keys: its worker makes them when it first starts."""
AGAIN_SECONDS: Final = 60.0
"""Seconds between two looks: a rotation lists new keys beside the old ones."""


class ListedKeys(Part):
    """The keys that the services list, looked at again each minute."""

    def __init__(self, apis: Apis, services: Iterable[str]) -> None:
        super().__init__()
        self._apis = apis
        self._keys: dict[str, Sequence[VerifierKey]] = dict.fromkeys(services, ())
        self.position_keys = PositionKeys(self._keys.__getitem__)

    async def on_start(self) -> None:
        """Read the keys of every service. Raises `NoAnswer` if one does not list them in time."""
        await retry_for(self._read, PATIENCE_SECONDS, on=(NoAnswer,))

    @Part.task
    async def _read_again(self) -> None:
        while not self.should_stop:
            await self.sleep(AGAIN_SECONDS)
            try:
                await self._read()
            except NoAnswer:
                continue  # what was read stays true

    async def _read(self) -> None:
        for service in self._keys:
            listed = map(VerifierKey.parse, await self._apis.public_keys(service))
            own = PositionKeys.listed(service, listed).public(service)
            if not own:
                raise NoAnswer(f"{service} lists no key of its relay yet")
            self._keys[service] = own
