"""Issuing transactions and balance transactions as the API shows them (facts 3.1)."""

from __future__ import annotations

from roony.simulator.events import emit
from roony.simulator.records import Record
from roony.simulator.stripe_api.lists import CREATED, PAGE, matcher, page
from roony.simulator.stripe_api.operations import Call, Operation
from roony.simulator.stripe_api.parameters import Field, Metadata, Text
from roony.simulator.views import View, body_view, frozen, previous_attributes
from roony.simulator.world import metadata_updated

_URL = "/v1/issuing/transactions"
_BALANCE_URL = "/v1/balance_transactions"


def found(call: Call) -> Record:
    """Return the transaction named in the path."""
    return call.world.find(
        call.world.transactions, call.account, call.path["transaction"], "issuing transaction", "transaction"
    )


def listing(call: Call) -> View:
    """Return transactions, newest first; by card or cardholder from an index."""
    group = next(((name, call.params[name]) for name in ("card", "cardholder") if name in call.params), None)
    return page(
        call,
        call.world.transactions,
        _URL,
        lambda record: body_view(call.world, record),
        matcher(call.params, "card", "cardholder", "type"),
        group,
    )


def retrieve(call: Call) -> View:
    """Return one transaction."""
    return body_view(call.world, found(call))


def update(call: Call) -> View:
    """Change metadata; this too is told by `issuing_transaction.updated` (facts 3.1)."""
    record = found(call)
    body, before = record["body"], frozen(record["body"])
    if "metadata" in call.params:
        body["metadata"] = metadata_updated(body["metadata"], call.params["metadata"])
        call.world.transactions.touch(record)
    if body != before:
        emit(call.world, call.account, "issuing_transaction.updated", body, previous_attributes(before, body))
    return body_view(call.world, record)


def balance_listing(call: Call) -> View:
    """Return balance moves, newest first."""
    return page(
        call,
        call.world.balance_transactions,
        _BALANCE_URL,
        lambda record: body_view(call.world, record),
        matcher(call.params, "type", "source", "currency"),
    )


def balance_retrieve(call: Call) -> View:
    """Return one balance move."""
    world = call.world
    record = world.find(world.balance_transactions, call.account, call.path["transaction"], "balance transaction")
    return body_view(world, record)


_LIST: dict[str, Field] = {
    **PAGE,
    **CREATED,
    "card": Text(),
    "cardholder": Text(),
    "type": Text(choices=("capture", "refund")),
}
_BALANCE_LIST: dict[str, Field] = {**PAGE, **CREATED, "currency": Text(), "source": Text(), "type": Text()}

OPERATIONS = (
    Operation("GET", _URL, listing, _LIST),
    Operation("GET", _URL + "/{transaction}", retrieve),
    Operation("POST", _URL + "/{transaction}", update, {"metadata": Metadata()}),
    Operation("GET", _BALANCE_URL, balance_listing, _BALANCE_LIST),
    Operation("GET", _BALANCE_URL + "/{transaction}", balance_retrieve),
)
