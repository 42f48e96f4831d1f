"""Reading scenario files: a valid one is read, and an error is named with file, step and what to do."""

from pathlib import Path

import pytest

from tools.scenario.parser import read_scenario
from tools.scenario.story import CommandStep, Officer
from tools.scenario.yaml_text import BadFile

STORIES = Path(__file__).parents[2] / "scenarios"

HEAD = "id: a-story\ntitle: A story\n"
ASK = """
  - at: 2026-06-10T10:00:00+01:00
    by: SUPERVISOR
    do: referral.AcknowledgeReferral
    to: r1
    with: {}
"""


def written(tmp_path: Path, text: str | bytes) -> Path:
    file = tmp_path / "story.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def wrong(tmp_path: Path, text: str | bytes) -> str:
    with pytest.raises(BadFile) as error:
        read_scenario(written(tmp_path, text))
    sentence = str(error.value)
    assert sentence.startswith(str(tmp_path / "story.yaml"))
    assert sentence.endswith(".")
    return sentence


def test_dates_stay_the_text_that_was_written(tmp_path: Path) -> None:
    """Given dates and times without quotation marks, when they are read, then they are text."""
    step = "  - {at: 2026-06-10T10:00:00+01:00, by: SUPERVISOR/2, do: disposal.X, to: d1, with: {due: 2026-07-01}}"
    (ask,) = read_scenario(written(tmp_path, f"{HEAD}steps:\n{step}")).steps
    assert isinstance(ask, CommandStep)
    assert ask.at == "2026-06-10T10:00:00+01:00"
    assert ask.fields == {"due": "2026-07-01"}
    assert ask.by == Officer("SUPERVISOR", 2)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "a scenario: fields are expected"),
        ("- 1", "a scenario: fields are expected"),
        ("a: [", "this is not YAML"),
        ("a: 1\na: 2", "stands twice"),
        (b"\xff\xfe\x00", "not UTF-8"),
        ("? [a]\n: 1", "a key must be a word"),
        ("1: a", "must be text"),
        ("id: !!python/object:os.system x", "this is not YAML"),
        ("id: !!set {a}", "no place in a scenario"),
        ("id: .nan", "no place in a scenario"),
        ('id: "\\ud800"', "invalid Unicode character"),
        ("id: &a [*a]", "no place in a scenario"),
        ("title: A story\nsteps: []", "id: a text is expected"),
        (HEAD, "write at least one"),
        (f"{HEAD}steps: []", "write at least one"),
        (f"{HEAD}steps: [1]", "step 1: a step: fields are expected"),
        (f"{HEAD}colour: blue\nsteps: []", "no key 'colour'"),
        (f"{HEAD}steps: [{{}}]", "step 1: a step has exactly one of do"),
        (f"{HEAD}steps: [{{mark: a, check: b}}]", "exactly one of do"),
        (f"{HEAD}steps:{ASK}    colour: blue", "step 1: there is no key 'colour'"),
        (f"{HEAD}steps:{ASK}    expect: refused", "expect: 'refused' is unknown"),
        (f"{HEAD}steps:{ASK}    expect: {{refused: R6}}", "a list of names"),
        (f"{HEAD}steps:{ASK}    expect: {{refused: []}}", "name at least one rule"),
        (f"{HEAD}steps:{ASK}    expect: {{refused: [R6], accepted: []}}", "is unknown"),
        (f"{HEAD}steps:{ASK}    expect: repeated", "needs the `key:` of an earlier step"),
        (f"{HEAD}steps:{ASK}    expected_version: first", "no version"),
        (f"{HEAD}steps:{ASK}    late: perhaps", "true or false"),
        (f"{HEAD}steps:{ASK}{ASK.replace('10:00', '09:00')}", "step 2: at: 2026-06-10T09:00:00+01:00 is before"),
        (f"{HEAD}steps:{ASK.replace('+01:00', '')}", "not a time with its zone"),
        (f"{HEAD}steps:{ASK.replace('SUPERVISOR', 'KING')}", "names no role"),
        (f"{HEAD}steps:{ASK.replace('SUPERVISOR', 'SUPERVISOR/0')}", "second person"),
        (f"{HEAD}steps:{ASK.replace('referral.', 'referrals.')}", "is no SERVICE.Command"),
        (f"{HEAD}steps:{ASK.replace('to: r1', 'to: r 1')}", "no name of a stream"),
        (f"{HEAD}steps:{ASK.replace('{}', '[a]')}", "with: fields are expected"),
        (f"{HEAD}steps:{ASK.replace('{}', '{type: X}')}", "is set by the step itself"),
        (f"{HEAD}steps:{ASK.replace('{}', '{a: $leo.details}')}", "there is no person 'leo'"),
        (f"{HEAD}steps:{ASK.replace('{}', '{a: $leo.shoes}')}", "is no name"),
        (f"{HEAD}steps:{ASK.replace('{}', '{a: $officer.KING}')}", "names no role"),
        (f"{HEAD}steps:{ASK.replace('{}', '{a: $d9.OutcomeAssigned}')}", "nothing was done on 'd9'"),
        (f"{HEAD}people: {{leo: 1}}\nsteps:{ASK}", "people.leo: fields are expected"),
        (f"{HEAD}steps: [{{check: prison/p1, is: {{a: 1}}}}]", "is none of SERVICE/STREAM"),
        (f"{HEAD}steps: [{{check: referral/r1/colour, is: {{a: 1}}}}]", "is none of SERVICE/STREAM"),
        (f"{HEAD}steps: [{{check: referral/r1, is: {{a: 1}}}}]", "nothing was done on 'r1'"),
        (f"{HEAD}steps: [{{check: messages/leo, are: []}}]", "no messages/PERSON of somebody under people"),
        (f"{HEAD}people: {{leo: {{}}}}\nsteps: [{{check: messages/leo}}]", "needs are"),
        (f"{HEAD}people: {{leo: {{}}}}\nsteps: [{{check: messages/leo, are: [{{template: X}}]}}]", "is no template"),
        (f"{HEAD}steps:{ASK}  - {{check: referral/r1}}", "step 2: is: fields are expected"),
        (f"{HEAD}steps:{ASK}  - {{check: referral/r1, iz: {{a: 1}}}}", "no key 'iz'"),
        (f"{HEAD}steps:{ASK}  - {{check: referral/r1, is: {{a: 1}}, known_at: noon}}", "no `mark: noon`"),
        (f"{HEAD}steps:{ASK}  - {{check: referral/r1, is: {{a: 1}}, as_of: noon}}", "neither a date nor a time"),
        (f"{HEAD}steps:{ASK}  - {{check: referral/r1/duties, as_of: 2026-06-10}}", "needs has or lacks"),
        (f"{HEAD}steps:{ASK}  - {{check: referral/r1/duties, has: [{{dutty: X}}]}}", "no key 'dutty'"),
        (f"{HEAD}steps:{ASK}  - {{check: referral/r1/duties, has: [{{due: 2026-02-30}}]}}", "not a date"),
        (f"{HEAD}steps:{ASK}  - {{check: referral/r1/history}}", "needs types"),
        (f"{HEAD}steps: [{{check: measures/kpi6, with: {{from: soon}}, adds: {{a: 1}}}}]", "with.from"),
        (f"{HEAD}steps: [{{check: measures/kpi6, adds: {{}}}}]", "at least one key"),
        (f"{HEAD}steps: [{{check: measures/kpi6, adds: {{a: many}}}}]", "not a number"),
    ],
)
def test_what_is_malformed_is_said(tmp_path: Path, text: str | bytes, sentence: str) -> None:
    """Given a malformed file, when it is read, then the message names file and place, and says what to do."""
    assert sentence in wrong(tmp_path, text)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    """Given no file, when it is read, then the message names it and no traceback is needed."""
    with pytest.raises(BadFile, match="cannot be read"):
        read_scenario(tmp_path / "nowhere.yaml")


def test_a_file_that_grows_by_its_anchors_is_refused(tmp_path: Path) -> None:
    """Given anchors that multiply (a billion laughs), when the file is read, then it is refused in a moment."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "too large" in wrong(tmp_path, "\n".join(lines))
