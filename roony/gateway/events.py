"""Stripe's own record of events, for what its webhooks did not bring, and the webhook endpoints themselves.

Stripe keeps whole events for 30 days; a connected account's are listed with `Stripe-Account`. Facts:
stripe-facts.md section 5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from roony.gateway.client import ConnectionAccess, PlainObject, StripeGateway, require_id
from roony.gateway.paging import created_since, walk

LIST_EVENTS_MAX_PAGES = 50
LIST_ENDPOINTS_MAX_PAGES = 2
"""Stripe allows 16 endpoints per account and mode."""

TYPES_LIMIT = 20
"""Most event types one listing may name (section 5)."""


def list_events(
    gateway: StripeGateway,
    access: ConnectionAccess,
    *,
    since: int,
    types: Sequence[str] | None = None,
    delivery_success: bool | None = None,
    max_pages: int = LIST_EVENTS_MAX_PAGES,
    starting_after: str | None = None,
) -> Iterator[PlainObject]:
    """Events made at or after `since` (Unix seconds), newest first.

    `delivery_success=False` gives only those that some endpoint has not accepted; None gives all. Raises
    PageLimitReached when there is more, ValueError for an empty or over-long `types`.
    """
    if types is not None and not 0 < len(types) <= TYPES_LIMIT:
        # An empty list would be dropped by the SDK and list every type.
        raise ValueError(f"name 1 to {TYPES_LIMIT} event types, or None for all")
    filters = {
        "created": created_since(since),
        "types": None if types is None else list(types),
        "delivery_success": delivery_success,
    }
    options = gateway.options(access)

    def fetch(page: Any) -> PlainObject:
        return gateway.perform(lambda: gateway.sdk.v1.events.list(page, options))

    return walk("events", fetch, filters, max_pages=max_pages, starting_after=starting_after)


def list_undelivered_events(
    gateway: StripeGateway,
    access: ConnectionAccess,
    *,
    since: int,
    types: Sequence[str] | None = None,
    max_pages: int = LIST_EVENTS_MAX_PAGES,
    starting_after: str | None = None,
) -> Iterator[PlainObject]:
    """`list_events` of those that no webhook of ours has accepted since `since` (Unix seconds)."""
    return list_events(
        gateway,
        access,
        since=since,
        types=types,
        delivery_success=False,
        max_pages=max_pages,
        starting_after=starting_after,
    )


def list_webhook_endpoints(gateway: StripeGateway, access: ConnectionAccess) -> list[PlainObject]:
    """The webhook endpoints of the account, for the preflight (url, api_version, enabled_events, status; no
    secret).

    The endpoint that hears connected accounts belongs to the platform: ask with a `direct` access.
    """
    options = gateway.options(access)

    def fetch(page: Any) -> PlainObject:
        return gateway.perform(lambda: gateway.sdk.v1.webhook_endpoints.list(page, options))

    return list(walk("webhook endpoints", fetch, {}, max_pages=LIST_ENDPOINTS_MAX_PAGES))


def create_webhook_endpoint(
    gateway: StripeGateway, access: ConnectionAccess, params: Mapping[str, Any], key: str
) -> PlainObject:
    """Makes an endpoint on the account itself; only this answer ever carries its `secret` (section 5)."""
    options = gateway.options(access, key)
    given: Any = dict(params)
    return gateway.perform(lambda: gateway.sdk.v1.webhook_endpoints.create(given, options))


def update_webhook_endpoint(
    gateway: StripeGateway, access: ConnectionAccess, endpoint_id: str, params: Mapping[str, Any], key: str
) -> PlainObject:
    """Changes the events or the state of an endpoint; version and secret stay as they were made."""
    require_id("endpoint_id", endpoint_id)
    options = gateway.options(access, key)
    given: Any = dict(params)
    return gateway.perform(lambda: gateway.sdk.v1.webhook_endpoints.update(endpoint_id, given, options))


def delete_webhook_endpoint(gateway: StripeGateway, access: ConnectionAccess, endpoint_id: str) -> PlainObject:
    """Forgets an endpoint; StripeRefused NOT_FOUND when it is gone already."""
    require_id("endpoint_id", endpoint_id)
    options = gateway.options(access)
    return gateway.perform(lambda: gateway.sdk.v1.webhook_endpoints.delete(endpoint_id, None, options))
