"""What only the Dashboard and the CLI can do about webhooks: roll a secret, send an event again (facts 5)."""

from __future__ import annotations

from typing import Any

from roony.simulator.events import REQUEST, event_view, kept, listening, promise
from roony.simulator.records import Record
from roony.simulator.refusals import invalid, no_such
from roony.simulator.stripe_api.endpoints import roll_secret
from roony.simulator.world import World

MAX_OVERLAP_SECONDS = 24 * 3600


def roll(world: World, identifier: str, wish: dict[str, Any]) -> dict[str, Any]:
    """Give an endpoint a new signing secret; the old one signs too for `expires_in` seconds, at most a day."""
    endpoint = world.endpoints.get(identifier)
    if endpoint is None:
        raise no_such("webhook endpoint", identifier[:100], "webhook_endpoint")
    seconds = wish.get("expires_in", 0)
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 <= seconds <= MAX_OVERLAP_SECONDS:
        raise invalid(f"`expires_in` is a whole number of seconds up to {MAX_OVERLAP_SECONDS}.", "expires_in")
    secret = roll_secret(world, endpoint, seconds)
    return {"id": identifier, "secret": secret, "old_secret_expires_at": world.clock.now() + seconds}


def resend(world: World, identifier: str, wish: dict[str, Any]) -> dict[str, Any]:
    """Send an event again to every endpoint that listens for its type, or to the one named `webhook_endpoint`."""
    event = world.events.get(identifier)
    if event is None or not kept(world, event):
        raise no_such("event", identifier[:100], "event")
    if event["type"] == REQUEST:
        raise invalid(f"{REQUEST} is asked once, in real time; it cannot be sent again.", "event")
    endpoints = _wanting(world, event, wish.get("webhook_endpoint"))
    for endpoint in endpoints:
        promise(world, event, endpoint)
    return event_view(event, connected=event["account"] != world.platform)


def _wanting(world: World, event: Record, only: Any) -> list[Record]:
    wanting = [
        endpoint
        for endpoint in listening(world, event["account"])
        if {event["type"], "*"} & set(endpoint["body"]["enabled_events"])
    ]
    if only is None:
        return wanting
    chosen = [endpoint for endpoint in wanting if endpoint["id"] == only]
    if not chosen:
        raise invalid("This webhook endpoint does not listen for this event.", "webhook_endpoint")
    return chosen
