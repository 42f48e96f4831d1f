"""`make weight`: what the house weighs. Lines of Python by room, words by hand, and the ten largest functions and files."""

import ast
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

PRODUCT: Final = ("shared", "services", "tools", "ooc")
GENERATED: Final = "docs/reference/"
MOST: Final = 10


def tracked(pattern: str) -> list[Path]:
    """List the files under version control that match a pattern of git's, by their paths from the top."""
    listed = subprocess.run(["git", "ls-files", "-z", pattern], capture_output=True, text=True, check=True)
    return [path for name in listed.stdout.split("\0") if name and (path := Path(name)).is_file()]


def room_of(path: Path) -> str:
    """Name the room of a file: its first two folders, or its first if it stands in that itself."""
    return "/".join(path.parts[: min(2, len(path.parts) - 1)])


def lines_of_functions(paths: Iterable[Path]) -> Iterator[tuple[str, int]]:
    """Yield each function with its length in lines, decorators left out."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield f"{path}:{node.lineno} {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1


def show(title: str, rows: Iterable[tuple[str, int]]) -> None:
    """Print a table of two columns, with a blank line before it."""
    print(f"\n{title}")
    for name, size in rows:
        print(f"  {size:>7,}  {name}")


def main() -> None:
    python = tracked("*.py")
    product = [path for path in python if path.parts[0] in PRODUCT]
    sizes = {str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in python}
    rooms: Counter[str] = Counter()
    for path in python:
        rooms[room_of(path)] += sizes[str(path)]
    total = sum(sizes[str(path)] for path in product)
    print(f"Product Python ({', '.join(PRODUCT)}): {total:,} lines in {len(product)} files")
    show("Lines of Python by room", sorted(rooms.items()))
    pages = [path for path in tracked("*.md") if not str(path).startswith(GENERATED)]
    words = {str(path): len(path.read_text(encoding="utf-8").split()) for path in pages}
    print(f"\nWords by hand (every page but {GENERATED}): {sum(words.values()):,} in {len(words)} pages")
    show("The longest pages, in words", Counter(words).most_common(MOST))
    show("The largest functions of the product", Counter(dict(lines_of_functions(product))).most_common(MOST))
    show("The largest files of the product", Counter({str(p): sizes[str(p)] for p in product}).most_common(MOST))


if __name__ == "__main__":
    main()
