"""Accounts, balances and top-ups (facts 3.3, 6.1)."""

from __future__ import annotations

import re
from typing import Any

from roony.simulator import ledger
from roony.simulator.events import emit
from roony.simulator.exchange import check_currency
from roony.simulator.identifiers import new_id
from roony.simulator.records import Record
from roony.simulator.refusals import Refusal, account_refused, invalid
from roony.simulator.stripe_api.lists import CREATED, PAGE, matcher, page
from roony.simulator.stripe_api.operations import Call, Operation
from roony.simulator.stripe_api.parameters import Anything, Field, Integer, Metadata, Text
from roony.simulator.views import View, balance_view, body_view, frozen, previous_attributes
from roony.simulator.world import metadata_merged

_URL = "/v1/accounts"
_TOPUPS = "/v1/topups"
_COUNTRY = re.compile(r"[A-Z]{2}")


def own(call: Call) -> View:
    """Return the account acted for."""
    return body_view(call.world, call.world.accounts[call.account])


def retrieve(call: Call) -> View:
    """Return the own account or a connected one; others are refused as Stripe does, with 403."""
    return body_view(call.world, _reachable(call))


def _reachable(call: Call) -> Record:
    identifier = call.path["account"]
    record = call.world.accounts.get(identifier)
    if record is None or not call.world.may_act_for(call.key, identifier):
        raise account_refused(call.key["id"], identifier)
    return record


def create(call: Call) -> View:
    """Make a connected account of the Custom kind, the one that Issuing works with; it is funded for tests."""
    world, params = call.world, call.params
    if call.account != world.platform:
        raise Refusal(400, "Only the platform can create connected accounts.")
    country = params.get("country", "US")
    if not _COUNTRY.fullmatch(country):
        raise invalid(f"Country '{country}' is unknown. Use a two-letter code.", "country")
    profile = _hash(params.get("business_profile"))
    name = str(profile.get("name") or "Connected business")
    record = world.add_account(name, country, "custom", connected=True)
    body, asked = record["body"], _hash(params.get("capabilities"))
    active = [name for name, wish in asked.items() if isinstance(wish, dict) and wish.get("requested") == "true"]
    body["capabilities"] = dict.fromkeys(active, "active")
    _apply(body, params)
    emit(world, record["id"], "account.application.authorized", _application())
    return body_view(world, record)


def update(call: Call) -> View:
    """Change metadata, email or the public profile of an account."""
    record = _reachable(call)
    body, before = record["body"], frozen(record["body"])
    _apply(body, call.params)
    call.world.accounts.touch(record)
    if body != before:
        emit(call.world, record["id"], "account.updated", body, previous_attributes(before, body))
    return body_view(call.world, record)


def _apply(body: dict[str, Any], params: Any) -> None:
    if "email" in params:
        body["email"] = params["email"]
    if "metadata" in params:
        body["metadata"] = metadata_merged(body["metadata"], params["metadata"])
    for key in ("name", "product_description", "support_email", "support_phone", "support_url", "url", "mcc"):
        value = _hash(params.get("business_profile")).get(key)
        if isinstance(value, str):
            body["business_profile"][key] = value


