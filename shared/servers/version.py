"""The version of the system, which pyproject.toml declares."""

import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final

_DECLARED: Final = Path(__file__).parents[2] / "pyproject.toml"


@cache
def version() -> str:
    """Return the version, such as `2026.12.0`: of the checkout that runs, else of the package that is installed."""
    if _DECLARED.is_file():
        return str(tomllib.loads(_DECLARED.read_text(encoding="utf-8"))["project"]["version"])
    return metadata.version("ooc")
