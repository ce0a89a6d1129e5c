"""Charts as SVG, drawn on the server: a line over days, and a meter of what is held and spent of a limit.

Each has a title that says in words what it shows, for those who do not see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

WIDTH, HEIGHT = 960, 220
# On a phone, where a wide chart would be too small to read.
NARROW = 400
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 12, 24
# Steps of an axis that people can read.
_STEPS = (1, 2, 5)


class Point(NamedTuple):
    """One value of a line; `label` stands under it where there is room."""

    label: str
    value: int
    text: str


def line_chart(points: Sequence[Point], title: str, axis: Sequence[tuple[int, str]], width: int = WIDTH) -> Markup:
    """A line with the area under it. `axis` are values with their text, the highest last."""
    top = max([value for value, _ in axis] + [1])
    step = (width - LEFT - RIGHT) / max(1, len(points) - 1)

    def x(place: int) -> float:
        return round(LEFT + step * place, 1)

    def y(value: int) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(value, top) / top, 1)

    parts = [_grid(text, y(value), width) for value, text in axis]
    if points:
        path = " ".join(f"{x(place)},{y(point.value)}" for place, point in enumerate(points))
        base = HEIGHT - BOTTOM
        parts.append(
            Markup('<polygon class="area" points="{},{} {} {},{}"/>').format(x(0), base, path, x(len(points) - 1), base)
        )
        parts.append(Markup('<polyline class="line" points="{}"/>').format(path))
    every = max(1, len(points) * 96 // width)
    for place, point in enumerate(points):
        # A part of its own for each point: pointed at, it says its value.
        parts.append(
            Markup('<circle class="dot" cx="{}" cy="{}" r="3"><title>{}: {}</title></circle>').format(
                x(place), y(point.value), point.label, point.text
            )
        )
        if place % every == 0:
            parts.append(
                Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(
                    x(place), HEIGHT - 6, "end" if place == len(points) - 1 else "middle", point.label
                )
            )
    return _svg(f"0 0 {width} {HEIGHT}", "chart", title, parts)


def _grid(text: str, at: float, width: int) -> Markup:
    return Markup(
        '<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/><text x="{}" y="{}" text-anchor="end">{}</text>'
    ).format(LEFT, width - RIGHT, at, at, LEFT - 8, at + 4, text)


def meter(spent: int, held: int, limit: int | None, most: int, title: str) -> Markup:
    """What is spent and held: of the limit, or, where nothing limits it, of `most`, the largest one beside it."""
    whole = max(limit if limit is not None else most, 1)
    over = limit is not None and spent + held > limit
    first = min(100.0, 100 * max(spent, 0) / whole)
    second = min(100.0 - first, 100 * max(held, 0) / whole)
    parts = [
        Markup('<rect class="room" width="100" height="6"/>'),
        Markup('<rect class="{}" width="{}" height="6"/>').format("over" if over else "spent", round(first, 2)),
        Markup('<rect class="{}" x="{}" width="{}" height="6"/>').format(
            "over" if over else "held", round(first, 2), round(second, 2)
        ),
    ]
    return _svg("0 0 100 6", "meter", title, parts, stretch=True)


def _svg(view_box: str, kind: str, title: str, parts: Sequence[Markup], stretch: bool = False) -> Markup:
    ratio = Markup(' preserveAspectRatio="none"') if stretch else ""
    return Markup('<svg class="{}" viewBox="{}" role="img" aria-label="{}"{}><title>{}</title>{}</svg>').format(
        kind, view_box, title, ratio, title, Markup("").join(parts)
    )


def round_axis(most: int, marks: int = 4) -> list[int]:
    """Round values from 0 to at least `most`, about so many: `9_300` → 0, 2,000 … 10,000."""
    step = 1
    while True:
        for factor in _STEPS:
            if step * factor * marks >= most:
                size = step * factor
                return [size * place for place in range(-(-max(most, 1) // size) + 1)]
        step *= 10
