"""The picture of the house, in docs/explanation/architecture.md, is the house as its imports are."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explanation/architecture.md").read_text(encoding="utf-8")
PATH = r'\["((?:ooc|services|shared|tools)(?:/[\w.]+)*)"\]'
PICTURES = [block for block in re.findall(r"```mermaid\n(.*?)```", PAGE, re.DOTALL) if re.search(PATH, block)]
"""The pictures whose rooms are paths; the others show people, programs and servers, which import nothing."""

Arrows = set[tuple[str, str]]


def drawn(picture: str) -> tuple[set[str], Arrows]:
    """Return the rooms of a picture by their paths, and its arrows."""
    rooms = dict(re.findall(r"(\w+)" + PATH, picture))
    arrows = {
        (rooms[before], rooms[after]) for before, after in re.findall(r"^\s*(\w+) --> (\w+)\s*$", picture, re.MULTILINE)
    }
    return set(rooms.values()), arrows


def imports_of(path: Path) -> Iterator[str]:
    """Yield what a module imports, each as a path below the top: `shared/domain/rules`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}".replace(".", "/") for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name.replace(".", "/") for alias in node.names)


def room_of(path: str, rooms: set[str]) -> str | None:
    """Return the innermost room of a picture that holds a path."""
    holding = [
        room for room in rooms if path == room.removesuffix(".py") or path.startswith(f"{room.removesuffix('.py')}/")
    ]
    return max(holding, key=len, default=None)


def imported(rooms: set[str]) -> Arrows:
    """Return each room with each other room that it imports."""
    arrows: Arrows = set()
    for top in sorted({room.partition("/")[0] for room in rooms}):
        for path in (ROOT / top).rglob("*.py"):
            room = room_of(str(path.relative_to(ROOT).with_suffix("")), rooms)
            arrows |= {
                (room, other) for name in imports_of(path) if room and (other := room_of(name, rooms)) and other != room
            }
    return arrows


def reached(arrows: Arrows) -> Arrows:
    """Return every pair of rooms between which arrows lead, over any number of rooms."""
    after: dict[str, set[str]] = {}
    order = TopologicalSorter(
        {room: {b for a, b in arrows if a == room} for room in {room for arrow in arrows for room in arrow}}
    )
    for room in order.static_order():
        nearest = {b for a, b in arrows if a == room}
        after[room] = nearest.union(*(after[b] for b in nearest))
    return {(a, b) for a, others in after.items() for b in others}


def test_pictures_are_there() -> None:
    """The page shows the whole house and the layers of the kernel."""
    assert len(PICTURES) == 2


@pytest.mark.parametrize("picture", PICTURES, ids=["house", "kernel"])
def test_the_arrows_are_the_imports(picture: str) -> None:
    """Each arrow is an import, each import is an arrow or follows from arrows, and no arrow follows from others."""
    rooms, arrows = drawn(picture)
    real = imported(rooms)
    assert not [room for room in rooms if not (ROOT / room).exists()]
    assert not arrows - real, "these arrows are no imports: take them out of the picture"
    assert not real - reached(arrows), "the picture does not show these imports: draw them"
    assert not [arrow for arrow in arrows if arrow in reached(arrows - {arrow})], (
        "these arrows follow from others: leave them out"
    )
