"""Cursor pagination as Stripe's: newest first, limit 1 to 100, starting_after or ending_before (facts 7.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from roony.simulator.records import Collection, Record
from roony.simulator.refusals import invalid, no_such
from roony.simulator.stripe_api.operations import Call
from roony.simulator.stripe_api.parameters import Field, Integer, Range, Text
from roony.simulator.views import View

PAGE: dict[str, Field] = {
    "limit": Integer(least=1, most=100),
    "starting_after": Text(),
    "ending_before": Text(),
}
CREATED: dict[str, Field] = {"created": Range()}


def page(
    call: Call,
    collection: Collection,
    url: str,
    view: Callable[[Record], View],
    keep: Callable[[Record], bool],
    group: tuple[str, Any] | None = None,
) -> View:
    """Return one page of the call's account, or of a smaller indexed group of it."""
    field, value = group or ("account", call.account)
    params = call.params
    limit = params.get("limit") or 10
    after, before = (_cursor(call, collection, name) for name in ("starting_after", "ending_before"))
    if after is not None and before is not None:
        raise invalid("You can only specify one of starting_after and ending_before.", "starting_after")
    if before is not None:
        found = collection.oldest_first(field, value, before["order"])
    else:
        found = collection.newest_first(field, value, after["order"] if after else None)
    kept: list[Record] = []
    for record in found:
        if record["account"] == call.account and keep(record):
            kept.append(record)
            if len(kept) > limit:
                break
    chosen = kept[:limit]
    if before is not None:
        chosen.reverse()
    return {"object": "list", "data": [view(record) for record in chosen], "has_more": len(kept) > limit, "url": url}


def _cursor(call: Call, collection: Collection, name: str) -> Record | None:
    identifier = call.params.get(name)
    if identifier is None:
        return None
    record = collection.get(identifier)
    if record is None or record["account"] != call.account:
        raise no_such("object", identifier, name)
    return record


def within(bounds: Mapping[str, int] | None, value: int) -> bool:
    """Whether a number lies within the given bounds (gt, gte, lt, lte)."""
    if not bounds:
        return True
    return (
        value > bounds.get("gt", value - 1)
        and value >= bounds.get("gte", value)
        and value < bounds.get("lt", value + 1)
        and value <= bounds.get("lte", value)
    )


def matches(params: Mapping[str, Any], body: Mapping[str, Any], *names: str) -> bool:
    """Whether an object has the values asked for in the named filters, and was created in the bounds."""
    if "created" in params and not within(params["created"], body["created"]):
        return False
    return all(name not in params or body.get(name) == params[name] for name in names)
