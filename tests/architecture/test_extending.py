"""The table "Where do I add …" of CONTRIBUTING.md, played: each thing is added to a copy and works there, with the files that the steps name."""

import filecmp
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from services.system.registry import FOLLOWERS, SERVICES

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
NOT_COPIED = shutil.ignore_patterns(".*cache*", ".git", ".hypothesis", ".venv*", "var", "node_modules", "made")

PLAN = """
PLAN = '''{"type": "PlanSession", "kind": "GROUP", "topic": "ANTI_BULLYING", "starts_at": "2026-03-09T09:00:00+00:00",
    "place": "Hall", "hours": %d}'''
"""
"""A plan of a session of some hours, for the additions of education."""

Edit = Callable[[str], str]
"""A file's text, empty for a new file, and what is written in its place."""


@dataclass(frozen=True)
class Addition:
    """Something that is added by hand: what changes, and Python that shows in the copy that it works."""

    row: str
    edits: Mapping[str, Edit]
    shows: str
    promised: str = r"(\d+)"
    """The pattern by which the row says the number of files."""


def new(text: str) -> Edit:
    """Write a new file."""

    def write(before: str) -> str:
        assert not before, "the file is there already"
        return text

    return write


def add(line: str, *lines: str) -> Edit:
    """Add lines after the first one that contains this text."""

    def write(before: str) -> str:
        head, found, tail = before.partition(line)
        assert found, f"no line has {line!r}"
        rest, _, after = tail.partition("\n")
        return f"{head}{found}{rest}\n" + "".join(f"{text}\n" for text in lines) + after

    return write


def each(*edits: Edit) -> Edit:
    """Make several edits in one file."""

    def write(text: str) -> str:
        for edit in edits:
            text = edit(text)
        return text

    return write


def append(text: str) -> Edit:
    """Add text at the end of a file."""
    return lambda before: before + text


CONDITION = Addition(
    "a type of condition",
    {
        "services/trade/vocabulary.py": add('    CURFEW = "CURFEW"', '    BICYCLE_COURSE = "BICYCLE_COURSE"'),
        "services/disposal/domain/conditions/bicycle_course.py": new('''"""A course about bicycles."""

from services.disposal.domain.conditions.definition import ConditionDefinition, Requirement
from services.disposal.events import Condition
from shared.domain.rules import Context


def course_is_short(condition: Condition, context: Context) -> bool:
    """A course about bicycles takes few hours: shorten it.

    Source: local policy
    """
    return condition.hours is None or condition.hours <= context.policy.number("bicycle_course_hours")


DEFINITION = ConditionDefinition(
    english="Attend a course about bicycles", requirements=(Requirement("R15", course_is_short),)
)
'''),
        "services/disposal/domain/policy.toml": append(
            '\n[bicycle_course_hours]\nunit = "hours"\nsource = "local policy"\n'
            "entries = [{from = 2013-04-08, value = 3}, {from = 2026-04-01, value = 5}]\n"
        ),
    },
    """
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from services.disposal.domain.commands import ProposeCondition
from services.disposal.domain.conditions import DEFINITIONS
from services.disposal.service import service
from services.trade.vocabulary import ConditionType
from tests.unit.disposal.stories import CaseStory, condition
from tests.unit.kernel.lamps import context
(rule,) = [rule for rule in service.decider.rules.rules_for(ProposeCondition) if rule.name == "course_is_short"]
state = CaseStory().decided("YCC").state
for moment, most in (("2026-03-11T12:00:00+00:00", 3), ("2026-04-02T12:00:00+00:00", 5)):
    at = datetime.fromisoformat(moment)
    asked = replace(context(at), policy=service.policy.on(at.date()))
    for hours in (most, most + 1):
        course = condition(ConditionType.BICYCLE_COURSE, due=date(2026, 5, 28), hours=Decimal(hours))
        assert rule.check(ProposeCondition(condition=course), state, asked) is (hours == most)
assert rule.id == "R15"
assert DEFINITIONS["BICYCLE_COURSE"].english == "Attend a course about bicycles"
assert "BICYCLE_COURSE" in str(ProposeCondition.model_json_schema())
""",
    r"(?:\d+); (\d+) with a figure",
)


