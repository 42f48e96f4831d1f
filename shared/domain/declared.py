"""What is declared as data beside the code that reads it."""

import tomllib
from pathlib import Path
from typing import Any


def read_beside(module: str, name: str | None = None) -> dict[str, Any]:
    """Read a TOML file beside a module, whose `__file__` is given: of the module's own name, or of another."""
    own = Path(module)
    file = own.with_suffix(".toml") if name is None else own.with_name(name)
    return tomllib.loads(file.read_text(encoding="utf-8"))
