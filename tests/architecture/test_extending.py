"""The table "Where do I add …" of CONTRIBUTING.md, played: each thing is added to a copy, works there, and takes as many files as it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from services.registry import SERVICES

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
NOT_COPIED = shutil.ignore_patterns("__pycache__", ".*cache*", ".git", ".hypothesis", ".venv*", "var")

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
        "services/vocabulary.py": add('    CURFEW = "CURFEW"', '    BICYCLE_COURSE = "BICYCLE_COURSE"'),
        "services/disposal/domain/conditions/bicycle_course.py": new(
            '"""A course about bicycles."""\n\n'
            "from services.disposal.domain.conditions.definition import ConditionDefinition\n\n"
            'DEFINITION = ConditionDefinition(english="Attend a course about bicycles", agreed_action=False)\n'
        ),
    },
    """
from services.disposal.domain.commands import ProposeCondition
from services.disposal.domain.conditions import DEFINITIONS
assert DEFINITIONS["BICYCLE_COURSE"].english == "Attend a course about bicycles"
assert "BICYCLE_COURSE" in str(ProposeCondition.model_json_schema())
""",
)

RULE = Addition(
    "a rule",
    {
        "services/education/domain/rules.py": append('''

@rules.forbids("E9", PlanSession, looks_at=("hours",))
def session_fits_a_school_day(command: PlanSession, _state: Session, _context: Context) -> bool:
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
        "services/reporting/measures/staff.py": new('''"""Members of staff who were taught."""

from services.reporting.measures.definition import Measure
from services.reporting.summaries import SessionSummary

MEASURE = Measure(
    name="staff",
    version="1",
    definition="Members of staff in sessions delivered in the period, as counted there.",
    source="local measure",
    reads=frozenset({"education"}),
    select=lambda dataset, period: [row for row in dataset.all_of(SessionSummary) if row.delivered_on in period],
    aggregate=lambda rows, _dataset, _period: {"staff": sum(row.staff or 0 for row in rows)},
    groupings={},
    small_numbers="exact: members of staff",
    columns={"staff": "members of staff taught"},
)
''')
    },
    """
from datetime import date
from services.reporting.measures import Dataset, answer, measure_named
from services.reporting.measures.period import Period
period = Period(date(2026, 1, 1), date(2026, 3, 31))
assert answer(measure_named("staff"), Dataset(), period, {})["staff"] == 0
""",
)

COMMAND = Addition(
    "a command",
    {
        "services/education/domain/commands.py": lambda text: text.replace(
            "EducationCommand = (\n",
            '''class SendMaterials(Command):
    """Record that materials were sent to a school after a session."""

    records = events.MaterialsSent

    copies: events.Count


EducationCommand = (
    SendMaterials |
''',
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
        "services/education/domain/state_machine.py": each(
            add("    RecordFeedback,", "    SendMaterials,"),
            lambda text: text.replace("(RecordFeedback,)", "(RecordFeedback, SendMaterials)"),
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

FIELD = Addition(
    "a field of an event",
    {
        "services/education/events.py": each(
            lambda text: text.replace(
                "    by: CancelledBy\n    why: Annotated[Sealed[FreeText], Personal.REASONS]\n    bookings",
                "    by: CancelledBy\n    why: Annotated[Sealed[FreeText], Personal.REASONS]\n"
                "    again_on: Added[date] = None\n    bookings",
            ),
            lambda text: text.replace(
                "from uuid import UUID\n", "from datetime import date\nfrom uuid import UUID\n", 1
            ),
        )
    },
    """