RULE = Addition(
    "a rule",
    {
        "services/education/domain/rules.py": append('''

@rules.forbids("E9", commands.PlanSession, looks_at=("hours",))
def session_fits_a_school_day(command: commands.PlanSession, _state: Session, _context: Context) -> bool:
    """A session takes seven hours at most: plan two.

    Source: team practice
    """
    return command.hours <= 7
''')
    },
    """
from services.education.domain.commands import PlanSession
from services.education.service import service
from tests.command_spec import CommandSpec
spec = CommandSpec(service)
at = "2026-03-02T09:00:00+00:00"
assert spec.refused(PlanSession.model_validate_json(PLAN % 8), by="SUPERVISOR", at=at) == {"E9"}
assert spec.ask(PlanSession.model_validate_json(PLAN % 7), by="SUPERVISOR", at=at) == ["SessionPlanned"]
""",
)

MEASURE = Addition(
    "a measure",
    {
        "services/education/summary.py": each(
            add("    staff: int | None = None", "    hours: Decimal | None = None"),
            add("        key_stage=state.key_stage,", "        hours=state.hours,"),
            add("from datetime import date", "from decimal import Decimal"),
        ),
        "services/reporting/measures/hours.py": new('''"""Hours that were taught."""

from services.reporting.measures.definition import Measure, words_of
from services.education.summary import SessionSummary

MEASURE = Measure(
    **words_of("hours"),
    reads=frozenset({"education"}),
    days=lambda summary: [summary.delivered_on] if isinstance(summary, SessionSummary) else [],
    select=lambda dataset, period: [row for row in dataset.all_of(SessionSummary) if row.delivered_on in period],
    aggregate=lambda rows, _dataset, _period: {"hours": float(sum(row.hours or 0 for row in rows))},
    groupings={},
)
'''),
        "services/reporting/measures/words.toml": append(
            '\n[hours]\nversion = "1"\ndefinition = "Hours of sessions delivered in the period."\nsource = "local measure"\n'
            'small_numbers = "exact: hours"\n\n[hours.columns]\nhours = "hours taught"\n'
        ),
    },
    """
from datetime import date
from services.education.summary import SessionSummary
from services.reporting.measures import Dataset, answer, measure_named
from services.reporting.measures.period import Period
period = Period(date(2026, 1, 1), date(2026, 3, 31))
assert answer(measure_named("hours"), Dataset(), period, {})["hours"] == 0
assert SessionSummary.model_fields["hours"].default is None
""",
    r"(?:\d+); (\d+) with a field",
)


COMMAND = Addition(
    "a command",
    {
        "services/education/domain/commands.py": lambda text: text.replace(
            "COMMANDS: Final",
            '''class SendMaterials(Command):
    """Record that materials were sent to a school after a session."""

    records = events.MaterialsSent

    copies: events.Count


COMMANDS: Final''',
        ),
        "services/education/events.py": each(
            lambda text: text.replace(
                "EventAfterPlanning: TypeAlias = (\n",
                '''class MaterialsSent(Event):
    """Materials were sent to a school after a session."""

    sentence = "Materials sent, {copies} copies"

    copies: Count


EventAfterPlanning: TypeAlias = (
    MaterialsSent |
''',
            ),
            add("    FeedbackRecorded: Regime.UK_GDPR,", "    MaterialsSent: Regime.UK_GDPR,"),
        ),
        "services/education/domain/evolve.py": lambda text: text.replace(
            "case events.FeedbackRecorded() |", "case events.FeedbackRecorded() | events.MaterialsSent() |"
        ),
        "services/education/domain/state_machine.py": lambda text: text.replace(
            "(commands.RecordFeedback,)", "(commands.RecordFeedback, commands.SendMaterials)"
        ),
        "services/education/words.toml": append(
            '\n[fields.copies]\ntitle = "Copies"\nhelp = "How many copies were sent."\n'
        ),
    },
    """
from services.education.domain.commands import DeliverSession, PlanSession, SendMaterials
from services.education.service import service
from shared.api.command_schemas import command_schemas
from tests.command_spec import CommandSpec
spec = CommandSpec(service)
spec.ask(PlanSession.model_validate_json(PLAN % 1), by="SUPERVISOR", at="2026-03-02T09:00:00+00:00")
assert spec.refused(SendMaterials(copies=3), by="SUPERVISOR", at="2026-03-01T09:00:00+00:00") == {"T1"}
assert spec.refused(SendMaterials(copies=3), by="SUPERVISOR", at="2026-03-03T09:00:00+00:00") == {"S1"}
spec.ask(DeliverSession(headcount=20), by="SUPERVISOR", at="2026-03-09T10:00:00+00:00")
assert spec.ask(SendMaterials(copies=3), by="SUPERVISOR", at="2026-03-10T09:00:00+00:00") == ["MaterialsSent"]
assert command_schemas(service)["SendMaterials"]["properties"]["copies"]["title"] == "Copies"
""",
    r"(?:\d+); (\d+) with an event",
)

