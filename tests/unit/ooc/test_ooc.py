"""`ooc` at a terminal: what it says, and that whatever goes wrong is a sentence with an exit code."""

import io
import json
import os
import re
import subprocess
from dataclasses import replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
import typer
import yaml
from rich.console import Console

from ooc.cases import reading
from ooc.options import asked_role
from ooc.scenarios import STORIES
from ooc.system.alerting import who_is_told
from ooc.system.running import Stores, address_rows, monitored, processes, urls
from ooc.tables import alerts, measure, timeline
from services.reporting.measures import MEASURES
from services.reporting.measures.policy import POLICY as REPORTING_POLICY
from services.system.addresses import SERVICES
from services.system.registry import DECIDING, FOLLOWERS, deciding_services
from services.trade.vocabulary import PROGRAMS, Role
from shared.servers.settings import Settings
from tests.forked_ooc import run_command
from tools.local.errors import CannotStart
from tools.local.local_system import SERVERS, Addresses
from tools.local.ports import Ports
from tools.scenario.parser import read_scenario
from tools.scenario.validation import problems_of

TOLD = Path(__file__).parents[2] / "scenarios"
STREAM = UUID(int=5)
starts_a_process = pytest.mark.slow


def ooc(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OOC_")}
    return run_command(
        arguments, environment | {"OOC_VAR": str(folder / "var"), "COLUMNS": "200"} | variables, timeout=60
    )


def printed(thing: Any, width: int = 200) -> str:
    console = Console(width=width, file=io.StringIO())
    console.print(thing)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def addresses(tmp_path: Path) -> Addresses:
    """Return the addresses of a local system."""
    return Addresses(
        tmp_path, Ports(9100), "postgresql://postgres@127.0.0.1:9120/postgres", "127.0.0.1:9121", "http://i"
    )


@starts_a_process
@pytest.mark.parametrize("arguments", [["status"], ["case", str(UUID(int=1))], ["reactions", "list"], ["verify"]])
def test_without_a_system_it_says_what_to_do(tmp_path: Path, arguments: list[str]) -> None:
    """Given no system, when something is asked, then one sentence says how to start one, and nothing else."""
    result = ooc(tmp_path, *arguments)
    assert result.returncode == 1
    assert "start one with `ooc up`" in result.stderr
    assert "Traceback" not in result.stderr
    if arguments != ["verify"]:
        assert f"No system was found in {tmp_path / 'var'}" in result.stderr
        assert "OOC_VAR=" in result.stderr


@starts_a_process
def test_servers_that_do_not_answer_are_named_and_not_waited_for(tmp_path: Path) -> None:
    """Given addresses where nothing listens, when all is to be verified, then it is said at once, and nothing else."""
    result = ooc(tmp_path, "verify", OOC_DATABASE_URL="postgresql://127.0.0.1:1", OOC_KAFKA="127.0.0.1:1")
    assert result.returncode == 1
    assert result.stderr.startswith("PostgreSQL does not answer at 127.0.0.1:1")
    assert len(result.stderr.splitlines()) == 1


@starts_a_process
def test_a_place_that_cannot_hold_data_is_said(tmp_path: Path) -> None:
    """Given a directory that cannot be made, when the system is started, then it says so and names the way out."""
    (tmp_path / "file").touch()
    result = ooc(tmp_path / "file", "up")
    assert result.returncode == 1
    assert "OOC_VAR=/another/path" in result.stderr
    assert "fault of the program" not in result.stderr


@starts_a_process
def test_a_malformed_story_is_said_before_a_system_is_looked_for(tmp_path: Path) -> None:
    """Given a malformed file and no system, when it is to be played, then the file is what is complained of."""
    file = tmp_path / "story.yaml"
    file.write_text("id: x", encoding="utf-8")
    for command in ("run", "check"):
        result = ooc(tmp_path, "scenario", command, str(file))
        assert result.returncode == 1
        assert result.stderr.startswith(str(file))
        assert "Traceback" not in result.stderr


def test_the_stories_of_the_house_are_well_told() -> None:
    """Given the services' declarations, when the stories are checked, then nothing that they name is missing."""
    services = {service.name: service for service in deciding_services()}
    for file in sorted(TOLD.glob("*.yaml")):
        assert not list(problems_of(read_scenario(file), services)), file


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        ("by: SUPERVISOR, do: education.Teach, to: s1, with: {}", "no command Teach"),
        ("by: ANALYST, do: education.DeliverSession, to: s1, with: {}", "ANALYST may not use DeliverSession"),
        ("by: SUPERVISOR, do: education.DeliverSession, to: s1, with: {headcount: many}", "with.headcount"),
        ("by: SUPERVISOR, do: education.DeliverSession, to: s1, with: {}, expect: {refused: [E99]}", "no rule E99"),
        ("by: SUPERVISOR, do: education.DeliverSession, to: s1, with: {}, expect: {accepted: [Rain]}", "no event Rain"),
    ],
)
def test_what_does_not_exist_is_said(tmp_path: Path, step: str, sentence: str) -> None:
    """Given a story that names what no service knows, when it is checked, then its step and the name are said."""
    file = tmp_path / "story.yaml"
    file.write_text(f"id: x\ntitle: y\nsteps:\n  - {{at: 2026-05-04T10:00:00+01:00, {step}}}\n", encoding="utf-8")
    problems = list(problems_of(read_scenario(file), {service.name: service for service in deciding_services()}))
    assert len(problems) == 1
    assert problems[0].startswith("step 1: ")
    assert sentence in problems[0]


