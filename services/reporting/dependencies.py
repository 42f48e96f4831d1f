"""Dependencies of the routes of reporting's API."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from services.reporting.access import ACCESS
from services.reporting.queries.ethnicity import Grant, keyring_grant
from services.reporting.search.index import SearchIndex
from services.trade.vocabulary import INHERITED_LABELS
from shared.api.dependencies import ApiDependencies, api_dependencies
from shared.evidence.log import ACCESS as LINES
from shared.evidence.witnessed import compare_at_start
from shared.privacy.keyring import Keyring
from shared.runtime.bootstrap import open_resources
from shared.runtime.privileges import RoleKind
from shared.servers.settings import Settings
from shared.servers.tasks import end

CONNECTIONS: Final = 12
PAST_AT_ONCE: Final = CONNECTIONS // 2
"""The most questions of the past, and measures, that are answered at once."""


@dataclass
class Dependencies(ApiDependencies):
    """The dependencies of every API, the keyring, the grant of recorded ethnicities, and the search index."""

    keyring: Keyring
    ethnicity: Grant
    search: SearchIndex
    past: asyncio.Semaphore
    """Held by a question that may fold many streams anew, so that it leaves connections to the others."""


@asynccontextmanager
async def open_dependencies(settings: Settings) -> AsyncIterator[Dependencies]:
    """Open the resources of the API, build its dependencies, and keep the search index up to date while open."""
    async with open_resources(
        "reporting", RoleKind.API, settings, connections=CONNECTIONS, keyring_connections=2
    ) as resources:
        await compare_at_start(resources.database, "reporting", (LINES,), settings)
        every = api_dependencies(settings, resources.database, ACCESS, INHERITED_LABELS)
        index = SearchIndex(resources.database, resources.keyring)
        indexing = asyncio.create_task(index.run())
        try:
            keyring = resources.keyring
            yield Dependencies(
                **vars(every),
                keyring=keyring,
                ethnicity=keyring_grant(keyring, resources.kek.derived("published tables")),
                search=index,
                past=asyncio.Semaphore(PAST_AT_ONCE),
            )
        finally:
            await end(indexing)
