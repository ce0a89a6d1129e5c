"""Stripe events as they came in: how far the handling of each is, and handling failed ones again."""

from __future__ import annotations

import contextlib
import json

from starlette.responses import Response
from starlette.routing import Route

from roony.core.retention import removed_words
from roony.store.queries.events import event_page, find_event
from roony.store.rows import InboxEvent
from roony.web.dashboard.view import View, page
from roony.web.errors import found

STATUSES = ("received", "applied", "ignored", "failed", "dead")
REPLAYED = ("failed", "dead")
# Characters of a payload that are shown.
LONGEST_PAYLOAD = 100_000


def routes() -> list[Route]:
    """The pages."""
    return [page("/events", _list), page("/events/{id}", _one)]


async def _list(view: View) -> Response:
    status = view.filter("status", STATUSES)
    rows = await view.read(event_page, view.slice(), status)
    return view.page(
        "events.html", "Events", rows=rows.rows, pages=view.pages(rows), chosen=status,
        statuses=STATUSES, replayed=REPLAYED,
    )  # fmt: skip


async def _one(view: View) -> Response:
    id = view.request.path_params["id"]
    row = found(await view.read(find_event, id), "event", id)
    payload = _shown(row) if view.may("change") else None
    return view.page("event.html", row.type, row=row, payload=payload, replayed=REPLAYED)


def _shown(row: InboxEvent) -> str:
    if row.payload_removed_at is None:
        return readable(row.payload)
    return f"Payload {removed_words(row.payload_removed_at)}. Its SHA-256 was {row.payload_sha256}."


def readable(payload: bytes) -> str:
    """The body of an event as text with one field a line; as it came if it is not JSON."""
    text = payload.decode(errors="replace")
    with contextlib.suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return text if len(text) <= LONGEST_PAYLOAD else f"{text[:LONGEST_PAYLOAD]}…"