def test_the_story_that_comes_with_the_program_is_the_tested_one() -> None:
    """Given the packaged story, when it is compared with the tested one, then it says the same; besides, people are told."""
    packaged = STORIES / "01-shoplifting-ycc.yaml"
    said, more = ((folder / packaged.name).read_text("utf-8").splitlines() for folder in (TOLD, STORIES))
    # The child of the demonstration can be written to.
    more = [line.replace("telephone: 07700 900311, preferred_channel: SMS, ", "") for line in more]
    differences = SequenceMatcher(None, said, more, autojunk=False).get_opcodes()
    assert {tag for tag, *_ in differences} == {"equal", "insert"}
    added = [line for tag, _, _, first, last in differences if tag == "insert" for line in more[first:last]]
    assert {line.partition(" do: ")[2].split(",")[0] for line in added if " do: " in line} == {"disposal.TellVictim"}


def test_a_timeline_says_each_event_in_a_sentence_with_both_times() -> None:
    """Given a late event and its correction, when they are shown, then each names the other's place, and what was is beside what is."""

    def event(version: int, kind: str, occurred: str, recorded: str, **more: Any) -> dict[str, Any]:
        return {
            "service": "disposal", "version": version, "position": version + 40, "event_id": str(UUID(int=version)),
            "sentence": kind, "corrected_sentence": None, "occurred_at": occurred, "recorded_at": recorded,
            "actor": {"role": "SUPERVISOR", "id": str(STREAM)}, "rules": ["T1"], "late": False, "corrects": None,
            "corrected_by": [], "notes": [], **more,
        }  # fmt: skip

    late = event(
        7, "Outcome 22 assigned", "2026-02-25T17:05:00+00:00", "2026-03-02T10:00:00+00:00", late=True,
        corrected_by=[str(UUID(int=8))], corrected_sentence="Outcome 8 assigned",
        notes=[{"field": "rationale_text", "note": "a reason is recorded"}],
    )  # fmt: skip
    put_right = event(
        8, "Record corrected: code", "2026-03-03T09:00:00+00:00", "2026-03-03T09:00:01+00:00", corrects=str(UUID(int=7))
    )
    elsewhere = event(9, "Record corrected", "2026-03-04T09:00:00+00:00", "2026-03-04T09:00:01+00:00", corrects="x")
    text = printed(timeline("Case", [late, put_right, elsewhere]))
    for sentence in (
        "Outcome 22 assigned", "corrected: Outcome 8 assigned", "disposal 7 (disposal:47)", "a reason is recorded", "late",
        "corrected by disposal 8 (disposal:48)", "corrects disposal 7 (disposal:47)", "corrects an event that is not shown",
    ):  # fmt: skip
        assert sentence in text
    narrow = printed(timeline("Case", [late]), width=80)
    for line in ("2026-02-25 17:05:00", "2026-03-02 10:00:00", "Outcome 22 assigned"):
        assert line in narrow


def test_the_alerts_of_a_case_are_a_table() -> None:
    """Given an alert, when it is shown, then kind, person, day and referral stand in its line."""
    alert = {"kind": "SELF_HARM", "person_id": "p1", "review_on": "2026-07-01", "referral_id": "r1"}
    text = printed(alerts("Alerts", [alert]))
    assert all(value in text for value in alert.values())


