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
    for name, inner in within.items():
        yield from _commands(inner, f"{path} {name}")


def _usage(path: str, command: Any) -> str:
    arguments = (parameter for parameter in command.params if parameter.param_type_name == "argument")
    required = (
        parameter for parameter in command.params if parameter.param_type_name == "option" and parameter.required
    )
    return " ".join(
        (
            path,
            *(
                (parameter.metavar or parameter.name).upper() + ("…" if parameter.nargs == -1 else "")
                for parameter in arguments
            ),
            *(f"{parameter.opts[-1]} …" for parameter in required),
        )
    )


def _options(command: Any) -> list[tuple[str, str]]:
    options = (
        parameter for parameter in command.params if parameter.param_type_name == "option" and not parameter.hidden
    )
    return [(f"`{parameter.opts[-1]}`", parameter.help or "") for parameter in options]
