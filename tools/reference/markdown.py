"""Pages in Markdown that reads well on a forge: the templates beside this module, filled by Jinja, with tables and pictures."""

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import jinja2

from services.system.registry import SERVICES
from tools.reference.moves import Move

NOTE: Final = "<!-- Written by `make docs` from the code: change the code, not this page. -->"
TITLES: Final = {entry.name: entry.title for entry in SERVICES}


def fill(template: str, **context: Any) -> str:
    title, _, text = TEMPLATES.get_template(f"{template}.md.jinja").render(context).partition("\n")
    return re.sub(r"\n{3,}", "\n\n", f"{title}\n\n{NOTE}\n{text.rstrip()}\n")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table; nothing if it would be empty."""
    lines = [f"| {' | '.join(map(cell, row))} |" for row in rows]
    if not lines:
        return "None.\n"
    return "\n".join([f"| {' | '.join(head)} |", f"|{'|'.join(' --- ' for _ in head)}|", *lines]) + "\n"


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def prose(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 118, break_long_words=False, break_on_hyphens=False) + "\n"


def codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def coded(texts: Mapping[str, str] | Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    return ((f"`{name}`", text) for name, text in dict(texts).items())


def links(place: str, names: Iterable[str]) -> str:
    """Write links to the headings of a page, each once, with commas."""
    return ", ".join(f"[{name}]({place}#{name.strip('`').lower()})" for name in dict.fromkeys(names))


def state_diagram(moves: Sequence[Move]) -> str:
    """Draw a Mermaid state diagram: an arrow for each pair of states, with the events that lead from one to the other."""
    lines = ["```mermaid", "stateDiagram-v2"]
    for (before, after), group in groupby(moves, key=lambda move: (move.before, move.after)):
        label = " / ".join(move.event for move in group)
        lines.append(f"    {before or '[*]'} --> {after}: {label}")
    return "\n".join([*lines, "```"]) + "\n"


TEMPLATES: Final = jinja2.Environment(  # noqa: S701 - Markdown, and nothing from outside
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
TEMPLATES.globals |= {"table": table, "links": links}
TEMPLATES.filters |= {"cell": cell, "prose": prose, "codes": codes, "coded": coded, "title_of": TITLES.__getitem__}
