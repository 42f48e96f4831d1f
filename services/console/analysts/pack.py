"""The pack of a quarter: the figures that a youth justice service owes, as a page, and as the board's paper."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.console.analysts.charts import Bar, line_chart
from services.console.analysts.figures import QUARTERS, Figure, figures_of, quarter_name, whole_quarters
from services.console.analysts.returns import (
    PACK,
    ask_measure,
    chosen_quarter,
    days_in,
    figure_name,
    quarter_choice,
    sentence,
)
from services.console.apis import Part, part_of
from services.console.documents import print_pack
from services.console.rendering import render
from services.console.sessions import Session
from services.console.words import in_words, moment
from services.reporting.measures import MEASURES
from services.reporting.measures.period import Period, quarter

GAPS: Final = "gaps"
NO_VALUE: Final = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class Pack:
    """The figures of a quarter, and of those before it, the latest first; `part` is the answer of the quarter."""

    quarters: Sequence[Period]
    part: Part[Mapping[str, Any]]
    figures: Sequence[Mapping[str, Figure]]

    @property
    def heads(self) -> list[str]:
        return [quarter(period.first).replace("-Q", " Q") for period in self.quarters]

    @property
    def rows(self) -> list[tuple[str, list[Figure | None]]]:
        """Return each figure by its measure, with its quarters."""
        return [(name, [found.get(name) for found in self.figures]) for name in self.figures[0]]

    @property
    def points(self) -> list[Bar]:
        """Return the points of the lines, from the oldest quarter to the latest."""
        return [
            Bar(head, figure_name(name), found.value, found.target)
            for name, row in self.rows
            for head, found in zip(reversed(self.heads), reversed(row), strict=True)
            if found is not None and found.value is not None
        ]


async def _pack_of(request: Request, session: Session) -> Pack:
    last = chosen_quarter(request)
    quarters = [last, *whole_quarters(last.first, QUARTERS - 1)]
    parts = await asyncio.gather(
        *(part_of(ask_measure(request, session, PACK, days_in(period))) for period in quarters)
    )
    if parts[0].status == 403:
        raise HTTPException(403, parts[0].notice)
    return Pack(quarters, parts[0], [figures_of(part.value or {}) for part in parts])


async def pack_page(request: Request, session: Session) -> Response:
    """Show the figures of a quarter, by how much each moved, and the line of each over eight quarters."""
    pack = await _pack_of(request, session)
    trend = await asyncio.to_thread(line_chart, "trend", "The figures of eight quarters", pack.points)
    return render(
        request,
        "pack.html",
        session,
        part=pack.part,
        chosen=days_in(pack.quarters[0]),
        quarters=quarter_choice(request),
        code=quarter(pack.quarters[0].first),
        name=quarter_name(pack.quarters[0]),
        heads=pack.heads,
        rows=pack.rows,
        name_of=figure_name,
        trend=trend,
        key=str(uuid4()),
    )


async def pack_file(request: Request, session: Session) -> Response:
    """Return the pack of a quarter as the board's paper, a PDF."""
    pack, made_at = await _pack_of(request, session), datetime.now(UTC)
    if pack.part.value is None:
        raise HTTPException(503, pack.part.notice)
    missing = await ask_measure(request, session, GAPS, days_in(pack.quarters[0]))
    made = {"made": moment(made_at.isoformat()), "by": in_words(session.role)}
    printed = await asyncio.to_thread(print_pack, made | values_of(pack, missing["by_item"]), made_at)
    disposition = f'inline; filename="pack-{quarter(pack.quarters[0].first)}.pdf"'
    return Response(printed, media_type="application/pdf", headers={"Content-Disposition": disposition})


def values_of(pack: Pack, missing: Mapping[str, int]) -> dict[str, Any]:
    """Return what the paper says of a pack, in words."""
    trend = line_chart("trend", "The figures of eight quarters", pack.points)
    return {
        "quarter": quarter_name(pack.quarters[0]),
        "figures": [
            [
                figure_name(name),
                str(now),
                str(before or NO_VALUE),
                now.moved_from(before) or NO_VALUE,
                now.aim or NO_VALUE,
            ]
            for name, (now, before, *_) in pack.rows
            if now is not None
        ],
        "heads": pack.heads,
        "trend": [
            [figure_name(name), *(NO_VALUE if one is None or one.value is None else f"{one.value:g}" for one in row)]
            for name, row in pack.rows
        ],
        "chart": None if trend is None else str(trend),
        "missing": [[sentence(item), str(number)] for item, number in missing.items() if number],
        "definitions": [
            [figure_name(name), MEASURES[name].version, MEASURES[name].definition] for name, _ in pack.rows
        ],
    }
