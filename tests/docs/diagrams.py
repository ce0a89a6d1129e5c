"""The state diagrams of docs/concepts.md: where each box is, and which steps stand in the table alone."""

from __future__ import annotations

from collections.abc import Callable

from tests.docs.drawing import Box, Drawing, Way, draw
from tests.docs.lives import Step, approval_steps, authorization_steps, card_steps, connection_steps, purchase_steps

_PURCHASE = Drawing(
    "The life of a purchase", (985, 370),
    {
        "awaiting_approval": Box(250, 40), "issuing": Box(250, 185), "ready": Box(460, 185, "good"),
        "authorized": Box(670, 185, "good"), "settled": Box(890, 185, "good"), "declined": Box(95, 330, "end"),
        "expired": Box(670, 40, "end"), "canceled": Box(620, 330, "end"), "failed": Box(290, 330, "end"),
    },
    (60, 110),
    {
        ("awaiting_approval", "canceled"): Way(-52, 0.45), ("awaiting_approval", "declined"): Way(-6, 0.5),
        ("issuing", "canceled"): Way(-22, 0.6),
        ("ready", "authorized"): Way(16), ("authorized", "ready"): Way(16),
    },
    frozenset(
        {
            ("authorized", "expired"), ("authorized", "failed"), ("canceled", "authorized"), ("canceled", "settled"),
            ("expired", "authorized"), ("expired", "settled"), ("failed", "authorized"), ("failed", "settled"),
            ("settled", "authorized"),
        }
    ),
)  # fmt: skip
_CARD = Drawing(
    "The life of a card", (740, 290),
    {
        "creating": Box(175, 145), "active": Box(400, 145, "good"), "frozen": Box(400, 35),
        "used": Box(640, 145, "good"), "expired": Box(640, 35, "end"), "canceled": Box(400, 255, "end"),
    },
    (30, 145),
    {
        ("active", "frozen"): Way(18), ("frozen", "active"): Way(18), ("active", "used"): Way(16),
        ("used", "active"): Way(16),
    },
    frozenset({("frozen", "canceled"), ("frozen", "used")}),
)  # fmt: skip
_APPROVAL = Drawing(
    "The life of an approval", (740, 375),
    {
        "pending": Box(175, 155), "partly_approved": Box(410, 155), "approved": Box(650, 155, "good"),
        "denied": Box(410, 260, "end"), "expired": Box(410, 45, "end"),
    },
    (30, 155),
    {
        ("pending", "partly_approved"): Way(14), ("partly_approved", "pending"): Way(14),
        ("pending", "approved"): Way(-185, 0.5),
    },
)  # fmt: skip
_AUTHORIZATION = Drawing(
    "The life of an authorization", (700, 250),
    {
        "pending": Box(175, 125), "closed": Box(590, 125, "good"), "reversed": Box(390, 35, "end"),
        "expired": Box(390, 215, "end"),
    },
    (30, 125), {}, frozenset({("closed", "reversed"), ("reversed", "closed"), ("expired", "reversed")}),
)  # fmt: skip
_CONNECTION = Drawing(
    "The life of a connection", (720, 240),
    {
        "pending": Box(175, 50), "active": Box(400, 50, "good"), "restricted": Box(620, 50),
        "expired": Box(175, 190, "end"), "revoked": Box(510, 190, "end"),
    },
    (30, 50),
    {("active", "restricted"): Way(16), ("restricted", "active"): Way(16)},
)  # fmt: skip
DRAWINGS: dict[str, tuple[Drawing, Callable[[], set[Step]]]] = {
    "purchase": (_PURCHASE, purchase_steps), "card": (_CARD, card_steps),
    "authorization": (_AUTHORIZATION, authorization_steps), "approval": (_APPROVAL, approval_steps),
    "connection": (_CONNECTION, connection_steps),
}  # fmt: skip


def diagrams() -> dict[str, str]:
    """File below the root → its SVG, as the code is now."""
    return {
        f"docs/diagrams/{name}.svg": draw(
            drawing, [pair for pair in _by_pair(drawing, steps()) if pair not in drawing.beside]
        )
        for name, (drawing, steps) in DRAWINGS.items()
    }


def table(name: str) -> str:
    """Every step, with its number in the picture; those that are not drawn come last."""
    drawing, steps = DRAWINGS[name]
    by_pair = _by_pair(drawing, steps())
    drawn = [pair for pair in by_pair if pair not in drawing.beside]
    lines = ["| Step | From | To | When |", "| --- | --- | --- | --- |"]
    for place, (before, after) in enumerate([*drawn, *(pair for pair in by_pair if pair in drawing.beside)], 1):
        number = str(place) if place <= len(drawn) else ""
        start = f"`{before}`" if before else ""
        lines.append(f"| {number} | {start} | `{after}` | {'; '.join(by_pair[before, after])} |")
    return "\n".join(lines)


def _by_pair(drawing: Drawing, steps: set[Step]) -> dict[tuple[str | None, str], list[str]]:
    """The words of each step, in the order of the boxes."""
    order = {None: -1, **{name: place for place, name in enumerate(drawing.boxes)}}
    found: dict[tuple[str | None, str], list[str]] = {}
    for before, after, words in sorted(steps, key=lambda step: (order[step[0]], order[step[1]], step[2])):
        found.setdefault((before, after), []).append(words)
    return found
