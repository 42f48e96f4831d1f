"""The form of a gravity score, and what the panel sees of one."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from services.console.forms.fields import Drawing, Field, Option, command_of, fields_of
from services.console.forms.gravity import SHOWN, of_offence, show_line, with_matrix, with_score
from services.console.officers.sitting import facts_for_the_panel
from services.console.rendering import TEMPLATES
from services.disposal.domain.commands import ScoreGravity
from services.disposal.service import service
from shared.api.command_schemas import standalone_schemas

SCHEMA: Final = standalone_schemas(service)["ScoreGravity"]
PLANNED: Final = '{"code": "A1", "direction": "UP"}'


def drawn(answers: Mapping[str, list[str]]) -> dict[str, Field]:
    fields = with_matrix(fields_of(SCHEMA, Drawing(SCHEMA["$defs"])), answers)
    return {field.name: field for field in fields}


def shown(field: Field, answers: Mapping[str, Sequence[str]]) -> str:
    template = TEMPLATES.from_string(
        '{% from "fields.html" import field_control %}{{ field_control(field, answers, {}, none) }}'
    )
    return template.render(field=field, answers=answers)


def test_a_line_is_chosen_by_title_and_its_factors_are_boxes(sample_matrix: str) -> None:
    """Given a loaded matrix, when a line is chosen, then its score is filled in and its factors are check boxes."""
    empty = drawn({})
    assert "factors" not in empty
    assert "Theft from a shop (made-up sample) (TH68010)" in shown(empty["line"], {})
    answers: dict[str, list[str]] = {"line": ["TH68010"], "offence_score": [""], "final_score": ["3"]}
    assert show_line(answers)
    assert (answers["offence_score"], answers["matrix_version"]) == (["2"], [sample_matrix])
    boxes = shown(drawn(answers)["factors"], answers)
    assert boxes.count('type="checkbox"') == 5
    assert "Aggravating: It was planned (A1)" in boxes
    assert "Mitigating: The goods were returned (M1)" in boxes

    answers["factors"] = [PLANNED]
    assert not show_line(answers)
    assert "checked" in shown(drawn(answers)["factors"], answers)
    body, wrong = command_of(list(drawn(answers).values()), answers)
    assert not wrong
    assert body["factors"] == [{"code": "A1", "direction": "UP"}]
    command = service.parse_command(json.dumps({"type": "ScoreGravity", **body}), datetime.now(UTC))
    assert isinstance(command, ScoreGravity)
    assert [factor.code for factor in command.factors or ()] == ["A1"]


def test_another_line_has_factors_of_its_own(sample_matrix: str) -> None:
    """Given ticked factors, when another line is chosen, then its own factors are asked; without a line none are."""
    answers = {"line": ["CD71039"], SHOWN: ["TH68010"], "factors": [PLANNED], "matrix_version": [sample_matrix]}
    assert show_line(answers)
    assert answers["factors"] == []
    assert "It was reckless and not intended" in shown(drawn(answers)["factors"], answers)
    answers["line"], answers["factors"] = [""], [PLANNED]
    assert not show_line(answers)
    assert "factors" not in drawn(answers)


def test_the_line_of_the_case_is_chosen_unless_somebody_chose(sample_matrix: str) -> None:
    """Given the offence of the case, then its line stands there with score and factors; nothing of an offence that is not listed."""
    suggested = of_offence([Option("TH68010", "Theft from a shop")], {})
    assert (suggested["line"], suggested["offence_score"]) == (["TH68010"], ["2"])
    assert "factors" in drawn({name: list(texts) for name, texts in suggested.items()})
    assert not of_offence([Option("XX1", "Something else")], {})
    assert not of_offence([Option("TH68010", "Theft from a shop")], {"line": [""]})


def test_a_final_score_that_is_left_empty_is_moved_by_the_factors(sample_matrix: str) -> None:
    """Given ticked factors of one direction, then the final score is a step away; given both directions, it is asked."""
    returned = '{"code": "M1", "direction": "DOWN"}'
    for ticked, final in (([], ["2"]), ([PLANNED], ["3"]), ([returned], ["1"]), ([PLANNED, returned], None)):
        answers = {"line": ["TH68010"], "factors": ticked}
        assert with_score(answers).get("final_score") == final
    given = {"line": ["TH68010"], "factors": [PLANNED], "final_score": ["2"]}
    assert with_score(given)["final_score"] == ["2"]


def test_a_day_before_the_matrix_is_scored_by_hand(sample_matrix: str) -> None:
    """Given a score of a day before the first loaded matrix, then line and factors are typed."""
    day = {"occurred_at.day": ["30"], "occurred_at.month": ["9"], "occurred_at.year": ["2023"]}
    assert (drawn(day)["line"].kind, drawn(day)["factors"].kind) == ("text", "rows")
    assert not show_line({**day, "line": ["TH68010"]})


def test_without_a_matrix_the_form_is_as_it_was() -> None:
    """Given no loaded matrix, then line and factors are typed."""
    assert (drawn({})["line"].kind, drawn({})["factors"].kind) == ("text", "rows")
    assert not show_line({"line": ["TH68010"]})


def scored(**other: Any) -> Any:
    data = {"matrix_version": "2023-10-01", "line": None, "factors": None, "aggravating": ["He laughed."], **other}
    return facts_for_the_panel({"told_by": {"GRAVITY": 5}}, [{"version": 5, "data": data}])["gravity"]


def test_the_panel_sees_line_and_factors_by_title(sample_matrix: str) -> None:
    """Given a score by a line, then the page of a case names line and factors by title; one without a line has none."""
    score = scored(line="TH68010", factors=[{"code": "A1", "direction": "UP"}, {"code": "Z9", "direction": "DOWN"}])
    assert score["line"] == "Theft from a shop (made-up sample) (TH68010)"
    assert score["ticked"] == {"UP": ["It was planned (A1)"], "DOWN": ["Z9"]}
    assert (scored()["line"], scored()["ticked"]) == (None, {"UP": [], "DOWN": []})
    assert sample_matrix == score["matrix_version"]


def test_the_panel_sees_a_score_as_it_was_corrected() -> None:
    """Given a score that was corrected, then the page of a case has the right one."""
    data = {"matrix_version": "2025", "line": None, "factors": None, "final_score": 4}
    line = {"version": 5, "data": data, "corrected_data": {**data, "final_score": 3}}
    assert facts_for_the_panel({"told_by": {"GRAVITY": 5}}, [line])["gravity"]["final_score"] == 3
