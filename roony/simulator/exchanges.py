"""What was presented at the token addresses: so that a test can see how often a code or a refresh token came."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from roony.simulator.connecting import OAuthRefusal
from roony.simulator.identifiers import new_id
from roony.simulator.records import Record
from roony.simulator.world import World

_MOST = 2_000  # kept; older ones are forgotten


def noted(world: World, grant: str, secret: str, exchange: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do an exchange and keep that it was asked for: the secret as a hash, and what came of it."""
    presented = hashlib.sha256(secret.encode()).hexdigest()
    entry: Record = {"id": new_id("exch"), "grant_type": grant, "presented": presented, "result": "tokens"}
    try:
        return exchange()
    except OAuthRefusal as refusal:
        entry["result"] = refusal.body["error"]
        raise
    finally:
        world.exchanges.add(entry)
        while len(world.exchanges) > _MOST:
            world.exchanges.remove(str((world.exchanges.oldest() or entry)["id"]))


def shown(world: World) -> list[dict[str, Any]]:
    """Return what was presented, oldest first."""
    return [{name: entry[name] for name in ("grant_type", "presented", "result")} for entry in world.exchanges]
