"""The offence in a form: found by words of its title in the partnership's list, which fills in what the list knows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from services.console.forms.fields import Answers, Field, Option
from services.console.routing import first
from services.trade.partnership import Offence

GROUP: Final = "offence"
CODE: Final = "offence.code"
SHOWN: Final = "shown.offence"
"""The code whose title was filled in; the browser sends it back."""
FILLED: Final = ("title", "trial_mode", "recordable", "category")
"""The fields of an offence that the list fills in if they are left empty."""

Listed = Mapping[str, Offence]


def with_list(fields: Sequence[Field], answers: Answers, listed: Listed) -> Sequence[Field]:
    """Offer the listed offences by title; several that have the words that were typed, to choose from."""
    drawn = [replace(field, fields=[_drawn(inner, answers, listed) for inner in field.fields]) for field in fields]
    return [new if field.name == GROUP and listed else field for field, new in zip(fields, drawn, strict=True)]


def _drawn(field: Field, answers: Answers, listed: Listed) -> Field:
    name = field.name.removeprefix(f"{GROUP}.")
    if name in FILLED:
        return replace(field, help=f"{field.help} Left empty: as the list of offences has it.")
    if field.name != CODE:
        return field
    options = [
        Option(code, f"{listed[code].title} ({code})") for code in codes_of(first(answers, CODE).strip(), listed)
    ]
    if len(options) > 1:
        return replace(field, kind="choice", options=options, help="Several offences have these words: choose one.")
    every = [Option(code, offence.title) for code, offence in listed.items()]
    return replace(field, options=every, help=f"{field.help} Or words of its title, such as theft.")


def codes_of(text: str, listed: Listed) -> list[str]:
    """Return the listed codes that a text means: the code itself, or those whose title has all of its words."""
    if text.upper() in listed:
        return [text.upper()]
    words = set(text.casefold().split())
    return [
        code for code, offence in listed.items() if words and all(word in offence.title.casefold() for word in words)
    ]


def fill_in(answers: dict[str, list[str]], listed: Listed) -> bool:
    """Fill in code, title, mode of trial and recordable of the one offence that is meant, and tell whether several are."""
    text = first(answers, CODE).strip()
    codes = codes_of(text, listed)
    if len(codes) != 1:
        return len(codes) > 1
    before = _answers_for(listed.get(first(answers, SHOWN)))
    answers[CODE] = answers[SHOWN] = codes
    for name, value in _answers_for(listed[codes[0]]).items():
        if first(answers, name).strip() in {"", before.get(name)}:
            answers[name] = [value]
    return False


def _answers_for(offence: Offence | None) -> dict[str, str]:
    if offence is None:
        return {}
    values = (offence.title, offence.trial_mode.value, "yes" if offence.recordable else "no", offence.category)
    return {f"{GROUP}.{name}": value for name, value in zip(FILLED, values, strict=True) if value}