from services.education.events import EVENTS, SessionCancelled
assert "again_on" in SessionCancelled.model_fields
import json
golden = json.load(open("tests/unit/contract/golden/education.json"))
old = next(sample["body"] for sample in golden.values() if "SessionCancelled" in sample["body"])
assert EVENTS.read(old.encode()).event.again_on is None
""",
)

SHAPE = Addition(
    "an event's new shape",
    {
        "services/education/events.py": each(
            lambda text: text.replace(
                '    sentence = "Session cancelled by the {by}"\n\n    by: CancelledBy\n',
                '    version: ClassVar[int] = 2\n    sentence = "Session cancelled by the {by}, {notice_days} days before"\n\n'
                "    by: CancelledBy\n    notice_days: int\n",
            ),
            lambda text: text.replace("from typing import Annotated, ", "from typing import Annotated, ClassVar, ", 1),
            add(
                "    get_args(EducationEvent),",
                '    upcasters={"ooc.education.SessionCancelled.v1": lambda data: {**data, "notice_days": 0}},',
            ),
        ),
        "services/education/words.toml": append(
            '\n[fields.notice_days]\ntitle = "Days of notice"\nhelp = "How many days before the session it was cancelled."\n'
        ),
    },
    """
import json
from services.education.events import EVENTS, SessionCancelled
golden = json.load(open("tests/unit/contract/golden/education.json"))
old = EVENTS.read(golden["ooc.education.SessionCancelled.v1"]["body"].encode())
assert (type(old.event), old.event.notice_days) == (SessionCancelled, 0)
from services.education.service import service
from tools.reference.contract import contract_of_code
from tools.reference.pages import of_service
from services.registry import deciding_services
messages = contract_of_code(deciding_services())["asyncapi.json"]["components"]["messages"]
assert {"ooc.education.SessionCancelled.v1", "ooc.education.SessionCancelled.v2"} <= messages.keys()
assert any("notice_days" in text for text in of_service(service).values())
""",
    r"(?:\d+); (\d+) with a new field",
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


FREE: Final = max(entry.port_offset for entry in SERVICES) + 1
"""The first place among the ports of the APIs that no service has."""
FIRST_API_PORT: Final = 8101


def doubled(text: str) -> str:
    """Add to docker-compose.yml what a service needs, as education has it."""
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
        "services/registry.py": add(
            'RegisteredService("education"', f'    RegisteredService("mentoring", "Mentoring", {FREE}, "mentorings"),'
        ),
        "docker-compose.yml": doubled,
        "pyproject.toml": lambda text: text.replace(
            '"services.education"', '"services.education", "services.mentoring"'
        ),
    },
    """
import subprocess, sys
from services.console.records import records_in
from services.console.rendering import TEMPLATES
from services.registry import DECIDING, RECORD_TITLES, read_models
from services.reporting.projection.read_models import READ_MODELS
from shared.runtime.application import service_api
from shared.settings import Settings
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


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the project."""
    return Path(shutil.copytree(ROOT, tmp_path / "copy", ignore=NOT_COPIED))


def mentoring(copy: Path) -> None:
    """Write the folder of a new service: education's, under another name."""
    shutil.copytree(copy / "services/education", copy / "services/mentoring")
    for path in (copy / "services/mentoring").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        text = text.replace("education", "mentoring").replace('"sessions"', '"mentorings"')
        path.write_text(text.replace('followers=("disposal", "referral")', "followers=()"), encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    "addition", [CONDITION, RULE, MEASURE, COMMAND, FIELD, SHAPE, PAGE, SERVICE], ids=lambda it: it.row
)
def test_an_addition_takes_the_files_that_its_row_says(addition: Addition, copy: Path) -> None:
    """Given the guide, when somebody adds the thing by hand, then it works, and as many files changed as the guide says."""
    (row,) = re.findall(rf"^\| {re.escape(addition.row)} \| ([^|]*) \|", TABLE, re.MULTILINE)
    promised = re.search(addition.promised, row)
    assert promised is not None
    assert len(addition.edits) == int(promised[1])

    if addition is SERVICE:
        mentoring(copy)
    for name, edit in addition.edits.items():
        path = copy / name
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        after = edit(before)
        assert after != before, f"{name} stays as it was"
        path.write_text(after, encoding="utf-8")

    shown = subprocess.run(
        [sys.executable, "-c", PLAN + addition.shows],
        cwd=copy,
        env={"PYTHONPATH": str(copy), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stdout[-3000:] + shown.stderr[-3000:]
