"""The contract with programs of others, as it is committed below docs/reference, and the record of its incompatible changes."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

from shared.domain.service import Service
from tools.reference.asyncapi import asyncapi
from tools.reference.compatibility import Break, Json
from tools.reference.event_schemas import event_schemas, schemas_file
from tools.reference.markdown import fill
from tools.reference.openapi import openapi_documents

BREAKS: Final = "incompatible-changes.json"
"""The incompatible changes that were made on purpose, the latest last."""


class UnreadableContract(Exception):
    """A committed document that is no JSON. The message names the remedy."""


def contract_of_code(services: Sequence[Service[Any]]) -> dict[str, Json]:
    """Build every document of the contract from the code, by path below docs/reference."""
    schemas = {schemas_file(service): event_schemas(service) for service in services}
    return {"asyncapi.json": asyncapi(services, schemas), **schemas, **openapi_documents(services)}


def committed_contract(place: Path) -> dict[str, Json]:
    """Read the documents below docs/reference. Raises `UnreadableContract`."""
    documents: dict[str, Json] = {}
    for file in sorted(place.rglob("*.json")):
        path = file.relative_to(place).as_posix()
        if path == BREAKS or path.startswith("dashboard-"):
            continue
        try:
            documents[path] = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise UnreadableContract(
                f"{file} is no JSON ({error}): where a merge left its marks, take the other branch's file"
                f" (`git checkout main -- {place}`) and run `make docs` again"
            ) from error
    return documents


def text_of(document: Any) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def explain(breaks: Sequence[Break]) -> str:
    lines = "\n".join(f"  - {change}" for change in breaks)
    return (
        f"The code breaks the contract that others have been given (docs/explanation/compatibility.md):\n{lines}\n"
        'Where that is meant, say why: .venv/bin/python -m tools.reference --incompatible "REASON". It is recorded in'
        f" docs/reference/{BREAKS} for those who read."
    )


def recorded_breaks(place: Path) -> list[dict[str, str]]:
    """Read the incompatible changes that were made on purpose."""
    file = place / BREAKS
    breaks: list[dict[str, str]] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    return breaks


def record_breaks(place: Path, breaks: Sequence[Break], why: str) -> None:
    """Add incompatible changes to the record, with today and the reason."""
    today = date.today().isoformat()  # noqa: DTZ011 - the day on which somebody decided it here
    lines = [{"day": today, "place": change.place, "change": change.why, "why": why} for change in breaks]
    (place / BREAKS).write_text(text_of([*recorded_breaks(place), *lines]), encoding="utf-8")


def of_breaks(place: Path) -> dict[str, str]:
    lines = ((line["day"], line["place"], line["change"], line["why"]) for line in reversed(recorded_breaks(place)))
    return {"incompatible-changes.md": fill("incompatible-changes", breaks=lines)}
