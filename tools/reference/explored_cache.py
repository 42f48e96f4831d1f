"""Keeps what exploring a service found until something that it reads has changed: its code, the kernel, or the stories.

A test explores everything anew, so a stale answer would not go unseen.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from shared.domain.envelope import Fact
from shared.domain.service import Service
from tools.reference.state_explorer import Explored, Move, explore
from tools.scenario.in_memory import Memory

PLACE: Final = Path("var/reference")
ROOT: Final = Path(__file__).parents[2]


def explored(service: Service[Any], played: Memory, place: Path = PLACE, root: Path = ROOT) -> Explored:
    """Return what exploring a service finds, or what it found when all that it reads was the same."""
    histories = [history for name, history in played.histories if name == service.name]
    key, file = _key(service.name, histories, root), place / f"{service.name}.json"
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        if kept["key"] == key:
            return _restored(service, kept)
    except (OSError, ValueError, KeyError):
        pass  # nothing is kept, or it is of another release
    found = explore(service, played)
    moves = [(move.before, move.after, move.event) for move in found.moves]
    made = {command.__name__: sorted(event.__name__ for event in events) for command, events in found.made.items()}
    place.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"key": key, "moves": moves, "made": made}), encoding="utf-8")
    return found


def _restored(service: Service[Any], kept: dict[str, Any]) -> Explored:
    commands = {command.__name__: command for command in service.commands}
    events = {event.__name__: event for event in service.events.events}
    made = {commands[command]: {events[event] for event in names} for command, names in kept["made"].items()}
    return Explored([Move(*move) for move in kept["moves"]], made)


def _key(service: str, histories: Iterable[Iterable[Fact]], root: Path) -> str:
    digest = sha256(sys.version.encode())
    for file in sorted(set(_files(service, root))):
        digest.update(f"{file.relative_to(root)}\0{sha256(file.read_bytes()).hexdigest()}\n".encode())
    for history in histories:
        for fact in history:
            # Sealed values do not show; they come from the stories.
            digest.update(f"{fact.stream_id} {fact.version} {fact.occurred_at} {fact.event!r}\n".encode())
    return digest.hexdigest()


def _files(service: str, root: Path) -> Iterator[Path]:
    """Yield the files of which exploring a service may read something."""
    yield root / "requirements" / "run.txt"
    yield from (root / "tests" / "scenarios").glob("*.yaml")
    for folder in (root / "shared", root / "services" / service, root / "services" / "victims"):
        yield from (file for file in folder.rglob("*") if file.suffix in {".py", ".toml", ".json"})
    yield from (file for file in (root / "services").glob("*.*") if file.is_file())
    yield from (root / "services").glob("*/events.py")
    yield from (root / "tools" / "reference" / f"{name}.py" for name in ("state_explorer", "command_variants"))
