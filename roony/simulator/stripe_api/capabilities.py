"""Capabilities of an account: list, retrieve, ask for one or give it back (facts 6.1)."""

from __future__ import annotations

from roony.simulator import standing
from roony.simulator.refusals import no_such
from roony.simulator.stripe_api.account_parameters import CAPABILITIES
from roony.simulator.stripe_api.operations import Call, Operation
from roony.simulator.stripe_api.parameters import Boolean
from roony.simulator.stripe_api.reaching import changeable_account, reachable_account
from roony.simulator.views import View

_URL = "/v1/accounts/{account}/capabilities"


def listing(call: Call) -> View:
    """Return all capabilities that were ever asked for, the latest first."""
    record = reachable_account(call)
    found = [standing.capability_view(record, name) for name in reversed(record["asked"])]
    return {"object": "list", "data": found, "has_more": False, "url": _URL.format(account=record["id"])}


def retrieve(call: Call) -> View:
    """Return one capability, asked for or not."""
    record = reachable_account(call)
    return standing.capability_view(record, _name(call))


def update(call: Call) -> View:
    """Ask for a capability, which is granted at once, or give it back."""
    record, name = changeable_account(call), _name(call)
    if "requested" in call.params:
        with standing.telling(call.world, record):
            standing.ask(call.world, record, {name: call.params["requested"]})
    return standing.capability_view(record, name)


def _name(call: Call) -> str:
    name = call.path["capability"]
    if name not in CAPABILITIES:
        raise no_such("capability", name, "capability")
    return name


OPERATIONS = (
    Operation("GET", _URL, listing),
    Operation("GET", _URL + "/{capability}", retrieve),
    Operation("POST", _URL + "/{capability}", update, {"requested": Boolean()}),
)
