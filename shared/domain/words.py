"""The words of a service for people: titles, help and examples of the fields of its commands, and its codes in words."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from pydantic import BaseModel

from shared.domain.sealing import types_in

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FieldWords:
    """A field for people: its title on a form, its help, and an example if its type alone gives none."""

    title: str
    help: str
    example: Any = None


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a service, in one language.

    Fields, and the codes of a field without an enumeration, stand under `CLASS.NAME`, or else under `NAME`.
    """

    fields: Mapping[str, FieldWords] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Name of an enumeration, or of a field -> code -> words."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """Class -> title, if the name of the class in words is none."""

    def of_field(self, cls: type[BaseModel], name: str) -> FieldWords | None:
        """Return the words of a field of a class or of its bases; None if there are none."""
        return _of(self.fields, cls, name)

    def codes_of(self, cls: type[BaseModel], name: str) -> Mapping[str, str] | None:
        """Return the codes that a field takes, in words; None if it takes no codes."""
        parts = types_in(cls.model_fields[name].annotation)
        enumeration = next((type(part).__name__ for part in parts if isinstance(part, Enum)), "")
        return _of(self.codes, cls, name) or self.codes.get(enumeration)

    def title_of(self, cls: type) -> str:
        """Return the title of a class, such as a command: its name in words, unless it has another title."""
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", cls.__name__)
        return self.titles.get(cls.__name__, words.capitalize())


def _of(texts: Mapping[str, T], cls: type[BaseModel], name: str) -> T | None:
    keys = (f"{owner.__name__}.{name}" for owner in cls.__mro__)
    return next((texts[key] for key in keys if key in texts), texts.get(name))