PAGE = Addition(
    "a page of the console",
    {
        "services/console/officers/weather.py": new('''"""The weather, for whoever visits a family."""

from starlette.requests import Request
from starlette.responses import Response

from services.console.rendering import render
from services.console.sessions import Session


async def weather_page(request: Request, session: Session) -> Response:
    """Show the weather."""
    return render(request, "weather.html", session)
'''),
        "services/console/templates/weather.html": new(
            '{% extends "layout.html" %}\n{% block title %}Weather{% endblock %}\n'
            '{% block content %}<h1 class="govuk-heading-l">Weather</h1>{% endblock %}\n'
        ),
        "services/console/application.py": each(
            add("    signatures,", "    weather,"),
            add(
                '        page_route("/cases", cases.case_list),',
                '        page_route("/weather", weather.weather_page),',
            ),
        ),
        "services/console/templates/my_day.html": lambda text: text.replace(
            "{% block content %}", '{% block content %}<a class="govuk-link" href="/weather">Weather</a>', 1
        ),
        "services/console/README.md": add("|---|---|", "| `/weather` | the weather |"),
    },
    """
from services.console.application import routes
from services.console.rendering import TEMPLATES
assert "/weather" in {getattr(route, "path", "") for route in routes()}
assert TEMPLATES.get_template("weather.html")
assert "/weather" in TEMPLATES.loader.get_source(TEMPLATES, "my_day.html")[0]
""",
)

MESSAGE = Addition(
    "a message to people",
    {
        "services/trade/vocabulary.py": add('    PAPERS_SENT = "PAPERS_SENT"', '    CHILD_DECISION = "CHILD_DECISION"'),
        "services/trade/vocabulary.toml": add(
            'PAPERS_SENT = "Help', 'CHILD_DECISION = "What was decided about a child"'
        ),
        "services/notifications/table.py": add(
            "    Line(Occasion.DECISION_MADE, MessageTemplate.VICTIM_DECISION",
            "    Line(Occasion.DECISION_MADE, MessageTemplate.CHILD_DECISION, _FAMILY, _at_once, _when_stale),",
        ),
        "services/notifications/templates/en.toml": append(
            '\n[CHILD_DECISION]\nversion = 1\nsubject = "News for you"\ntext = "We have news. Please ring us on {phone}."\n'
        ),
    },
    """
import subprocess, sys
from services.referral.service import service
from shared.api.command_schemas import command_schemas
assert "CHILD_DECISION" in str(command_schemas(service))
sys.exit(subprocess.call([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:schemathesis",
    "tests/unit/notifications/test_rendering.py"]))
""",
)


FREE: Final = max(*(entry.port_offset for entry in SERVICES), *FOLLOWERS.values()) + 1
"""The first place among the ports of the APIs that no service has."""
FIRST_API_PORT: Final = 8101


def doubled(text: str) -> str:
    """Add to a file of the deployment what a service needs, as education has it."""
    lines: list[str] = []
    block: list[str] = []
    for line in [*text.splitlines(), ""]:
        if block and not line.startswith("    "):
            lines += ["", *(_renamed(inner) for inner in block)]
            block = []
        if re.fullmatch(r"  education-\w+:", line):
            block = [line]
            lines.append(line)
        elif block:
            block.append(line)
            lines.append(line)
        else:
            lines.append(line)
            if "education" in line:
                lines.append(_renamed(line))
    return "\n".join(lines)


def _renamed(line: str) -> str:
    return line.replace("education", "mentoring").replace("8102", str(FIRST_API_PORT + FREE))


