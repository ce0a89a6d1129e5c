"""Issuing tokens as the API shows them: list by card, retrieve, and the status that may be changed (facts 1.3)."""

from __future__ import annotations

from roony.simulator import tokens
from roony.simulator.records import Record
from roony.simulator.stripe_api.lists import CREATED, PAGE, matcher, page
from roony.simulator.stripe_api.operations import Call, Operation
from roony.simulator.stripe_api.parameters import Field, Text
from roony.simulator.views import View, body_view

_URL = "/v1/issuing/tokens"
_STATUSES = ("active", "deleted", "requested", "suspended")


def listing(call: Call) -> View:
    """Return the tokens of one card, newest first."""
    world = call.world
    card = world.find(world.cards, call.account, call.params["card"], "issuing card", "card")
    return page(
        call,
        world.tokens,
        _URL,
        lambda record: body_view(world, record),
        matcher(call.params, "status"),
        ("card", card["id"]),
    )


def retrieve(call: Call) -> View:
    """Return one token."""
    return body_view(call.world, _found(call))


def update(call: Call) -> View:
    """Set the status: active and suspended as often as wanted, deleted once."""
    token = _found(call)
    tokens.change_status(call.world, token, call.params["status"])
    return body_view(call.world, token)


def _found(call: Call) -> Record:
    return call.world.find(call.world.tokens, call.account, call.path["token"], "issuing token", "token")


_LIST: dict[str, Field] = {
    **PAGE,
    **CREATED,
    "card": Text(required=True),
    "status": Text(choices=_STATUSES),
}

OPERATIONS = (
    Operation("GET", _URL, listing, _LIST),
    Operation("GET", _URL + "/{token}", retrieve),
    Operation(
        "POST",
        _URL + "/{token}",
        update,
        {"status": Text(required=True, choices=("active", "deleted", "suspended"))},
    ),
)
