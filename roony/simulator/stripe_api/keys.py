"""Who is asking, and for which account: API keys, `Stripe-Account`, `Stripe-Version` (facts 7.4, 12)."""

from __future__ import annotations

import base64
import binascii
import re

from starlette.requests import Request

from roony.simulator.event_types import API_VERSIONS
from roony.simulator.installing import is_past
from roony.simulator.records import Record
from roony.simulator.refusals import Refusal, account_refused, invalid, masked, unauthorized
from roony.simulator.world import API_VERSION, World

# Versions of the preview channel are not published; features in beta may follow a semicolon.
_PREVIEW = re.compile(r"\d{4}-\d{2}-\d{2}\.(?:[a-z]+\.)?preview")


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
    """Return the key's record, or refuse: 401 for a key nobody has, 403 for a publishable one."""
    if text is None:
        raise unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using "
            "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See "
            "https://stripe.com/docs/api#authentication for details, or we can help at https://support.stripe.com/."
        )
    record = world.keys.get(text)
    if record is None or record["kind"] in ("refresh", "app_refresh"):
        raise unauthorized(f"Invalid API Key provided: {masked(text)}")
    if is_past(world, record):
        raise unauthorized(f"Expired API Key provided: {masked(text)}", "api_key_expired")
    if record["kind"] == "publishable":
        raise Refusal(
            403,
            "This API call cannot be made with a publishable API key. Please use a secret API key. You can find a list "
            "of your API keys at https://dashboard.stripe.com/account/apikeys.",
            code="secret_key_required",
        )
    return record


def account_for(world: World, key: Record, request: Request) -> str:
    """Return the account acted for: the key's own, or the one named by `Stripe-Account` if connected, else 403."""
    _check_reach(key, request)
    wanted = request.headers.get("stripe-account")
    if wanted is None:
        return str(key["account"])
    if not world.may_act_for(key, wanted):
        raise account_refused(key["id"], wanted)
    if (
        wanted != key["account"]
        and request.method not in ("GET", "HEAD")
        and world.accounts[wanted]["scope"] == "read_only"
    ):
        raise Refusal(403, f"The connection to '{wanted}' has the scope read_only: it may not change anything.")
    return wanted


def _check_reach(key: Record, request: Request) -> None:
    """Refuse what this kind of key may not do, whatever the account: a card's own key reads that card (facts 1.6)."""
    if key["kind"] == "ephemeral" and (request.method, request.url.path) != ("GET", f"/v1/issuing/cards/{key['card']}"):
        raise Refusal(403, "This ephemeral key may read the card it was made for, and do nothing else.")
    if key.get("scope") == "read_only" and request.method not in ("GET", "HEAD"):
        raise Refusal(403, "This access token has the scope read_only: it may not change anything.")


def version_of(request: Request) -> str:
    """Return the API version to echo; one that was never published is refused."""
    version = request.headers.get("stripe-version", API_VERSION)
    plain = version.partition(";")[0].strip()
    if plain not in API_VERSIONS and not _PREVIEW.fullmatch(plain):
        raise invalid(
            f"Invalid Stripe API version: {version[:60]}. You can find your most recent version at "
            "https://dashboard.stripe.com/developers."
        )
    return version
