"""Ephemeral keys: fifteen minutes in which a browser may read one card's number (facts 1.6)."""

from __future__ import annotations

from typing import Any

from roony.simulator.identifiers import new_id
from roony.simulator.records import Record
from roony.simulator.refusals import invalid, no_such
from roony.simulator.stripe_api.operations import Call, Operation
from roony.simulator.stripe_api.parameters import Field, Text
from roony.simulator.views import View
from roony.simulator.world import World

KEPT_SECONDS = 900
_URL = "/v1/ephemeral_keys"
# What a key may be for; this simulation has cards alone, so the others name nothing that exists.
_KINDS = {"customer": "customer", "issuing_card": "issuing card", "verification_session": "verification session"}
_FORGOTTEN_AT_ONCE = 2


def create(call: Call) -> View:
    """Make a key for one card. The version is the one of the browser's code, so it must be named in the call."""
    world, params = call.world, call.params
    if call.version is None:
        raise invalid("Creating an ephemeral key requires a Stripe-Version header.")
    given = [name for name in _KINDS if name in params]
    if len(given) != 1:
        raise invalid(f"You must pass exactly one of: {', '.join(_KINDS)}.", given[1] if given else "issuing_card")
    if given != ["issuing_card"]:
        raise no_such(_KINDS[given[0]], params[given[0]], given[0])
    card = world.find(world.cards, call.account, params["issuing_card"], "issuing card", "issuing_card")
    now = world.clock.now()
    body: dict[str, Any] = {
        "id": new_id("ephkey"),
        "object": "ephemeral_key",
        "created": now,
        "expires": now + KEPT_SECONDS,
        "livemode": False,
        "secret": new_id("ek_test", 64),
    }
    _forget_old(world)
    world.add_key(body["secret"], call.account, "ephemeral", card=card["id"], expires=body["expires"])
    world.ephemeral_keys.add({"id": body["id"], "account": call.account, "body": body})
    return body


def delete(call: Call) -> View:
    """End a key early."""
    world = call.world
    record = world.find(world.ephemeral_keys, call.account, call.path["key"], "ephemeral key")
    if record["body"]["expires"] <= world.clock.now():
        raise no_such("ephemeral key", record["id"], "id")
    _remove(world, record)
    return {**record["body"], "expires": world.clock.now()}


def _remove(world: World, record: Record) -> None:
    world.keys.remove(record["body"]["secret"])
    world.ephemeral_keys.remove(record["id"])


def _forget_old(world: World) -> None:
    """Drop keys that ended an hour ago or earlier; until then their use is refused as expired."""
    for _ in range(_FORGOTTEN_AT_ONCE):
        oldest = world.ephemeral_keys.oldest()
        if oldest is None or oldest["body"]["expires"] + 3600 > world.clock.now():
            return
        _remove(world, oldest)


_CREATE: dict[str, Field] = {
    "customer": Text(),
    "issuing_card": Text(),
    "nonce": Text(),
    "verification_session": Text(),
}

OPERATIONS = (
    Operation("POST", _URL, create, _CREATE),
    Operation("DELETE", _URL + "/{key}", delete),
)
