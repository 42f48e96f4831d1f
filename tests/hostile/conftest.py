"""Databases as production provisions them, for every test that attacks them."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.hostile.databases import Databases, new_databases


@pytest.fixture(scope="session")
def databases(postgres_url: str) -> Iterator[Databases]:
    """Two services' event stores, reporting's database and the keyring."""
    made = new_databases(postgres_url)
    asyncio.run(made.make())
    yield made
    asyncio.run(made.drop())
