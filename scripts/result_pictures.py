"""Draws pictures of results: a row for each thing that was measured, a dot for each figure.

`render_results.py` writes them as docs/results/NAME.svg from the `pictures` of the files of results:

    {"title": ..., "axis": [from, to], "format": ".3f", "series": [name, ...],
     "rows": [[label, figure of the first series, figure of the second, ...], ...]}

A figure is `ID SPLIT.METRIC`, or `ID,ID,... SPLIT.METRIC` for the mean of several runs, or null. `ID test.accuracy
labels=100` is that of the figures of a run in which `labels` is 100.
"""

from collections.abc import Mapping, Sequence
from html import escape
from statistics import mean
from typing import Any

WIDTH, LEFT, RIGHT, TOP, STEP = 760, 230, 40, 70, 34  # points
COLOURS = ("#3b82f6", "#d97706", "#10a37f")  # seen on white and on black
TEXT = "#767676"  # read on white and on black: a page may be dark while the system is not


def svg(picture: Mapping[str, Any], records: Mapping[str, Mapping[str, Any]]) -> str:
    """The picture as SVG."""
    low, high = picture["axis"]
    bottom = TOP + STEP * len(picture["rows"])

    def x(value: float) -> float:
        return round(LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT), 1)

    parts = [text(LEFT, 22, picture["title"], size=15, bold=True)]
    place = LEFT
    for name, colour in zip(picture["series"], COLOURS, strict=False):
        parts += [dot(place + 6, 42, colour), text(place + 18, 46, name)]
        place += 40 + 8 * len(name)
    for step in range(5):
        value = low + step * (high - low) / 4
        parts.append(line(x(value), TOP - 8, x(value), bottom - 8, "0.25"))
        parts.append(
            text(x(value), bottom + 10, format(value, picture["format"]).rstrip("0").rstrip("."), anchor="middle")
        )
    for number, (label, *figures) in enumerate(picture["rows"]):
        y = TOP + STEP * number + STEP // 2 - 8
        values = [None if what is None else figure(what, records) for what in figures]
        there = [value for value in values if value is not None]
        parts.append(text(LEFT - 14, y + 4, label, anchor="end"))
        parts.append(line(x(min(there)), y, x(max(there)), y, "0.6"))
        for value, colour in zip(values, COLOURS, strict=False):
            if value is not None:
                parts.append(dot(x(value), y, colour))
                at_x, at_y, anchor = x(value) + 9, y + 4, "start"
                if value == min(there) != max(there):
                    at_x, anchor = x(value) - 9, "end"
                elif value != max(there):
                    at_x, at_y, anchor = x(value), y - 8, "middle"
                parts.append(text(at_x, at_y, format(value, picture["format"]), anchor=anchor))
    body = "\n".join(parts)
    size = f'width="{WIDTH}" height="{bottom + 24}" viewBox="0 0 {WIDTH} {bottom + 24}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">\n{body}\n</svg>\n'


def figure(what: str, records: Mapping[str, Mapping[str, Any]]) -> float:
    ids, path, *where = what.split(" ")
    split, _, metric = path.partition(".")
    wanted = {"split": None if split == "run" else split, **dict(condition.split("=") for condition in where)}
    return mean(of_run(records[id]["figures"], metric, wanted) for id in ids.split(","))


def of_run(figures: Sequence[Mapping[str, Any]], metric: str, wanted: Mapping[str, str | None]) -> float:
    """The first figure of this metric whose other fields are as wanted."""
    return next(
        float(figure[metric])
        for figure in figures
        if metric in figure and all(str(figure.get(name)) == str(value) for name, value in wanted.items())
    )


def text(x: float, y: float, words: str, *, anchor: str = "start", size: int = 13, bold: bool = False) -> str:
    look = f'fill="{TEXT}" font-size="{size}" text-anchor="{anchor}"' + (' font-weight="bold"' if bold else "")
    return f'<text x="{x:g}" y="{y:g}" {look}>{escape(words)}</text>'


def dot(x: float, y: float, colour: str) -> str:
    return f'<circle cx="{x:g}" cy="{y:g}" r="5" fill="{colour}"/>'


def line(x: float, y: float, to_x: float, to_y: float, opacity: str) -> str:
    return f'<line x1="{x:g}" y1="{y:g}" x2="{to_x:g}" y2="{to_y:g}" stroke="{TEXT}" stroke-opacity="{opacity}"/>'
