"""`ooc import` against a running system: a register comes in once, and its errors come back in its own table."""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.console.supervisors.import_rows import Owner
from services.console.supervisors.import_table import register_of
from tests.whole_system import client_of, ooc
from tools.client.tokens import AREA, ORGANISATION

EXAMPLE = Path(__file__).parents[3] / "docs" / "how-to" / "import-a-register.csv"


def imported(system: Mapping[str, Any], *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run `ooc import --json`; return its exit code and its summary."""
    found = ooc(system["var"], "import", *arguments, "--json")
    assert found.stdout, found.stderr
    return found.returncode, json.loads(found.stdout)


def of_others(register: str) -> list[list[str]]:
    """Return the table of the example with people of the register's own: whoever is known already needs a reason (rule N2)."""
    text = EXAMPLE.read_text(encoding="utf-8")
    for name in ("Robin Doe", "Alex Roe", "Sam Poe"):
        text = text.replace(name, f"{name} {register.title()}")
    return list(csv.reader(io.StringIO(text)))


def save(file: Path, lines: list[list[str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened).writerows(lines)


def counts(summary: Mapping[str, Any]) -> tuple[int, int, int]:
    return summary["imported"], summary["repeated"], summary["wrong"]


def states(system: Mapping[str, Any], register: str) -> list[str | None]:
    """Return the states of the example's referrals, None where there is none."""
    owner = Owner(ORGANISATION, AREA, register)
    ids = [owner.id_of("referral", row.cells["reference"]) for row in register_of(EXAMPLE.read_bytes(), "a.csv").rows]
    with client_of(system["var"]) as client:
        replies = [client.get("referral", f"/v1/referrals/{id_}", role="SUPERVISOR") for id_ in ids]
    return [reply.body["state"] if reply.status == 200 else None for reply in replies]


def test_a_register_comes_in_once(system: dict[str, Any]) -> None:
    """The dry run records nothing, the import every row, and the import again none."""
    options = (str(EXAMPLE), "--register", "once")
    assert imported(system, *options, "--dry-run")[1]["dry_run"] is True
    assert states(system, "once") == [None, None, None]
    code, summary = imported(system, *options)
    assert (code, counts(summary)) == (0, (3, 0, 0))
    assert states(system, "once") == ["CLOSED", "CLOSED", "TRIAGED"]
    code, summary = imported(system, *options)
    assert (code, counts(summary)) == (0, (0, 3, 0))


def test_errors_come_back_in_the_table(system: dict[str, Any], tmp_path: Path) -> None:
    """Given a wrong cell and a row that a rule refuses, then no row is imported, each row says why, and the corrected file is."""
    lines = of_others("errors")
    right = {heading: place for place, heading in enumerate(lines[0])}
    lines[1][right["acknowledged_on"]] = ""
    lines[2][right["source"]] = "Robin's mother"
    file, back = tmp_path / "cases.csv", tmp_path / "cases.errors.csv"

    save(file, lines)
    code, summary = imported(system, str(file), "--register", "errors")
    assert (code, summary["dry_run"], counts(summary)) == (1, True, (1, 0, 2))
    assert states(system, "errors") == [None, None, None]
    texts = [(error["row"], error["text"]) for error in summary["errors"]]
    assert texts[0][0] == 2
    assert texts[0][1].startswith("S1: A referral is triaged once it is acknowledged")
    assert texts[1][0] == 3
    assert texts[1][1].startswith("choose one of: A school (SCHOOL)")
    assert "mother" not in json.dumps(summary)
    again = register_of(back.read_bytes(), back.name)
    assert [bool(row.cells.get("Errors")) for row in again.rows] == [True, True, False]

    code, summary = imported(system, str(file), "--register", "errors", "--good-rows")
    assert (code, counts(summary)) == (1, (1, 0, 2))
    lines[1][right["acknowledged_on"]] = "04/03/2025"
    lines[2][right["source"]] = "Police, online"
    save(file, lines)
    code, summary = imported(system, str(file), "--register", "errors")
    assert (code, counts(summary)) == (0, (2, 1, 0))


def test_an_officer_may_not_import(system: dict[str, Any]) -> None:
    """A role that may not import is told so in a sentence."""
    found = ooc(system["var"], "import", str(EXAMPLE), "--as", "SAFE_SCHOOLS_OFFICER")
    assert found.returncode == 1
    assert "it is for SUPERVISOR" in found.stderr
