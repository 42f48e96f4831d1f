"""No clear text of a command takes a name or a sentence, every code has one spelling, and no text hides a character."""

# ruff: noqa: RUF001 - letters that look like others are what this is about

import json
import types
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from importlib import import_module
from typing import Any, Final, Union, get_args, get_origin
from uuid import uuid4

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from services.disposal.domain.commands import TransferCase
from services.disposal.events import MoveKind, Offence
from services.disposal.read_model import READ_MODEL
from services.referral.events import ReferralReceived
from services.system.registry import COLLECTIONS
from services.trade.vocabulary import CrimeNumber, OffenceCode, OffenceTitle, Organisation, Reference, SchoolUrn
from shared.domain.corrections import WrongType, _Field, _parse_value
from shared.domain.decider import with_value_at
from shared.domain.execution import CommandRequest, Decision, execute
from shared.domain.messages import Actor, Command, FreeText
from shared.domain.sealing import DataKey, DecryptionContext, Sealed, seal
from shared.domain.service import Service
from tests.as_one_test import as_one_test
from tests.policy_books import with_entry
from tests.unit.disposal.stories import OPENED_AT, CaseStory, offence, opening

DECIDING = tuple(COLLECTIONS)
PERSONAL = (
    *(
        "Jamie Smith",
        "jamie smith",
        "Jamie",
        "SMITH",
        "J. Smith",
        "Smith, Jamie",
        "jamie.smith",
        "JAMIE_SMITH",
        "Jamie-Smith",
    ),
    *(
        "Jo Li",
        "ANN LEE 9",
        "He lives at 12 High Street",
        "jamie@example.org",
        "Siôn Puw",
        "李雷",
        "Ann/Lee",
        "DT1 1AA",
    ),
    *("Jamie\u200bSmith", "Ｊａｍｉｅ", "application/jamie.smith", "text/jamie"),
)
"""What stands for a person, or says something of one."""


def service(name: str) -> Service[Any]:
    found: Service[Any] = import_module(f"services.{name}.service").service
    return found


def clear_texts(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, Any]]:
    """Each field of text that stands in clear, at any depth: its path, and its whole type."""
    for name, info in model.model_fields.items():
        if name != "rationale":
            yield from _texts(info.annotation, info.rebuild_annotation(), f"{path}{name}")


def _texts(bare: Any, sealed_model: Any, path: str) -> Iterator[tuple[str, Any]]:
    origin = get_origin(bare)
    if bare is str:
        yield path, sealed_model
    elif origin in (Union, types.UnionType, tuple):
        for part in get_args(bare):
            yield from _texts(get_args(part)[0] if hasattr(part, "__metadata__") else part, part, path)
    elif hasattr(bare, "__metadata__"):
        yield from _texts(get_args(bare)[0], bare, path)
    elif isinstance(bare, type) and issubclass(bare, BaseModel):
        yield from clear_texts(bare, f"{path}.")


AREA = "to_area"
"""The name of a force area, as it stands in its people's tokens: any words, unless the partnership lists its areas (TR1)."""
CLEAR = [
    pytest.param(kind, id=f"{name} {command.__name__} {path}")
    for name in DECIDING
    for command in service(name).commands
    for path, kind in clear_texts(command)
    if path not in {"type", AREA}
]


def test_the_clear_texts_of_commands_are_found() -> None:
    """What the tests below go through is every reference, code, number and title of the four services."""
    assert len(CLEAR) >= 18


