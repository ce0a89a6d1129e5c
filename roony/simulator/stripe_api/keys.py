"""Who is asking, and for which account: API keys, `Stripe-Account`, `Stripe-Version` (facts 7.4, 12)."""

from __future__ import annotations

import base64
import binascii
import re

from starlette.requests import Request

from roony.simulator.installing import is_past
from roony.simulator.records import Record
from roony.simulator.refusals import Refusal, account_refused, invalid, masked, unauthorized
from roony.simulator.world import API_VERSION, World

_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z_]+)*(;.*)?")


def given_key(request: Request) -> str | None:
    """Return the key of a Bearer or Basic `Authorization` header, or None."""
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip() or None
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[0] or None
        except (binascii.Error, UnicodeDecodeError):
            return None
    return None


def known_key(world: World, text: str | None) -> Record:
    """Return the key's record, or refuse with 401."""
    if text is None:
        raise unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using "
            "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
        )
    record = world.keys.get(text)
    if record is None or record["kind"] in ("refresh", "app_refresh"):
        raise unauthorized(f"Invalid API Key provided: {masked(text)}")
    if is_past(world, record):
        raise unauthorized(f"Expired API Key provided: {masked(text)}", "api_key_expired")
    if record["kind"] == "publishable":
        raise Refusal(401, "This API call cannot be made with a publishable API key.", code="secret_key_required")
    return record


def account_for(world: World, key: Record, request: Request) -> str:
    """Return the account acted for: the key's own, or the one named by `Stripe-Account` if connected, else 403."""
    wanted = request.headers.get("stripe-account")
    if wanted is None:
        return str(key["account"])
    if not world.may_act_for(key, wanted):
        raise account_refused(key["id"], wanted)
    if wanted != key["account"] and request.method != "GET" and world.accounts[wanted]["scope"] == "read_only":
        raise Refusal(403, f"The connection to '{wanted}' has the scope read_only: it may not change anything.")
    return wanted


def version_of(request: Request) -> str:
    """Return the API version to echo; what is no version at all is refused."""
    version = request.headers.get("stripe-version", API_VERSION)
    if not _VERSION.fullmatch(version):
        raise invalid(f"Invalid Stripe API version: {version[:60]}")
    return version
