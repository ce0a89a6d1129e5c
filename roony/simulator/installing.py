"""Stripe Apps: an app installed by OAuth 2.0, access tokens of one hour, rotating refresh tokens (facts 6.3)."""

from __future__ import annotations

from typing import Any

from roony.simulator.connecting import APP, OAuthRefusal, application, redeem
from roony.simulator.events import emit
from roony.simulator.identifiers import new_id
from roony.simulator.records import Record
from roony.simulator.world import World

ACCESS_SECONDS = 3600
REFRESH_SECONDS = 365 * 24 * 3600
SCOPE = "stripe_apps"  # whatever the app may do is in its manifest, not in the scope


def install(world: World, code: str) -> dict[str, Any]:
    """Turn a code into an installed app and its first tokens; a code presented twice ends the installation."""
    record = redeem(world, code, APP)
    account = world.accounts[record["account"]]
    account["installed"] = True
    world.accounts.touch(account)
    emit(world, account["id"], "account.application.authorized", application())
    return _tokens(world, account["id"])


def refresh(world: World, token: str) -> dict[str, Any]:
    """Turn a refresh token into new tokens of both kinds; the old refresh token dies with this use.

    An access token given out before goes on until its own hour is over.
    """
    record = world.keys.get(token)
    if record is None or record["kind"] != "app_refresh" or is_past(world, record):
        raise OAuthRefusal("invalid_grant", "The refresh token does not exist, was already used, or has expired.")
    world.keys.remove(token)
    for key in list(world.keys.where("account", record["account"])):
        if is_past(world, key) and key["expires"] + REFRESH_SECONDS <= world.clock.now():
            world.keys.remove(key["id"])  # nobody will ask for it any more
    return _tokens(world, record["account"])


def is_past(world: World, key: Record) -> bool:
    """Whether a key has an end, and it has come."""
    end = key.get("expires")
    return end is not None and end <= world.clock.now()


def _tokens(world: World, account: str) -> dict[str, Any]:
    now = world.clock.now()
    access = world.add_key(new_id("sk_test", 48), account, "access")
    access["expires"] = now + ACCESS_SECONDS
    renewal = world.add_key(new_id("rt", 48), account, "app_refresh")
    renewal["expires"] = now + REFRESH_SECONDS
    publishable = world.add_key(new_id("pk_test", 48), account, "publishable")
    publishable["expires"] = access["expires"]
    return {
        "access_token": access["id"],
        "livemode": False,
        "refresh_token": renewal["id"],
        "scope": SCOPE,
        "stripe_publishable_key": publishable["id"],
        "stripe_user_id": account,
        "token_type": "bearer",
    }
