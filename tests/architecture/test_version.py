"""One version, of pyproject.toml, wherever the system says which it is."""

import json
import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from fastapi import FastAPI, Request
from typer.testing import CliRunner

from ooc.main import app
from services.console.application import live
from shared.api.operations import add_health
from shared.servers import version as version_module

ROOT = Path(__file__).parents[2]
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
DOCUMENTS = sorted([*ROOT.glob("docs/reference/*/openapi.json"), ROOT / "docs/reference/asyncapi.json"])


def test_the_version_is_a_month_and_a_number() -> None:
    """The version is calendar versioning: year, month, and the number of the release in that month."""
    assert re.fullmatch(r"20\d\d\.(0?[1-9]|1[0-2])\.\d+", VERSION)


def test_an_installed_package_knows_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given no checkout, the version is that of the package that pip has installed."""
    monkeypatch.setattr(version_module, "_DECLARED", tmp_path / "pyproject.toml")
    monkeypatch.setattr(metadata, "version", {"ooc": "2031.1.7"}.__getitem__)
    assert version_module.version.__wrapped__() == "2031.1.7"


def test_the_terminal_prints_it() -> None:
    """Given `ooc --version`, the version is printed and nothing else happens."""
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"ooc {VERSION}\n")


async def test_the_probe_of_an_api_names_it() -> None:
    """Given an API, its probe answers with the version."""
    api = FastAPI()
    add_health(api)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(api), base_url="http://api") as client:
        assert (await client.get("/health/live")).json() == {"status": "live", "version": VERSION}


async def test_the_probe_of_the_console_names_it() -> None:
    """Given the console, its probe answers with the version."""
    answer = await live(Request({"type": "http"}))
    assert json.loads(bytes(answer.body)) == {"status": "live", "version": VERSION}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_of_the_contract_names_it(path: Path) -> None:
    """Each OpenAPI document, and the AsyncAPI document, is of this version."""
    assert json.loads(path.read_text(encoding="utf-8"))["info"]["version"] == VERSION, "run `make docs`"


def test_the_image_carries_it() -> None:
    """The containers run the image of this version, and the image says so in its label."""
    compose: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    assert compose["x-ooc"]["image"] == f"ooc:{VERSION}"
    (label,) = re.findall(r'org\.opencontainers\.image\.version="(.+)"', (ROOT / "Dockerfile").read_text("utf-8"))
    assert label == VERSION


def test_the_changelog_begins_with_it() -> None:
    """The first release of the changelog is this version; what is not released yet may stand before it."""
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert next(heading for heading in headings if heading != "Unreleased") == VERSION