def test_measures_are_tables() -> None:
    """Given measures of each form, when they are shown, then groups are rows and numbers keep their names."""
    head = {"measure": "m", "from": "2025-10-01", "to": "2025-12-31", "definition_version": "1", "positions": {}}
    kpi6 = printed(measure("kpi6", head | {"columns": {"youth_caution": {"ended": 1, "completed": 0}}}))
    assert "youth_caution" in kpi6
    assert "ended" in kpi6
    fte = printed(measure("fte", head | {"count": 2, "by_quarter": {"2025-26-Q3": 2}}))
    assert "by_quarter.2025-26-Q3" in fte
    assert printed(measure("fte", head | {"count": 0, "by_quarter": {}}))


def test_the_system_is_two_processes_for_each_service_after_its_preparation(addresses: Addresses) -> None:
    """Given the addresses of a local system, when its processes are listed, then order, role and keys are as they should."""
    made = {process.name: process for process in processes(addresses, {})}
    assert set(made) == {
        "witness",
        "migrate",
        "topics",
        "console",
        *(f"{follower}-worker" for follower in FOLLOWERS),
        *(f"{s}-{kind}" for s in urls(addresses) for kind in ("api", "worker")),
    }
    worker = made["disposal-worker"]
    assert set(worker.after) == {"migrate", "topics", "witness"}
    assert {"migrate", "witness"} < set(made["disposal-api"].after)
    assert worker.env["OOC_WITNESS_URL"] == made["disposal-api"].env["OOC_WITNESS_URL"]
    assert worker.env["OOC_DATABASE_URL"] == "postgresql://127.0.0.1:9120/postgres"
    assert "OOC_ADMIN_DATABASE_URL" not in worker.env
    assert made["migrate"].env["OOC_ADMIN_DATABASE_URL"] == addresses.database_url
    keys = [Path(worker.env[name]) for name in ("OOC_KEK_FILE", "OOC_SIGNING_KEY_FILE")]
    first = [key.read_text(encoding="ascii") for key in keys]
    processes(addresses, {})
    assert [key.stat().st_mode & 0o777 for key in keys] == [0o600, 0o600]
    assert [key.read_text(encoding="ascii") for key in keys] == first
    assert "OOC_SIGNING_KEY_FILE" not in made["disposal-api"].env
    assert set(made["disposal-api"].after) & set(SERVERS)


def test_each_service_has_as_many_workers_as_were_asked_for(addresses: Addresses) -> None:
    """Given three workers, when the processes of a local system are listed, then those of a service differ in their name alone."""
    made = {process.name: process for process in processes(addresses, {}, workers=3)}
    for service in SERVICES:
        first, *others = (
            made.pop(name) for name in (f"{service}-worker", f"{service}-worker-2", f"{service}-worker-3")
        )
        assert [replace(other, name=first.name) for other in others] == [first, first]
    assert [name for name in made if "worker" in name] == [f"{follower}-worker" for follower in FOLLOWERS]


