"""The reference page of `ooc`, from the commands that its terminal registers."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from typer.main import get_command

from tools.reference.markdown import page, prose, table


def of_command_line() -> dict[str, str]:
    """Write the page of every command of `ooc`, its arguments and options, by path."""
    app = import_module("ooc.main").app  # by name: the command stands above the tools, which build on nothing of it
    commands = list(_commands(get_command(app), "ooc"))
    options: dict[tuple[str, str], list[str]] = {}
    for path, command in commands:
        for option in _options(command):
            options.setdefault(option, []).append(path.removeprefix("ooc "))
    text = page(
        "`ooc`",
        prose(
            "The system at a terminal. Each command says with `--help` what is listed here. What a command finds wrong it"
            " says on standard error, with an exit code other than 0. `ooc --version` prints the version."
        ),
        table(
            ("Command", "What it does", "Options"),
            (
                (f"`{_usage(path, command)}`", command.help or "", ", ".join(name for name, _ in _options(command)))
                for path, command in commands
            ),
        ),
        "## Options\n",
        table(
            ("Option", "What it means", "Of"),
            ((name, meaning, ", ".join(paths)) for (name, meaning), paths in sorted(options.items())),
        ),
    )
    return {"ooc.md": text}


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield each command that can be run, with its path; a group that does something by itself is one too."""
    within = getattr(command, "commands", {})
    if not within or command.invoke_without_command:
        yield path, command
    for name, one in within.items():
        yield from _commands(one, f"{path} {name}")


def _usage(path: str, command: Any) -> str:
    arguments = (one for one in command.params if one.param_type_name == "argument")
    required = (one for one in command.params if one.param_type_name == "option" and one.required)
    return " ".join(
        (
            path,
            *((one.metavar or one.name).upper() + ("…" if one.nargs == -1 else "") for one in arguments),
            *(f"{one.opts[-1]} …" for one in required),
        )
    )


def _options(command: Any) -> list[tuple[str, str]]:
    options = (one for one in command.params if one.param_type_name == "option" and not one.hidden)
    return [(f"`{one.opts[-1]}`", one.help or "") for one in options]
