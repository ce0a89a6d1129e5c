"""Events: made from what happened, kept for 30 days, promised to every endpoint that wants them (facts 4, 5)."""

from __future__ import annotations

import base64
import contextvars
import json
import zlib
from collections.abc import Iterator
from typing import Any

from roony.simulator.identifiers import new_id
from roony.simulator.records import Record
from roony.simulator.views import View
from roony.simulator.world import API_VERSION, World

KEPT_SECONDS = 30 * 24 * 3600
REQUEST = "issuing_authorization.request"

# The API call that is being served: its events name it (facts 5, `request.idempotency_key`).
cause: contextvars.ContextVar[dict[str, str | None] | None] = contextvars.ContextVar("cause", default=None)


def emit(world: World, account: str, kind: str, thing: View, previous: View | None = None) -> Record:
    """Keep one event of an account and promise it to the endpoints that asked for its type."""
    data: dict[str, Any] = {"object": thing}
    if previous is not None:
        data["previous_attributes"] = previous
    record = world.events.add(
        {
            "id": new_id("evt"),
            "account": account,
            "type": kind,
            "created": world.clock.now(),
            "request": cause.get() or {"id": None, "idempotency_key": None},
            "packed": base64.b85encode(zlib.compress(json.dumps(data).encode(), 1)).decode(),
            "undelivered": [],
        }
    )
    for endpoint in _interested(world, account, kind):
        record["undelivered"].append(endpoint["id"])
        world.deliveries.add(
            {
                "id": f"{record['id']}/{endpoint['id']}",
                "event": record["id"],
                "endpoint": endpoint["id"],
                "tries": 0,
                "due": world.clock.exact(),
            }
        )
    _forget_old(world)
    return record


def _interested(world: World, account: str, kind: str) -> Iterator[Record]:
    """Yield endpoints for an ordinary event; the synchronous request is asked, not delivered."""
    if kind == REQUEST:
        return
    for endpoint in listening(world, account):
        wanted = endpoint["body"]["enabled_events"]
        if kind in wanted or "*" in wanted:
            yield endpoint


def listening(world: World, account: str) -> Iterator[Record]:
    """Yield the enabled endpoints that hear of an account: its own, then the platform's while it is connected."""
    for endpoint in world.endpoints.where("account", account):
        if not endpoint["connect"] and endpoint["body"]["status"] == "enabled":
            yield endpoint
    if world.accounts[account]["connected"]:
        for endpoint in world.endpoints.where("account", world.platform):
            if endpoint["connect"] and endpoint["body"]["status"] == "enabled":
                yield endpoint


def event_view(record: Record, *, connected: bool, waiting: int | None = None) -> View:
    """Return an event; seen from the platform (`connected`) it names the account it is about."""
    view = {
        "id": record["id"],
        "object": "event",
        "api_version": API_VERSION,
        "created": record["created"],
        "data": json.loads(zlib.decompress(base64.b85decode(record["packed"]))),
        "livemode": False,
        "pending_webhooks": len(record["undelivered"]) if waiting is None else waiting,
        "request": record["request"],
        "type": record["type"],
    }
    return {**view, "account": record["account"]} if connected else view


def _forget_old(world: World) -> None:
    """Drop the events at the old end that are past 30 days, a few at a time."""
    for _ in range(2):
        oldest = world.events.oldest()
        if oldest is None or oldest["created"] > world.clock.now() - KEPT_SECONDS:
            return
        for delivery in list(world.deliveries.where("event", oldest["id"])):
            world.deliveries.remove(delivery["id"])
        world.events.remove(oldest["id"])