@as_one_test
@pytest.mark.parametrize("kind", CLEAR)
@pytest.mark.parametrize("text", PERSONAL)
def test_nothing_that_stands_for_a_person_fits_a_clear_text(kind: Any, text: str) -> None:
    """Given a name, an address or a sentence, no code, reference or version takes it, and what is said does not repeat it.

    A title of an offence is words, and is told from a name by its sentence case alone: one word fits it.
    """
    adapter: TypeAdapter[str] = TypeAdapter(kind)
    title = TypeAdapter(OffenceTitle).core_schema == adapter.core_schema or "sentence case" in str(
        adapter.json_schema()
    )
    if title and unicodedata.normalize("NFKC", text) in {"jamie smith", "Jamie"}:
        return
    if "name a field" in str(adapter.json_schema()) and text == "jamie.smith":
        return  # it has the form of a path, and is recorded only where the event has such a field
    with pytest.raises(ValidationError) as raised:
        adapter.validate_python(text)
    assert text not in str(raised.value.errors(include_input=False))


@as_one_test
@pytest.mark.parametrize("text", [*PERSONAL, "DEVONN", "north"])
def test_nothing_but_a_listed_area_is_one(text: str) -> None:
    """Given a partnership that lists its areas, then a case moves to these alone: no name, and no misspelt one, that nobody has."""
    policy = with_entry(READ_MODEL.policy, "transfer_areas", date(2026, 1, 1), ["DORSET", "DEVON"])
    story = CaseStory().opened()
    story.service = replace(story.service, read_model=replace(READ_MODEL, policy=policy))
    move = TransferCase(to_area="DEVON", kind=MoveKind.TRANSFER, review_on=date(2026, 4, 9), why=Sealed("He moved."))
    at = "2026-03-09T10:00:00+00:00"
    assert story.refused(move.model_copy(update={"to_area": text}), by="SUPERVISOR", at=at) == {"TR1"}
    assert story.ask(move, by="SUPERVISOR", at=at) == ["CaseTransferred"]


@pytest.mark.parametrize(
    ("kind", "raw_code", "recorded"),
    [
        (OffenceCode, "th68", "TH68"),
        (OffenceCode, " TH68", "TH68"),
        (OffenceCode, "TH68\u3000", "TH68"),
        (OffenceCode, "ＴＨ６８", "TH68"),
        (OffenceCode, "\u00a0th６8 ", "TH68"),
        (CrimeNumber, "５５２６００４１００１", "55260041001"),
        (CrimeNumber, "42/123456/26", "42/123456/26"),
        (Reference, "cps/55/2026/1180", "CPS/55/2026/1180"),
        (Reference, "mash-26-0417", "MASH-26-0417"),
        (Reference, "55/wq/4471/26", "55/WQ/4471/26"),
        (SchoolUrn, " １１３８６７", "113867"),
        (OffenceTitle, "Assault occasioning actual bodily harm", "Assault occasioning actual bodily harm"),
        (Reference, "cps/yj/26/0441", "CPS/YJ/26/0441"),
        (OffenceTitle, "Possession of a controlled drug - Class B", "Possession of a controlled drug - Class B"),
        (OffenceTitle, "Possession of a controlled drug of class B", "Possession of a controlled drug of class B"),
        (OffenceTitle, "Assault occasioning ABH, section 47", "Assault occasioning ABH, section 47"),
        (OffenceTitle, "Intentional harassment, section 4A", "Intentional harassment, section 4A"),
        (
            OffenceTitle,
            "Using threatening words, Public order Act 1986",
            "Using threatening words, Public order Act 1986",
        ),
    ],
)
def test_a_code_has_one_spelling(kind: Any, raw_code: str, recorded: str) -> None:
    """A code is recorded, compared and claimed in one normalised spelling."""
    assert TypeAdapter(kind).validate_python(raw_code) == recorded


@as_one_test
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        *(
            (Organisation, words)
            for words in ("Barnardo's", "Barnardo’s", "NSPCC", "Turning Point", "Catch22", "Change Grow Live")
        ),
        (Organisation, "Bournemouth, Christchurch and Poole Council"),
        (OffenceTitle, "Fraud by false representation - Fraud Act 2006"),
        (OffenceTitle, "Wound or inflict GBH without intent - Section 20"),
        (OffenceTitle, "Possess a controlled drug of Class B - Cannabis"),
        (OffenceTitle, "Criminal damage under £5,000"),
        (OffenceTitle, "Criminal damage (value under £5,000)"),
    ],
)
def test_what_is_called_so_is_written_so(kind: Any, words: str) -> None:
    """The usual name of a charity, a council or an offence is taken as it is written."""
    assert TypeAdapter(kind).validate_python(words) == words


