"""A consumer is tested without Kafka, on recorded topics whose alerts are known."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from examples.recorded.__main__ import FILE, RUN, STORY, recorded_topics
from tools.client.tokens import officer_id
from tools.scenario.naming import Names
from tools.scenario.parser import read_scenario

EXPECTED = FILE.with_name("expected.json")
ALERTS = FILE.parents[1] / "early_help_alert" / "alerts.py"
SEALED = re.compile(r's1:[^"]+')


def run_offline(topics: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the example on recorded topics."""
    place = ["--recorded", str(topics), "--database", str(folder / "alerts.sqlite"), "--show"]
    schools = ["--school", "113940", "--school", "113941"]
    return subprocess.run([sys.executable, ALERTS, *place, *schools], capture_output=True, text=True, check=False)


def told_by(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the story decides of a record: neither sealed values and hashes, which are random, nor the rules of the day."""
    headers = {name: value for name, value in record["headers"].items() if name != "ooc_hash"}
    value = json.loads(SEALED.sub("sealed", record["value"]))
    return {**record, "headers": headers, "value": {**value, "rules": None, "policy": None}}


def test_the_recorded_topics_are_what_the_story_makes_today() -> None:
    """Else write them again: `python -m examples.recorded`."""
    recorded = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    assert list(map(told_by, recorded)) == list(map(told_by, recorded_topics()))


def test_the_example_has_the_expected_alerts(tmp_path: Path) -> None:
    """By the story Mia alone has missed two sessions without a reason, and Zoe is referred to early help."""
    done = run_offline(FILE, tmp_path)
    assert done.returncode == 0, done.stderr
    alerts = [json.loads(line) for line in done.stdout.splitlines()]
    assert alerts == json.loads(EXPECTED.read_text(encoding="utf-8"))
    names = Names(
        read_scenario(STORY).id, RUN, {}, lambda who: officer_id(who.role, who.number), lambda *_: officer_id("", 0)
    )
    told = [(alert["kind"], alert["person_id"], alert["school_urn"]) for alert in alerts]
    assert told == [
        ("MISSED_SESSIONS", str(names.id("mia")), "113940"),
        ("REFERRED_TO_EARLY_HELP", str(names.id("zoe")), "113941"),
    ]


@pytest.mark.parametrize("wrong", ["missing", "changed"])
def test_an_event_that_is_missing_or_changed_stops_it(tmp_path: Path, wrong: str) -> None:
    """It takes nothing, says where, and exits with 3."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    if wrong == "missing":
        del lines[1]
    else:
        lines[1] = lines[1].replace("HARMER", "HARMED")
    topics = tmp_path / "topics.jsonl"
    topics.write_text("\n".join(lines), encoding="utf-8")
    done = run_offline(topics, tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert "partition" in done.stderr
