"""Playing scenarios in front of a person: a progress bar, each step as it happens, and the first difference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ooc.tables import OUT
from tools.client.http import Client
from tools.scenario.over_http import Http
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Difference, Played, Run
from tools.scenario.story import CommandStep, Step

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

            game = Run(scenario, backend, notice=notice) if run is None else Run(scenario, backend, run, notice)
            try:
                played.append(game.play())
            except Difference as error:
                raise Differs(f"{file}: {error}") from None
    return played
