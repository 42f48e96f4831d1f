"""One run: a seed, its faults, the system, and the laws."""

import asyncio
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.simulation import laws, nemesis
from tests.simulation.loop import Loop, OutOfSteps, running
from tests.simulation.system import Broken, System, installed


@dataclass(frozen=True)
class Run:
    """What a run came to."""

    seed: int
    faults: tuple[str, ...]
    steps: int
    seconds: float
    commands: int
    digest: str
    broken: str | None
    trace: tuple[str, ...]

    def __str__(self) -> str:
        """Say what it was; where a law was broken, what happened last."""
        what = f"seed {self.seed}: {self.steps} steps, {self.seconds:.0f} s, {self.commands} commands; {', '.join(self.faults)}"
        return what if self.broken is None else "\n".join([*self.trace, what, f"BROKEN: {self.broken}"])


def run(
    seed: int,
    *,
    faults: Sequence[nemesis.Fault] = (),
    seconds: float = 40.0,
    synchronous: bool = True,
    most_steps: int = 500_000,
) -> Run:
    """Play a seed to its end. Without `faults` the seed takes some."""
    loop = Loop(seed, most_steps)
    chosen = tuple(faults) or tuple(loop.chance.sample(nemesis.FAULTS, loop.chance.randint(2, 5)))
    broken: str | None = None
    with running(loop), TemporaryDirectory() as folder, installed(system := System(loop, Path(folder), synchronous)):
        try:
            loop.run_until_complete(_play(system, chosen, seconds))
        except (Broken, OutOfSteps) as error:
            broken = str(error)
        except Exception:  # noqa: BLE001 - a defect of the product, or of the model
            broken = traceback.format_exc()
        finally:
            loop.abandon()
    names = tuple(fault.__name__ for fault in chosen)
    return Run(seed, names, loop.steps, loop.time(), len(system.said), loop.digest, broken, tuple(loop.trace))


STORIES: Final[dict[nemesis.Fault, nemesis.Fault]] = {
    nemesis.restore_from_a_backup: laws.no_witnessed_position_is_taken,
    nemesis.lose_a_tail: laws.no_loss_is_silent,
    nemesis.starve: laws.all_catches_up,
}
"""What happens once, and needs a person afterwards: the law that holds even so."""


async def _play(system: System, faults: tuple[nemesis.Fault, ...], seconds: float) -> None:
    """Strike, mend, and require progress: of the whole, of the half that is left, and of the whole when that comes back."""
    system.begin()
    if (even_so := STORIES.get(faults[0])) is not None:
        await faults[0](system)
        nemesis.mend(system)
        system.closing = True
        await even_so(system)
        return
    await nemesis.strike(system, faults, seconds)
    if not system.synchronous:
        laws.nothing_forks(system)
        return  # what it lost must be restored by an operator
    await laws.require_progress(system, "after everything was mended", 75)
    half = [program for name, program in system.programs.items() if name.endswith("1") and "api" not in name]
    system.officers = [system.loop.create_task(system.work(n, rings=2)) for n in range(1, 3)]
    for program in half:
        assert program.process is not None
        program.process.pause()
    await laws.require_progress(system, "while half of the programs are paused", 60)
    for program in half:
        assert program.process is not None
        program.process.resume()
    await asyncio.sleep(12)  # whoever is late has come, and whoever counts has counted
    await laws.require_progress(system, "after the other half went on", 60)
    for law in laws.LAWS:
        law(system)
    await laws.everything_opens(system)
