"""Authorizations as the API shows them: list, retrieve, metadata, and the deprecated approve and decline (facts 2)."""

from __future__ import annotations

from roony.simulator.asking import Verdict, least_part
from roony.simulator.events import emit
from roony.simulator.records import Record
from roony.simulator.refusals import invalid
from roony.simulator.stripe_api.lists import CREATED, PAGE, matcher, page
from roony.simulator.stripe_api.operations import Call, Operation
from roony.simulator.stripe_api.parameters import Field, Integer, Metadata, Text
from roony.simulator.views import View, authorization_view, frozen, previous_attributes
from roony.simulator.world import metadata_updated

_URL = "/v1/issuing/authorizations"


def found(call: Call) -> Record:
    """Return the authorization named in the path."""
    identifier = call.path["authorization"]
    return call.world.find(call.world.authorizations, call.account, identifier, "issuing authorization")


def listing(call: Call) -> View:
    """Return authorizations, newest first; by card or cardholder from an index."""
    group = next(((name, call.params[name]) for name in ("card", "cardholder") if name in call.params), None)
    keep, card = matcher(call.params, "status", "cardholder"), call.params.get("card")
    return page(
        call,
        call.world.authorizations,
        _URL,
        lambda record: authorization_view(call.world, record),
        lambda record: keep(record) and card in {None, record["card"]},
        group,
    )


def retrieve(call: Call) -> View:
    """Return one authorization."""
    return authorization_view(call.world, found(call))


def update(call: Call) -> View:
    """Change metadata, the only thing that may change."""
    record = found(call)
    before = frozen(authorization_view(call.world, record))
    record["body"]["metadata"] = metadata_updated(record["body"]["metadata"], _metadata(call))
    call.world.authorizations.touch(record)
    after = authorization_view(call.world, record)
    if after != before:
        previous = previous_attributes(before, after)
        emit(call.world, call.account, "issuing_authorization.updated", after, previous)
    return after


async def approve(call: Call) -> View:
    """Answer a pending request with yes; wins over the webhook's answer (facts 2.2)."""
    record = found(call)
    request = record["body"]["pending_request"]
    amount = call.params.get("amount")
    if request is not None and amount is not None and not request["is_amount_controllable"]:
        raise invalid("The amount of this authorization is not controllable.", "amount")
    if request is not None and amount is not None and not least_part(request) <= amount <= request["amount"]:
        raise invalid(f"The amount must be from {least_part(request)} to {request['amount']}.", "amount")
    asked = request["amount"] if request else 0
    granted = asked if amount is None else amount
    return await _answered(call, record, Verdict(True, "webhook_approved", granted, None, _metadata(call)))


async def decline(call: Call) -> View:
    """Answer a pending request with no."""
    return await _answered(call, found(call), Verdict(False, "webhook_declined", 0, None, _metadata(call)))


async def _answered(call: Call, record: Record, verdict: Verdict) -> View:
    """Return the authorization as the answer has made it."""
    if not await call.network.asking.decide(record["id"], verdict):
        raise invalid("This authorization has no pending request: it can no longer be approved or declined.")
    return authorization_view(call.world, record)


def _metadata(call: Call) -> dict[str, str] | None:
    """Return the change of metadata: nothing when none was sent, None to clear all."""
    change: dict[str, str] | None = call.params.get("metadata", {})
    return change


_LIST: dict[str, Field] = {
    **PAGE,
    **CREATED,
    "card": Text(),
    "cardholder": Text(),
    "status": Text(choices=("closed", "expired", "pending", "reversed")),
}

OPERATIONS = (
    Operation("GET", _URL, listing, _LIST),
    Operation("GET", _URL + "/{authorization}", retrieve),
    Operation("POST", _URL + "/{authorization}", update, {"metadata": Metadata()}),
    Operation("POST", _URL + "/{authorization}/approve", approve, {"amount": Integer(least=1), "metadata": Metadata()}),
    Operation("POST", _URL + "/{authorization}/decline", decline, {"metadata": Metadata()}),
)
