"""Stripe's API under /v1: every operation, and the routes that lead to it through one door."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from roony.simulator.stripe_api import (
    accounts,
    authorizations,
    capabilities,
    cardholders,
    cards,
    disputes,
    endpoints,
    ephemeral_keys,
    event_archive,
    external_accounts,
    merchant_side,
    personalization_designs,
    persons,
    physical_bundles,
    shipping,
    tokens,
    topups,
    transactions,
)
from roony.simulator.stripe_api.door import Door
from roony.simulator.stripe_api.operations import Operation

OPERATIONS: tuple[Operation, ...] = (
    *cardholders.OPERATIONS,
    *cards.OPERATIONS,
    *shipping.OPERATIONS,
    *personalization_designs.OPERATIONS,
    *physical_bundles.OPERATIONS,
    *disputes.OPERATIONS,
    *authorizations.OPERATIONS,
    *transactions.OPERATIONS,
    *tokens.OPERATIONS,
    *merchant_side.OPERATIONS,
    *accounts.OPERATIONS,
    *capabilities.OPERATIONS,
    *external_accounts.OPERATIONS,
    *persons.OPERATIONS,
    *topups.OPERATIONS,
    *endpoints.OPERATIONS,
    *ephemeral_keys.OPERATIONS,
    *event_archive.OPERATIONS,
)
_METHODS = ["GET", "POST", "DELETE", "PUT", "PATCH"]


def routes(door: Door) -> list[Route]:
    """Return a route for each path, and one that answers every other path under /v1."""
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    found = [Route(path, _endpoint(door, operations), methods=_METHODS) for path, operations in by_path.items()]
    return [*found, Route("/v1/{rest:path}", _endpoint(door, {}), methods=_METHODS)]


def _endpoint(door: Door, operations: dict[str, Operation]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await door.answer(request, operations.get(method))

    return endpoint
