"""OAuth with Stripe: Connect (tokens that last) and Stripe Apps (one hour, with a rotating refresh token).

A code is exchanged exactly once. Presenting it a second time revokes the connection, so no exchange is ever
repeated, by the SDK or by a caller: after StripeUncertain the owner starts again. Facts: stripe-facts.md
sections 6.2 and 6.3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from stripe._stripe_object import StripeObject

from roony.gateway.client import CONNECT_BASE, PlainObject, StripeGateway, require_id
from roony.gateway.errors import OAuthRefused, unreadable

__all__ = [
    "OAuthRefused",
    "OAuthTokens",
    "app_authorize_url",
    "authorize_url",
    "deauthorize",
    "exchange_app_code",
    "exchange_code",
    "refresh_app_tokens",
]

APPS_BASE = "https://marketplace.stripe.com"
"""Where the owner installs a Stripe App."""

# Said again at the call: as soon as a client has retries, the SDK repeats token calls, code exchange too.
_ONCE: Any = {"max_network_retries": 0}


@dataclass(frozen=True, slots=True)
class OAuthTokens:
    """What Stripe grants for a code or a refresh token. `stripe_account` is the connected account's id.

    Connect's tokens do not expire, and Roony acts with platform key + Stripe-Account instead. An app's access
    token lives one hour (the answer names no time) and its refresh token dies when the next one is issued.
    """

    stripe_account: str
    scope: str
    livemode: bool
    access_token: str | None = field(repr=False)
    refresh_token: str | None = field(repr=False)


def authorize_url(gateway: StripeGateway, client_id: str, redirect_uri: str, state: str) -> str:
    """Where to send the owner to grant Connect access; `state` is random and bound to their session."""
    params: Any = {
        "client_id": require_id("client_id", client_id),
        "redirect_uri": require_id("redirect_uri", redirect_uri),
        "state": require_id("state", state),
        "scope": "read_write",
    }
    return gateway.sdk.oauth.authorize_url(params)


def app_authorize_url(gateway: StripeGateway, client_id: str, redirect_uri: str, state: str) -> str:
    """Where to send the owner to install a Stripe App (section 6.3; its manifest holds the scope).

    A Connect host other than Stripe's own is a simulator, which serves this page as well.
    """
    base = APPS_BASE if gateway.connect_base == CONNECT_BASE else gateway.connect_base
    query = {
        "client_id": require_id("client_id", client_id),
        "redirect_uri": require_id("redirect_uri", redirect_uri),
        "state": require_id("state", state),
    }
    return f"{base}/oauth/v2/authorize?{urlencode(query)}"


def exchange_code(gateway: StripeGateway, code: str) -> OAuthTokens:
    """Exchanges a Connect code, once. The caller compares `livemode` with the mode of its key.

    Raises OAuthRefused (`invalid_grant`: unknown, expired or used), StripeUncertain when the outcome is
    unknown.
    """
    params: Any = {"grant_type": "authorization_code", "code": require_id("code", code)}
    return _tokens(gateway, lambda: gateway.sdk.oauth.token(params, _ONCE))


def exchange_app_code(gateway: StripeGateway, code: str) -> OAuthTokens:
    """Exchanges a Stripe App's code, once, at the API host (section 6.3); raises as `exchange_code`."""
    params = {"grant_type": "authorization_code", "code": require_id("code", code)}
    return _tokens(gateway, lambda: _app_token(gateway, params))


def refresh_app_tokens(gateway: StripeGateway, refresh_token: str) -> OAuthTokens:
    """A new pair of app tokens; the old refresh token is dead from then on, so store both before using
    either.

    Raises OAuthRefused: `invalid_grant` means that the owner has uninstalled or another holder has refreshed.
    StripeUncertain may mean that the pair was issued and lost on its way; Stripe documents no way to get it
    back.
    """
    params = {"grant_type": "refresh_token", "refresh_token": require_id("refresh_token", refresh_token)}
    return _tokens(gateway, lambda: _app_token(gateway, params))


def deauthorize(gateway: StripeGateway, stripe_account: str) -> str:
    """Ends Connect access to `stripe_account` and returns its id.

    Raises OAuthRefused, `invalid_client` when it was not connected (any more). ValueError without a client
    id.
    """
    params: Any = {
        "client_id": require_id("connect_client_id", gateway.connect_client_id or ""),
        "stripe_user_id": require_id("stripe_account", stripe_account),
    }
    answer = gateway.perform(lambda: gateway.sdk.oauth.deauthorize(params, _ONCE))
    return _text(answer, "stripe_user_id") or stripe_account


def _app_token(gateway: StripeGateway, params: dict[str, str]) -> StripeObject:
    # The SDK's oauth.token knows only the Connect host; apps get theirs at the API host with the developer's
    # key.
    response = gateway.sdk.raw_request("post", "/v1/oauth/token", **params, **_ONCE)
    return gateway.sdk.deserialize(response, api_mode="V1")


def _tokens(gateway: StripeGateway, request: Callable[[], StripeObject]) -> OAuthTokens:
    answer = gateway.perform(request)
    account, livemode = _text(answer, "stripe_user_id"), answer.get("livemode")
    if account is None or not isinstance(livemode, bool):
        raise unreadable("a token answer without stripe_user_id or livemode")
    return OAuthTokens(
        stripe_account=account,
        scope=_text(answer, "scope") or "",
        livemode=livemode,
        access_token=_text(answer, "access_token"),
        refresh_token=_text(answer, "refresh_token"),
    )


def _text(answer: PlainObject, name: str) -> str | None:
    value = answer.get(name)
    return value if isinstance(value, str) and value else None