@pytest.mark.parametrize(
    ("environment", "more"),
    [
        ({"OOC_ALERTMANAGER": "deploy/alertmanager.yml"}, {"prometheus", "alertmanager"}),
        ({"OOC_BACKUP_RECIPIENT": "age1"}, set()),
        ({"OOC_BACKUP_RECIPIENT": "age1", "OOC_BACKUP_FOLDER": "/backup"}, {"backup"}),
    ],
)
def test_alerts_and_backups_run_where_they_are_wanted(
    addresses: Addresses, environment: dict[str, str], more: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given who is told of faults, or where backups go, when the processes of a local system are listed, then more do that."""
    _install(tmp_path / "bin", monkeypatch)
    without = {process.name for process in processes(addresses, {})}
    made = {process.name: process for process in processes(addresses, environment)}
    assert made.keys() - without == more
    if "prometheus" in more:
        (config,) = [word.partition("=")[2] for word in made["prometheus"].argv if word.startswith("--config.file=")]
        scraped = yaml.safe_load(Path(config).read_text(encoding="utf-8"))["scrape_configs"][0]["static_configs"]
        assert {urlsplit(url).netloc for url in monitored(addresses).values()} < {*scraped[0]["targets"]}
    if "backup" in more:
        assert made["backup"].env["OOC_ADMIN_DATABASE_URL"] == addresses.database_url


def _install(folder: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Make PATH a folder with programs of these names, of both by default."""
    folder.mkdir(exist_ok=True)
    for name in names or ("prometheus", "prometheus-alertmanager"):
        (folder / name).touch(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_who_is_told_of_a_fault_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a local system, it says who is told of faults, with no secret of an address, or that nobody is and why."""
    shipped = {"OOC_ALERTMANAGER": "deploy/alertmanager.yml"}
    _install(tmp_path, monkeypatch, "prometheus")
    assert "Nobody is told of a fault: name a copy" in who_is_told({})
    assert "Nobody is told of a fault: alertmanager must be on PATH" in who_is_told(shipped)
    _install(tmp_path, monkeypatch)
    assert "Faults are told to duty@cases.example, on-call.example (" in who_is_told(shipped)
    (tmp_path / "own.yml").write_text("receivers: [{name: nobody}]", encoding="utf-8")
    assert "names no receiver" in who_is_told({"OOC_ALERTMANAGER": str(tmp_path / "own.yml")})
    with pytest.raises(CannotStart):
        who_is_told({"OOC_ALERTMANAGER": str(tmp_path / "none.yml")})


@pytest.mark.parametrize("environment", [{}, {"OOC_KEK": "a key of the operator's"}, {"OOC_KEK_FILE": "/a/file"}])
def test_only_a_process_that_opens_sealed_fields_is_given_the_keys(
    addresses: Addresses, environment: dict[str, str]
) -> None:
    """However `ooc up` learns the key-encryption keys, the APIs and the reacting workers are told them, and nobody else."""
    every = {process.name: process.env for process in processes(addresses, environment)}
    told = {name for name, env in every.items() if env.get("OOC_KEK") or env.get("OOC_KEK_FILE")}
    opening = {f"{service}-api" for service in SERVICES} | {f"{entry.name}-worker" for entry in DECIDING}
    assert told == opening
    # The others are told that there is none, so that they do not inherit it.
    assert all(every[name]["OOC_KEK"] == every[name]["OOC_KEK_FILE"] == "" for name in every.keys() - told)
    for name, env in every.items():
        with pytest.MonkeyPatch.context() as inherited:
            for variable, value in (environment | dict(env)).items():
                inherited.setenv(variable, value)
            settings = Settings()
        assert bool(settings.kek or settings.kek_file) == (name in opening)


def test_the_console_is_told_every_service_and_no_key_of_theirs(addresses: Addresses) -> None:
    """Given a local system, when its console is started, then it knows each API and a key of its own, and no other key."""
    (console,) = (process for process in processes(addresses, {}) if process.name == "console")
    assert console.env["OOC_URL"].split() == [f"{service}={url}" for service, url in monitored(addresses).items()]
    assert not {name for name, value in console.env.items() if value and ("KEK" in name or "SIGNING" in name)}
    assert Path(console.env["OOC_CONSOLE_KEY_FILE"]).stat().st_mode & 0o777 == 0o600


def test_stores_of_the_environment_are_used(tmp_path: Path) -> None:
    """Given a database and a Kafka in the environment, when the stores are looked for, then those are taken, and no service is told a role or a password of them."""
    environment = {"OOC_DATABASE_URL": "postgresql://root:secret@db/", "OOC_KAFKA": "kafka:9092"}
    addresses = Addresses(tmp_path, Ports(9100), environment["OOC_DATABASE_URL"], environment["OOC_KAFKA"], "http://i")
    stores = Stores.of(addresses, environment | {"OOC_ADMIN_DATABASE_URL": "postgresql://owner@db/"})
    assert (stores.database, stores.owner, stores.replication) == ("postgresql://db/", "postgresql://owner@db/", 3)


# --- what an operator is told ---------------------------------------------------------------------


@starts_a_process
def test_a_dead_address_is_not_said_to_run(tmp_path: Path) -> None:
    """Given an address at which nothing answers, when the status is asked for, then no process is called running or ready."""
    result = ooc(tmp_path, "status", "--url", "http://127.0.0.1:1")
    assert result.returncode == 1
    assert "running" not in result.stdout
    assert result.stdout.count("does not answer") == 2 * len(SERVICES)
    assert len(result.stderr.splitlines()) == len(SERVICES)
    assert "Ask `ooc status`" not in result.stderr


@starts_a_process
def test_a_killed_supervisor_is_said_shortly_with_what_to_do(tmp_path: Path) -> None:
    """Given the addresses of a system that nobody runs any more, when its status is asked for, then one line says what to do."""
    var = tmp_path / "var"
    (var / "run").mkdir(parents=True)
    (var / "lock").write_text("4711\n", encoding="utf-8")
    addresses = {"issuer": "http://127.0.0.1:1", "services": dict.fromkeys(SERVICES, "http://127.0.0.1:1")}
    (var / "system.json").write_text(json.dumps(addresses), encoding="utf-8")
    result = ooc(tmp_path, "status")
    assert result.returncode == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert str(var) in line
    assert "Start it again with `ooc up`" in line


@starts_a_process
def test_schemas_are_compared_where_the_local_system_has_them(tmp_path: Path) -> None:
    """Given a local system whose PostgreSQL is away, when its schemas are compared, then it is asked, and nothing is known: no 1."""
    var = tmp_path / "var"
    var.mkdir()
    addresses = {"issuer": "http://127.0.0.1:1", "services": {}, "postgres": "postgresql://ooc@127.0.0.1:1/postgres"}
    (var / "system.json").write_text(json.dumps(addresses), encoding="utf-8")
    result = ooc(tmp_path, "migrate", "--check")
    assert result.returncode == 3
    assert "127.0.0.1', 1" in result.stderr or "127.0.0.1:1" in result.stderr


def test_only_the_roles_of_people_and_agencies_can_be_asked_for() -> None:
    """Given a name that is no role, when it is given as `--as`, then the error lists the role of each person and of agencies alone."""
    asked = set(Role) - PROGRAMS | {Role.AGENCY}
    for name, own in (("BOSS", set()), ("SYSTEM", {"SYSTEM"})):
        with pytest.raises(typer.BadParameter) as wrong:
            asked_role(name)
        listed = set(re.findall(r"[A-Z]{2,}(?:_[A-Z]+)*", wrong.value.message.removeprefix("'BOSS'")))
        assert listed == asked | own
    assert all(asked_role(role) is role for role in asked)


@starts_a_process
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["token", "--as", "SYSTEM"], "SYSTEM is the role of a service"),
        (["verify", "--report", "nowhere/report.json"], "There is no folder"),
        (["export", "case", str(STREAM), "-o", "case.json", "--pdf", "nowhere/case.pdf"], "There is no folder"),
        (["quarantine", "release", "disposal", str(STREAM), "--reason", "INC_1"], "--through OFFSET"),
        (["quarantine", "retry", "disposal", str(STREAM)], "--reason"),
        (["gaps", "show", "prison", str(STREAM)], "prison"),
        (["case", "17"], "an id is a UUID"),
        (["token", "--as", "BOSS"], "'--as': 'BOSS' is not one of"),
        (["send", f"education/{STREAM}", "nowhere.json"], "nowhere.json cannot be read (No such file"),
        (["access"], "Give exactly one of --case, --record and --person"),
    ],
)
def test_what_cannot_be_asked_for_is_said_before_a_system_is_looked_for(
    tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    """Given what no system could do, when it is asked for, then the message names it and what to give instead."""
    result = ooc(tmp_path, *arguments)
    assert result.returncode != 0
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_the_addresses_name_what_the_services_run_on_without_a_password(tmp_path: Path) -> None:
    """Given a system's addresses, when they are shown, then PostgreSQL and Kafka are among them, and no password is."""
    addresses = Addresses(tmp_path, Ports(9100), "postgresql://owner:secret@db:5432/postgres", "kafka:9092", "http://i")
    servers = dict(address_rows(addresses))
    assert servers["PostgreSQL"].startswith("db:5432")
    assert servers["Kafka"] == "kafka:9092"
    assert "secret" not in str(servers)


def test_no_source_is_marked_by_a_sign_that_nobody_knows() -> None:
    """Given every rule, dated value and measure, when their sources are read, then what is only proposed is said in words."""
    sources = [rule.source for service in deciding_services() for rule in service.decider.rules.rules]
    sources += [term.source for service in deciding_services() for term in service.policy.terms.values()]
    sources += [term.source for term in REPORTING_POLICY.terms.values()]
    sources += [one.source for one in MEASURES.values()]
    assert not [source for source in sources if "[P]" in source]
    assert any("a proposed local value" in source for source in sources)


@pytest.mark.parametrize("stream", ["disposal", "x/y", "prison/00000000-0000-0000-0000-000000000001"])
def test_what_is_no_stream_is_said(stream: str) -> None:
    """Given what is no service and id, when a stream is asked for, then the message says how one is written."""
    with pytest.raises(reading.NotFound, match="no stream"):
        reading.address_of(stream)