@pytest.mark.parametrize(
    "code", ["TH\u200b68", "TH\u00ad68", "TH 68", "TH\u202e68", "TH68\u200d", "ΤΗ68", "тн68", "TH68\n", ""]
)
def test_a_code_that_only_looks_like_another_is_refused(code: str) -> None:
    """A code with zero-width characters, soft hyphens, spaces or letters of other scripts is refused."""
    with pytest.raises(ValidationError):
        TypeAdapter(OffenceCode).validate_python(code)


@pytest.mark.parametrize("spelling", ["th68", "TH68 ", "ｔｈ68", "\u3000Ｔh６８"])
def test_the_same_offence_in_another_spelling_takes_the_same_key(spelling: str) -> None:
    """The same offence in another spelling needs the same claim (R28), so a second live case is refused."""
    actor = Actor(id=uuid4(), role="SAFE_SCHOOLS_OFFICER", organisation="DORSET_POLICE")
    now = datetime.fromisoformat(OPENED_AT)

    def claimed(code: str) -> tuple[str, ...]:
        command = opening(offence=offence(code=code), occurred_at=now)
        request = CommandRequest(command, uuid4(), uuid4(), actor, now, uuid4())
        outcome = execute(service("disposal"), request, [])
        assert isinstance(outcome, Decision)
        return outcome.claims[0].take

    assert claimed(spelling) == claimed("TH68")
    assert claimed(spelling) != claimed("TH69")


def test_a_correction_is_held_to_the_same_spelling() -> None:
    """A corrected code is normalised as one that is given at first, and a name does not come in by a correction."""
    kind = ReferralReceived.model_fields["school_urn"].rebuild_annotation()
    field = _Field("school_urn", kind, None, None)
    assert _parse_value(field, " １１３８６７") == "113867"
    with pytest.raises(WrongType):
        _parse_value(field, "Jamie Smith")


def test_what_was_recorded_before_stays_readable() -> None:
    """Given an event from before, with codes and texts that no command may have any more, it is read as it stands."""
    old: dict[str, Any] = {
        "code": "th 68 ",
        "title": "Jamie Smith's offence",
        "date": "2025-01-01",
        "trial_mode": "SUMMARY",
    }
    old |= {"recordable": True, "category": "THEFT"}
    event_id, key = uuid4(), DataKey("home/x", 1, b"k" * 32)
    read_model = DecryptionContext(event_id, {("home/x", 1): key})
    assert Offence.model_validate(old, strict=False, context=read_model).code == "th 68 "
    token = seal("a\x00b\u202ec", key, event_id, "why")
    adapter: TypeAdapter[Sealed[str]] = TypeAdapter(Sealed[FreeText])
    assert adapter.validate_python(token, context=read_model).value == "a\x00b\u202ec"
    corrected = with_value_at(offence(), "code", "th 68 ")
    assert corrected.code == "th 68 "


HIDDEN = [*map(chr, [*range(9), 11, 12, *range(14, 32), *range(127, 160)]), *"\u200e\u200f\u061c\ufeff\ufff9"]
HIDDEN += [*"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069", "\r"]
HIDDEN += [*"\u00ad\u180e\u200b\u2028\u2029\u2060\u2062\u115f\u2800\u3164\uffa0\ue000\U000e0041"]
STARTS = {"starts_at": "2026-06-04T09:00:00Z"}
PLANNED: Final[list[tuple[str, dict[str, Any]]]] = [
    ("education", {"type": "PlanSession", "kind": "GROUP", "topic": "RETAIL", "place": "Poole", **STARTS}),
    ("disposal", {"type": "BookConditionSession", "condition_id": str(uuid4()), "session_id": str(uuid4()), **STARTS}),
    ("rj_conference", {"type": "ScheduleConference", "mode": "DIRECT_CONFERENCE", "place": "Poole", **STARTS}),
]
SEEN = [
    "Zeile\nund\tTab\r\n", "Siôn Puw", "李雷", "محمد", "משה", "नमस्ते", "می\u200cخواهم", "👩🏽‍👩🏽‍👧🏽", "🏴\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f", "e\u0301",
]  # fmt: skip


