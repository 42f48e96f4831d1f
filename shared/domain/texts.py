"""Validation of texts: codes in one normal form, and free texts without invisible control characters.

Both are annotations for `Annotated[str, …]`. They validate input: a command, or the value of a correction. A value with
another validation context than that of a command comes from a record. It is accepted unchanged, since an old event must
stay readable.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


@dataclass(frozen=True, slots=True)
class CommandContext:
    """The validation context of the JSON of a command: the Europe/London day of its receipt.

    Without it, as in a test that constructs a command, no field is compared with that day.
    """

    received_on: date
    may_hold_prefix: bool = True
    """Whether a text may begin with the prefix of a sealed token; False spares the walk through all texts."""

    @classmethod
    def of(cls, body: str | bytes, received_on: date, prefix: str) -> CommandContext:
        """Return the context of a JSON text.

        No text of it can hold the prefix, which is in lower case, unless the JSON text does in either case, or has an
        escape by a number, or a character beyond ASCII, of which a normal form (NFKC) could make it.
        """
        text = body if isinstance(body, str) else body.decode(errors="replace")
        return cls(received_on, not text.isascii() or "\\u" in text or prefix in text.lower())


RECORDED: Final = "recorded"
"""The validation context of a recorded clear value."""

_LINES: Final = frozenset("\t\n\r")
_JOINERS: Final = frozenset("\u200c\u200d")
"""Invisible, and part of the spelling in some scripts (Unicode UAX 31)."""
_BLANK_LETTERS: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols without a mark."""
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Controls, formats such as direction marks and tags, surrogates, private use, separators (Unicode UAX 44)."""


_FLAG: Final = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f")
"""The flag of a nation such as Wales, which is spelled with tags (Unicode UTS 51)."""


def is_visible(text: str) -> bool:
    """Tell whether no character of a text is invisible, so that it reads as its content is (CVE-2021-42574)."""
    if text.isprintable() and text.isascii():
        return True
    if "\r" in text.replace("\r\n", ""):
        return False
    odd = (
        {letter for letter in _FLAG.sub("", text) if not letter.isprintable() or letter in _BLANK_LETTERS}
        - _LINES
        - _JOINERS
    )
    return not any(letter in _BLANK_LETTERS or unicodedata.category(letter) in _INVISIBLE for letter in odd)


def is_recorded(context: object) -> bool:
    return context is not None and not isinstance(context, CommandContext)


@dataclass(frozen=True, slots=True)
class Code:
    """The format of a code or reference: Unicode form NFKC, trimmed, in one case, and matching a pattern."""

    pattern: str
    """The regular expression of the whole code in its normal form."""
    hint: str
    """The error text: what to give instead."""
    case: Literal["upper", "lower", "as given"] = "upper"

    def normalise(self, text: str) -> str:
        """Convert a code to its normal form. Raises `PydanticCustomError`, whose message does not repeat the text."""
        code = unicodedata.normalize("NFKC", text).strip()
        if self.case != "as given":
            code = code.upper() if self.case == "upper" else code.lower()
        if not re.fullmatch(self.pattern, code):
            raise PydanticCustomError("code", "{hint}", {"hint": self.hint})
        return code

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def validate(text: str, info: core_schema.ValidationInfo) -> str:
            return text if is_recorded(info.context) else self.normalise(text)

        return core_schema.with_info_after_validator_function(validate, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        described = handler(schema)
        if handler.mode == "validation":
            described |= {"pattern": f"^(?:{self.pattern})$", "description": self.hint}
        return described


@dataclass(frozen=True, slots=True)
class Visible:
    """The format of a text, or of the texts in a JSON value: no invisible characters."""

    blank: bool = True
    """Whether it may consist of spaces alone."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def validate(value: Any, info: core_schema.ValidationInfo) -> Any:
            if not is_recorded(info.context) and not all(map(is_visible, texts_in(value))):
                raise PydanticCustomError(
                    "control_character",
                    "this text has an invisible control character or direction mark: type it again without",
                )
            if not self.blank and not is_recorded(info.context) and not value.strip():
                raise PydanticCustomError("blank", "this text has spaces alone: say something, or leave it out")
            return value

        return core_schema.with_info_after_validator_function(validate, handler(source))


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value or a model, member names included, and none of its sealed fields."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from texts_in(getattr(value, name))
    elif isinstance(value, Mapping):
        for pair in value.items():
            yield from texts_in(pair)
    elif isinstance(value, (tuple, list, set, frozenset)):
        for item in value:
            yield from texts_in(item)
