"""Every control there is, strict and loose, and the levels at which an owner sets it."""

from __future__ import annotations

from typing import Any

from tests.support.books import AGENT, ORG, PROJECT

# For an ask of 100.00 at Figma, a software store in the US, not on a Tuesday: the strict one binds.
STRICT_AND_LOOSE: dict[str, tuple[Any, Any]] = {
    "purchase_limit": (9_999, 10_000),
    "approval_threshold": (9_999, 10_000),
    "second_approval_threshold": (9_999, 10_000),
    "approval_expiry_seconds": (120, 600),
    "approve_new_merchants": (True, False),
    "approve_categories": (["software"], ["travel"]),
    "allowed_merchants": (["Notion"], ["Figma", "Notion"]),
    "blocked_merchants": (["figma"], ["Fig"]),
    "allowed_categories": (["travel"], ["5734"]),
    "blocked_categories": (["computer_software_stores"], ["never"]),
    "allowed_countries": (["CA"], ["CA", "US"]),
    "blocked_countries": (["US"], ["CA"]),
    "velocity_count": (0, 1),
    "velocity_amount": (9_999, 10_000),
    "active_hours": ({"days": ["tue"], "from": "00:00", "to": "24:00"}, {"from": "00:00", "to": "24:00"}),
    "card_ttl_seconds": (120, 600),
    "tolerance_amount": (100, 200),
    "tolerance_percent": (1, 2),
    "merchant_lock": ("strict", "monitor"),
    "foreign_currency": ("decline", "allow"),
    "delivery": ("sealed", "raw"),
    "duplicate_window_seconds": (600, 60),
}

# As (scope id, scope), for an ask of the books' agent that names the task `trip`; from the narrowest.
EVERY, ONE = f"{AGENT}:*", f"{AGENT}:trip"
LEVELS = [(ONE, "task"), (EVERY, "task"), (AGENT, "agent"), (PROJECT, "project"), (ORG, "organization")]
