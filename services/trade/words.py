"""Reads the words for people of a service: vocabulary.toml, the service's words.toml, and what its documents print.

Forms and documents word a code in one place: an enumeration that documents print stands under `printed` in words.toml,
with the section of documents/en.toml that words it.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from shared.domain.words import FieldWords, Words

HERE = Path(__file__).parent
SERVICES = HERE.parent


def words_of(service: str, codes: Mapping[str, Mapping[str, str]] | None = None) -> Words:
    """Read the words of a service; `codes` are those that it states in Python, by enumeration."""
    common, own = _read(HERE / "vocabulary.toml"), _read(SERVICES / service / "words.toml")
    printed = own.get("printed", {})
    documents = _read(SERVICES / service / "documents" / "en.toml") if printed else {}
    fields = common["fields"] | own["fields"]
    return Words(
        {name: FieldWords(**texts) for name, texts in fields.items()},
        common["codes"]
        | own.get("codes", {})
        | {enumeration: documents[section] for enumeration, section in printed.items()}
        | dict(codes or {}),
        own.get("titles", {}),
    )


@cache
def texts_of(section: str) -> Mapping[str, str]:
    """Return a section of the words of all services, such as `duties`: the texts for people, by their codes."""
    files = (HERE / "vocabulary.toml", *sorted(SERVICES.glob("*/words.toml")))
    return {code: text for file in files for code, text in _read(file).get(section, {}).items()}


def _read(path: Path) -> Mapping[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))
