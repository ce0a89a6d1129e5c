"""What the figures must reach, each beside what was measured; and the picture of latency against load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from rich.table import Table


class Target(NamedTuple):
    """One figure: where it lies in the result, what it must reach (`most`: what it may reach), what one would like."""

    name: str
    path: str
    required: float
    stretch: float | None = None
    most: bool = False


TARGETS = (
    Target("SQLite, decisions / no-op, 64 connections", "sqlite.authorizations.64.ratio", 0.20, 0.40),
    Target("SQLite, p99 at 64 connections, ms", "sqlite.authorizations.64.p99_ms", 50, 20, most=True),
    Target("SQLite, decisions per commit", "sqlite.authorizations.64.per_commit", 12, 32),
    Target("ordinary webhooks kept / no-op", "sqlite.webhooks.ratio", 0.35),
    Target("PostgreSQL, many organizations / no-op", "postgresql.authorizations.many.ratio", 0.14, 0.25),
    Target("PostgreSQL, one hot organization / no-op", "postgresql.authorizations.hot.ratio", 0.14, 0.25),
    Target("PostgreSQL, hot / many", "postgresql.hot_to_many", 0.75, 0.95),
    Target("PostgreSQL, p99 at 64 connections, ms", "postgresql.authorizations.many.p99_ms", 50, 20, most=True),
    Target("worker, events applied a second", "inbox.applied_per_second", 1_500),
    Target("authorizations while it applies / alone", "inbox.meanwhile_ratio", 0.75),
    Target("asks with cards a second", "asks.cards_per_second", 150),
    Target("asks, decide and hold / no-op", "asks.holds_ratio", 0.15),
    Target("memory of one process, MB", "sqlite.memory_mb", 200, most=True),
    Target("start to first answer, s", "sqlite.start_seconds", 2, most=True),
    Target("memory after 1,000,000 above that after 10,000, MB", "memory.growth_mb", 40, most=True),
    Target("decision with 100,000 agents / with 10", "agents.ratio.100000", 1.3, most=True),
    Target("decision with 10,000,000 rows / with 10,000", "history.ratio.10000000", 1.3, most=True),
)


def value(result: dict[str, Any], path: str) -> float | None:
    """A figure by its path of names; None when it was not measured."""
    found: Any = result
    for name in path.split("."):
        if not isinstance(found, dict) or name not in found:
            return None
        found = found[name]
    return float(found)


def reached(target: Target, figure: float) -> bool:
    """Whether the required value is reached."""
    return figure <= target.required if target.most else figure >= target.required


def targets_table(result: dict[str, Any]) -> Table:
    """Each target that was measured, beside its figure."""
    table = Table(title="Targets")
    for title in ("what", "measured", "required", "stretch", ""):
        table.add_column(title, justify="left" if title in ("what", "") else "right")
    for target in TARGETS:
        figure = value(result, target.path)
        if figure is None:
            continue
        sign = "≤" if target.most else "≥"
        wished = "" if target.stretch is None else f"{sign} {target.stretch:g}"
        verdict = "reached" if reached(target, figure) else "[red]missed[/red]"
        table.add_row(target.name, f"{figure:,.3g}", f"{sign} {target.required:g}", wished, verdict)
    return table


def doors_table(result: dict[str, Any]) -> Table:
    """Every door under every load."""
    table = Table(title="One process, every answer durable")
    for title in ("door", "no-op/s", "answers/s", "ratio", "p50 ms", "p99 ms", "worst ms", "per commit", "CPU µs"):
        table.add_column(title, justify="left" if title == "door" else "right")
    for name, row in doors(result):
        table.add_row(
            name, f"{row['noop_per_second']:,.0f}", f"{row['per_second']:,.0f}", f"{row['ratio']:.3f}",
            f"{row['p50_ms']:.1f}", f"{row['p99_ms']:.1f}", f"{row['worst_ms']:.1f}", str(row.get("per_commit", "")),
            str(row.get("cpu_us", "")),
        )  # fmt: skip
    return table


def doors(result: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Name and figures of each."""
    sqlite, postgresql = result.get("sqlite", {}), result.get("postgresql", {})
    rows = [(f"SQLite, {count} connections", row) for count, row in sqlite.get("authorizations", {}).items()]
    if "webhooks" in sqlite:
        rows.append(("ordinary webhooks, 64", sqlite["webhooks"]))
    names = {"many": "PostgreSQL, many organizations, 64", "hot": "PostgreSQL, one organization, 64"}
    return rows + [(names[name], row) for name, row in postgresql.get("authorizations", {}).items()]


WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 260, 56, 40, 16


def latency_chart(points: Sequence[tuple[int, float, float]]) -> str:
    """An SVG of p50 and p99 in milliseconds against connections; `points` are (connections, p50, p99)."""
    highest = max(p99 for _, _, p99 in points) * 1.1

    def x(place: int) -> float:
        return round(LEFT + (WIDTH - LEFT - 24) * place / max(1, len(points) - 1), 1)

    def y(milliseconds: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * milliseconds / highest, 1)

    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="sans-serif"'
        ' font-size="12"><title>Latency of an authorization against load</title>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    )
    parts = [head]
    for share in (0.0, 0.5, 1.0):
        at = y(highest * share)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 24}" y1="{at}" y2="{at}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at + 4}" text-anchor="end">{highest * share:.0f} ms</text>')
    for column, colour, name in ((1, "#2f6f4f", "p50"), (2, "#b5482f", "p99")):
        path = " ".join(f"{x(place)},{y(point[column])}" for place, point in enumerate(points))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        last = points[-1][column]
        parts.append(
            f'<text x="{WIDTH - 26}" y="{y(last) - 6}" text-anchor="end" fill="{colour}">{name} {last:.1f}</text>'
        )
    for place, point in enumerate(points):
        parts.append(f'<text x="{x(place)}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{point[0]}</text>')
    parts.append(
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 4}" text-anchor="middle">connections, each in a row</text></svg>\n'
    )
    return "".join(parts)
