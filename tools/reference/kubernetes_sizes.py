"""How large each part of the system is in Kubernetes: for one force area, measured, and for the ceiling, computed.

The loads are those of docs/explanation/load.md, the speeds those of docs/reference/performance.md.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import yaml

from services.system.processes import Kind, Process


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

FORCE_AREA: Final[Mapping[str, Size]] = {
    "api": Size(2, 100, 160, why="a process of its own takes 110 MiB at rest; 40 people"),
    "console": Size(2, 200, 160, why="a page takes 70 ms; the busiest minute has one a second"),
    "worker": Size(2, 100, 160, why="one works, one waits for its lease"),
    "alarms": Size(1, 50, 160, why="asks each service every three seconds"),
    "backup": Size(1, 100, 160, 20, why="two base backups, compressed, and the log between them"),
    "step": Size(1, 100, 160, why="while it runs"),
    "check": Size(1, 500, 256, why="while it runs, at night"),
    "postgres": Size(
        3, 500, 3072, 15, why="up to 430 connections of 6 MiB; 200,000 events in ten years take 0.6 GB, the rest is log"
    ),
    "brokers": Size(3, 250, 1024, 10, why="0.2 GB each"),
    "controllers": Size(3, 100, 512, 5, why="no data of ours"),
}
CEILING: Final[Mapping[str, Size]] = {
    "api": Size(3, 300, 256, why="4.5 commands a second of 900 that one can do; reporting answers 33 pages a second"),
    "console": Size(4, 1000, 512, why="33 pages a second at 70 ms: 2.3 cores, and one in four may be lost"),
    "worker": Size(2, 300, 256, why="a rebuild uses two cores for an hour, which are idle else"),
    "alarms": Size(1, 50, 160, why="asks each service every three seconds"),
    "backup": Size(1, 1000, 256, 200, why="two base backups, compressed, and the log between them"),
    "step": Size(1, 100, 160, why="while it runs"),
    "check": Size(1, 1000, 512, why="4,100 events a second in memory that does not grow: 30 million in two hours"),
    "postgres": Size(
        3, 4000, 16_384, 200, why="30 GB of events, 55 of reporting, 55 for its rebuild beside it, and the log"
    ),
    "brokers": Size(3, 1000, 4096, 50, why="30 GB each"),
    "controllers": Size(3, 200, 1024, 10, why="no data of ours"),
}


def size_of(process: Process) -> str:
    """Return the key of a process in a table of sizes."""
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


def of_ceiling() -> dict[str, Any]:
    """Return the component of Kustomize that makes the deployment of a force area as large as the ceiling."""
    ours = "/spec/template/spec/containers/0/resources"
    patches = [
        _patch({"kind": "Deployment", "name": ".*-api"}, CEILING["api"], "/spec/replicas", ours),
        _patch({"kind": "Deployment", "name": "console"}, CEILING["console"], "/spec/replicas", ours),
        _patch({"kind": "Deployment", "name": ".*-worker"}, CEILING["worker"], "/spec/replicas", ours),
        _patch({"kind": "Deployment", "name": "backup"}, replace(CEILING["backup"], disk_gib=0), "", ours),
        {"target": {"kind": "PersistentVolumeClaim", "name": "backup"}, "patch": yaml.safe_dump([_volume("backup")])},
        _patch({"kind": "CronJob"}, CEILING["check"], "", f"/spec/jobTemplate{ours}"),
        _patch({"kind": "Cluster", "name": "postgres"}, CEILING["postgres"], "/spec/instances", "/spec/resources"),
        *(
            _patch({"kind": "KafkaNodePool", "name": pool}, CEILING[pool], "/spec/replicas", "/spec/resources")
            for pool in ("brokers", "controllers")
        ),
    ]
    return {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component", "patches": patches}


def resources(size: Size) -> dict[str, dict[str, str]]:
    """Write what a container asks for. It may use idle cores, and of memory no more than its limit."""
    limit = f"{max(LIMIT_MIB, size.memory_mib)}Mi"
    return {"requests": {"cpu": f"{size.millicores}m", "memory": f"{size.memory_mib}Mi"}, "limits": {"memory": limit}}


def _volume(part: str) -> dict[str, Any]:
    return {"op": "replace", "path": "/spec/resources/requests/storage", "value": f"{CEILING[part].disk_gib}Gi"}


def _patch(target: dict[str, str], size: Size, instances: str, place: str) -> dict[str, Any]:
    changes: list[dict[str, Any]] = [{"op": "replace", "path": place, "value": resources(size)}]
    if instances:
        changes.append({"op": "replace", "path": instances, "value": size.instances})
    if target["kind"] == "KafkaNodePool":
        changes.append({"op": "replace", "path": "/spec/storage/volumes/0/size", "value": f"{size.disk_gib}Gi"})
    elif size.disk_gib:
        changes.append({"op": "replace", "path": "/spec/storage/size", "value": f"{size.disk_gib}Gi"})
    return {"target": target, "patch": yaml.safe_dump(changes, sort_keys=False)}