def _hash(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def listing(call: Call) -> View:
    """Return the accounts connected to the platform, newest first."""
    world, keep = call.world, matcher(call.params)
    return page(
        call,
        world.accounts,
        _URL,
        lambda record: body_view(world, record),
        lambda record: bool(record["connected"]) and keep(record),
        ("every", None),
    )


def balance(call: Call) -> View:
    """Return the balance of the account acted for."""
    return balance_view(call.world.accounts[call.account])


def topup_create(call: Call) -> View:
    """Add money to the Issuing balance; in the simulation it arrives at once."""
    params, world = call.params, call.world
    currency, identifier = check_currency(params["currency"], "currency"), new_id("tu")
    body: dict[str, Any] = {
        "id": identifier,
        "object": "topup",
        "amount": params["amount"],
        "balance_transaction": None,
        "created": world.clock.now(),
        "currency": currency,
        "description": params.get("description"),
        "expected_availability_date": world.clock.now(),
        "failure_code": None,
        "failure_message": None,
        "initiated_by": "user",
        "livemode": False,
        "metadata": metadata_merged({}, params.get("metadata") or {}),
        "source": None,
        "statement_descriptor": params.get("statement_descriptor"),
        "status": "pending",
        "transfer_group": params.get("transfer_group"),
    }
    world.topups.add({"id": identifier, "account": call.account, "body": body})
    emit(world, call.account, "topup.created", body)
    moved = ledger.move(world, call.account, currency, params["amount"], "topup", identifier)
    body.update(status="succeeded", balance_transaction=moved["id"])
    emit(world, call.account, "topup.succeeded", body)
    return body


def topup_retrieve(call: Call) -> View:
    """Return one top-up."""
    return body_view(call.world, _topup(call))


def topup_update(call: Call) -> View:
    """Change description or metadata."""
    record = _topup(call)
    if "description" in call.params:
        record["body"]["description"] = call.params["description"]
    if "metadata" in call.params:
        record["body"]["metadata"] = metadata_merged(record["body"]["metadata"], call.params["metadata"])
    call.world.topups.touch(record)
    return body_view(call.world, record)


def topup_cancel(call: Call) -> View:
    """Refuse: a top-up that has arrived cannot be canceled."""
    status = _topup(call)["body"]["status"]
    raise invalid(f"A top-up that is {status} cannot be canceled.")


def topup_listing(call: Call) -> View:
    """Return top-ups, newest first."""
    return page(
        call,
        call.world.topups,
        _TOPUPS,
        lambda record: body_view(call.world, record),
        matcher(call.params, "status"),
    )


def _topup(call: Call) -> Record:
    return call.world.find(call.world.topups, call.account, call.path["topup"], "topup", "topup")


def _application() -> View:
    return {"id": "ca_simulator", "object": "application", "name": "Simulated platform"}


_FREE = (
    "account_token",
    "business_profile",
    "capabilities",
    "company",
    "controller",
    "documents",
    "external_account",
    "groups",
    "individual",
    "settings",
    "tos_acceptance",
)
_UPDATE: dict[str, Field] = {
    **{name: Anything() for name in _FREE},
    "business_type": Text(choices=("company", "government_entity", "individual", "non_profit")),
    "default_currency": Text(longest=3),
    "email": Text(longest=800),
    "metadata": Metadata(),
}
_CREATE: dict[str, Field] = {
    **_UPDATE,
    "country": Text(longest=2),
    "type": Text(choices=("custom", "express", "standard")),
}
_TOPUP: dict[str, Field] = {
    "amount": Integer(required=True, least=1, most=99_999_999),
    "currency": Text(required=True, longest=3),
    "description": Text(),
    "metadata": Metadata(),
    "payment_method": Text(),
    "payment_method_options": Anything(),
    "source": Text(),
    "statement_descriptor": Text(longest=15),
    "transfer_group": Text(),
}
_TOPUP_LIST: dict[str, Field] = {
    **PAGE,
    **CREATED,
    "status": Text(choices=("canceled", "failed", "pending", "succeeded")),
}

OPERATIONS = (
    Operation("GET", "/v1/account", own),
    Operation("GET", _URL, listing, {**PAGE, **CREATED}),
    Operation("POST", _URL, create, _CREATE),
    Operation("GET", _URL + "/{account}", retrieve),
    Operation("POST", _URL + "/{account}", update, _UPDATE),
    Operation("GET", "/v1/balance", balance),
    Operation("GET", _TOPUPS, topup_listing, _TOPUP_LIST),
    Operation("POST", _TOPUPS, topup_create, _TOPUP),
    Operation("GET", _TOPUPS + "/{topup}", topup_retrieve),
    Operation("POST", _TOPUPS + "/{topup}", topup_update, {"description": Text(), "metadata": Metadata()}),
    Operation("POST", _TOPUPS + "/{topup}/cancel", topup_cancel),
)
