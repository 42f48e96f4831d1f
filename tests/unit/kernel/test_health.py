"""What everybody may ask of a process tells nobody where its database stands."""

from types import SimpleNamespace

import asyncpg
import httpx2
from fastapi import FastAPI

from shared.api.operations import add_health
from tests.ports import free_ports


async def test_a_process_without_its_database_names_no_address() -> None:
    """Given a database that does not answer, when anybody asks whether a process is ready, then no host, port or login is named."""
    (port,) = free_ports(1)
    app = FastAPI()
    add_health(app)
    async with asyncpg.create_pool(f"postgresql://ooc_role@127.0.0.1:{port}/ooc_private", min_size=0) as pool:
        app.state.deps = SimpleNamespace(database=pool)
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as client:
            answer = await client.get("/health/ready")
    assert answer.status_code == 503
    assert not [word for word in (str(port), "127.0.0.1", "ooc_") if word in answer.text], answer.text
