"""Physical bundles: the card stocks, letters and envelopes that Stripe offers; list and retrieve only."""

from __future__ import annotations

from roony.simulator.records import Collection, Record
from roony.simulator.refusals import no_such
from roony.simulator.stripe_api.lists import PAGE, matcher, page
from roony.simulator.stripe_api.operations import Call, Operation
from roony.simulator.stripe_api.parameters import Field, Text
from roony.simulator.views import View, body_view

_URL = "/v1/issuing/physical_bundles"
# What every account may choose from: name, status, type, and whether logo, letter and second line are possible.
_OFFERED = (
    ("ics_SimulatorCustomStock", "Custom stock", "review", "custom", ("required", "required", "optional")),
    ("ics_SimulatorRetiredBlue", "Standard blue, no longer made", "inactive", "standard", ("optional",) * 3),
    ("ics_SimulatorPlainBlack", "Plain black", "active", "standard", ("unsupported", "optional", "unsupported")),
    ("ics_SimulatorStandardWhite", "Standard white", "active", "standard", ("optional",) * 3),
    ("ics_SimulatorStandardBlack", "Standard black", "active", "standard", ("optional",) * 3),
)


def _offered() -> Collection:
    """Return the bundles: they belong to no account and never change."""
    bundles = Collection("physical_bundles", ("every",), lambda _name, _identifier: None)
    for identifier, name, status, kind, (logo, letter, line) in _OFFERED:
        body = {
            "id": identifier,
            "object": "issuing.physical_bundle",
            "features": {"card_logo": logo, "carrier_text": letter, "second_line": line},
            "livemode": False,
            "name": name,
            "status": status,
            "type": kind,
        }
        bundles.add({"id": identifier, "body": body})
    return bundles


BUNDLES = _offered()


def found_bundle(identifier: str) -> Record:
    """Return a bundle, or refuse with 404."""
    record = BUNDLES.get(identifier)
    if record is None:
        raise no_such("physical bundle", identifier, "physical_bundle")
    return record


def retrieve(call: Call) -> View:
    """Return one bundle."""
    return body_view(call.world, found_bundle(call.path["physical_bundle"]))


def listing(call: Call) -> View:
    """Return the bundles, newest first."""
    return page(
        call,
        BUNDLES,
        _URL,
        lambda record: body_view(call.world, record),
        matcher(call.params, "status", "type"),
        ("every", None),
    )


_LIST: dict[str, Field] = {
    **PAGE,
    "status": Text(choices=("active", "inactive", "review")),
    "type": Text(choices=("custom", "standard")),
}

OPERATIONS = (
    Operation("GET", _URL, listing, _LIST),
    Operation("GET", _URL + "/{physical_bundle}", retrieve),
)
