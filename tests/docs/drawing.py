"""A state diagram as SVG: boxes where a layout puts them, and a numbered arrow for each step."""

from __future__ import annotations

import math
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 150, 40  # of a box
_STYLE = """text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2430 }
.name { font-weight: 600; font-size: 14px; text-anchor: middle }
.number { font-size: 12px; text-anchor: middle } .disc { fill: #ffffff; stroke: #3b4252 }
.box { fill: #f2f4f8; stroke: #8a93a6 } .good { fill: #e3f1ea; stroke: #2f7d5b } .end { fill: #f4f1ea; stroke: #8a7a4f }
.way { stroke: #3b4252; stroke-width: 1.5; fill: none; marker-end: url(#tip) }"""


class Box(NamedTuple):
    """Where the middle of a state's box is, and of what kind it is: box, good or end."""

    x: int
    y: int
    kind: str = "box"


class Way(NamedTuple):
    """How an arrow goes: `bend` to its left (below 0 to its right), its number at `at` of its length."""

    bend: int = 0
    at: float = 0.5


class Drawing(NamedTuple):
    """A diagram: its size, title, boxes, where it begins, and the arrows that are not straight."""

    title: str
    size: tuple[int, int]
    boxes: dict[str, Box]
    begin: tuple[int, int]
    ways: dict[tuple[str | None, str], Way]
    # Steps that stand in the table alone, since they are rare and would hide the others.
    beside: frozenset[tuple[str, str]] = frozenset()


def draw(drawing: Drawing, steps: list[tuple[str | None, str]]) -> str:
    """The SVG of a diagram, its arrows numbered from 1. Raises KeyError for a state that has no box."""
    width, height = drawing.size
    told = ", ".join(f"{number}: {before or 'begin'} to {after}" for number, (before, after) in enumerate(steps, 1))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"',
        ' role="img" aria-labelledby="title desc">',
        f'<title id="title">{escape(drawing.title)}</title>',
        f'<desc id="desc">{escape(told)}</desc>',
        f"<style>{_STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">',
        '<path d="M0 0 8 4 0 8z" fill="#3b4252"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    x, y = drawing.begin
    lines.append(f'<circle cx="{x}" cy="{y}" r="7" fill="#3b4252"/>')
    arrows = [_arrow(drawing, before, after, number) for number, (before, after) in enumerate(steps, 1)]
    lines += [path for path, _ in arrows]
    for name, box in drawing.boxes.items():
        lines.append(
            f'<rect class="{box.kind}" x="{box.x - WIDTH // 2}" y="{box.y - HEIGHT // 2}" width="{WIDTH}"'
            f' height="{HEIGHT}" rx="8"/><text class="name" x="{box.x}" y="{box.y + 5}">{name}</text>'
        )
    return "\n".join([*lines, *(disc for _, disc in arrows), "</svg>", ""])


def _arrow(drawing: Drawing, before: str | None, after: str, number: int) -> tuple[str, str]:
    """The line of a step, and its number."""
    way = drawing.ways.get((before, after), Way())
    end = drawing.boxes[after]
    x1, y1 = drawing.begin if before is None else (drawing.boxes[before].x, drawing.boxes[before].y)
    length = math.hypot(end.x - x1, end.y - y1)
    # The point that the curve is drawn towards, off the straight line.
    mx = (x1 + end.x) / 2 + way.bend * (end.y - y1) / length * 2
    my = (y1 + end.y) / 2 - way.bend * (end.x - x1) / length * 2
    sx, sy = (x1, y1) if before is None else _edge(x1, y1, mx, my)
    tx, ty = _edge(end.x, end.y, mx, my)
    t = way.at
    lx = (1 - t) ** 2 * sx + 2 * t * (1 - t) * mx + t**2 * tx
    ly = (1 - t) ** 2 * sy + 2 * t * (1 - t) * my + t**2 * ty
    path = f'<path class="way" d="M{sx:.0f} {sy:.0f}Q{mx:.0f} {my:.0f} {tx:.0f} {ty:.0f}"/>'
    disc = (
        f'<circle class="disc" cx="{lx:.0f}" cy="{ly:.0f}" r="10"/>'
        f'<text class="number" x="{lx:.0f}" y="{ly + 4:.0f}">{number}</text>'
    )
    return path, disc


def _edge(x: float, y: float, to_x: float, to_y: float) -> tuple[float, float]:
    """Where a line from the middle of a box leaves it, and a little on."""
    dx, dy = to_x - x, to_y - y
    scale = min(
        (WIDTH / 2 + 3) / abs(dx) if dx else math.inf,
        (HEIGHT / 2 + 3) / abs(dy) if dy else math.inf,
    )
    return x + dx * scale, y + dy * scale
