"""Connect OAuth: codes, tokens and revocation (facts 6.2)."""

from __future__ import annotations

from typing import Any

from roony.simulator.events import emit
from roony.simulator.identifiers import new_id
from roony.simulator.records import Record
from roony.simulator.world import CLIENT_ID, World

CODE_SECONDS = 300
CONNECT, APP = "connect", "app"  # the two flows: a code of one is worth nothing in the other
SCOPES = ("read_only", "read_write")


class OAuthRefusal(Exception):
    """An OAuth error: its code and a sentence; the body is not Stripe's usual error shape."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.status = status
        self.body = {"error": code, "error_description": description}


def give_code(world: World, account: str, scope: str, flow: str = CONNECT) -> str:
    """Return a one-time code, good for 5 minutes of the simulated clock."""
    code = new_id("ac", 32)
    now = world.clock.now()
    world.codes.add({"id": code, "account": account, "scope": scope, "flow": flow, "created": now, "used": False})
    return code


def redeem(world: World, code: str, flow: str) -> Record:
    """Use a code up and return its record; raises OAuthRefusal, and a second use also revokes all it gave."""
    record = world.codes.get(code)
    if record is None or record["flow"] != flow or world.accounts[record["account"]]["deleted"]:
        raise OAuthRefusal("invalid_grant", f"Authorization code does not exist: {code[:60]}")
    if record["used"]:
        revoke(world, record["account"])
        raise OAuthRefusal(
            "invalid_grant",
            "This authorization code has already been used. All tokens issued with this code have been revoked.",
        )
    if record["created"] + CODE_SECONDS <= world.clock.now():
        raise OAuthRefusal("invalid_grant", f"Authorization code expired: {code[:60]}")
    record["used"] = True
    world.codes.touch(record)
    return record


def exchange_code(world: World, code: str) -> dict[str, Any]:
    """Turn a code into a connection; a code presented twice revokes it instead."""
    record = redeem(world, code, CONNECT)
    _connect(world, record)
    refresh = world.add_key(new_id("rt", 48), record["account"], "refresh")
    refresh["scope"] = record["scope"]
    return _tokens(world, record["account"], record["scope"], refresh["id"])


def exchange_refresh(world: World, token: str, scope: str | None) -> dict[str, Any]:
    """Turn a refresh token into a new access token of equal or lesser scope; the old one of that scope ends."""
    record = world.keys.get(token)
    if record is None or record["kind"] != "refresh":
        raise OAuthRefusal("invalid_grant", "Refresh token does not exist, or the connection was revoked.")
    if scope == "read_write" and record["scope"] == "read_only":
        raise OAuthRefusal("invalid_scope", "The requested scope is wider than the one granted.")
    granted = scope or record["scope"]
    for key in list(world.keys.where("account", record["account"])):
        if key["kind"] == "access" and key.get("scope") == granted:
            world.keys.remove(key["id"])
    return _tokens(world, record["account"], granted, token)


def _connect(world: World, code: Record) -> None:
    account = world.accounts[code["account"]]
    account.update(connected=True, scope=code["scope"])
    world.accounts.touch(account)
    emit(world, account["id"], "account.application.authorized", application())


def _tokens(world: World, account: str, scope: str, refresh: str) -> dict[str, Any]:
    access = world.add_key(new_id("sk_test", 48), account, "access")
    access["scope"] = scope
    publishable = world.add_key(new_id("pk_test", 48), account, "publishable")
    return {
        "access_token": access["id"],
        "livemode": False,
        "refresh_token": refresh,
        "scope": scope,
        "stripe_publishable_key": publishable["id"],
        "stripe_user_id": account,
        "token_type": "bearer",
    }


def deauthorize(world: World, account: str) -> dict[str, Any]:
    """End a connection on the platform's wish; accounts the platform controls cannot be let go this way."""
    record = world.accounts.get(account)
    if record is None or not record["connected"]:
        raise OAuthRefusal(
            "invalid_client",
            f"This application is not connected to stripe account {account[:60]}, or that account does not exist.",
        )
    if record["body"]["type"] == "custom":
        raise OAuthRefusal("no_deauth_on_controlled_account", "This account is controlled by the platform.")
    revoke(world, account)
    return {"stripe_user_id": account}


def revoke(world: World, account: str) -> None:
    """End a connection or an installed app: tokens die, the platform hears `account.application.deauthorized`."""
    record = world.accounts[account]
    for key in list(world.keys.where("account", account)):
        if key["kind"] in ("access", "refresh", "publishable", "app_refresh"):
            world.keys.remove(key["id"])
    if record["connected"] or record["installed"]:
        # Told while still connected: it is the last the platform hears of this account.
        emit(world, account, "account.application.deauthorized", application())
        record["connected"] = record["installed"] = False
        world.accounts.touch(record)


def application() -> dict[str, Any]:
    """Return the platform as an `application` object."""
    return {"id": CLIENT_ID, "object": "application", "name": "Simulated platform"}
