"""docs/reference/environment.md names the environment variables that the code reads, all of them and no other."""

import re
from itertools import chain
from pathlib import Path
from typing import Final

from services.console.settings import ConsoleSettings
from services.notifications.settings import NotificationsSettings

ROOT = Path(__file__).parents[2]
PAGE: Final = "docs/reference/environment.md"
ROWS: Final = {
    row[1].strip("`"): row[3]
    for line in (ROOT / PAGE).read_text(encoding="utf-8").splitlines()
    if line.startswith("| `")
    for row in [[cell.strip() for cell in line.split("|")]]
}
"""Each variable of the page with its default."""

NO_VARIABLES: Final = {"OOC_DEVELOPMENT"}
"""Names that only look like one: the organisation of the development sign-in."""

ANY_ROLE: Final = "OOC_TOKEN_<ROLE>"


def sources() -> list[str]:
    """Return the code, and what starts it."""
    modules = chain.from_iterable(
        ROOT.glob(f"{folder}/**/*.py") for folder in ("ooc", "shared", "services", "tools", "tests")
    )
    others = (ROOT / name for name in ("Makefile", "Dockerfile", "docker-compose.yml"))
    return [path.read_text(encoding="utf-8") for path in (*modules, *others) if path != Path(__file__)]


def read() -> set[str]:
    """Every variable that is named in the code, or in docker-compose.yml for it to fill in."""
    fields = chain.from_iterable(settings.model_fields for settings in (ConsoleSettings, NotificationsSettings))
    names = {f"OOC_{field.upper()}" for field in fields}
    for text in sources():
        names |= set(re.findall(r"\bOOC_[A-Z][A-Z0-9_]*", text))
        names |= set(re.findall(r'environ\w*\.get\("([A-Z][A-Z0-9_]*)"', text))
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    names |= set(re.findall(r"\$\{([A-Z][A-Z0-9_]*)", compose))
    return {ANY_ROLE if name.startswith("OOC_TOKEN_") else name for name in names} - NO_VARIABLES


def test_every_variable_stands_in_the_page() -> None:
    """The page lists every environment variable that the code reads, and no other."""
    names = read()
    assert not names - ROWS.keys(), (
        f"{sorted(names - ROWS.keys())}: document it in its settings, or in the template of {PAGE}, and run `make docs`"
    )
    assert not ROWS.keys() - names, f"{sorted(ROWS.keys() - names)}: nothing reads it; take its row from {PAGE}"
