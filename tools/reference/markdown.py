"""Markdown that reads well on a forge: headings, tables, and a picture of a state machine in Mermaid."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from itertools import groupby

from tools.reference.state_explorer import Move


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table; nothing if it would be empty."""
    lines = [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows]
    if not lines:
        return "None.\n"
    return "\n".join([f"| {' | '.join(head)} |", f"|{'|'.join(' --- ' for _ in head)}|", *lines]) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def prose(text: str) -> str:
    """Write a paragraph, wrapped."""
    return textwrap.fill(" ".join(text.split()), 118, break_long_words=False, break_on_hyphens=False) + "\n"


def page(title: str, *parts: str) -> str:
    """Write a page with its title and the line that names its source."""
    note = "<!-- Written by `make docs` from the code: change the code, not this page. -->\n"
    return "\n".join([f"# {title}\n", note, *(part.rstrip("\n") + "\n" for part in parts if part.strip())])


def codes(names: Iterable[str]) -> str:
    """Write names as code, with commas."""
    return ", ".join(f"`{name}`" for name in names)


def state_diagram(moves: Sequence[Move]) -> str:
    """Draw a Mermaid state diagram: an arrow for each pair of states, with the events that lead from one to the other."""
    lines = ["```mermaid", "stateDiagram-v2"]
    for (before, after), group in groupby(moves, key=lambda move: (move.before, move.after)):
        label = " / ".join(move.event for move in group)
        lines.append(f"    {before or '[*]'} --> {after}: {label}")
    final = {move.after for move in moves} - {move.before for move in moves}
    lines += [f"    {state} --> [*]" for state in sorted(final)]
    return "\n".join([*lines, "```"]) + "\n"