SERVICE = Addition(
    "a service",
    {
        "services/system/registry.py": add(
            'RegisteredService("education"', f'    RegisteredService("mentoring", "Mentoring", {FREE}, "mentorings"),'
        ),
        "docker-compose.yml": doubled,
        "deploy/prometheus.yml": doubled,
        "pyproject.toml": lambda text: text.replace(
            '"services.education"', '"services.education", "services.mentoring"'
        ),
    },
    """
import subprocess, sys
from services.console.records import records_in
from services.console.rendering import TEMPLATES
from services.system.registry import DECIDING, RECORD_TITLES, read_models
from services.reporting.projection.read_models import READ_MODELS
from shared.runtime.application import service_api
from shared.servers.settings import Settings
assert "mentoring" in READ_MODELS and read_models()["mentoring"].collection == "mentorings"
assert "/v1/mentorings/{id}/commands" in service_api(
    next(entry for entry in DECIDING if entry.name == "mentoring").service(), Settings(mode="local")
).openapi()["paths"]
assert list(records_in({"mentorings": [{"id": "m"}]})) == [("mentorings", {"id": "m"})]
assert RECORD_TITLES["mentorings"] == "Mentoring"
assert TEMPLATES.from_string("{{ 'mentoring' | record_title }}").render() == "Mentoring"
tests = ["tests/architecture/test_compose.py", "tests/architecture/test_house.py"]
sys.exit(subprocess.call([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]))
""",
    r"(\d+) and its folder",
)


@pytest.fixture(scope="module")
def one_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project."""
    return copied(tmp_path_factory.mktemp("project"))


@pytest.fixture
def copy(one_copy: Path) -> Iterator[Path]:
    """Yield a copy of the project. Python compiles it once, since each test leaves it as it was."""
    yield one_copy
    restore(filecmp.dircmp(one_copy, ROOT))


def names(steps: str, file: str) -> bool:
    """Return whether steps name a file, by its path in the project or in its service; `<code>` is any name."""
    return any(
        re.fullmatch(rf"(services/\w+/)?{re.sub(r'<[a-z]+>', r'[a-z_]+', re.escape(word))}", file)
        for word in re.findall(r"`([^`\s]+)`", steps)
    )


def copied(folder: Path) -> Path:
    """Copy the project into a folder, with what is compiled of it."""
    return Path(shutil.copytree(ROOT, folder / "copy", ignore=NOT_COPIED))


def restore(copy: filecmp.dircmp[str]) -> None:
    """Make a copy equal to the project again."""
    for name in copy.left_only:
        new = Path(copy.left, name)
        shutil.rmtree(new) if new.is_dir() else new.unlink()
    for name in copy.diff_files:
        shutil.copy2(Path(copy.right, name), Path(copy.left, name))
    for folder in copy.subdirs.values():
        restore(folder)


def mentoring(copy: Path) -> None:
    """Write the folder of a new service: education's, under another name."""
    shutil.copytree(copy / "services/education", copy / "services/mentoring")
    for path in (copy / "services/mentoring").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        text = text.replace("education", "mentoring").replace('"sessions"', '"mentorings"')
        path.write_text(text, encoding="utf-8")


def make(addition: Addition, copy: Path) -> None:
    """Make the edits of an addition in a copy."""
    for name, edit in addition.edits.items():
        path = copy / name
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        after = edit(before)
        assert after != before, f"{name} stays as it was"
        path.write_text(after, encoding="utf-8")


