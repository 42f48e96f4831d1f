"""`ooc scenario`: check stories, and play them with a progress bar, each step and the first difference."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final
from uuid import uuid4

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ooc.options import Urls
from ooc.tables import OUT, complain, say
from services.system.addresses import find_addresses
from tools.client.http import Client
from tools.scenario.over_http import Http
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Difference, Played, Run
from tools.scenario.story import CommandStep, Step

app = typer.Typer(add_completion=False)
scenarios = typer.Typer(help="Dated stories: check them, play them.", no_args_is_help=True)
app.add_typer(scenarios, name="scenario")

Files = Annotated[list[Path], typer.Argument(help="Scenario files.")]

STORIES: Final = Path(__file__).parent / "stories"
"""The scenarios that come with the program."""


class Differs(Exception):
    """A scenario found a difference: the file, and the step with what was expected and got."""


def run_scenario_files(
    files: Sequence[Path], client: Client, *, run: str | None = None, quiet: bool = False
) -> list[Played]:
    """Play scenarios one after another; all are read before the first is played. Raises `Differs` at a difference."""
    scenarios = [(file, read_scenario(file)) for file in files]
    backend = Http(client)
    played = []
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=OUT
    )
    with bar:
        for file, scenario in scenarios:
            task = bar.add_task(scenario.id, total=len(scenario.steps))

            def notice(step: Step, what: str, task=task) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
                if not quiet:
                    at = f"{step.at} " if isinstance(step, CommandStep) else ""
                    bar.console.print(f"  {step.number:>3} {at}{step}: {what}", markup=False)
                bar.advance(task)

            try:
                played.append(Run(scenario, backend, run or str(uuid4()), notice).play())
            except Difference as error:
                raise Differs(f"{file}: {error}") from None
    return played


@scenarios.command("run")
def scenario_run(
    files: Files,
    url: Urls = None,
    *,
    quiet: Annotated[bool, typer.Option("--quiet", help="No line for each step.")] = False,
) -> None:
    """Play scenarios against the running system; exit code 1 at the first difference."""
    for file in files:
        read_scenario(file)  # what is wrong with a file is said before a system is looked for
    for played in run_scenario_files(files, Client(find_addresses(url or ())), quiet=quiet):
        say(f"{played.scenario.id}: {played.steps} steps agree (run {played.run})")


@scenarios.command("check")
def scenario_check(files: Files) -> None:
    """Check scenario files: their form, and that what they name exists."""
    from services.system.registry import deciding_services  # noqa: PLC0415  only here
    from tools.scenario.validation import problems_of  # noqa: PLC0415  only here

    services = {service.name: service for service in deciding_services()}
    wrong = 0
    for file in files:
        problems = list(problems_of(read_scenario(file), services))
        wrong += len(problems)
        for problem in problems:
            complain(f"{file}: {problem}.")
        if not problems:
            say(f"{file}: valid")
    raise typer.Exit(1 if wrong else 0)
