"""Issuing disputes: create, retrieve, update, list, submit (facts 3.4)."""

from __future__ import annotations

from typing import Any

from roony.simulator.disputing import expire, window_closed
from roony.simulator.events import emit
from roony.simulator.identifiers import new_id
from roony.simulator.records import Record
from roony.simulator.refusals import invalid, missing, no_such, not_now
from roony.simulator.stripe_api.dispute_evidence import EVIDENCE, check_complete, merged_evidence
from roony.simulator.stripe_api.lists import CREATED, PAGE, matcher, page
from roony.simulator.stripe_api.operations import Call, Operation
from roony.simulator.stripe_api.parameters import Field, Group, Integer, Metadata, Text
from roony.simulator.views import View, dispute_view, frozen, previous_attributes
from roony.simulator.world import metadata_merged, metadata_updated

_URL = "/v1/issuing/disputes"
_STATUSES = ("expired", "lost", "submitted", "unsubmitted", "won")


def create(call: Call) -> View:
    """File a dispute of a captured purchase; the amount (minor units) is what was not refunded, or less."""
    params, world = call.params, call.world
    purchase = _purchase(call)
    identifier = new_id("idp")
    body: dict[str, Any] = {
        "id": identifier,
        "object": "issuing.dispute",
        "amount": _amount(params.get("amount"), purchase),
        "created": world.clock.now(),
        "currency": purchase["body"]["currency"],
        "evidence": merged_evidence(None, params.get("evidence")),
        "livemode": False,
        "metadata": metadata_merged({}, params.get("metadata")),
        "status": "unsubmitted",
        "transaction": purchase["id"],
        "treasury": None,
    }
    links = {"account": call.account, "transaction": purchase["id"]}
    record = world.disputes.add({"id": identifier, **links, "body": body, "moves": [], "credited": False})
    purchase["body"]["dispute"] = identifier
    world.transactions.touch(purchase)
    emit(world, call.account, "issuing_dispute.created", dispute_view(world, record))
    return dispute_view(world, record)


def _purchase(call: Call) -> Record:
    """Return the transaction to be disputed: a purchase, not too old, without a dispute that was or can be decided."""
    params, world = call.params, call.world
    if "treasury" in params:
        debit = params["treasury"]["received_debit"]
        raise no_such("received debit", debit, "treasury[received_debit]")
    if "transaction" not in params:
        raise missing("transaction")
    purchase = world.find(world.transactions, call.account, params["transaction"], "issuing transaction", "transaction")
    if purchase["body"]["type"] != "capture":
        raise invalid("A refund cannot be disputed.", "transaction")
    if window_closed(world, purchase):
        raise not_now("The time to dispute this transaction is over.", "transaction")
    for other in world.disputes.where("transaction", purchase["id"]):
        if other["body"]["status"] != "expired":
            raise not_now(f"This transaction already has a dispute: {other['id']}.", "transaction")
    if _disputable(purchase) <= 0:
        raise not_now("This transaction was refunded and cannot be disputed.", "transaction")
    return purchase


def _disputable(purchase: Record) -> int:
    return int(-purchase["body"]["amount"] - purchase["refunded"])


def _amount(given: int | None, purchase: Record) -> int:
    most = _disputable(purchase)
    if given is not None and given > most:
        raise invalid(f"The disputed amount can be at most {most}.", "amount")
    return most if given is None else given


def retrieve(call: Call) -> View:
    """Return one dispute."""
    return dispute_view(call.world, _found(call))


def update(call: Call) -> View:
    """Change amount and evidence before submission; metadata at any time."""
    params, world = call.params, call.world
    record = _found(call)
    body, before = record["body"], frozen(dispute_view(world, record))
    if body["status"] != "unsubmitted":
        for name in ("amount", "evidence"):
            if name in params:
                raise not_now(f"This dispute is {body['status']}: its {name} can no longer be changed.", name)
    metadata = metadata_updated(body["metadata"], params.get("metadata", {}))
    if "amount" in params:
        body["amount"] = _amount(params["amount"], world.transactions[record["transaction"]])
    if "evidence" in params:
        body["evidence"] = merged_evidence(body["evidence"], params["evidence"])
    body["metadata"] = metadata
    world.disputes.touch(record)
    after = dispute_view(world, record)
    if after != before:
        emit(world, call.account, "issuing_dispute.updated", after, previous_attributes(before, after))
    return after


def submit(call: Call) -> View:
    """Send the dispute to the card network; its evidence must be complete. No money moves yet."""
    params, world = call.params, call.world
    record = _found(call)
    body, before = record["body"], frozen(dispute_view(world, record))
    if body["status"] != "unsubmitted":
        raise invalid(f"This dispute is {body['status']}: only an unsubmitted one can be submitted.")
    check_complete(body["evidence"])
    body["metadata"] = metadata_updated(body["metadata"], params.get("metadata", {}))
    body["status"] = "submitted"
    world.disputes.touch(record)
    after = dispute_view(world, record)
    emit(world, call.account, "issuing_dispute.submitted", after, previous_attributes(before, after))
    return after


def listing(call: Call) -> View:
    """Return disputes, newest first; those of one transaction from an index."""
    transaction = call.params.get("transaction")
    return page(
        call,
        call.world.disputes,
        _URL,
        lambda record: dispute_view(call.world, record),
        matcher(call.params, "status"),
        ("transaction", transaction) if transaction else None,
    )


def _found(call: Call) -> Record:
    record = call.world.find(call.world.disputes, call.account, call.path["dispute"], "issuing dispute", "dispute")
    expire(call.world, record)
    return record


_UPDATE: dict[str, Field] = {"amount": Integer(least=1), "evidence": EVIDENCE, "metadata": Metadata()}
_CREATE: dict[str, Field] = {
    **_UPDATE,
    "transaction": Text(),
    "treasury": Group(fields={"received_debit": Text(required=True)}),
}
_LIST: dict[str, Field] = {**PAGE, **CREATED, "status": Text(choices=_STATUSES), "transaction": Text()}

OPERATIONS = (
    Operation("POST", _URL, create, _CREATE),
    Operation("GET", _URL, listing, _LIST),
    Operation("GET", _URL + "/{dispute}", retrieve),
    Operation("POST", _URL + "/{dispute}", update, _UPDATE),
    Operation("POST", _URL + "/{dispute}/submit", submit, {"metadata": Metadata()}),
)
