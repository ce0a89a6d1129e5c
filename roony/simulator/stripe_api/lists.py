"""Cursor pagination as Stripe's: newest first, limit 1 to 100, starting_after or ending_before (facts 7.4)."""

from __future__ import annotations

import heapq
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
# What the message about an unknown cursor calls the members of a collection.
_NOUNS = {
    "accounts": "account",
    "authorizations": "issuing authorization",
    "balance_transactions": "balance transaction",
    "cardholders": "issuing cardholder",
    "cards": "issuing card",
    "disputes": "issuing dispute",
    "endpoints": "webhook endpoint",
    "events": "event",
    "external_accounts": "external account",
    "personalization_designs": "personalization design",
    "persons": "person",
    "tokens": "issuing token",
    "topups": "topup",
    "transactions": "issuing transaction",
}


def page(
    call: Call,
    collection: Collection,
    url: str,
    view: Callable[[Record], View],
    keep: Callable[[Record], bool],
    group: tuple[Any, ...] | None = None,
    cursors: Collection | None = None,
) -> View:
    """Return one page of the call's account, or of smaller indexed groups of it: (field, value, value, ...).

    Cursors are looked up in `cursors` where the collection holds only part of what they may name.
    """
    field, *values = group or ("account", call.account)
    params = call.params
    limit = params.get("limit") or 10
    named = collection if cursors is None else cursors
    if "starting_after" in params and "ending_before" in params:
        raise invalid("You may only specify one of these parameters: ending_before, starting_after.", "ending_before")
    after, before = (_cursor(call, named, field, name) for name in ("starting_after", "ending_before"))
    if before is not None:
        groups = [collection.oldest_first(field, value, before["order"]) for value in values]
    else:
        groups = [collection.newest_first(field, value, after["order"] if after else None) for value in values]
    kept: list[Record] = []
    foreign = field not in ("account", "every")  # such a group may hold records of other accounts
    for record in heapq.merge(*groups, key=_order, reverse=before is None):
        if keep(record) and (not foreign or record["account"] == call.account):
            kept.append(record)
            if len(kept) > limit:
                break
    chosen = kept[:limit]
    if before is not None:
        chosen.reverse()
    return {"object": "list", "data": [view(record) for record in chosen], "has_more": len(kept) > limit, "url": url}


def _order(record: Record) -> int:
    return int(record["order"])


def _cursor(call: Call, collection: Collection, field: str, name: str) -> Record | None:
    identifier = call.params.get(name)
    if identifier is None:
        return None
    record = collection.get(identifier)
    if record is None or not _visible(call, record, field):
        raise no_such(_NOUNS.get(collection.name, "object"), identifier[:200], name)
    return record


def _visible(call: Call, record: Record, field: str) -> bool:
    """Whether a list of this call may show a record; only the list of accounts goes beyond one account."""
    return field == "every" or bool(record["account"] == call.account)


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


def matcher(params: Mapping[str, Any], *names: str) -> Callable[[Record], bool]:
    """Return a test for the named filters and the bounds of `created`, as far as the call has them."""
    wanted = [(name, params[name]) for name in names if name in params]
    bounds = params.get("created")
    if not wanted and not bounds:
        return lambda _record: True
    if len(wanted) == 1 and not bounds:
        # The usual case, kept short: a rare value means a look at every record there is.
        only, value_wanted = wanted[0]
        return lambda record: bool(record["body"].get(only) == value_wanted)

    def keep(record: Record) -> bool:
        body = record["body"]
        for name, value in wanted:
            if body.get(name) != value:
                return False
        return bounds is None or within(bounds, body["created"])

    return keep