@as_one_test
@pytest.mark.parametrize("character", HIDDEN, ids=lambda character: f"U+{ord(character):04X}")
def test_a_hidden_character_is_refused_in_every_text(character: str) -> None:
    """Given a control character or a direction mark in a sealed text, a rationale or a correction, its field is named."""
    adapter = service("disposal").command_adapter
    text = f"before{character}after"
    for field, body in {
        "why": {"type": "RecordNonEngagement", "why": text},
        "aggravating": {
            "type": "ScoreGravity",
            "offence_score": 1,
            "final_score": 1,
            "matrix_version": "1",
            "aggravating": ["a", text],
            "mitigating": [],
        },
        "rationale": {"type": "WithdrawAdmission", "rationale": {"R12": text}},
        "value": {
            "type": "CorrectRecord",
            "corrects": str(uuid4()),
            "field": "why",
            "why": "w",
            "value": {"a": [text]},
        },
    }.items():
        with pytest.raises(ValidationError) as raised:
            adapter.validate_json(json.dumps(body))
        (error,) = raised.value.errors(include_input=False)
        assert error["loc"][1] == field
        assert "invisible control character" in error["msg"]


@pytest.mark.parametrize("hours", ["0", "0.00", "-1", "24.01", "100", "1e2", "0.001"])
@pytest.mark.parametrize(("name", "body"), PLANNED, ids=[body["type"] for _, body in PLANNED])
def test_a_session_lasts_more_than_nothing_and_a_day_at_most(name: str, body: dict[str, Any], hours: str) -> None:
    """Given a session or conference of no hours, of more than a day, or of less than a hundredth, then the hours are named."""
    adapter = service(name).command_adapter
    adapter.validate_json(json.dumps(body | {"hours": "24"}))
    with pytest.raises(ValidationError) as raised:
        adapter.validate_json(json.dumps(body | {"hours": hours}))
    assert {error["loc"][1] for error in raised.value.errors(include_input=False)} == {"hours"}


@pytest.mark.parametrize("text", SEEN)
def test_texts_of_every_script_are_taken_as_they_are(text: str) -> None:
    """Free texts keep other scripts, emoji, joiners, combining marks, new lines and tabs."""
    command = service("disposal").command_adapter.validate_json(
        json.dumps({"type": "RecordNonEngagement", "why": text})
    )
    assert isinstance(command, Command)
    assert command.why.value == text  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["", " ", "\t\n", "\u00a0\u3000"])
def test_spaces_are_no_text(text: str) -> None:
    """Given spaces for a text, then its field is named."""
    body = {"type": "RecordNonEngagement", "why": text}
    with pytest.raises(ValidationError) as raised:
        service("disposal").command_adapter.validate_json(json.dumps(body))
    assert raised.value.errors(include_input=False)[0]["loc"][1] == "why"


def test_every_free_text_of_a_command_is_looked_through() -> None:
    """Every sealed text field of a command has the check for hidden characters."""
    for name in DECIDING:
        for command in service(name).commands:
            for field, info in command.model_fields.items():
                if get_origin(info.annotation) is Sealed or "Sealed" in str(info.annotation):
                    marks = str(info.annotation)
                    assert "str" not in marks or "Visible(" in marks or "PersonDetails" in marks, (command, field)
