"""How large each part of the system is in Kubernetes: for one force area, measured, and for the ceiling, computed.

The loads are those of docs/explanation/load.md, the speeds those of docs/reference/performance.md.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from services.system.processes import Kind, Process
from shared.domain.declared import read_beside


@dataclass(frozen=True, slots=True)
class Size:
    """How many of a part there are, and what each asks for: thousandths of a core, MiB of memory, GiB of disk."""

    instances: int
    millicores: int
    memory_mib: int
    disk_gib: int = 0
    why: str = ""


LIMIT_MIB: Final = 512
"""The memory that one of our containers never exceeds: that of docker-compose.yml, by which `make containers` runs."""

FORCE_AREA, CEILING = ({part: Size(**size) for part, size in sizes.items()} for sizes in read_beside(__file__).values())


def size_of(process: Process) -> str:
    return process.name if process.name in FORCE_AREA else process.kind.value


def of_sizes(processes: Iterable[Process]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each part: how many, and what all of them ask for, in both sizes; and the sum of what always runs."""
    counted = Counter(size_of(process) for process in processes)
    total: list[Counter[str]] = [Counter(), Counter()]
    for part in FORCE_AREA:
        row = []
        for sums, size in zip(total, (FORCE_AREA[part], CEILING[part]), strict=True):
            number = counted.get(part, 1) * size.instances
            costs = {"cores": size.millicores / 1000, "GiB": size.memory_mib / 1024, "disk": float(size.disk_gib)}
            all_of_them = Counter({name: cost * number for name, cost in costs.items()})
            if part not in (Kind.STEP, Kind.CHECK):
                sums.update(all_of_them)
            row += [str(number), *_costs(all_of_them), size.why]
        yield (f"`{part}`", *row)
    yield ("**always**", *(cell for sums in total for cell in ("", *_costs(sums), "")))


def _costs(costs: Mapping[str, float]) -> tuple[str, str, str]:
    return f"{costs['cores']:.1f}", f"{costs['GiB']:.1f}", f"{costs['disk']:.0f}" if costs["disk"] else ""


def resources(size: Size) -> dict[str, dict[str, str]]:
    """Write what a container asks for. It may use idle cores, and of memory no more than its limit."""
    limit = f"{max(LIMIT_MIB, size.memory_mib)}Mi"
    return {"requests": {"cpu": f"{size.millicores}m", "memory": f"{size.memory_mib}Mi"}, "limits": {"memory": limit}}
