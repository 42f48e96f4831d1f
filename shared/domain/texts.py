"""What a text may be where it enters: a code in one spelling, or a free text without invisible control characters.

Both are marks for `Annotated[str, …]`. They judge what enters: a command, and the value of a correction. A value that is
validated with another context than a command's comes from a record and is taken as it stands, since an old event must
stay readable.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


@dataclass(frozen=True, slots=True)
class CommandContext:
    """Validation context of a command's JSON: the Europe/London day on which it was received.

    Without it, as where a test makes a command, nothing that a field says of that day is checked.
    """

    received_on: date


RECORDED: Final = "recorded"
"""The validation context for a value that a record holds in clear."""

CONTROL: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # the controls of ASCII and Latin-1, without tab, line feed, carriage return
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # what changes the direction of a text (Unicode UAX 9)
    "\ufeff\ufff9-\ufffb\ufffe\uffff]"  # byte order marks and annotations
    "|\r(?!\n)"
)
"""Characters that nobody sees, and by which a text reads other than it was written (CVE-2021-42574)."""


def is_recorded(context: object) -> bool:
    """Tell by the validation context whether a value comes from a record."""
    return context is not None and not isinstance(context, CommandContext)


@dataclass(frozen=True, slots=True)
class Code:
    """A code or reference: taken in the Unicode form NFKC, trimmed, in one case, and only if it fits the pattern."""

    pattern: str
    """What the whole code matches, in its recorded spelling."""
    hint: str
    """What to give instead, for whoever gave another text."""
    case: Literal["upper", "lower", "as given"] = "upper"

    def normalised(self, text: str) -> str:
        """The code as it is recorded and compared; raises `PydanticCustomError` without repeating the text."""
        code = unicodedata.normalize("NFKC", text).strip()
        if self.case != "as given":
            code = code.upper() if self.case == "upper" else code.lower()
        if not re.fullmatch(self.pattern, code):
            raise PydanticCustomError("code", "{hint}", {"hint": self.hint})
        return code

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def take(text: str, info: core_schema.ValidationInfo) -> str:
            return text if is_recorded(info.context) else self.normalised(text)

        return core_schema.with_info_after_validator_function(take, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        described = handler(schema)
        if handler.mode == "validation":
            described |= {"pattern": f"^(?:{self.pattern})$", "description": self.hint}
        return described


@dataclass(frozen=True, slots=True)
class Visible:
    """A text, or any JSON value with texts in it, without control characters and direction marks."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def take(value: Any, info: core_schema.ValidationInfo) -> Any:
            if not is_recorded(info.context) and any(CONTROL.search(text) for text in texts_in(value)):
                raise PydanticCustomError(
                    "control_character",
                    "this text holds an invisible control character or direction mark: type it anew, without",
                )
            return value

        return core_schema.with_info_after_validator_function(take, handler(source))


def texts_in(value: Any) -> Iterable[str]:
    """Every text in a JSON value, names of members included; the depth of the value bounds the recursion."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Mapping):
        return [text for pair in value.items() for item in pair for text in texts_in(item)]
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in texts_in(item)]
    return ()
