"""What is printed here has the letterhead under which the first layouts were printed: golden.json holds their bytes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.trade.partnership import partnership


@pytest.fixture(autouse=True, scope="module")
def _letterhead() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OOC_PARTNERSHIP", str(Path(__file__).with_name("partnership.toml")))
        partnership.cache_clear()
        yield
    partnership.cache_clear()
