"""The file of the partnership: what a paper takes from it, and what is said of a wrong line."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from services.trade.partnership import EXAMPLE, read_partnership
from shared.servers.settings import InvalidSetting

TEXT = EXAMPLE.read_text(encoding="utf-8")


def written(folder: Path, text: str) -> Path:
    """Write a file of the partnership."""
    file = folder / "partnership.toml"
    file.write_text(text, encoding="utf-8")
    return file


def line_of(part: str) -> int:
    """Return the line of the example that holds a part."""
    return next(number for number, line in enumerate(TEXT.splitlines(), start=1) if part in line)


def test_the_example_is_a_made_up_county() -> None:
    """Given the example, then it names both senders in both languages, and no real county."""
    (entry,) = read_partnership(EXAMPLE)
    assert entry.sender(entry.police, "en")["name"] == "Merrowshire Police"
    assert entry.sender(entry.yjs, "cy")["name"].startswith("Gwasanaeth")
    assert "Dorset" not in TEXT


def test_a_later_entry_holds_from_its_day(tmp_path: Path) -> None:
    """Given a new letterhead from a day on, then earlier papers keep the old one."""
    later = (
        TEXT[TEXT.index("\n[[") :].replace("2013-04-08", "2026-04-01").replace("Merrowshire Police", "Merrow Police")
    )
    entries = read_partnership(written(tmp_path, TEXT + later))
    assert [(entry.since, entry.police.letterhead) for entry in entries] == [
        (date(2013, 4, 8), "Merrowshire Police"),
        (date(2026, 4, 1), "Merrow Police"),
    ]


@pytest.mark.parametrize(
    ("right", "wrong", "line", "fault"),
    [
        ('telephone = "101"', "telephone = 101", line_of('"101"'), "police.telephone"),
        (
            'letterhead = "Merrowshire Police"',
            'letterhead = ""',
            line_of('letterhead = "Merrowshire Police'),
            "police.letterhead",
        ),
        ('name = "Merrow', 'named = "Merrow', line_of('name = "'), "name: Field required|named"),
        ("[partnership.victims]", "[partnership.victim]", line_of("[partnership.victims]"), "victims"),
        ("from = 2013-04-08", 'from = "soon"', line_of("from = 2013"), "from"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, right: str, wrong: str, line: int, fault: str) -> None:
    """Given a fault in one line, when the file is read, then the file, the line or its table, and the fault are named."""
    with pytest.raises(InvalidSetting, match=rf"partnership\.toml, line \d+: .*({fault})") as raised:
        read_partnership(written(tmp_path, TEXT.replace(right, wrong)))
    named = int(str(raised.value).partition(", line ")[2].partition(":")[0])
    assert named <= line


@pytest.mark.parametrize(
    "text", ["", "[partnership]\nname = 1", "[[partnership", "partnership = [1]", f"partnership = {'[' * 9_000}"]
)
def test_a_file_without_an_entry_is_refused(tmp_path: Path, text: str) -> None:
    """Given no entry, or no TOML, when the file is read, then it says so."""
    with pytest.raises(InvalidSetting, match=r"partnership\.toml"):
        read_partnership(written(tmp_path, text))


@pytest.mark.parametrize("module", ["services.disposal", "services.console"])
def test_a_process_says_the_wrong_line_when_it_starts(tmp_path: Path, module: str) -> None:
    """Given a file with a wrong line, when a process that prints or shows pages starts, then it exits with file and line."""
    file = written(tmp_path, TEXT.replace('telephone = "101"', "telephone = 101"))
    command = [sys.executable, "-m", module, *(["api"] if module == "services.disposal" else [])]
    started = subprocess.run(
        command, env={**os.environ, "OOC_PARTNERSHIP": str(file)}, capture_output=True, text=True, check=False
    )
    assert started.returncode == 1
    assert f"{file}, line {line_of('101')}: police.telephone" in started.stderr