def python_in(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a copy."""
    environment = {"PYTHONPATH": str(copy), "PATH": os.environ["PATH"]}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)


def run_in(copy: Path, code: str, *arguments: str) -> str:
    """Run Python code in a copy; return what it printed."""
    shown = python_in(copy, "-c", code, *arguments)
    assert shown.returncode == 0, shown.stdout[-3000:] + shown.stderr[-3000:]
    return shown.stdout


@pytest.mark.slow
@pytest.mark.parametrize("addition", [CONDITION, RULE, MEASURE, COMMAND, PAGE, MESSAGE, SERVICE], ids=lambda it: it.row)
def test_an_addition_takes_the_files_that_its_row_says(addition: Addition, copy: Path) -> None:
    """Given the guide, when somebody adds the thing by hand, then it works, and the guide names each file and their number."""
    ((number, steps),) = re.findall(rf"^\| {re.escape(addition.row)} \| ([^|]*) \| ([^|]*) \|", TABLE, re.MULTILINE)
    promised = re.search(addition.promised, number)
    assert promised is not None
    assert len(addition.edits) == int(promised[1])
    for page in re.findall(r"docs/how-to/extend/[a-z]+\.md", steps):
        steps += (ROOT / page).read_text(encoding="utf-8")
    assert [file for file in addition.edits if not names(steps, file)] == []

    if addition is SERVICE:
        mentoring(copy)
    make(addition, copy)
    run_in(copy, PLAN + addition.shows)


LEFT_OUT: Final = (
    (
        "tests/unit/reporting/test_search.py::test_every_searched_field_is_there_and_means_the_same_in_its_service",
        "services/reporting/search/fields.py: SEARCHED must name ['school_urn'] of ReferralAcknowledged",
    ),
    (
        "tests/architecture/test_compose.py::test_the_console_knows_every_service_and_its_own_port",
        "docker-compose.yml: OOC_URL of the container console",
    ),
    (
        "tests/architecture/test_house.py::test_the_import_contracts_name_every_service",
        "pyproject.toml: name the service in the contracts",
    ),
    (
        "tests/unit/console/test_web.py::test_every_page_is_explained",
        "services/console/README.md: add a line for ['weather']",
    ),
    (
        "tests/unit/console/test_web.py::test_every_route_is_in_one_list",
        "tests/unit/console/test_web.py: list ['/weather']",
    ),
    (
        "tests/unit/contract/test_golden_events.py::test_each_event_has_a_golden_sample[education]",
        "tests/unit/contract/golden/education.json",
    ),
    (
        "tests/unit/test_registry.py::test_every_command_is_played_in_any_sequence[education]",
        "tests/unit/education/test_education_any_sequence.py: add SendMaterials to COMMANDS",
    ),
    (
        "tests/unit/disposal/test_disposal_condition_types.py::test_every_module_of_a_type_has_its_code",
        "services/trade/vocabulary.py: add ['BICYCLE_COURSE'] to ConditionType",
    ),
    (
        "tests/unit/notifications/test_rendering.py::test_every_line_of_the_table_has_its_text_and_there_is_no_other",
        "services/notifications/table.py: give a Line to ['CHILD_DECISION']",
    ),
)
"""Tests, and what each says of an addition without one of its parts."""


@pytest.mark.slow
def test_a_part_that_is_left_out_is_named(copy: Path) -> None:
    """Given additions of which each lacks one part, then a test fails that names its file; without words nothing starts."""
    mentoring(copy)
    parts: dict[str, list[Edit]] = {}
    for addition in (SERVICE, PAGE, COMMAND, MESSAGE):
        for name, edit in addition.edits.items():
            parts.setdefault(name, []).append(edit)
    del parts["pyproject.toml"], parts["services/console/README.md"], parts["services/notifications/table.py"]
    course = "services/disposal/domain/conditions/bicycle_course.py"
    parts[course] = [CONDITION.edits[course]]
    parts["docker-compose.yml"].append(lambda text: re.sub(r"\n *mentoring=.*", "", text))
    acknowledged = '    sentence = "Referral acknowledged"\n'
    parts["services/referral/events.py"] = [
        lambda text: text.replace(acknowledged, f"{acknowledged}    school_urn: Added[SchoolUrn] = None\n")
    ]
    words = "services/education/words.toml"
    for name, edits in {**parts, words: []}.items():
        path = copy / name
        path.write_text(each(*edits)(path.read_text(encoding="utf-8") if path.exists() else ""), encoding="utf-8")
    started = run_in(
        copy,
        "import traceback\ntry:\n  import services.education.service, shared.api.command_schemas as it\n"
        "  it.command_schemas(services.education.service.service)\nexcept Exception as error: print(error)",
    )
    assert "SendMaterials.copies has no title and help: add them to the words of its service (words.toml)" in started
    (word,) = parts[words]
    (copy / words).write_text(word((copy / words).read_text(encoding="utf-8")), encoding="utf-8")
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:schemathesis")
    said = python_in(copy, "-m", "pytest", *options, *(test for test, _ in LEFT_OUT)).stdout
    missing = [test for test, named in LEFT_OUT if named not in said]
    assert not missing, said[-6000:]
    assert f"{len(LEFT_OUT)} failed" in said
