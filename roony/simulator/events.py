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
_FORGOTTEN_AT_ONCE = 2
# The first version that knows the status `expired` of authorizations (facts 2.6).
_EXPIRED_SINCE = "2025-03-31"

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
            "packed": base64.b64encode(zlib.compress(json.dumps(data).encode(), 1)).decode(),
            "undelivered": [],
        }
    )
    for endpoint in _interested(world, account, kind):
        promise(world, record, endpoint)
    _forget_old(world)
    return record


def promise(world: World, event: Record, endpoint: Record) -> None:
    """Have an event sent to an endpoint, now and until it is taken; what was promised before starts again."""
    identifier = f"{event['id']}/{endpoint['id']}"
    world.deliveries.remove(identifier)
    promised = {"id": identifier, "event": event["id"], "endpoint": endpoint["id"], "tries": 0}
    world.deliveries.add({**promised, "due": world.clock.exact()})
    if endpoint["id"] not in event["undelivered"]:
        event["undelivered"].append(endpoint["id"])
        world.events.touch(event)
    if world.unheard.get(event["id"]) is None:
        world.unheard.put_back(event)


def taken(world: World, event: Record, endpoint: str) -> None:
    """Say that an endpoint has an event, or that there is no such endpoint any more."""
    world.deliveries.remove(f"{event['id']}/{endpoint}")
    if endpoint in event["undelivered"]:
        event["undelivered"].remove(endpoint)
        world.events.touch(event)
    if not event["undelivered"]:
        world.unheard.remove(event["id"])


def kept(world: World, event: Record) -> bool:
    """Whether an event can still be seen: for 30 days, by the clock."""
    return bool(event["created"] > world.clock.now() - KEPT_SECONDS)


def _interested(world: World, account: str, kind: str) -> Iterator[Record]:
    """Yield endpoints for an ordinary event; the synchronous request is asked, not delivered."""
    if kind == REQUEST:
        return
    for endpoint in listening(world, account):
        wanted = endpoint["body"]["enabled_events"]
        if kind in wanted or "*" in wanted:
            yield endpoint


def listening(world: World, account: str) -> Iterator[Record]:
    """Yield the enabled endpoints that hear of an account: its own, then the platform's while it is connected.

    The same goes for an account that has the platform's app installed (facts 6.3).
    """
    for endpoint in world.endpoints.where("account", account):
        if not endpoint["connect"] and endpoint["body"]["status"] == "enabled":
            yield endpoint
    if world.accounts[account]["connected"] or world.accounts[account]["installed"]:
        for endpoint in world.endpoints.where("account", world.platform):
            if endpoint["connect"] and endpoint["body"]["status"] == "enabled":
                yield endpoint


def event_view(record: Record, *, connected: bool, waiting: int | None = None, version: str | None = None) -> View:
    """Return an event; seen from the platform (`connected`) it names the account it is about.

    `version` is the one an endpoint is pinned to; the archive shows the version of the account (facts 5).
    """
    data = json.loads(zlib.decompress(base64.b64decode(record["packed"])))
    view = {
        "id": record["id"],
        "object": "event",
        "api_version": version or API_VERSION,
        "created": record["created"],
        "data": _as_of(version, data),
        "livemode": False,
        "pending_webhooks": len(record["undelivered"]) if waiting is None else waiting,
        "request": record["request"],
        "type": record["type"],
    }
    return {**view, "account": record["account"]} if connected else view


def _as_of(version: str | None, data: dict[str, Any]) -> dict[str, Any]:
    """Return the data as an older version tells it; the one difference simulated is `expired` (facts 2.6)."""
    thing = data["object"]
    if version is None or version >= _EXPIRED_SINCE:
        return data
    if thing["object"] != "issuing.authorization" or thing["status"] != "expired":
        return data
    return {**data, "object": {**thing, "status": "reversed"}}


def _forget_old(world: World) -> None:
    """Drop the events at the old end that are past 30 days, a few at a time."""
    for _ in range(_FORGOTTEN_AT_ONCE):
        oldest = world.events.oldest()
        if oldest is None or kept(world, oldest):
            return
        for delivery in list(world.deliveries.where("event", oldest["id"])):
            world.deliveries.remove(delivery["id"])
        world.unheard.remove(oldest["id"])
        world.events.remove(oldest["id"])
