"""Charts of returns as SVG: bars and lines in Vega-Lite, drawn by vl-convert without a browser.

Each has a title, a text alternative and the table of its numbers beside it. The colours are those of the Government Analysis
Function for four series; every bar has its number at its end, so that nothing is said by colour alone.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from math import ceil
from typing import Any, Final

from markupsafe import Markup

PALETTE: Final = ("#12436D", "#28A197", "#801650", "#F46A25")
"""Dark blue, turquoise, dark pink and orange. Source: Government Analysis Function, data visualisation: colours."""
MAX_SERIES: Final = len(PALETTE)
WIDTH: Final = 560
BAR: Final = 22
"""The height of a bar in pixels."""
FONT: Final = "Arial"
TICKS: Final = 5
HEADER: Final = {"labelFontSize": 14, "labelFontWeight": "bold", "labelLimit": WIDTH // 2, "labelAnchor": "start"}
_NOISE: Final = re.compile(r' (?:role|aria-[a-z]+|class|pointer-events)="[^"]*"')
"""Attributes that Vega leaves for assistive technology; the chart is one picture, told by its title and its table."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A number of a chart."""

    name: str
    series: str
    value: float
    target: float | None = None
    """What it should reach, as a dashed line; None: nothing is drawn."""


def bar_chart(id_: str, title: str, bars: Sequence[Bar]) -> Markup | None:
    """Draw a chart of bars, grouped by name; None if there is nothing to draw or there are more than four series."""
    series = list(dict.fromkeys(bar.series for bar in bars))
    if not bars or len(series) > MAX_SERIES:
        return None
    return _labelled(id_, title, f"{title}. {_in_words(bars)}", _specification(bars, series))


def line_chart(id_: str, title: str, points: Sequence[Bar]) -> Markup | None:
    """Draw a line for each series over the names in their order, each in a field of its own; None if there is nothing to draw."""
    if not points:
        return None
    names, series = (
        list(dict.fromkeys(which)) for which in zip(*((one.name, one.series) for one in points), strict=True)
    )
    axis = {
        "labelAngle": 0,
        "labelExpr": f"datum.value == '{names[0]}' || datum.value == '{names[-1]}' ? datum.value : ''",
    }
    where: dict[str, Any] = {
        "x": {
            "field": "name",
            "type": "ordinal",
            "sort": names,
            "scale": {"domain": names},
            "title": None,
            "axis": axis,
        },
        "y": {
            "field": "value",
            "type": "quantitative",
            "title": None,
            "scale": {"zero": True},
            "axis": {"tickCount": 3, "tickMinStep": 1, "format": "d"},
        },
    }
    number = {"field": "value", "type": "quantitative"}
    colour = {"value": PALETTE[0]}
    specification = _drawing(
        points,
        facet={"field": "series", "type": "nominal", "sort": series, "title": None, "header": HEADER},
        columns=2,
        spec={
            "width": WIDTH // 2,
            "height": 4 * BAR,
            "layer": [
                {"mark": {"type": "line", "point": True}, "encoding": {**where, "color": colour}},
                {"mark": {"type": "text", "dy": -9}, "encoding": {**where, "text": number}},
                {
                    "transform": [{"filter": "isValid(datum.target)"}],
                    "mark": {"type": "rule", "strokeDash": [6, 4]},
                    "encoding": {"y": {**where["y"], "field": "target", "aggregate": "max"}, "color": colour},
                },
            ],
        },
        resolve={"scale": {"y": "independent"}},
    )
    return _labelled(id_, title, f"{title}, from {names[0]} to {names[-1]}. The table has every number.", specification)


def _labelled(id_: str, title: str, said: str, specification: Mapping[str, Any]) -> Markup:
    """Draw a specification as one picture with a title and a text alternative."""
    head, _, body = _NOISE.sub("", _svg(json.dumps(specification))).partition(">")
    return Markup('{} role="img" aria-labelledby="{}-title {}-text"><title id="{}-title">{}</title>{}{}').format(
        Markup(head),  # noqa: S704 - drawn by vl-convert from the specification below, texts escaped there
        *(id_, id_, id_),
        title,
        Markup('<desc id="{}-text">{}</desc>').format(id_, said),
        Markup(body),  # noqa: S704 - as above
    )


def _in_words(bars: Sequence[Bar]) -> str:
    """Return the text alternative: the largest and the smallest number, and where all of them stand."""
    most, least = max(bars, key=lambda bar: bar.value), min(bars, key=lambda bar: bar.value)
    return (
        f"The largest number is {most.value:g} ({most.name}, {most.series.lower()}), the smallest {least.value:g}"
        f" ({least.name}, {least.series.lower()}). The table has every number."
    )


def _specification(bars: Sequence[Bar], series: Sequence[str]) -> dict[str, Any]:
    names = list(dict.fromkeys(bar.name for bar in bars))
    most = ceil(max(bar.value for bar in bars))
    ticks = list(range(0, most + 1, max(1, ceil(most / TICKS))))  # else a chart of ones has two ticks called 1
    where: dict[str, Any] = {
        "y": {
            "field": "name",
            "type": "nominal",
            "sort": names,
            "title": None,
            "axis": {"labelLimit": 240, "ticks": False, "domain": False},
        },
        "yOffset": {"field": "series", "type": "nominal", "sort": series},
        "x": {"field": "value", "type": "quantitative", "title": "Number", "axis": {"values": ticks, "format": "d"}},
    }
    colour = {
        "field": "series",
        "type": "nominal",
        "sort": series,
        "scale": {"domain": series, "range": PALETTE[: len(series)]},
        "legend": {"title": None, "orient": "top", "labelLimit": 240} if len(series) > 1 else None,
    }
    number = {"field": "value", "type": "quantitative"}
    return _drawing(
        bars,
        layer=[
            {"mark": "bar", "encoding": {**where, "color": colour}},
            {"mark": {"type": "text", "align": "left", "dx": 4}, "encoding": {**where, "text": number}},
        ],
        width=WIDTH,
        height=len(names) * (len(series) * BAR + BAR // 2),
    )


def _drawing(values: Sequence[Bar], **more: Any) -> dict[str, Any]:
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {"values": [asdict(one) for one in values]},
        **more,
        "config": {
            "aria": False,
            "font": FONT,
            "axis": {"labelFontSize": 14, "titleFontSize": 14},
            "legend": {"labelFontSize": 14},
            "text": {"fontSize": 14},
            "view": {"stroke": None},
        },
    }


@lru_cache(maxsize=64)
def _svg(specification: str) -> str:
    """Draw a specification; the last ones are kept, since they hold counts alone."""
    import vl_convert  # noqa: PLC0415 - it takes a while, which only a page with a chart should wait for

    drawn: str = vl_convert.vegalite_to_svg(specification)
    return drawn
