"""Personalization designs: how physical cards look; create, retrieve, update, list, and the review played by a test.

A new design is in review; the helpers under /v1/test_helpers decide. A logo is named by a file id that is not looked
up: the simulator has no Files API.
"""

from __future__ import annotations

from typing import Any

from roony.simulator.events import emit
from roony.simulator.identifiers import new_id
from roony.simulator.records import Record
from roony.simulator.refusals import invalid, no_such
from roony.simulator.stripe_api.lists import PAGE, page
from roony.simulator.stripe_api.operations import Call, Operation
from roony.simulator.stripe_api.parameters import Boolean, Field, Group, ListOf, Metadata, Text
from roony.simulator.stripe_api.physical_bundles import found_bundle
from roony.simulator.views import View, body_view, frozen, previous_attributes
from roony.simulator.world import metadata_updated

_URL = "/v1/issuing/personalization_designs"
_HELPER = "/v1/test_helpers/issuing/personalization_designs/{personalization_design}"
_LETTER = ("footer_body", "footer_title", "header_body", "header_title")
_LONGEST_KEY = 200
_REASONS = (
    "geographic_location",
    "inappropriate",
    "network_name",
    "non_fiat_currency",
    "other",
    "other_entity",
    "promotional_material",
)


def create(call: Call) -> View:
    """Make a design from an active bundle; it waits for review."""
    identifier = new_id("pd")
    body: dict[str, Any] = {
        "id": identifier,
        "object": "issuing.personalization_design",
        "card_logo": None,
        "carrier_text": None,
        "created": call.world.clock.now(),
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "name": None,
        "physical_bundle": None,
        # Cards of connected accounts without a default of their own get the platform's (published description).
        "preferences": {"is_default": False, "is_platform_default": _platform_default(call, default=False)},
        "rejection_reasons": {"card_logo": [], "carrier_text": []},
        "status": "review",
    }
    _apply(call, body)
    _settle_uniqueness(call, body)
    call.world.personalization_designs.add({"id": identifier, "account": call.account, "body": body})
    return body


def _platform_default(call: Call, *, default: bool) -> bool | None:
    return default if call.account == call.world.platform else None


def _apply(call: Call, body: dict[str, Any]) -> None:
    """Put the parameters into a new or copied object, and refuse what the bundle cannot carry."""
    params = call.params
    for name in ("card_logo", "lookup_key", "name", "physical_bundle"):
        if name in params:
            body[name] = params[name]
    if "carrier_text" in params:
        given = params["carrier_text"]
        body["carrier_text"] = None if given is None else {**dict.fromkeys(_LETTER), **given}
    if "metadata" in params:
        body["metadata"] = metadata_updated(body["metadata"], params["metadata"])
    if "preferences" in params:
        default = params["preferences"]["is_default"]
        body["preferences"] = {"is_default": default, "is_platform_default": _platform_default(call, default=default)}
    if params.get("card_logo") is not None and not params["card_logo"].startswith("file_"):
        raise no_such("file upload", params["card_logo"][:100], "card_logo")
    bundle = found_bundle(body["physical_bundle"])["body"]
    if "physical_bundle" in params and bundle["status"] != "active":
        raise invalid(f"This physical bundle is {bundle['status']}: only an active one can be used.", "physical_bundle")
    for feature in ("card_logo", "carrier_text"):
        if bundle["features"][feature] == "unsupported" and body[feature] is not None:
            raise invalid(f"The physical bundle does not support {feature}.", feature)


def _settle_uniqueness(call: Call, body: dict[str, Any]) -> None:
    """Refuse a lookup key in use, or take it over; let the account have one default only."""
    key = body["lookup_key"] if "lookup_key" in call.params else None
    default = "preferences" in call.params and body["preferences"]["is_default"]
    others = [
        other
        for other in call.world.personalization_designs.where("account", call.account)
        if other["id"] != body["id"]
    ]
    holder = next((other for other in others if key is not None and other["body"]["lookup_key"] == key), None)
    if holder is not None and not call.params.get("transfer_lookup_key"):
        raise invalid(
            f"The lookup key `{key}` belongs to {holder['id']}. To move it here, set transfer_lookup_key.", "lookup_key"
        )
    # Nothing is refused any more.
    for other in others:
        changed = frozen(other["body"])
        if other is holder:
            changed["lookup_key"] = None
        if default:
            changed["preferences"] = {
                "is_default": False,
                "is_platform_default": _platform_default(call, default=False),
            }
        _change(call, other, changed, "updated")


def _change(call: Call, record: Record, changed: dict[str, Any], what: str) -> None:
    body, before = record["body"], frozen(record["body"])
    if changed == before:
        return
    body.update(changed)
    call.world.personalization_designs.touch(record)
    kind = f"issuing_personalization_design.{what}"
    emit(call.world, call.account, kind, body, previous_attributes(before, body))


def retrieve(call: Call) -> View:
    """Return one design."""
    return body_view(call.world, _found(call))


