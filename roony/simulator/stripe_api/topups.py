"""Top-ups of the Issuing balance: create, retrieve, update, cancel, list (facts 3.3)."""

from __future__ import annotations

from typing import Any

from roony.simulator import topups
from roony.simulator.exchange import check_currency
from roony.simulator.identifiers import new_id
from roony.simulator.records import Record
from roony.simulator.stripe_api.lists import CREATED, PAGE, matcher, page, within
from roony.simulator.stripe_api.operations import Call, Operation
from roony.simulator.stripe_api.parameters import Field, Group, Integer, Metadata, Range, Text
from roony.simulator.views import View, body_view
from roony.simulator.world import metadata_merged, metadata_updated

_URL = "/v1/topups"


def create(call: Call) -> View:
    """Add money to the Issuing balance; unless the account has a delay, it arrives at once."""
    params, world = call.params, call.world
    currency, identifier = check_currency(params["currency"], "currency"), new_id("tu")
    source = params.get("source")
    topups.check_source(source)
    options = params.get("payment_method_options")
    body: dict[str, Any] = {
        "id": identifier,
        "object": "topup",
        "amount": params["amount"],
        "balance_transaction": None,
        "created": world.clock.now(),
        "currency": currency,
        "description": params.get("description"),
        "expected_availability_date": None,
        "failure_code": None,
        "failure_message": None,
        "initiated_by": "user",
        "livemode": False,
        "metadata": metadata_merged({}, params.get("metadata") or {}),
        "payment_method": params.get("payment_method"),
        "payment_method_options": None if options is None else {"us_bank_account": options.get("us_bank_account")},
        "source": None,
        "statement_descriptor": params.get("statement_descriptor"),
        "status": "pending",
        "transfer_group": params.get("transfer_group"),
    }
    return body_view(world, topups.start(world, call.account, body, source))


def retrieve(call: Call) -> View:
    """Return one top-up."""
    return body_view(call.world, _found(call))


def update(call: Call) -> View:
    """Change description or metadata; Stripe has no event for that."""
    record = _found(call)
    body, params = record["body"], call.params
    if "metadata" in params:
        body["metadata"] = metadata_updated(body["metadata"], params["metadata"])
    if "description" in params:
        body["description"] = params["description"]
    call.world.topups.touch(record)
    return body_view(call.world, record)


def cancel(call: Call) -> View:
    """Cancel a pending top-up; one that has arrived, failed or been canceled is refused."""
    record = _found(call)
    topups.cancel(call.world, record)
    return body_view(call.world, record)


def listing(call: Call) -> View:
    """Return top-ups, newest first."""
    topups.settle_due(call.world)
    keep, bounds = matcher(call.params, "status"), call.params.get("amount")
    return page(
        call,
        call.world.topups,
        _URL,
        lambda record: body_view(call.world, record),
        lambda record: keep(record) and within(bounds, record["body"]["amount"]),
    )


def _found(call: Call) -> Record:
    """Return the top-up in the path as it is now: by the clock it may just have arrived."""
    topups.settle_due(call.world)
    return call.world.find(call.world.topups, call.account, call.path["topup"], "topup", "topup")


_BANK = Group(fields={"network": Text(required=True, choices=("ach",))})
_CREATE: dict[str, Field] = {
    "amount": Integer(required=True, least=1, most=99_999_999),
    "currency": Text(required=True),
    "description": Text(),
    "metadata": Metadata(),
    "payment_method": Text(),
    "payment_method_options": Group(fields={"us_bank_account": _BANK}),
    "source": Text(),
    "statement_descriptor": Text(longest=15),
    "transfer_group": Text(),
}
_LIST: dict[str, Field] = {
    **PAGE,
    **CREATED,
    "amount": Range(),
    "status": Text(choices=("canceled", "failed", "pending", "succeeded")),
}

OPERATIONS = (
    Operation("GET", _URL, listing, _LIST),
    Operation("POST", _URL, create, _CREATE),
    Operation("GET", _URL + "/{topup}", retrieve),
    Operation("POST", _URL + "/{topup}", update, {"description": Text(), "metadata": Metadata()}),
    Operation("POST", _URL + "/{topup}/cancel", cancel),
)
