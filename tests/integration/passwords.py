"""Passwords of database roles, as an operator keeps them: a file for each in one directory."""

import secrets
from collections.abc import Iterable
from pathlib import Path

from shared.runtime.privileges import Schema


def new_passwords(folder: Path, schemas: Iterable[Schema]) -> Path:
    """Write a password for the superuser and for each role of some databases."""
    for role in {"postgres", *(role for schema in schemas for role in schema.roles.values())}:
        (folder / role).write_text(secrets.token_urlsafe() + "\n", encoding="utf-8")
    return folder
