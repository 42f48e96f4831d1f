"""Write the table of docs/reference/performance.md from a run's JSON: `python -m tests.bench.page var/bench/latest.json`."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.bench.figures import Samples
from tests.bench.table import OURS, amount
from tests.bench.targets import TARGETS, Target

PAGE: Final = Path(__file__).parents[2] / "docs/reference/performance.md"
BEGIN: Final = "<!-- make bench writes from here -->\n"
END: Final = "<!-- to here -->\n"
HEADING: Final = (
    "| bench | figure | median (least - most) | must be | reached | measured |\n|---|---|---|---|---|---|\n"
)
ORDER: Final = list(dict.fromkeys(target.bench for target in TARGETS))


def with_run(page: str, run: Mapping[str, Any]) -> str:
    """Return the page with the rows of a run's benches in its table; rows of other benches stay as they are."""
    before, rest = page.split(BEGIN)
    table, after = rest.split(END)
    benches = {bench["bench"]: bench for bench in run["benches"]}
    kept = [line for line in table.splitlines()[2:] if line.startswith("|") and _bench_of(line) not in benches]
    new = [row for bench in benches.values() for row in _rows(bench, run["began"][:10])]
    rows = sorted([*kept, *new], key=lambda line: ORDER.index(_bench_of(line)))
    machine = "; ".join(f"{name}: {value}" for name, value in run["machine"].items())
    body = "\n".join([*rows, "", f"The latest run: {machine}."])
    return f"{before}{BEGIN}{HEADING}{body}\n{END}{after}"


def _bench_of(line: str) -> str:
    return line.split("`")[1]


def _rows(bench: Mapping[str, Any], day: str) -> Iterator[str]:
    title = f": {bench['title']}"  # on the first row alone
    for targets in _alike(target for target in TARGETS if target.bench == bench["bench"]):
        measured = {
            target: Samples(tuple(row["values"] if target.side == OURS else row["ratios"]))
            for row in bench["rows"]
            for target in targets
            if (target.figure, target.side) == (row["figure"], row["side"])
        }
        if measured:
            worst = max(measured, key=lambda target: measured[target].median)
            yield _row(f"`{worst.bench}`{title}", worst, len(measured), measured[worst], day)
            title = ""


def _alike(targets: Iterable[Target]) -> Iterator[Sequence[Target]]:
    """Yield together the targets of a figure that several things have, such as each page's `p50 ms`."""
    groups: dict[tuple[str, str], list[Target]] = {}
    for target in targets:
        groups.setdefault((target.side, target.figure.rpartition(", ")[2]), []).append(target)
    yield from groups.values()


def _row(bench: str, target: Target, of: int, samples: Samples, day: str) -> str:
    figure = target.figure if of == 1 else f"{target.figure} (highest of {of})"
    against = "" if target.side == OURS else f" x {target.side}"
    median, least, most = (
        (f"{value:.2f}" if against else amount(value)) for value in (samples.median, samples.least, samples.most)
    )
    reached = "yes" if target.reached_by(samples.median) else "**no**"
    return f"| {bench} | {figure} | {median}{against} ({least} - {most}) | {target} | {reached} | {day} |"


def write_table(run: Mapping[str, Any], page: Path = PAGE) -> None:
    """Put the rows of a run into the table of the page."""
    page.write_text(with_run(page.read_text(encoding="utf-8"), run), encoding="utf-8")


if __name__ == "__main__":
    write_table(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