def update(call: Call) -> View:
    """Change a design; another logo, letter or bundle goes back to review."""
    record = _found(call)
    before, changed = record["body"], frozen(record["body"])
    _apply(call, changed)
    _settle_uniqueness(call, changed)
    if any(changed[name] != before[name] for name in ("card_logo", "carrier_text", "physical_bundle")):
        changed["status"] = "review"
        changed["rejection_reasons"] = {"card_logo": [], "carrier_text": []}
    _change(call, record, changed, "updated")
    return body_view(call.world, record)


def activate(call: Call) -> View:
    """Let Stripe accept a design."""
    return _reviewed(call, "active", "activated", {})


def deactivate(call: Call) -> View:
    """Let Stripe take a design out of use."""
    return _reviewed(call, "inactive", "deactivated", {})


def reject(call: Call) -> View:
    """Let Stripe refuse a design for reasons about its logo, its letter, or both."""
    given = call.params["rejection_reasons"]
    reasons = {name: given.get(name) or [] for name in ("card_logo", "carrier_text")}
    if not any(reasons.values()):
        raise invalid("Give at least one rejection reason.", "rejection_reasons")
    return _reviewed(call, "rejected", "rejected", reasons)


def _reviewed(call: Call, status: str, what: str, reasons: dict[str, list[str]]) -> View:
    record = _found(call)
    if record["body"]["status"] == status:
        raise invalid(f"This personalization design is {status} already.")
    changed = frozen(record["body"])
    changed["status"] = status
    changed["rejection_reasons"] = reasons or {"card_logo": [], "carrier_text": []}
    _change(call, record, changed, what)
    return body_view(call.world, record)


def listing(call: Call) -> View:
    """Return designs, newest first, by lookup keys, preferences and status."""
    keys, status = call.params.get("lookup_keys"), call.params.get("status")
    preferences = call.params.get("preferences") or {}

    def keep(record: Record) -> bool:
        body = record["body"]
        return (
            (keys is None or body["lookup_key"] in keys)
            and (status is None or body["status"] == status)
            and all(bool(body["preferences"][name]) == wanted for name, wanted in preferences.items())
        )

    return page(call, call.world.personalization_designs, _URL, lambda record: body_view(call.world, record), keep)


def design_for_card(call: Call, identifier: str | None) -> str | None:
    """Return the id of the design a physical card gets: the named one, else the default, else none.

    Raises Refusal when the named one does not exist or is not active.
    """
    designs = call.world.personalization_designs
    if identifier is None:
        for account in (call.account, call.world.platform):
            for record in designs.where("account", account):
                if record["body"]["preferences"]["is_default"] and record["body"]["status"] == "active":
                    return str(record["id"])
        return None
    param = "personalization_design"
    record = call.world.find(designs, call.account, identifier, "personalization design", param)
    status = record["body"]["status"]
    if status != "active":
        raise invalid(f"The personalization design is {status}: only an active one can be printed.", param)
    return identifier


def _found(call: Call) -> Record:
    name = "personalization_design"
    return call.world.find(
        call.world.personalization_designs, call.account, call.path[name], "personalization design", name
    )


_CARRIER_TEXT: dict[str, Field] = {name: Text(clearable=True) for name in _LETTER}
_PREFERENCES = Group(fields={"is_default": Boolean(required=True)})
_CREATE: dict[str, Field] = {
    "card_logo": Text(),
    "carrier_text": Group(fields=_CARRIER_TEXT),
    "lookup_key": Text(longest=_LONGEST_KEY),
    "metadata": Metadata(),
    "name": Text(),
    "physical_bundle": Text(required=True),
    "preferences": _PREFERENCES,
    "transfer_lookup_key": Boolean(),
}
_UPDATE: dict[str, Field] = {
    **_CREATE,
    "card_logo": Text(clearable=True),
    "carrier_text": Group(clearable=True, fields=_CARRIER_TEXT),
    "lookup_key": Text(clearable=True, longest=_LONGEST_KEY),
    "name": Text(clearable=True),
    "physical_bundle": Text(),
}
_LIST: dict[str, Field] = {
    **PAGE,
    "lookup_keys": ListOf(item=Text()),
    "preferences": Group(fields={"is_default": Boolean(), "is_platform_default": Boolean()}),
    "status": Text(choices=("active", "inactive", "rejected", "review")),
}
_REJECT: dict[str, Field] = {
    "rejection_reasons": Group(
        required=True,
        fields={
            "card_logo": ListOf(item=Text(choices=(*_REASONS, "non_binary_image"))),
            "carrier_text": ListOf(item=Text(choices=_REASONS)),
        },
    )
}

OPERATIONS = (
    Operation("POST", _URL, create, _CREATE),
    Operation("GET", _URL, listing, _LIST),
    Operation("GET", _URL + "/{personalization_design}", retrieve),
    Operation("POST", _URL + "/{personalization_design}", update, _UPDATE),
    Operation("POST", _HELPER + "/activate", activate),
    Operation("POST", _HELPER + "/deactivate", deactivate),
    Operation("POST", _HELPER + "/reject", reject, _REJECT),
)
