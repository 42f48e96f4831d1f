"""The reference page of environment variables: those of the settings from their docstrings, the others from its template."""

from collections.abc import Iterator

from services.console.settings import ConsoleSettings
from services.notifications.settings import NotificationsSettings
from tools.reference.markdown import fill


def of_environment() -> dict[str, str]:
    return {"environment.md": fill("environment", settings=list(_rows()))}


def _rows() -> Iterator[tuple[str, str, str]]:
    for name, info in sorted({**NotificationsSettings.model_fields, **ConsoleSettings.model_fields}.items()):
        meaning, said, default = " ".join((info.description or "").split()).partition(" Default: ")
        code = "none" if info.default is None else f"`{info.default}`"
        yield f"`OOC_{name.upper()}`", meaning, default.rstrip(".") if said else code
