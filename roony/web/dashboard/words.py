"""Words and colours of the pages: how a status is shown, and codes as people read them."""

from __future__ import annotations

_KINDS = {
    "good": "ready authorized settled active approved applied resolved delivered ok closed matched confirmed",
    "waiting": "awaiting_approval pending issuing creating received promised restricted running partly_approved"
    " waiting",
    "bad": "declined failed dead revoked denied broken open",
    "calm": "canceled expired used ignored disabled removed reversed won withdrawn",
    "cold": "frozen",
}
_KIND_OF = {word: kind for kind, words in _KINDS.items() for word in words.split()}


def status_kind(status: str) -> str:
    """How a status is coloured: good, waiting, bad, cold or calm."""
    return _KIND_OF.get(status, "calm")


def label(code: str) -> str:
    """`awaiting_approval` → `Awaiting approval`, `OVER_PURCHASE_LIMIT` → `Over purchase limit`."""
    text = code.replace("_", " ").replace(".", " ").strip().lower()
    return text[:1].upper() + text[1:]
