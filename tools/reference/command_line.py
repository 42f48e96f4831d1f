"""The reference page of `ooc`, from the commands that its terminal registers."""

from importlib import import_module

from typer import Context
from typer.cli import get_docs_for_click
from typer.main import get_command

from tools.reference.markdown import fill


def of_command_line() -> dict[str, str]:
    """Write the page of every command of `ooc`, its arguments and options, by path."""
    # By name: the command stands above the tools, which build on nothing of it.
    command = get_command(import_module("ooc.main").app)
    commands = get_docs_for_click(obj=command, ctx=Context(command), name="ooc").partition("\n")[2]
    return {"ooc.md": fill("ooc", commands=commands)}
