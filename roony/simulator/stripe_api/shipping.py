"""The shipment of a physical card: its parameters, its object, and the helpers that move it along (facts 8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from roony.simulator.events import emit
from roony.simulator.identifiers import random_digits
from roony.simulator.refusals import invalid, not_now
from roony.simulator.stripe_api.operations import Call, Operation
from roony.simulator.stripe_api.parameters import Boolean, Group, Text
from roony.simulator.views import View, card_view, frozen, previous_attributes

_HELPER = "/v1/test_helpers/issuing/cards/{card}/shipping"
_DAY = 24 * 3600
_DAYS = {"express": 2, "priority": 4, "standard": 7}
# Each step: the status it leads to, and the statuses it may start from.
_STEPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "submit": ("submitted", ("pending",)),
    "ship": ("shipped", ("pending", "submitted")),
    "deliver": ("delivered", ("shipped",)),
    "return": ("returned", ("shipped",)),
    "fail": ("failure", ("submitted", "shipped")),
}
_NOT_ON_ITS_WAY = ("pending", "returned", "failure")
_CARRIERS = {"US": ("usps", "https://tools.usps.com/go/TrackConfirmAction?tLabels="), "GB": ("royal_mail", None)}

SHIPPING = Group(
    fields={
        "address": Group(
            required=True,
            fields={
                "city": Text(required=True),
                "country": Text(required=True, longest=2),
                "line1": Text(required=True),
                "line2": Text(),
                "postal_code": Text(required=True),
                "state": Text(),
            },
        ),
        "address_validation": Group(
            fields={
                "mode": Text(required=True, choices=("disabled", "normalization_only", "validation_and_normalization"))
            }
        ),
        "business_name": Text(),
        "customs": Group(fields={"eori_number": Text()}),
        "name": Text(required=True),
        "phone_number": Text(),
        "require_signature": Boolean(),
        "service": Text(choices=("express", "priority", "standard")),
        "type": Text(choices=("bulk", "individual")),
    }
)


def shipping_view(given: dict[str, Any], now: int) -> dict[str, Any]:
    """Return the shipment of a card that is not printed yet; `now` is Unix time in seconds."""
    address = {"line2": None, "state": None, **given["address"]}
    service = given.get("service", "standard")
    customs = given.get("customs")
    return {
        "address": address,
        "address_validation": _validation(given.get("address_validation"), address),
        "business_name": given.get("business_name"),
        "carrier": None,
        "customs": None if customs is None else {"eori_number": None, **customs},
        "delivered_at": None,
        "eta": now + _DAYS[service] * _DAY,
        "name": given["name"],
        "phone_number": given.get("phone_number"),
        # The published description: not for standard service, yes for the others unless said otherwise.
        "require_signature": given.get("require_signature", service != "standard"),
        "service": service,
        "shipped_at": None,
        "status": "pending",
        "tracking_number": None,
        "tracking_url": None,
        "type": given.get("type", "individual"),
    }


def _validation(given: dict[str, Any] | None, address: dict[str, Any]) -> dict[str, Any] | None:
    if given is None:
        return None
    mode = given["mode"]
    return {
        "mode": mode,
        "normalized_address": None if mode == "disabled" else dict(address),
        "result": "likely_deliverable" if mode == "validation_and_normalization" else None,
    }


def check_change(card: dict[str, Any]) -> None:
    """Refuse a new address for a virtual card and for one that is on its way or has arrived."""
    if card["type"] != "physical":
        raise invalid("Only physical cards are shipped.", "shipping")
    status = card["shipping"]["status"] if card["shipping"] else "pending"
    if status not in _NOT_ON_ITS_WAY:
        raise not_now(f"The shipment is {status}: where it goes can no longer be changed.", "shipping")


def stopped(shipping: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the shipment of a card that was canceled: what was not sent yet never will be."""
    if shipping is None or shipping["status"] not in ("pending", "submitted"):
        return shipping
    return {**shipping, "status": "canceled"}


def _helper(step: str) -> Callable[[Call], View]:
    target, starts = _STEPS[step]

    def move(call: Call) -> View:
        world = call.world
        record = world.find(world.cards, call.account, call.path["card"], "issuing card", "card")
        body, before = record["body"], frozen(card_view(world, record))
        if body["shipping"] is None:
            raise invalid("Only physical cards are shipped.")
        status = body["shipping"]["status"]
        if status not in starts:
            raise invalid(f"The shipment is {status}: it cannot become {target} (only from {' or '.join(starts)}).")
        body["shipping"] = {**body["shipping"], "status": target, **_marks(target, body["shipping"], world.clock.now())}
        world.cards.touch(record)
        after = card_view(world, record)
        emit(world, call.account, "issuing_card.updated", after, previous_attributes(before, after))
        return after

    return move


def _marks(status: str, shipping: dict[str, Any], now: int) -> dict[str, Any]:
    """Return what else changes with a status: carrier and tracking once sent, the times of sending and arrival."""
    if status == "delivered":
        return {"delivered_at": now}
    if status != "shipped":
        return {}
    carrier, tracking = _CARRIERS.get(shipping["address"]["country"], ("dhl", None))
    number = random_digits(22)
    url = f"{tracking}{number}" if tracking else None
    return {"carrier": carrier, "shipped_at": now, "tracking_number": number, "tracking_url": url}


OPERATIONS = tuple(Operation("POST", f"{_HELPER}/{step}", _helper(step)) for step in _STEPS)
